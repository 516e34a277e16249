// How many lines of each level a log holds, in its choice of levels; with a "+" while older lines are not on the page.

import { hear } from "./bus.js";
import { all } from "./dom.js";
import { written } from "./words.js";

const watched = new WeakSet();

export function start() {
  bind(document);
  hear("changed", ({ root: within }) => bind(within));
}

function bind(within) {
  for (const list of all("[data-log]", within)) {
    const choice = list.closest("[data-log-panel]")?.querySelector("select[data-log-level]");
    if (!choice || watched.has(list)) continue;
    watched.add(list);
    let due = false;
    const later = () => {
      if (due) return;
      due = true;
      setTimeout(() => {
        due = false;
        count(list, choice);
      }, 100);
    };
    new MutationObserver(later).observe(list, { childList: true, attributes: true, attributeFilter: ["data-whole"] });
    count(list, choice);
  }
}

function count(list, choice) {
  const more = list.hasAttribute("data-whole") ? "" : "+";
  for (const option of choice.options) {
    option.dataset.word ??= option.textContent;
    const found = option.value ? all(`[data-level="${CSS.escape(option.value)}"]`, list).length : list.childElementCount;
    const text = found ? `${option.dataset.word} · ${written(found)}${more}` : option.dataset.word;
    if (option.textContent !== text) option.textContent = text;
  }
}
