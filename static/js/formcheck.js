// What a browser finds wrong with a form, said in our own sentences (data-says), all at once and where the server would.

import { hear } from "./bus.js";
import { all } from "./dom.js";
import { counted } from "./words.js";

export function start() {
  quiet(document);
  hear("changed", ({ root: within }) => quiet(within));
}

/** Its own bubbles say one thing at a time, in a language of their own. Without JavaScript they are all there is. */
function quiet(within) {
  for (const form of all("form[data-launch]", within)) form.noValidate = true;
}

/** @returns {{error: string, errors: Object<string, string>}|null} as the server answers; null when nothing is wrong */
export function check(form) {
  const errors = {};
  for (const field of form.elements) {
    if (!field.willValidate || field.validity.valid) continue;
    const wrapper = field.closest("[data-field-name]");
    const name = wrapper?.dataset.fieldName;
    if (name && !(name in errors)) errors[name] = sentence(field, JSON.parse(wrapper.dataset.says ?? "{}"));
  }
  const count = Object.keys(errors).length;
  if (!count) return null;
  return { error: counted(form.dataset.needs, count), errors };
}

function sentence({ validity, validationMessage }, says) {
  const flags = ["badInput", "valueMissing", ...Object.keys(says)];
  return says[flags.find((flag) => validity[flag] && says[flag])] ?? validationMessage;
}
