// Folds what repeats in a log: equal neighbours become one line with ×40, a run of printed lines one with a button.
// Every line stays in the page, so that search, copy and positions know nothing of it. The server draws the same
// (views/pagelog.py), and while one searches the stylesheet shows all.

import { hear } from "./bus.js";
import { all, on } from "./dom.js";
import { counted, written } from "./words.js";

const RUN = 4;
const watched = new WeakSet();

export function start() {
  bind(document);
  hear("changed", ({ root: within }) => bind(within));
  on("click", "[data-log-fold]", (event, button) => toggle(button));
}

function bind(within) {
  for (const list of all("[data-log]", within)) {
    if (watched.has(list)) continue;
    watched.add(list);
    new MutationObserver((records) => records.forEach((record) => changed(list, record))).observe(list, { childList: true });
  }
}

function changed(list, { addedNodes, previousSibling, nextSibling }) {
  const here = (line) => line instanceof Element && line.isConnected;
  if (!list.firstElementChild) return;
  if (!addedNodes.length) {
    // Lines left at one end; what was part of a run there may be its first line now.
    if (!here(previousSibling)) fold(list.firstElementChild, list.firstElementChild);
    return;
  }
  const from = here(previousSibling) ? headOf(previousSibling) : list.firstElementChild;
  fold(from, here(nextSibling) ? nextSibling : list.lastElementChild);
}

const printed = (line) => line.dataset.kind === "out";
const wordsOf = (line) => line.querySelector(".log-text");
const textOf = (line) => wordsOf(line).textContent;
const alike = (one, other) => ["kind", "level", "attempt"].every((name) => one.dataset[name] === other.dataset[name]);
const same = (one, other) => alike(one, other) && textOf(one) === textOf(other);

/** The first line from which on the runs around this one have to be looked at anew. */
function headOf(line) {
  let head = line;
  while (head.previousElementSibling && (head.classList.contains("is-same") || (printed(head) && printed(head.previousElementSibling)))) {
    head = head.previousElementSibling;
  }
  return head;
}

/** Fold run after run, until one ends behind `until`. */
function fold(from, until) {
  for (let line = from, done = false; line && !done; ) {
    const twins = run(line, same);
    const prints = printed(line) ? run(line, alike) : [line];
    const folded = prints.length >= RUN && twins.length < prints.length;
    const [chosen, mark] = folded ? [prints, "is-folded"] : [twins, "is-same"];
    chosen.forEach((each, index) => put(each, index ? mark : ""));
    head(line, chosen.length, folded);
    if (line.hasAttribute("data-open")) chosen.slice(1).forEach((each) => each.toggleAttribute("data-shown", true));
    done = chosen.includes(until);
    line = chosen.at(-1).nextElementSibling;
  }
}

function run(first, fits) {
  const lines = [first];
  for (let next = first.nextElementSibling; next && fits(first, next); next = next.nextElementSibling) lines.push(next);
  return lines;
}

function put(line, mark) {
  for (const name of ["is-same", "is-folded"]) line.classList.toggle(name, name === mark);
  if (!mark) return;
  delete wordsOf(line).dataset.times;
  line.querySelector("[data-log-fold]")?.remove();
}

/** What the first line of a run says of the others. */
function head(line, count, folded) {
  if (!folded && count > 1) wordsOf(line).dataset.times = `×${written(count)}`;
  else delete wordsOf(line).dataset.times;
  let button = line.querySelector("[data-log-fold]");
  if (!folded) {
    line.removeAttribute("data-open");
    return void button?.remove();
  }
  if (!button) {
    button = Object.assign(document.createElement("button"), { type: "button", className: "log-fold", ariaExpanded: "false" });
    button.dataset.logFold = "";
    line.append(button);
  }
  const words = line.parentElement.dataset.foldWords ?? "+{n}";
  const label = counted(words, count - 1);
  if (button.ariaLabel !== label) button.ariaLabel = label;
}

function toggle(button) {
  const open = button.ariaExpanded !== "true";
  button.ariaExpanded = String(open);
  const first = button.closest("li");
  first.toggleAttribute("data-open", open);
  for (let line = first.nextElementSibling; line?.classList.contains("is-folded"); line = line.nextElementSibling) {
    line.toggleAttribute("data-shown", open);
  }
}
