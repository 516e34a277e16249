// What the server did not accept: a summary with links, a sentence at each field, the focus on the first of them.

import { all } from "./dom.js";

const wrapperOf = (form, name) => form.querySelector(`[data-field-name="${CSS.escape(name)}"]`);

const inputOf = (wrapper) => wrapper?.querySelector("input:not([type=hidden]), select, textarea, [tabindex]") ?? null;

/** @param {{error?: string, errors?: Object<string, string>, url?: string, link?: string}} data the server's JSON */
export function show(form, { error = "", errors = {}, url, link }) {
  const entries = Object.entries(errors);
  const fields = entries.map(([name, text]) => mark(form, name, text));
  say(form, error, entries.map(([name, text], index) => [fields[index], text, name]), url && link ? { url, link } : null);
  const first = fields.find(Boolean);
  if (!first) return;
  fields.forEach((field) => field?.closest("details:not([open])")?.setAttribute("open", ""));
  first.focus();
}

function mark(form, name, text) {
  const wrapper = wrapperOf(form, name);
  const place = wrapper?.querySelector("[data-error]");
  const field = inputOf(wrapper);
  if (place) {
    place.textContent = text;
    place.hidden = false;
  }
  if (field) {
    field.setAttribute("aria-invalid", "true");
    if (place?.id) field.setAttribute("aria-describedby", `${described(field, place.id)} ${place.id}`.trim());
  }
  return field;
}

const described = (field, without) =>
  (field.getAttribute("aria-describedby") ?? "").split(/\s+/).filter((id) => id && id !== without).join(" ");

/** Put a sentence above the form, with a link to each field that is wrong. */
export function say(form, text, entries = [], link = null) {
  const summary = form.querySelector("[data-summary]");
  if (!summary) return;
  summary.replaceChildren();
  if (text) summary.append(Object.assign(document.createElement("p"), { textContent: text }));
  if (entries.length) summary.append(listOf(form, entries));
  if (link) summary.append(Object.assign(document.createElement("a"), { href: link.url, textContent: link.link }));
  summary.hidden = false;
  summary.tabIndex = -1;
  summary.focus();
}

function listOf(form, entries) {
  const list = document.createElement("ul");
  for (const [field, text] of entries) {
    const item = document.createElement("li");
    if (field) {
      field.id ||= `field-${field.name}`;
      const label = field.closest("[data-field-name]")?.dataset.label;
      item.append(Object.assign(document.createElement("a"), { href: `#${field.id}`, textContent: label ? `${label}: ${text}` : text }));
      item.firstChild.addEventListener("click", (event) => {
        event.preventDefault();
        field.focus();
      });
    } else item.textContent = text;
    list.append(item);
  }
  return list;
}

export function clear(form) {
  const summary = form.querySelector("[data-summary]");
  if (summary) summary.hidden = true;
  all("[aria-invalid]", form).forEach(clearField);
}

export function clearField(field) {
  const place = field.closest("[data-field-name]")?.querySelector("[data-error]");
  field.removeAttribute("aria-invalid");
  if (!place) return;
  place.hidden = true;
  place.textContent = "";
  if (place.id) field.setAttribute("aria-describedby", described(field, place.id));
}
