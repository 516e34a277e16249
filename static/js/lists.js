// Lists and counts. A list whose digest changed is fetched anew, but never under someone's pointer.

import { hear } from "./bus.js";
import { all, on, parse, replace } from "./dom.js";
import { getHtml, partial } from "./http.js";
import { counted, written } from "./words.js";

const RETRY = 3000;
// For each list on the page, the digest it was told last and that of its last drawing. A drawing with fewer rights than the
// news never has the digest of the news, so its own (data-digest) is not enough.
const told = new WeakMap();
const drawn = new WeakMap();
const fetching = new WeakSet();

export function start() {
  on("change", "form[data-filters] select", (event, field) => field.value !== "own" && field.form.requestSubmit());
  hear("stats", (counts) => {
    for (const place of all("[data-stat]")) {
      const value = counts[place.dataset.stat];
      if (value === undefined) continue;
      const text = written(value);
      if (place.textContent !== text) place.textContent = text;
      const box = place.closest("[data-stat-box]");
      box?.classList.toggle("is-zero", value === 0);
      if (box?.dataset.statAlarm) box.classList.toggle("tone-failed", counts[box.dataset.statAlarm] > 0);
    }
  });
  hear("list", ({ filter, digest }) => {
    for (const list of all("[data-list]")) {
      if (list.dataset.list === filter) hearOf(list, digest);
    }
  });
  on("click", "[data-list-pill]", (event, pill) => {
    const list = document.getElementById(pill.dataset.listPill);
    if (list?.fresh) show(list, list.fresh);
  });
}

/** Someone reads or is about to click in it, or has chosen rows of it. */
const inUse = (list) => list.matches(":hover, :focus-within, :has([data-pick]:checked)") && !list.hasAttribute("data-list-calm");

const ids = (list) => all("[data-task]", list).map((row) => row.dataset.task);

function hearOf(list, digest) {
  told.set(list, digest);
  if (digest !== list.dataset.digest && digest !== drawn.get(list) && list.dataset.partial) renew(list, digest);
}

async function renew(list, digest) {
  if (fetching.has(list)) return;
  fetching.add(list);
  try {
    const fresh = parse(await getHtml(partial(list.dataset.partial))).firstElementChild;
    if (fresh && list.isConnected) bring(list, fresh, digest);
  } catch {
    setTimeout(() => list.isConnected && hearOf(list, told.get(list)), RETRY);
  } finally {
    fetching.delete(list);
  }
}

function bring(list, fresh, digest) {
  const latest = told.get(list);
  const before = new Set(ids(list));
  const more = ids(fresh).filter((id) => !before.has(id)).length;
  const pill = list.id && document.querySelector(`[data-list-pill="${CSS.escape(list.id)}"]`);
  const waits = more && pill && inUse(list);
  drawn.set(waits ? list : fresh, digest);
  if (waits) offer(list, fresh, pill, more);
  else show(list, fresh);
  // It changed once more while it was on its way, and that was told only once.
  if (latest !== digest) hearOf(waits ? list : fresh, latest);
}

function offer(list, fresh, pill, more) {
  list.fresh = fresh;
  pill.textContent = counted(pill.dataset.words, more);
  pill.hidden = false;
}

function show(list, fresh) {
  const pill = list.id && document.querySelector(`[data-list-pill="${CSS.escape(list.id)}"]`);
  if (pill) pill.hidden = true;
  const before = new Set(ids(list));
  replace(list, fresh);
  all("[data-task]", fresh)
    .filter((row) => !before.has(row.dataset.task))
    .forEach((row) => row.classList.add("is-new"));
}
