// All that a launch form needs, on its page or in a dialog.

import * as depends from "./depends.js";
import * as formcheck from "./formcheck.js";
import * as launch from "./launch.js";
import * as showif from "./showif.js";
import * as upload from "./upload.js";

export function start() {
  for (const behaviour of [launch, formcheck, showif, depends, upload]) behaviour.start();
}
