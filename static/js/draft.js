// What was typed into a launch form survives signing in again: kept for this tab only, and never a secret.

import { hear } from "./bus.js";
import { addressOf, all } from "./dom.js";

const keyOf = (address) => `stask-draft:${new URL(address).pathname}`;

export function start() {
  fill(document);
  hear("changed", ({ root: within }) => fill(within));
}

const isKept = (field) => field.name && !["password", "file", "submit", "button"].includes(field.type) && !field.name.startsWith("csrf");

export function keep(form) {
  const values = [...form.elements].filter(isKept).map((field) => ({
    name: field.name,
    value: field.value,
    checked: field.checked ?? false,
    chosen: field.multiple ? [...field.selectedOptions].map((option) => option.value) : null,
  }));
  sessionStorage.setItem(keyOf(addressOf(form)), JSON.stringify(values));
}

export function forget(address) {
  sessionStorage.removeItem(keyOf(address));
}

function fill(within) {
  for (const form of all("form[data-launch]", within)) {
    const kept = sessionStorage.getItem(keyOf(addressOf(form)));
    if (!kept) continue;
    forget(addressOf(form));
    JSON.parse(kept).forEach((value) => put(form, value));
  }
}

function put(form, { name, value, checked, chosen }) {
  const fields = [...form.elements].filter((field) => field.name === name && isKept(field));
  for (const field of fields) {
    if (field.type === "checkbox" || field.type === "radio") {
      if (field.value === value) field.checked = checked;
    } else if (chosen) [...field.options].forEach((option) => (option.selected = chosen.includes(option.value)));
    else field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
