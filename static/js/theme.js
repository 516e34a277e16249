// Light, dark or as the system: kept in a cookie, so that the server draws the next page right from the start.

import { all, on, root } from "./dom.js";

const YEAR = 365 * 24 * 3600;

export function start() {
  mark(root.dataset.theme ?? "system");
  on("click", "[data-theme-choice]", (event, button) => {
    event.preventDefault();
    choose(button.dataset.themeChoice);
  });
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
