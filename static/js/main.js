// Starts every behaviour once. Each binds itself by `data-` attributes and does nothing where there are none.

import * as async from "./async.js";
import * as connection from "./connection.js";
import * as copy from "./copy.js";
import * as depends from "./depends.js";
import * as dialog from "./dialog.js";
import * as formcheck from "./formcheck.js";
import * as hours from "./hours.js";
import * as keys from "./keys.js";
import * as launch from "./launch.js";
import * as lists from "./lists.js";
import * as live from "./live.js";
import * as loading from "./loading.js";
import * as log from "./log.js";
import * as logcounts from "./logcounts.js";
import * as logfold from "./logfold.js";
import * as menu from "./menu.js";
import * as rows from "./rows.js";
import * as schedule from "./schedule.js";
import * as showif from "./showif.js";
import * as tasks from "./tasks.js";
import * as theme from "./theme.js";
import * as time from "./time.js";
import * as toast from "./toast.js";
import * as tray from "./tray.js";
import * as upload from "./upload.js";

for (const behaviour of [toast, loading, theme, connection, dialog, menu, async, launch, formcheck, schedule, showif, depends, upload, copy, log, logfold, logcounts, tasks, tray, lists, hours, rows, time, keys, live]) {
  behaviour.start();
}
