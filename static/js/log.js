// Binds the logs of a page to their journals, and their controls to them: search, levels, wrap, copy, follow.

import { hear } from "./bus.js";
import { all, on } from "./dom.js";
import { LogPanel } from "./logpanel.js";
import { tell } from "./bus.js";

const logs = new Map();

export function start() {
  bind(document);
  hear("changed", ({ root: within }) => bind(within));
  hear("journal", (piece) => logs.get(String(piece.task))?.take(piece));
  on("click", "[data-log-pill]", (event, pill) => logOf(pill)?.toEnd());
  on("click", "[data-log-follow]", (event, button) => logOf(button)?.toEnd());
  on("input", "[data-log-search]", (event, field) => sift(field));
  on("change", "[data-log-level]", (event, field) => sift(field));
  on("click", "[data-log-wrap]", (event, button) => wrap(button));
  on("click", "[data-log-copy]", (event, button) => copy(button));
}

const panelOf = (control) => control.closest("[data-log-panel]");

const logOf = (control) => logs.get(panelOf(control)?.querySelector("[data-log]")?.dataset.log);

function bind(within) {
  for (const [id, log] of logs) if (!log.list.isConnected) logs.delete(id);
  for (const list of all("[data-log]", within)) {
    if (logs.get(list.dataset.log)?.list !== list) logs.set(list.dataset.log, new LogPanel(list));
  }
}

/** Show only lines of the chosen level that hold the words. */
function sift(control) {
  const panel = panelOf(control);
  const words = (panel.querySelector("[data-log-search]")?.value ?? "").trim().toLowerCase();
  const level = panel.querySelector("[data-log-level]:is(select, :checked)")?.value ?? "";
  panel.toggleAttribute("data-sifted", Boolean(level || words)); // what is folded is shown then
  logOf(control)?.filter(
    (line) => (!level || line.dataset.level === level) && (!words || line.textContent.toLowerCase().includes(words)),
  );
}

function wrap(button) {
  const wrapped = panelOf(button).toggleAttribute("data-wrapped");
  button.setAttribute("aria-pressed", String(wrapped));
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(logOf(button).view.text());
    tell("toast", { text: button.dataset.done, tone: "done" });
  } catch {
    tell("toast", { text: button.dataset.failed, tone: "failed" });
  }
}
