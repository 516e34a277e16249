// "Not live. Trying again…" when news have not arrived for three seconds; gone as soon as they do.

import { hear } from "./bus.js";
import { all } from "./dom.js";

const PATIENCE = 3000;
let timer = 0;

export function start() {
  hear("link", ({ live, since }) => (live ? restored() : lost(since)));
}

function lost(since) {
  timer ||= setTimeout(() => show(true), since + PATIENCE - performance.now());
}

function restored() {
  clearTimeout(timer);
  timer = 0;
  show(false);
}

function show(lostNow) {
  all("[data-connection]").forEach((notice) => (notice.hidden = !lostNow));
}
