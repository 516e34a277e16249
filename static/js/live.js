// Keeps the page live: by socket where the server has threads for it, by polling everywhere else and whenever a socket fails.

import { hear } from "./bus.js";
import { all, root } from "./dom.js";
import * as poll from "./poll.js";
import * as socket from "./socket.js";
import { anyRuns } from "./tasks.js";

const SOCKET_PATIENCE = 2000;
const SILENCE = 3000;
const LOOK_EVERY = 500;

/** What the page wants to know: {tasks: Map(id -> position or null), lists: Set, stats: boolean}. */
function wants() {
  const tasks = new Map(all("[data-task]").filter((part) => !part.hasAttribute("data-gone")).map((part) => [part.dataset.task, null]));
  for (const log of all("[data-log]")) tasks.set(log.dataset.log, log.dataset.position || "-:0");
  return {
    tasks,
    lists: new Set(all("[data-list]").map((list) => list.dataset.list)),
    stats: all("[data-stat], [data-when-tasks-end]").length > 0,
  };
}

export function start() {
  if (!root.dataset.live) return;
  if (root.dataset.transport === "socket") startSocket();
  else poll.start(wants);
  hear("changed", () => queueMicrotask(() => socket.watch(wants())));
  hear("signed-out", () => {
    // Reload: the server sends to the sign-in page, and back here.
    poll.stop();
    socket.stop();
    if (!document.querySelector("form[data-launch]")) location.reload();
  });
  // A page that comes out of the back-forward cache has a dead socket and old numbers.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

function startSocket() {
  const patience = setTimeout(() => poll.start(wants), SOCKET_PATIENCE);
  let isUp = false;
  socket.start({
    wants,
    up: () => {
      isUp = true;
      clearTimeout(patience);
      poll.stop();
    },
    down: () => {
      isUp = false;
      clearTimeout(patience);
      poll.start(wants);
    },
  });
  // A line that broke without a word looks like a quiet one for most of a minute. Where something runs it is never quiet.
  setInterval(() => {
    if (!isUp) return;
    if (anyRuns() && socket.silence() > SILENCE) poll.start(wants, performance.now() - socket.silence());
    else poll.stop();
  }, LOOK_EVERY);
}
