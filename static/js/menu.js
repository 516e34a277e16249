// Menus are `<details class="menu">`: one is open at a time, Esc and a click elsewhere close it. And small gifts to forms.

import { hear } from "./bus.js";
import { all } from "./dom.js";

// Browsers go on using names of places that nobody uses any more.
const RENAMED = { "Europe/Kiev": "Europe/Kyiv", "Asia/Calcutta": "Asia/Kolkata", "Asia/Saigon": "Asia/Ho_Chi_Minh", "Asia/Katmandu": "Asia/Kathmandu" };
const OPEN = ".stask details.menu[open]";

export function start() {
  document.addEventListener("click", (event) => closeOthers(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = all(OPEN).find((each) => each.contains(document.activeElement)) ?? document.querySelector(OPEN);
    if (!menu) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  zones(document);
  hear("changed", ({ root }) => zones(root));
}

/** An act in a menu closes it; so does a click anywhere else. */
function closeOthers(target) {
  for (const menu of all(OPEN)) {
    const item = target instanceof Element ? target.closest(".menu-item, a") : null;
    if (!menu.contains(target) || (item && menu.contains(item))) menu.open = false;
  }
}

/** "Start later" is meant by the clock of the person, not of the server. */
function zones(within) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const field of all("[data-zone]", within)) field.value = zone;
  for (const place of all("[data-zone-words]", within)) place.textContent = place.dataset.zoneWords.replace("{zone}", RENAMED[zone] ?? zone);
}
