// Forms that post without leaving the page: stop, retry, activate. Without JS they are plain forms.

import { tell } from "./bus.js";
import { addressOf, on, root } from "./dom.js";
import { confirmed } from "./dialog.js";
import { refresh } from "./tasks.js";
import { Offline, Refused, SignedOut, ask } from "./http.js";

export function start() {
  on("submit", "form[data-async]", (event, form) => {
    event.preventDefault();
    send(form, event.submitter);
  });
  on("change", "form[data-async] [data-submits]", (event, field) => field.form.requestSubmit());
}

async function send(form, button) {
  if (form.ariaBusy === "true") return;
  const question = form.dataset.confirm && document.getElementById(form.dataset.confirm);
  if (question && !(await confirmed(question))) return;
  form.ariaBusy = "true";
  button?.setAttribute("aria-disabled", "true"); // a disabled one would lose the focus
  try {
    const answer = await ask(addressOf(form), { method: "POST", body: new FormData(form, button) });
    const said = await answer.json().catch(() => ({}));
    if (said.url && form.hasAttribute("data-go")) return void location.assign(said.url);
    tell("toast", { text: said.message ?? form.dataset.done, undo: said.undo });
    tell("done", said);
    tell("poke");
    // An Undo stands outside of the widget that it is about.
    const identifier = said.identifier ?? said.task?.identifier;
    if (identifier) tell("worker", { identifier });
    const region = form.closest("[data-partial]");
    const told = identifier && [region?.dataset.widget, region?.dataset.worker].includes(identifier);
    if (region && !told && !said.removed) await refresh(region).catch(() => {});
  } catch (error) {
    fail(form, error);
  } finally {
    form.ariaBusy = "false";
    button?.removeAttribute("aria-disabled");
  }
}

function fail(form, error) {
  if (error instanceof SignedOut) location.reload();
  else if (error instanceof Offline) tell("toast", { text: root.dataset.offline, tone: "failed" });
  else if (error instanceof Refused) {
    tell("toast", { text: error.message, tone: "failed" });
    tell("poke");
  } else throw error;
}
