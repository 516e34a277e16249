// Lists and counts. A list whose digest changed is fetched anew, but never under someone's pointer.

import { hear } from "./bus.js";
import { all, on, parse, replace } from "./dom.js";
import { getHtml, partial } from "./http.js";

const fetching = new WeakSet();

export function start() {
  hear("stats", (counts) => {
    for (const place of all("[data-stat]")) {
      const value = counts[place.dataset.stat];
      if (value === undefined) continue;
      const text = String(value);
      if (place.textContent !== text) place.textContent = text;
      place.closest("[data-stat-box]")?.classList.toggle("is-zero", text === "0");
    }
  });
  hear("list", ({ filter, digest }) => {
    for (const list of all("[data-list]")) {
      if (list.dataset.list === filter && list.dataset.digest !== digest) renew(list, digest);
    }
  });
  on("click", "[data-list-pill]", (event, pill) => {
    const list = document.getElementById(pill.dataset.listPill);
    if (list?.fresh) show(list, list.fresh);
  });
}

/** Someone reads or is about to click in it. */
const inUse = (list) => list.matches(":hover, :focus-within") && !list.hasAttribute("data-list-calm");

const ids = (list) => all("[data-task]", list).map((row) => row.dataset.task);

async function renew(list, digest) {
  if (fetching.has(list) || !list.dataset.partial) return;
  fetching.add(list);
  try {
    const fresh = parse(await getHtml(partial(list.dataset.partial))).firstElementChild;
    if (!fresh) return;
    const known = new Set(ids(list));
    const more = ids(fresh).filter((id) => !known.has(id)).length;
    const pill = list.id && document.querySelector(`[data-list-pill="${CSS.escape(list.id)}"]`);
    if (more && pill && inUse(list)) offer(list, fresh, pill, more, digest);
    else show(list, fresh);
  } catch {
    // The digest stays the old one, so the next news tries again.
  } finally {
    fetching.delete(list);
  }
}

function offer(list, fresh, pill, more, digest) {
  list.fresh = fresh;
  list.dataset.digest = digest;
  pill.textContent = pill.dataset.words.replace("{n}", more);
  pill.hidden = false;
}

function show(list, fresh) {
  const pill = list.id && document.querySelector(`[data-list-pill="${CSS.escape(list.id)}"]`);
  if (pill) pill.hidden = true;
  const known = new Set(ids(list));
  replace(list, fresh);
  all("[data-task]", fresh)
    .filter((row) => !known.has(row.dataset.task))
    .forEach((row) => row.classList.add("is-new"));
}
