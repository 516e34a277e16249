// Short notices at the edge of the page, read out politely. One with an Undo stays eight seconds.

import { hear } from "./bus.js";
import { on, root } from "./dom.js";

const STAY = 5000;
const STAY_FOR_UNDO = 8000;

export function start() {
  hear("toast", show);
  on("click", "[data-toast-close]", (event, button) => button.closest(".toast").remove());
}

/** @param {{text: string, tone?: string, undo?: {url: string, label: string}}} notice */
function show({ text, tone = "done", undo = null }) {
  if (!text) return;
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.dataset.tone = tone;
  toast.append(Object.assign(document.createElement("span"), { className: "toast-text", textContent: text }));
  if (undo) toast.append(undoForm(undo));
  shelf().append(toast);
  const leave = () => setTimeout(() => toast.remove(), undo ? STAY_FOR_UNDO : STAY);
  let timer = leave();
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => (timer = leave()));
}

function undoForm({ url, label }) {
  const form = Object.assign(document.createElement("form"), { method: "post", action: url });
  form.toggleAttribute("data-async", true);
  form.append(Object.assign(document.createElement("button"), { className: "button button-link", textContent: label }));
  return form;
}

/** A modal dialog covers everything outside it, notices too: then they are shown inside. */
function shelf() {
  const place = document.querySelector("dialog[open]:modal") ?? root;
  let found = place.querySelector(":scope > .toasts");
  if (!found) {
    found = Object.assign(document.createElement("div"), { className: "toasts" });
    found.setAttribute("role", "status");
    place.append(found);
  }
  return found;
}
