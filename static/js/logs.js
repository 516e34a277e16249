// All that a log on the page needs.

import * as log from "./log.js";
import * as logcounts from "./logcounts.js";
import * as logfold from "./logfold.js";

export function start() {
  for (const behaviour of [log, logfold, logcounts]) behaviour.start();
}
