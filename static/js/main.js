// Starts every behaviour once. Each binds itself by `data-` attributes and does nothing where there are none.
// What every page needs is imported here, the rest comes with what it is for: see parts.js.

import * as async from "./async.js";
import { hear } from "./bus.js";
import * as connection from "./connection.js";
import * as copy from "./copy.js";
import * as dialog from "./dialog.js";
import * as keys from "./keys.js";
import * as lists from "./lists.js";
import * as live from "./live.js";
import * as loading from "./loading.js";
import * as menu from "./menu.js";
import { ready } from "./parts.js";
import * as tasks from "./tasks.js";
import * as theme from "./theme.js";
import * as time from "./time.js";
import * as toast from "./toast.js";
import * as tray from "./tray.js";
import * as workers from "./workers.js";
import * as zone from "./zone.js";

for (const behaviour of [zone, toast, loading, theme, connection, dialog, menu, async, copy, tasks, tray, lists, time, keys, workers]) {
  behaviour.start();
}
hear("changed", ({ root }) => ready(root).catch(console.error));
// News come when there is somebody to hear them.
ready(document).catch(console.error).finally(live.start);
