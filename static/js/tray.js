// The tray of my running tasks: counts those that still run, and goes when none does.

import { hear } from "./bus.js";
import { all } from "./dom.js";

const ENDED = 30;
const over = new Set();

export function start() {
  hear("task", ({ id, status }) => {
    if (status < ENDED) over.delete(String(id));
    else over.add(String(id));
    all("[data-tray]").forEach(count);
  });
}

function count(tray) {
  const left = all("[data-task]", tray).filter((item) => !over.has(item.dataset.task)).length;
  const place = tray.querySelector("[data-tray-count]");
  if (place.textContent !== String(left)) place.textContent = left;
  // Never under someone's pointer: what is open stays until it is closed.
  tray.hidden = !left && !tray.open;
}
