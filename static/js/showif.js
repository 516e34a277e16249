// Fields that are asked for only while others have certain values (data-show-if). One that is not is disabled too, so that
// it is neither checked nor sent; the server looks at the same conditions again.

import { hear } from "./bus.js";
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
  const fields = all("[data-show-if]", form).map((wrapper) => [wrapper, JSON.parse(wrapper.dataset.showIf)]);
  // A condition may hang on a field that has one itself.
  for (let round = 0; round < fields.length; round += 1) {
    for (const [wrapper, wanted] of fields) {
      const asked = Object.entries(wanted).every(([name, values]) => valuesOf(form, name).some((value) => values.includes(value)));
      show(wrapper, asked);
    }
  }
}

function show(wrapper, asked) {
  wrapper.toggleAttribute("data-off", !asked);
  for (const control of all("input, select, textarea", wrapper)) control.disabled = !asked;
}

/** What a field has chosen, as texts: a single box is "true" or "false". */
function valuesOf(form, name) {
  const controls = [...form.elements].filter((control) => control.name === name);
  if (!controls.length) return [""];
  if (controls[0].closest("[data-off]")) return [];
  if (controls.length === 1 && controls[0].type === "checkbox") return [String(controls[0].checked)];
  return controls.flatMap((control) => {
    if (control.type === "radio" || control.type === "checkbox") return control.checked ? [control.value] : [];
    return control.multiple ? [...control.selectedOptions].map((option) => option.value) : [control.value];
  });
}
