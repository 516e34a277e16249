// Fields whose choices depend on others (data-depends): when one of those changes, the server draws the field anew.

import { tell } from "./bus.js";
import { addressOf, all, on, parse } from "./dom.js";
import { SignedOut, getHtml } from "./http.js";

const LONGEST = 500;
const newest = new WeakMap();

export function start() {
  on("change", "form[data-launch]", ({ target }, form) => {
    const name = target.closest("[data-field-name]")?.dataset.fieldName;
    for (const wrapper of all("[data-depends]", form)) {
      if (name && wrapper.dataset.depends.split(" ").includes(name)) redraw(form, wrapper);
    }
  });
}

async function redraw(form, wrapper) {
  const address = addressFor(form, wrapper);
  newest.set(wrapper, address);
  wrapper.ariaBusy = "true";
  try {
    const fresh = parse(await getHtml(address)).firstElementChild;
    if (newest.get(wrapper) !== address || !wrapper.isConnected || !fresh) return;
    const focused = wrapper.contains(document.activeElement) ? document.activeElement.id : "";
    const values = chosen(wrapper);
    wrapper.replaceWith(fresh);
    if (focused) document.getElementById(focused)?.focus();
    tell("changed", { root: fresh });
    // What others choose from may depend on what is chosen here now.
    if (chosen(fresh) !== values) fresh.querySelector("select, input")?.dispatchEvent(new Event("change", { bubbles: true }));
  } catch (error) {
    if (error instanceof SignedOut) tell("signed-out");
    wrapper.ariaBusy = "false"; // the old choices stay; the server checks them when they are sent
  }
}

const chosen = (wrapper) => all("option:checked, input:checked", wrapper).map((choice) => choice.value).join("\n");

/** Only what the choices depend on goes into the address, and never a secret or a file. */
function addressFor(form, wrapper) {
  const { fieldName, depends } = wrapper.dataset;
  const address = new URL(form.dataset.fieldUrl ?? addressOf(form), location.href);
  address.search = new URLSearchParams({ partial: "1", part: "field", field: fieldName });
  for (const name of [...depends.split(" "), fieldName]) {
    const controls = [...form.elements].filter((control) => control.name === name && !["password", "file", "hidden"].includes(control.type));
    if (controls.length === 1 && controls[0].type === "checkbox") address.searchParams.set(name, controls[0].checked ? "1" : "0");
    else controls.forEach((control) => add(address.searchParams, name, control));
  }
  return address.href;
}

function add(query, name, control) {
  if (control.type === "radio" || control.type === "checkbox") {
    if (control.checked) query.append(name, control.value);
  } else if (control.multiple) [...control.selectedOptions].forEach((option) => query.append(name, option.value));
  else if (control.value.length <= LONGEST) query.append(name, control.value);
}
