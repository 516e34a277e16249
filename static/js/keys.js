// Keys for people who work here all day: `[data-key-shortcut]` names what is pressed. Never while one types, never with
// Ctrl or the like, and nothing behind an open dialog. `?` shows them all.

import { all, on, root } from "./dom.js";

const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");
const PRESSED = "a[href], button:not([disabled])";

/**
 * The key that was pressed, by the place of the letter where the keyboard writes another alphabet.
 * @returns {string} "" when it means nothing here
 */
export function keyOf(event) {
  const target = event.target instanceof Element ? event.target : document.body;
  const busy = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
  if (busy || typing(target) || document.querySelector("dialog[open]")) return "";
  const foreign = event.key.length === 1 && event.key > "~" && event.code.startsWith("Key");
  const key = foreign ? event.code.slice(3) : event.key;
  if (/^[a-z]$/i.test(key)) return event.shiftKey ? "" : key.toLowerCase();
  return key;
}

export function start() {
  document.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (!key || event.repeat) return;
    const act = actOf(key);
    if (!act) return;
    event.preventDefault();
    act();
  });
  on("click", "[data-keys-open]", help);
}

function actOf(key) {
  const place = all("[data-key-shortcut]").find((each) => each.dataset.keyShortcut === key && each.checkVisibility());
  if (place?.matches(PRESSED)) return () => place.click();
  // What starts something is not started by one stray key: it gets the focus, and Enter does it.
  const found = place?.matches("input, textarea, select") ? place : place?.querySelector(PRESSED);
  if (found) return () => found.focus();
  if (key === "r" && document.getElementById("stask-main") && !document.querySelector("form[data-launch]")) return () => location.reload();
  return key === "?" && document.querySelector("template[data-keys]") ? help : null;
}

function help() {
  const dialog = document.querySelector("template[data-keys]").content.firstElementChild.cloneNode(true);
  const before = document.activeElement;
  root.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus({ preventScroll: true });
  });
  dialog.showModal();
}
