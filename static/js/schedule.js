// Schedules: what a rule means while it is filled in, and rows that follow what was done to them.

import { hear } from "./bus.js";
import { all, on, parse } from "./dom.js";
import { ask, partial } from "./http.js";
import { refresh } from "./tasks.js";

const PAUSE = 250;
const timers = new WeakMap();

export function start() {
  on("input", "form[data-preview-url]", (event, form) => later(form));
  on("change", "form[data-preview-url]", (event, form) => later(form));
  hear("done", ({ schedule, removed }) => {
    if (removed) all(`[data-schedule="${removed}"]`).forEach(leave);
    if (schedule) all(`[data-schedule="${schedule}"]`).forEach((row) => refresh(row).catch(() => {}));
  });
}

/** What somebody types is looked at when they pause. */
function later(form) {
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => show(form), PAUSE));
}

/** Only the fields of the rule go into the address: never an option of the action. */
async function show(form) {
  const names = new Set([...form.querySelector("[data-rule]").elements].map((field) => field.name));
  const fields = [...new FormData(form)].filter(([name]) => names.has(name));
  const address = partial(`${form.dataset.previewUrl}?${new URLSearchParams(fields)}`);
  if (form.dataset.previewed === address) return;
  form.dataset.previewed = address;
  try {
    const html = await (await ask(address, { html: true, quiet: true })).text();
    const box = form.querySelector("[data-preview-box]");
    if (box && form.dataset.previewed === address) box.replaceWith(parse(html).firstElementChild);
  } catch {
    delete form.dataset.previewed; // the old one stays; saving says what is wrong
  }
}

/** A row that is gone: the focus goes to its neighbour, and the last one takes the list with it. */
function leave(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  if (!next) return void location.reload();
  row.remove();
  next.querySelector("a, button, summary")?.focus();
}
