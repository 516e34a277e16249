// Texts of the server that hold a number: their plural forms come as JSON, e.g. {"one": "{n} row", "other": "{n} rows"}.

import { root } from "./dom.js";

const language = () => root.lang || document.documentElement.lang || "en";
const rules = new Map();
const writers = new Map();

const of = (kept, make) => {
  if (!kept.has(language())) kept.set(language(), make(language()));
  return kept.get(language());
};

/** A number as the page writes them: 1,204 or 1 204. */
export const written = (number) => of(writers, (name) => new Intl.NumberFormat(name)).format(number);

/**
 * @param {string} forms JSON of plural forms, or one text; `{n}` stands for the number
 * @param {number} number
 * @returns {string}
 */
export function counted(forms, number) {
  return pick(forms, number).replace("{n}", written(number));
}

function pick(forms, number) {
  if (!forms.startsWith('{"')) return forms;
  const found = JSON.parse(forms);
  return found[of(rules, (name) => new Intl.PluralRules(name)).select(number)] ?? found.other ?? Object.values(found).at(-1);
}
