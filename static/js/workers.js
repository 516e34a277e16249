// A worker's page: the bars of an action's runs are one stop of the Tab key, and a setting that is reset forgets what was typed.

import { hear } from "./bus.js";
import { all, on } from "./dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

export function start() {
  oneStop(document);
  hear("changed", ({ root: within }) => oneStop(within));
  document.addEventListener("keydown", walk);
  on("click", "[data-reset]", (event, button) => forget(button.closest("[data-setting]")));
}

/** Only the newest run is reached by Tab; the arrows lead to the others. */
function oneStop(within) {
  for (const chart of all("[data-runs]", within)) {
    all("a", chart).forEach((bar, place, bars) => bar.setAttribute("tabindex", place === bars.length - 1 ? 0 : -1));
  }
}

function walk(event) {
  const bar = event.target instanceof Element && event.target.closest("[data-runs] a");
  if (!bar || !(event.key in STEPS) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const bars = all("a", bar.closest("[data-runs]"));
  const place = Math.min(bars.length - 1, Math.max(0, bars.indexOf(bar) + STEPS[event.key]));
  bars.forEach((each, at) => each.setAttribute("tabindex", at === place ? 0 : -1));
  bars[place].focus();
}

/** What was typed must not come back when the page draws its settings anew. */
function forget(setting) {
  for (const field of all("input, textarea, select", setting)) {
    if (field.type === "checkbox" || field.type === "radio") field.checked = field.defaultChecked;
    else if (field.localName === "select") [...field.options].forEach((option) => (option.selected = option.defaultSelected));
    else field.value = field.defaultValue;
  }
}
