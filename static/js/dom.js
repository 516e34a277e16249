// Small things that every behaviour needs: the panel's root, delegated events, and replacing an element without a jolt.

import { tell } from "./bus.js";

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

export function fade(element) {
  if (!calm()) element.animate([{ opacity: 0.35 }, { opacity: 1 }], { duration: 150, easing: "ease-out" });
}

/** What a person would miss if the element were simply swapped: open parts, the focus, what they typed, where they scrolled. */
function remember(element) {
  const active = element.contains(document.activeElement) ? document.activeElement : null;
  return {
    open: all("details[open]", element).map(nameOf),
    closed: all("details:not([open])", element).map(nameOf),
    focus: active && nameOf(active),
    caret: active && "selectionStart" in active ? [active.selectionStart, active.selectionEnd] : null,
    typed: all("input, textarea, select", element)
      .filter((field) => field.type !== "file" && field.type !== "hidden" && isTouched(field))
      .map((field) => [nameOf(field), field.value, field.checked]),
  };
}

const isTouched = (field) =>
  "defaultValue" in field ? field.value !== field.defaultValue || field.checked !== field.defaultChecked : false;

/** A name that is the same in the old and the new drawing. */
function nameOf(element) {
  const key = element.dataset.key ?? element.id ?? "";
  const parts = [element.localName, key, element.getAttribute("name"), element.getAttribute("href")];
  if (element.localName === "button" || element.localName === "summary") parts.push(element.textContent.trim());
  return parts.join("|");
}

function recall(element, kept) {
  const find = (name) => all("details, input, textarea, select, button, a, summary, [tabindex]", element)
    .find((candidate) => nameOf(candidate) === name);
  kept.open.forEach((name) => find(name)?.setAttribute("open", ""));
  kept.closed.forEach((name) => find(name)?.removeAttribute("open"));
  kept.typed.forEach(([name, value, checked]) => {
    const field = find(name);
    if (field) Object.assign(field, field.type === "checkbox" || field.type === "radio" ? { checked } : { value });
  });
  const focus = kept.focus && find(kept.focus);
  if (focus) {
    focus.focus({ preventScroll: true });
    if (kept.caret && "setSelectionRange" in focus) focus.setSelectionRange(...kept.caret);
  }
}

/** Put `fresh` in the place of `old`. Parts marked `data-keep` (a log) move over alive. */
export function replace(old, fresh) {
  const kept = remember(old);
  for (const part of all("[data-keep]", fresh)) {
    const alive = old.querySelector(`[data-keep="${CSS.escape(part.dataset.keep)}"]`);
    if (alive) part.replaceWith(alive);
  }
  old.replaceWith(fresh);
  recall(fresh, kept);
  fade(fresh);
  tell("changed", { root: fresh });
}
