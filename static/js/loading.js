// A thin line on top while an answer is on its way, for those that take longer than a blink. What is shown stays shown.

import { hear } from "./bus.js";
import { root } from "./dom.js";

const BLINK = 300;
let timer = 0;

export function start() {
  hear("waiting", ({ count }) => {
    if (count) timer ||= setTimeout(() => root.toggleAttribute("data-loading", true), BLINK);
    else {
      clearTimeout(timer);
      timer = 0;
      root.removeAttribute("data-loading");
    }
  });
}
