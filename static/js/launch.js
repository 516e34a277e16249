// The launch form: sent without leaving the page, and whatever goes wrong, nothing typed is lost.

import { tell } from "./bus.js";
import { ask as question } from "./dialog.js";
import { addressOf, on } from "./dom.js";
import * as draft from "./draft.js";
import { check } from "./formcheck.js";
import * as errors from "./formerrors.js";
import { Offline, Refused, SignedOut, ask } from "./http.js";
import { refresh } from "./tasks.js";
import { forget } from "./upload.js";

export function start() {
  draft.start();
  on("submit", "form[data-launch]", (event, form) => {
    event.preventDefault();
    if (form.dataset.state !== "sending") send(form, event.submitter);
  });
  on("input", "form[data-launch] [aria-invalid]", (event, field) => errors.clearField(field));
}

async function send(form, button) {
  errors.clear(form);
  const wrong = check(form);
  if (wrong) return void errors.show(form, wrong);
  let restore = busy(form, button);
  try {
    await uploads(form);
    const values = new FormData(form, button);
    let answer = await post(form, values);
    // The author of the action wants it to be asked first; the server has found the values good.
    if (answer.confirm) {
      restore();
      if (!(await question(answer.confirm))) return;
      restore = busy(form, button);
      values.set("_confirmed", "1");
      answer = await post(form, values);
    }
    started(form, answer);
  } catch (error) {
    restore();
    refused(form, button, error);
  }
}

const post = (form, body) => ask(addressOf(form), { method: "POST", body }).then((answer) => answer.json());

/** "Starting…" on the button that was pressed; the others wait too. */
function busy(form, button) {
  const buttons = [...form.querySelectorAll("button[type=submit], button:not([type])")];
  const words = button?.innerHTML;
  form.dataset.state = "sending";
  buttons.forEach((each) => each.setAttribute("aria-disabled", "true"));
  if (button) button.textContent = button.dataset.busy ?? form.dataset.busy ?? button.textContent;
  return () => {
    delete form.dataset.state;
    buttons.forEach((each) => each.removeAttribute("aria-disabled"));
    if (button) button.innerHTML = words;
  };
}

/** Files that are still on their way: upload.js keeps a promise for each on its field. */
const uploads = (form) => Promise.all([...form.querySelectorAll("[data-upload]")].map((field) => field.uploading));

function started(form, { url }) {
  draft.forget(addressOf(form));
  forget(form);
  const dialog = form.closest("dialog");
  const region = dialog?.opener?.closest("[data-widget]");
  if (!region) return void location.assign(url);
  dialog.close();
  refresh(region);
  tell("poke");
}

function refused(form, button, error) {
  if (error instanceof SignedOut) {
    draft.keep(form);
    location.assign(addressOf(form));
  } else if (error instanceof Offline) errors.say(form, form.dataset.offline);
  else if (!(error instanceof Refused)) throw error;
  else if (error.status === 429) countDown(form, button, error);
  else {
    // Somebody else was faster: sent once more it counts as knowing that.
    for (const [name, value] of Object.entries(error.data.set ?? {})) form.elements[name].value = value;
    errors.show(form, error.data);
  }
}

/** Too many starts: the button says how long to wait, and then works again. */
function countDown(form, button, error) {
  errors.say(form, error.message);
  if (!button) return;
  const words = button.innerHTML;
  let left = Math.ceil(error.retryAfter) || 5;
  button.disabled = true;
  const tick = () => {
    if (left <= 0) {
      button.disabled = false;
      button.innerHTML = words;
      return errors.clear(form);
    }
    button.textContent = (button.dataset.wait ?? form.dataset.wait ?? "{n}").replace("{n}", left);
    left -= 1;
    return setTimeout(tick, 1000);
  };
  tick();
}
