// Buttons that copy what stands elsewhere on the page: the report for a developer, the first worker.

import { tell } from "./bus.js";
import { on } from "./dom.js";

export function start() {
  on("click", "[data-copy]", (event, button) => copy(button));
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
    tell("toast", { text: button.dataset.done });
  } catch {
    tell("toast", { text: button.dataset.failed, tone: "failed" });
  }
}
