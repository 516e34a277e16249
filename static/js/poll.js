// Polling: one request for everything on the page, often while something runs, seldom otherwise.

import { hear, tell } from "./bus.js";
import { root } from "./dom.js";
import { SignedOut, ask } from "./http.js";

const RUNNING = 700;
const RESTING = 3000;
const HIDDEN = 15_000;
const SLOW = 1500;
const PATIENCE = 10_000;
const ENDED = 30;

let wants = null;
let timer = 0;
let busy = false;
let again = false;
let tag = "";
let running = true;
let slow = 0;

/** @param {number} since when news were last known to arrive */
export function start(what, since = performance.now()) {
  if (wants) return;
  wants = what;
  look(since);
}

/** Somebody else brings the news now. */
export function stop() {
  if (!wants) return;
  wants = null;
  clearTimeout(timer);
  clearTimeout(slow);
  tell("link", { live: true });
}

hear("poke", () => wants && look());
document.addEventListener("visibilitychange", () => {
  if (wants && !document.hidden) look();
});

/** @returns {string} the address that asks for all that the page shows, or "" when it shows nothing live */
export function address({ tasks, lists, stats }, base = root.dataset.live) {
  const query = new URLSearchParams();
  if (tasks.size) {
    query.set("tasks", [...tasks].map(([id, position]) => (position === null ? id : `${id}:${position}`)).join(","));
  }
  for (const filter of lists) query.append("list", filter);
  if (stats) query.set("stats", "1");
  return query.size ? `${base}?${query}` : "";
}

async function look(since = performance.now()) {
  clearTimeout(timer);
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  again = false;
  // A server that takes the question and says nothing is as lost as one that is not there.
  slow = setTimeout(() => tell("link", { live: false, since }), SLOW);
  try {
    await askOnce();
    if (wants) tell("link", { live: true });
  } catch (error) {
    if (error instanceof SignedOut) tell("signed-out");
    else if (wants) tell("link", { live: false, since });
  } finally {
    clearTimeout(slow);
    busy = false;
    if (wants) timer = setTimeout(() => look(), again ? 0 : pause());
  }
}

const pause = () => (document.hidden ? HIDDEN : running ? RUNNING : RESTING);

async function askOnce() {
  const url = address(wants());
  if (!url) {
    running = false;
    return;
  }
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await ask(url, { quiet: true, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 304) return;
  const news = await answer.json();
  tag = answer.headers.get("ETag") ?? "";
  spread(news);
}

function spread({ tasks = [], lists = [], stats = null }) {
  running = (stats?.running ?? 0) > 0;
  for (const { id, gone, task, journal } of tasks) {
    if (gone) {
      tell("gone", { task: id });
      continue;
    }
    if (task.status < ENDED) running = true;
    if (journal) {
      tell("journal", { task: id, ...journal });
      again ||= journal.more;
    }
    tell("task", task);
  }
  lists.forEach((list) => tell("list", list));
  if (stats) tell("stats", stats);
}
