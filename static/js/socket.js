// The socket: one connection, what the page watches, and the server's news onto the bus.

import { tell } from "./bus.js";
import { root } from "./dom.js";

const CLIENT = new URL("../vendor/socket.io.min.js", import.meta.url).href;
const REFUSED_PAUSE = 60_000;
const NEWS = ["task", "journal", "stats", "list", "gone"];

let socket = null;
let watched = new Set();
let heardAt = 0;

/** Milliseconds since the server said anything. */
export const silence = () => performance.now() - heardAt;

/**
 * Connect and stay connected.
 * @param {{wants: Function, up: Function, down: Function}} use `down` is called at once when the line breaks or cannot be had
 */
export async function start({ wants, up, down }) {
  const io = await load();
  if (!io) return down();
  const options = {
    path: root.dataset.socketPath || "/socket.io",
    transports: ["websocket"],
    query: { stask: "1" },
    reconnectionDelay: 500,
    reconnectionDelayMax: 10_000,
  };
  socket = io("/stask", options);
  socket.onAny(() => (heardAt = performance.now()));
  socket.on("connect", () => {
    heardAt = performance.now();
    watched = new Set();
    up();
    watch(wants());
  });
  socket.on("disconnect", (reason) => {
    down();
    // The server closes on purpose when it restarts or when rights are gone; the client alone would not come back.
    if (reason === "io server disconnect") setTimeout(() => socket?.connect(), 1000);
  });
  socket.on("connect_error", () => {
    down();
    // Refused (no place, or no right): not a broken line, so the client does not try again by itself.
    if (!socket.active) setTimeout(() => socket?.connect(), REFUSED_PAUSE);
  });
  for (const news of NEWS) socket.on(news, (detail) => tell(news, detail));
}

/** @returns {Promise<Function|null>} null when the client was not installed */
async function load() {
  try {
    await import(CLIENT);
    return globalThis.io ?? null;
  } catch {
    return null;
  }
}

/** Tell the server what is new on the page and what is gone from it. */
export function watch({ tasks, lists, stats }) {
  if (!socket?.connected) return;
  const now = new Set();
  for (const [task, position] of tasks) {
    const key = `task ${task} ${position === null ? "" : "log"}`;
    now.add(key);
    if (!watched.has(key)) socket.emit("watch", position === null ? { task } : { task, position }, caughtUp(task));
  }
  for (const filter of lists) {
    now.add(`list ${filter}`);
    if (!watched.has(`list ${filter}`)) socket.emit("watch_list", { filter });
  }
  if (stats && !watched.has("stats")) socket.emit("watch_stats");
  if (stats) now.add("stats");
  for (const key of watched) {
    const [kind, task] = key.split(" ");
    if (kind === "task" && !tasks.has(task)) socket.emit("unwatch", { task });
  }
  watched = now;
}

/** The server's answer says how far the journal goes, in case it sent less than that. */
const caughtUp = (task) => (answer) => {
  if (answer?.end) tell("journal", { task, start: answer.end, end: answer.end, lines: [] });
  if (answer?.gone) tell("gone", { task });
};

export function stop() {
  socket?.disconnect();
  socket = null;
}
