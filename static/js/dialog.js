// Dialogs: a launch form fetched when it is opened, and the question before something is destroyed.

import { tell } from "./bus.js";
import { all, on, parse, root } from "./dom.js";
import { getHtml, partial } from "./http.js";
import { ready } from "./parts.js";

export function start() {
  on("click", "a[data-dialog]", (event, link) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(link);
  });
  on("click", "[data-dialog-close]", (event, button) => {
    const dialog = button.closest("dialog");
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  });
}

/** Load the page of a link into a dialog; when that fails, go there. */
async function open(link) {
  link.setAttribute("aria-busy", "true");
  try {
    const content = parse(await getHtml(partial(link.href)));
    await ready(content);
    const dialog = Object.assign(document.createElement("dialog"), { className: "dialog", opener: link });
    dialog.append(content);
    const title = dialog.querySelector("h1, h2");
    if (title) dialog.setAttribute("aria-labelledby", (title.id ||= "dialog-title"));
    root.append(dialog);
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus({ preventScroll: true });
    });
    dialog.showModal();
    dialog.querySelector("[autofocus], [data-field-name] :is(input:not([type=hidden]), select, textarea)")?.focus();
    tell("changed", { root: dialog });
  } catch {
    location.assign(link.href);
  } finally {
    link.removeAttribute("aria-busy");
  }
}

/**
 * Ask a question that the server has drawn.
 * @param {string} html with buttons `[data-confirm-yes]` and `[data-confirm-no]`
 * @returns {Promise<boolean>}
 */
export async function ask(html) {
  const dialog = Object.assign(document.createElement("dialog"), { className: "dialog" });
  dialog.append(parse(html));
  const title = dialog.querySelector("h1, h2");
  if (title) dialog.setAttribute("aria-labelledby", (title.id ||= "question-title"));
  const before = document.activeElement;
  root.append(dialog);
  try {
    return await confirmed(dialog);
  } finally {
    dialog.remove();
    before?.focus({ preventScroll: true });
  }
}

/**
 * Ask before a form is sent. The question is a `<dialog>` of the page, drawn by the server.
 * @param {HTMLDialogElement} dialog its buttons are `[data-confirm-yes]` and `[data-confirm-no]`
 * @returns {Promise<boolean>}
 */
export function confirmed(dialog) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = () => {
      answer = true;
      dialog.close();
    };
    const no = () => dialog.close();
    const buttons = [...all("[data-confirm-yes]", dialog).map((button) => [button, yes]), ...all("[data-confirm-no]", dialog).map((button) => [button, no])];
    buttons.forEach(([button, act]) => button.addEventListener("click", act));
    dialog.addEventListener(
      "close",
      () => {
        buttons.forEach(([button, act]) => button.removeEventListener("click", act));
        resolve(answer);
      },
      { once: true },
    );
    dialog.showModal();
    dialog.querySelector("[data-confirm-no]")?.focus();
  });
}
