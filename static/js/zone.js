// Tells the server the time zone of this browser, so that times are those of the clock on the wall.

import { root } from "./dom.js";

const YEAR = 365 * 24 * 3600;
const NAME = "stask_zone";

export function start() {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if (!timeZone || kept() === timeZone) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${NAME}=${timeZone}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  // Once for each browser, before anything was typed: a page of ours that was written by another clock is fetched anew.
  const offset = -new Date().getTimezoneOffset();
  if (kept() === timeZone && document.getElementById("stask-main") && Number(root.dataset.utcOffset) !== offset) location.reload();
}

const kept = () => document.cookie.split("; ").find((each) => each.startsWith(`${NAME}=`))?.slice(NAME.length + 1);
