// All that a launch form needs, on its page or in a dialog.

import * as depends from "./depends.js";
import * as formcheck from "./formcheck.js";
import * as launch from "./launch.js";
import * as showif from "./showif.js";
import * as upload from "./upload.js";

const FIRST = ".form-page > form[data-launch] [data-field-name] :is(input:not([type=hidden]), select, textarea)";

export function start() {
  for (const behaviour of [launch, formcheck, showif, depends, upload]) behaviour.start();
  begin();
}

/** On a page of its own the first field waits for what is typed: nothing moves for it, no keyboard comes up, and where
 * somebody is already, there he stays. A dialog does so by itself when it is opened. */
function begin() {
  const idle = !document.activeElement || document.activeElement === document.body;
  if (!idle || location.hash || matchMedia("(pointer: coarse)").matches) return;
  if (document.querySelector(".form-page [data-summary]:not([hidden])")) return;
  document.querySelector(FIRST)?.focus({ preventScroll: true });
}
