// Light, dark or as the system: kept in a cookie, so that the server draws the next page right from the start.
// Inside a host's page "as the system" is as that page: its text tells whether it is a dark one.

import { all, on, root } from "./dom.js";

const YEAR = 365 * 24 * 3600;
const EMBEDDED = ".stask.is-embedded";

export function start() {
  mark(root.dataset.theme ?? "system");
  on("click", "[data-theme-choice]", (event, button) => {
    event.preventDefault();
    choose(button.dataset.themeChoice);
  });
  if (document.querySelector(EMBEDDED)) follow();
}

function choose(theme) {
  for (const place of [root, ...all(".stask")]) place.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `stask_theme=${theme}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  mark(theme);
}

function mark(theme) {
  for (const button of all("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

/** Look at the host's page now, and whenever it changes its colours. */
function follow() {
  look();
  const seen = new MutationObserver(look);
  for (const place of [document.documentElement, document.body]) seen.observe(place, { attributes: true });
  document.body.addEventListener("transitionend", look);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look);
  addEventListener("load", look);
}

function look() {
  for (const place of all(EMBEDDED)) {
    const page = isLight(getComputedStyle(place.parentElement).color) ? "dark" : "light";
    if (place.dataset.page !== page) place.dataset.page = page;
  }
}

/** Whether a colour is nearer to white; a canvas knows every way to write one. */
function isLight(colour) {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}
