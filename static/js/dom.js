// Small things that every behaviour needs: the panel's root, delegated events, and replacing an element without a jolt.

import { tell } from "./bus.js";
import { remember } from "./keep.js";

export const root = document.querySelector("[data-stask]") ?? document.body;

export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Every `[data-...]` of the panel may come and go, so listeners sit on the document. */
export function on(type, selector, listener, options) {
  document.addEventListener(
    type,
    (event) => {
      const element = event.target instanceof Element ? event.target.closest(selector) : null;
      if (element && element.closest(".stask")) listener(event, element);
    },
    options,
  );
}

/** Where a form goes. Not `form.action`: that may be a field of this name. */
export const addressOf = (form) => new URL(form.getAttribute("action") || location.href, location.href).href;

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Parse HTML of our own server. Scripts in it do not run. */
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function fade(element) {
  if (!calm()) element.animate([{ opacity: 0.35 }, { opacity: 1 }], { duration: 150, easing: "ease-out" });
}

/** Put `fresh` in the place of `old`. Parts marked `data-keep` (a log) move over alive; see keep.js for the rest. */
export function replace(old, fresh) {
  const recall = remember(old);
  for (const part of all("[data-keep]", fresh)) {
    const alive = old.querySelector(`[data-keep="${CSS.escape(part.dataset.keep)}"]`);
    if (alive) part.replaceWith(alive);
  }
  old.replaceWith(fresh);
  recall(fresh);
  fade(fresh);
  tell("changed", { root: fresh });
}
