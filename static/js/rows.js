// The list of tasks by hand and by key: choosing rows, a range with Shift; j, k, x, Enter and Esc; what is done to the chosen.

import { hear, tell } from "./bus.js";
import { addressOf, all, on, root } from "./dom.js";
import { Offline, Refused, SignedOut, ask } from "./http.js";
import { keyOf } from "./keys.js";
import { counted } from "./words.js";

const box = () => document.querySelector("[data-rows]");
const picks = () => all("[data-pick]", box() ?? document.createElement("div"));
const chosen = () => picks().filter((pick) => pick.checked);
let last = null;

export function start() {
  on("click", "[data-pick]", choose);
  on("change", "[data-pick]", show);
  on("change", "[data-pick-all]", (event, every) => choosePage(every.checked));
  on("click", "[data-chosen-clear]", () => choosePage(false));
  on("submit", "form[data-chosen]", act);
  document.addEventListener("keydown", key);
  hear("changed", show);
  addEventListener("pageshow", show); // a browser remembers what was chosen
  show();
}

/** With Shift all between this one and the one before become as this one. */
function choose(event, pick) {
  const list = picks();
  const [from, to] = [list.indexOf(last), list.indexOf(pick)].sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) list.slice(from, to + 1).forEach((each) => (each.checked = pick.checked));
  last = pick;
  show();
}

function choosePage(checked) {
  picks().forEach((pick) => (pick.checked = checked));
  show();
}

/** Say how many are chosen, and which acts mean any of them. */
function show() {
  const form = document.querySelector("form[data-chosen]");
  if (!form) return;
  const [list, number] = [chosen(), chosen().length];
  const can = (act) => list.filter((pick) => pick.hasAttribute(`data-can-${act}`)).length;
  const not = number - can("retry");
  if (number) {
    setText(form, "[data-chosen-words]", counted(form.dataset.words, number));
    setText(form, "[data-chosen-not]", not && not < number ? counted(form.dataset.notWords, not) : "");
  }
  for (const button of all("button[name=act]", form)) button.disabled = number > 0 && !can(button.value);
  const every = document.querySelector("[data-pick-all]");
  if (every) {
    every.checked = number > 0 && number === picks().length;
    every.indeterminate = number > 0 && !every.checked;
  }
}

function setText(form, selector, text) {
  const place = form.querySelector(selector);
  if (place && place.textContent !== text) place.textContent = text;
}

/** Deleting asks first, in a dialog that the server draws; the other acts are done at once. */
async function act(event, form) {
  event.preventDefault();
  const button = event.submitter;
  if (button?.value === "delete") return question(form);
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  try {
    const answer = await ask(addressOf(form), { method: "POST", body: new FormData(form, button) });
    const { message, refused, undo } = await answer.json();
    tell("toast", { text: message, tone: refused ? "attention" : "done", undo });
    tell("poke");
    choosePage(false);
  } catch (error) {
    if (error instanceof SignedOut) location.reload();
    else if (error instanceof Offline) tell("toast", { text: root.dataset.offline, tone: "failed" });
    else if (error instanceof Refused) tell("toast", { text: error.message, tone: "failed" });
    else throw error;
  } finally {
    form.ariaBusy = "false";
  }
}

function question(form) {
  const link = form.querySelector("[data-chosen-question]");
  const query = new URLSearchParams(new FormData(form));
  for (const name of [...query.keys()]) if (name.startsWith("csrf")) query.delete(name);
  query.delete("id");
  query.set("id", chosen().map((pick) => pick.value).join(","));
  query.set("act", "delete");
  link.href = `${link.href.split("?")[0]}?${query}`;
  link.click();
}

function key(event) {
  const pressed = box() ? keyOf(event) : "";
  const target = event.target instanceof Element ? event.target : document.body;
  const row = target.closest("[data-task]");
  if (pressed === "j" || pressed === "k") step(row, pressed === "j" ? 1 : -1);
  else if (pressed === "x" && row) row.querySelector("[data-pick]")?.click();
  else if (pressed === "Enter" && row && target.matches("[data-pick]")) row.querySelector(".row-link").click();
  else if (pressed === "Escape" && chosen().length) choosePage(false);
  else return;
  event.preventDefault();
}

function step(row, by) {
  const rows = all("[data-task]", box());
  const at = row ? rows.indexOf(row) + by : by > 0 ? 0 : rows.length - 1;
  rows[at]?.querySelector(".row-link")?.focus();
}
