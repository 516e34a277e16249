// A file field: choose or drop, see it go, and get a chip with the first rows as the server read them.
//
// `field.uploading` is a promise that launch.js waits for. The chip carries the token, so the file is not sent again.

import { hear } from "./bus.js";
import { sendFile } from "./chunks.js";
import { addressOf, all, on, parse } from "./dom.js";
import * as draft from "./draft.js";
import { clearField } from "./formerrors.js";
import { Refused, SignedOut, getHtml, partial } from "./http.js";

const BOX = "[data-upload-box]";
const fieldOf = (box) => box.querySelector("[data-upload]");
const keyOf = (field) => `stask-upload:${new URL(addressOf(field.form)).pathname}:${field.name}`;

export function start() {
  on("change", "[data-upload]", (event, field) => take(field, [...field.files]));
  on("click", "[data-chip-replace]", (event, button) => fieldOf(button.closest(BOX)).click());
  on("click", "[data-chip-remove]", (event, button) => removeChip(button.closest("[data-chip]")));
  for (const type of ["dragenter", "dragover", "dragleave", "drop"]) document.addEventListener(type, dragged);
  restoreAll(document);
  hear("changed", ({ root: within }) => restoreAll(within));
}

/** The task has started: the next form begins without its files. */
export function forget(form) {
  all("[data-upload]", form).forEach((field) => sessionStorage.removeItem(keyOf(field)));
}

/** A file dropped beside the zone must not take the place of the page, and of all that was typed. */
function dragged(event) {
  if (!event.dataTransfer?.types.includes("Files") || !document.querySelector("[data-upload]")) return;
  event.preventDefault();
  const box = event.target instanceof Element ? event.target.closest(BOX) : null;
  all(".is-over").forEach((zone) => zone.classList.remove("is-over"));
  if (!box) event.dataTransfer.dropEffect = "none";
  else if (event.type === "drop") take(fieldOf(box), [...event.dataTransfer.files]);
  else if (event.type !== "dragleave") box.querySelector("[data-drop]").classList.add("is-over");
}

function take(field, files) {
  if (!files.length) return;
  clearField(field);
  const box = field.closest(BOX);
  const chosen = field.multiple ? files : files.slice(0, 1);
  if (!field.multiple) box.querySelector("[data-sending]")?.abort.abort();
  const running = chosen.map((file) => sending(box, field, file));
  const waited = [field.multiple ? field.uploading : null, ...running];
  const mine = Promise.all(waited);
  field.uploading = mine;
  mine.catch(() => {
    if (field.uploading === mine) field.uploading = Promise.allSettled(waited); // the others are still on their way
  });
}

/** One file on its way: a row with a bar, then a chip; or what went wrong, at the field. */
async function sending(box, field, file) {
  const row = makeRow(box, file);
  arrange(box);
  const purpose = { action: field.dataset.uploadAction, field: field.dataset.uploadField };
  const progress = (share) => show(row, share);
  try {
    const done = await sendFile(file, field.dataset.uploadUrl, purpose, { signal: row.abort.signal, progress });
    settle(box, field, row, done.html);
  } catch (error) {
    row.remove();
    arrange(box);
    if (error.name === "AbortError") return;
    if (error instanceof SignedOut) {
      draft.keep(field.form);
      location.assign(addressOf(field.form));
    } else say(field, error instanceof Refused ? error.message : field.form.dataset.offline);
    throw error;
  }
}

function makeRow(box, file) {
  const row = box.querySelector("template[data-upload-row]").content.firstElementChild.cloneNode(true);
  row.abort = new AbortController();
  row.querySelector("[data-name]").textContent = file.name;
  row.querySelector("[data-stop]").addEventListener("click", () => row.abort.abort());
  box.querySelector("[data-drop]").before(row); // after those that are there already
  show(row, 0);
  return row;
}

function show(row, share) {
  row.querySelector("progress").value = share * 100;
  row.querySelector("[data-percent]").textContent = `${Math.floor(share * 100)} %`;
}

function settle(box, field, row, html) {
  if (!field.multiple) all("[data-chip]", box).forEach(removeChip);
  const focused = box.contains(document.activeElement) || document.activeElement === document.body;
  row.replaceWith(parse(html));
  remember(box, field);
  arrange(box);
  if (focused) box.querySelector("[data-chip-replace], [data-chip-remove]")?.focus();
}

function removeChip(chip) {
  const box = chip.closest(BOX);
  if (chip.nextElementSibling?.matches("[data-preview]")) chip.nextElementSibling.remove();
  chip.remove();
  remember(box, fieldOf(box));
  arrange(box);
}

/** With a file there the drop zone steps back; the field itself stays empty, for the token is what is sent. */
function arrange(box) {
  const field = fieldOf(box);
  const has = Boolean(box.querySelector("[data-chip], [data-sending]"));
  box.classList.toggle("is-filled", has && !field.multiple);
  field.required = field.dataset.required === "true" && !has;
  if (has) field.value = "";
}

function say(field, text) {
  const place = field.closest("[data-field-name]")?.querySelector("[data-error]");
  field.setAttribute("aria-invalid", "true");
  field.value = "";
  if (place) Object.assign(place, { textContent: text, hidden: false });
}

// What was uploaded is still there after a reload, or when the dialog is opened again.

const tokensOf = (box) => all("[data-chip] input[type=hidden]", box).map((input) => input.value);

function remember(box, field) {
  const tokens = tokensOf(box);
  if (tokens.length) sessionStorage.setItem(keyOf(field), JSON.stringify(tokens));
  else sessionStorage.removeItem(keyOf(field));
}

function restoreAll(within) {
  all(BOX, within).forEach(restore);
}

async function restore(box) {
  const field = fieldOf(box);
  const kept = sessionStorage.getItem(keyOf(field));
  if (kept && !box.querySelector("[data-chip], [data-sending]")) {
    const address = new URL(partial(addressOf(field.form)));
    JSON.parse(kept).forEach((token) => address.searchParams.append(field.name, token));
    const page = parse(await getHtml(address.href).catch(() => ""));
    const fresh = page.querySelector(`[data-field-name="${CSS.escape(field.name)}"] ${BOX}`);
    if (!box.querySelector("[data-chip], [data-sending]")) box.prepend(...all("[data-chip], [data-preview]", fresh ?? page));
    remember(box, field);
  }
  arrange(box);
}
