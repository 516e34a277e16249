// Fields that are asked for only while others have certain values (data-show-if). One that is not is disabled too, so that
// it is neither checked nor sent; the server looks at the same conditions again.

import { hear } from "./bus.js";
import { asked } from "./conditions.js";
import { all, on } from "./dom.js";

export function start() {
  lookAtAll(document);
  hear("changed", ({ root: within }) => lookAtAll(within));
  on("input", "form[data-launch]", (event, form) => look(form));
  on("change", "form[data-launch]", (event, form) => look(form));
}

function lookAtAll(within) {
  const own = within instanceof Element ? within.closest("form[data-launch]") : null;
  for (const form of own ? [own] : all("form[data-launch]", within)) look(form);
}

function look(form) {
  const wrappers = all("[data-field-name]", form);
  const conditions = new Map();
  const values = new Map();
  for (const wrapper of wrappers) {
    values.set(wrapper.dataset.fieldName, valuesOf(wrapper));
    if (wrapper.dataset.showIf) conditions.set(wrapper.dataset.fieldName, JSON.parse(wrapper.dataset.showIf));
  }
  const found = asked(conditions, values);
  wrappers.filter((wrapper) => wrapper.dataset.showIf).forEach((wrapper) => show(wrapper, found.has(wrapper.dataset.fieldName)));
}

function show(wrapper, isAsked) {
  wrapper.toggleAttribute("data-off", !isAsked);
  for (const control of all("input, select, textarea", wrapper)) control.disabled = !isAsked;
}

/** What a field holds, as texts: of a file or a secret nothing is told. */
function valuesOf(wrapper) {
  const { fieldName, kind } = wrapper.dataset;
  const controls = all("input, select, textarea", wrapper).filter((control) => control.name === fieldName);
  if (kind === "checkbox") return [String(controls[0].checked)];
  if (["file", "files", "secret"].includes(kind)) return [""];
  const texts = controls.flatMap((control) => {
    if (control.type === "radio" || control.type === "checkbox") return control.checked ? [control.value] : [];
    return control.multiple ? [...control.selectedOptions].map((option) => option.value) : [control.value];
  });
  return texts.length ? texts.map((text) => text.trim()) : [""];
}
