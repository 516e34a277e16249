// Tasks on the page: numbers are patched in place, a change of state draws the part anew from the server.

import { hear, tell } from "./bus.js";
import { all, parse, replace, root } from "./dom.js";
import { SignedOut, getHtml, partial } from "./http.js";

const RUNNING = 20;
const ETA_EVERY = 1000;
const PARTIAL_EVERY = 400;
const newest = new Map();
const drawing = new WeakSet();
const etaShown = new WeakMap();

/** Whether a task on the page works right now: then its clock alone brings news every second. */
export const anyRuns = () => all("[data-task]").some((part) => newest.get(part.dataset.task)?.status === RUNNING);

const parts = (id, within = document) => all(`[data-task="${id}"]`, within);

export function start() {
  hear("task", (task) => {
    newest.set(String(task.id), task);
    parts(task.id).forEach((part) => bring(part, task));
    nameTab(task);
  });
  hear("gone", ({ task }) => parts(task).forEach((part) => part.toggleAttribute("data-gone", true)));
  hear("worker", ({ identifier }) => {
    const name = CSS.escape(identifier);
    all(`[data-widget="${name}"], [data-worker="${name}"]`).forEach((part) => refresh(part).catch(() => {}));
  });
  hear("changed", ({ root: within }) => {
    const fresh = all("[data-task]", within);
    if (within.dataset?.task) fresh.push(within);
    // A part drawn a moment ago may already be behind what the socket told.
    fresh.filter((part) => isCurrent(part)).forEach((part) => patch(part, newest.get(part.dataset.task)));
  });
}

function isCurrent(part) {
  const task = newest.get(part.dataset.task);
  return task && part.dataset.version === String(task.version);
}

const behind = (id) => parts(id).filter((part) => part.dataset.partial && !isCurrent(part));

function bring(part, task) {
  if (part.dataset.version !== String(task.version) && part.dataset.partial) redraw(part, task);
  else patch(part, task);
}

/** Put the ready-made texts and values in their places. Words and numbers are the server's. */
function patch(part, task) {
  for (const place of all("[data-field]", part)) {
    const text = task.fields[place.dataset.field];
    if (text !== undefined) setText(place, String(text ?? ""));
  }
  for (const bar of all("[data-field-value]", part)) {
    const value = task[bar.dataset.fieldValue];
    if (value === null || value === undefined) bar.removeAttribute("value");
    else if (bar.value !== value) bar.value = value;
  }
}

function setText(place, text) {
  if (place.textContent !== text && mayChange(place)) place.textContent = text;
  const holder = place.closest("[data-field-hidden-if-empty]");
  if (holder) holder.hidden = !place.textContent;
}

/** An estimate that flickers is worse than none. */
function mayChange(place) {
  if (place.dataset.field !== "eta") return true;
  const now = performance.now();
  if (now - (etaShown.get(place) ?? -ETA_EVERY) < ETA_EVERY) return false;
  etaShown.set(place, now);
  return true;
}

/** Draw a `[data-partial]` part anew, whatever it shows now. A question that is being asked in it is waited for. */
export async function refresh(part) {
  const question = part.querySelector("dialog[open]");
  if (question) await new Promise((resolve) => question.addEventListener("close", resolve, { once: true }));
  const fresh = parse(await getHtml(partial(part.dataset.partial))).firstElementChild;
  if (!fresh || !part.isConnected) return null;
  fresh.classList.add("is-changed");
  replace(part, fresh);
  return fresh;
}

async function redraw(part, task) {
  if (drawing.has(part)) return;
  drawing.add(part);
  try {
    await refresh(part);
    // The state may have moved on while the part was on its way, or an older answer came first and took its place. The
    // next news would tell, but there may be none.
    if (behind(task.id).length) setTimeout(() => behind(task.id).forEach((each) => bring(each, newest.get(String(task.id)))), PARTIAL_EVERY);
  } catch (error) {
    if (error instanceof SignedOut) tell("signed-out");
    else setTimeout(() => part.isConnected && bring(part, newest.get(String(task.id))), 5 * PARTIAL_EVERY);
  } finally {
    drawing.delete(part);
  }
}

/** "37 % Import" in the tab, on the page of that task. */
function nameTab(task) {
  if (root.dataset.tabTask === String(task.id) && task.fields.tab) document.title = task.fields.tab;
}
