// Keeps ages current: "5 min ago". The words are the server's (data-ago-words on the panel's root).

import { all, root } from "./dom.js";

const EVERY = 5000;
const WORDS = ["just now", "{n} s ago", "{n} min ago", "{n} h ago"];
const words = root.dataset.agoWords ? JSON.parse(root.dataset.agoWords) : WORDS;

/** @returns {string|null} null when a clock time serves better, which only the server writes */
function age(seconds) {
  if (seconds < 0 || seconds >= 6 * 3600) return null;
  if (seconds < 10) return words[0];
  const [word, unit] = seconds < 60 ? [words[1], 1] : seconds < 3600 ? [words[2], 60] : [words[3], 3600];
  return word.replace("{n}", String(Math.round(seconds / unit)));
}

export function start() {
  setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
}

function refresh() {
  if (document.hidden) return;
  for (const place of all("time[data-ago]")) {
    const text = age((Date.now() - Date.parse(place.dateTime)) / 1000);
    if (text !== null && place.textContent !== text) place.textContent = text;
  }
}
