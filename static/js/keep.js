// What a person would miss if a part of the page were simply swapped for a newer drawing: opened details, the focus and the
// caret, what they typed, where they scrolled.

const NAMED = "details, input, textarea, select, button, a, summary, [tabindex]";
const list = (selector, within) => [...within.querySelectorAll(selector)];

/** @returns {(fresh: Element) => void} puts it all back into the new drawing */
export function remember(old) {
  const active = old.contains(document.activeElement) ? document.activeElement : null;
  const names = namesOf(old);
  const nameOf = (element) => names.get(element);
  const details = list("details", old).map((element) => [nameOf(element), element.open]);
  const typed = list("input, textarea, select", old)
    .filter(isTouched)
    .map((field) => [nameOf(field), field.value, field.checked]);
  const scrolled = list("*", old).filter((element) => element.scrollTop > 0);
  const tops = scrolled.map((element) => [element, element.scrollTop]);
  const focus = active && nameOf(active);
  const caret = active && readCaret(active);

  return (fresh) => {
    const found = new Map([...namesOf(fresh)].map(([element, name]) => [name, element]));
    details.forEach(([name, open]) => found.get(name)?.toggleAttribute("open", open));
    typed.forEach(([name, value, checked]) => type(found.get(name), value, checked));
    // Only what moved over alive is still the same element; moving it reset its scroll.
    tops.forEach(([element, top]) => fresh.contains(element) && (element.scrollTop = top));
    const target = active && fresh.contains(active) ? active : found.get(focus);
    if (target && target !== document.activeElement) target.focus({ preventScroll: true });
    if (target && caret) target.setSelectionRange(...caret);
  };
}

/** A name for each control that is the same in the old and the new drawing. */
function namesOf(within) {
  const [names, seen] = [new Map(), new Map()];
  for (const element of list(NAMED, within)) {
    const label = element.getAttribute("aria-label") ?? element.querySelector(":scope > summary")?.getAttribute("aria-label");
    const marks = [element.dataset.key, element.id, element.getAttribute("name"), element.getAttribute("href"), label];
    const where = element.parentElement.closest("[data-task], [data-widget]")?.dataset;
    const name = [element.localName, where?.task, where?.widget, ...marks, marks.some(Boolean) ? "" : wordsOf(element)].join("|");
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    names.set(element, `${name}#${count}`);
  }
  return names;
}

/** Words of a button, without the numbers in it, which change. */
const wordsOf = (element) => element.textContent.replace(/[\d\s]+/g, " ").trim().slice(0, 40);

function isTouched(field) {
  if (field.type === "hidden" || field.type === "file") return false;
  if (field.localName === "select") return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

function type(field, value, checked) {
  if (!field) return;
  if (field.type === "checkbox" || field.type === "radio") field.checked = checked;
  else field.value = value;
}

function readCaret(field) {
  try {
    return field.selectionStart === null || field.selectionStart === undefined ? null : [field.selectionStart, field.selectionEnd];
  } catch {
    return null;
  }
}
