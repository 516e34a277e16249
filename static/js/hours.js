// The strip of hours: fetched anew when a task has ended, which the counts tell.

import { hear } from "./bus.js";
import { all, parse, replace } from "./dom.js";
import { getHtml, partial } from "./http.js";

let newest = null;
let shown = null;
let asking = false;

export function start() {
  hear("stats", ({ total, pending, running }) => {
    newest = total - pending - running;
    shown ??= newest;
    look();
  });
}

/** One question at a time; one that failed is asked again with the next news. */
async function look() {
  if (asking || shown === newest) return;
  asking = true;
  const asked = newest;
  try {
    for (const strip of all("[data-when-tasks-end]")) {
      const fresh = parse(await getHtml(partial(strip.dataset.partial))).firstElementChild;
      if (fresh && strip.isConnected) replace(strip, fresh);
    }
    shown = asked;
  } catch {
    return;
  } finally {
    asking = false;
  }
  look();
}
