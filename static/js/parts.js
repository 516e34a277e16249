// Behaviours and stylesheets that only some pages need: fetched when what they are for is on the page, or about to be.

import { all } from "./dom.js";

const PARTS = [
  ["form[data-launch]", "forms"],
  ["[data-log]", "logs"],
  ["[data-rows]", "rows"],
  ["form[data-preview-url], [data-schedule]", "schedule"],
  ["[data-when-tasks-end]", "hours"],
];
const coming = new Map();
const has = (within, selector) => Boolean(within.querySelector(selector)) || (within instanceof Element && within.matches(selector));

/**
 * Fetch and start all that a piece of page needs and the page does not have yet.
 * @param {Document|DocumentFragment|Element} within
 * @returns {Promise} of everything being there; then the piece may be shown
 */
export function ready(within) {
  const modules = PARTS.filter(([selector]) => has(within, selector)).map(([, name]) => name);
  const sheets = all("[data-style]", within).map((part) => part.dataset.style);
  return Promise.all([...sheets.map((name) => once(`../css/${name}.css`, sheet)), ...modules.map((name) => once(`./${name}.js`, module))]);
}

/** One that could not be fetched is tried again the next time. */
function once(name, fetch) {
  if (!coming.has(name)) coming.set(name, fetch(new URL(name, import.meta.url).href).catch((error) => (coming.delete(name), Promise.reject(error))));
  return coming.get(name);
}

const module = (url) => import(url).then((behaviour) => behaviour.start());

function sheet(url) {
  if ([...document.styleSheets].some((each) => each.href === url)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: url, onload: resolve, onerror: reject });
    document.head.append(link);
  });
}
