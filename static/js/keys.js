// Keys for people who work here all day. Never while one types.

import { all } from "./dom.js";

const typing = (target) => target instanceof Element && target.closest("input, textarea, select, [contenteditable], dialog");

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const place = all("[data-key-shortcut]").find((each) => each.dataset.keyShortcut === event.key && each.checkVisibility());
    if (!place) return;
    event.preventDefault();
    if (place.matches("input, textarea, select")) place.focus();
    else place.click();
  });
}
