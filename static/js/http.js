// One way to ask the server. Each way it can fail has a name of its own.

import { tell } from "./bus.js";
import { root } from "./dom.js";

let waiting = 0;
const wait = (change) => tell("waiting", { count: (waiting += change) });

/** No answer came: what was typed is kept, and one may try again. */
export class Offline extends Error {}

/** The session is over. */
export class SignedOut extends Error {
  constructor(url) {
    super("signed out");
    this.url = url;
  }
}

/** The server said no. `data` is its JSON: {error, errors}. */
export class Refused extends Error {
  constructor(status, data, retryAfter) {
    super(data.error ?? "");
    Object.assign(this, { status, data, retryAfter });
  }
}

/**
 * @param {string} url
 * @param {{method?: string, body?: BodyInit, html?: boolean, headers?: object, signal?: AbortSignal, quiet?: boolean}} options
 *   `quiet`: nobody waits for this answer
 * @returns {Promise<Response>} an answer of 200-299, or 304
 */
export async function ask(url, { quiet = false, ...options } = {}) {
  if (quiet) return send(url, options);
  wait(+1);
  try {
    return await send(url, options);
  } finally {
    wait(-1);
  }
}

async function send(url, { html = false, headers = {}, ...options }) {
  const sent = { Accept: html ? "text/html" : "application/json", "X-Requested-With": "fetch", ...headers };
  if (options.method && options.method !== "GET") sent["X-CSRFToken"] = root.dataset.csrf ?? "";
  const answer = await fetch(url, { credentials: "same-origin", redirect: "manual", ...options, headers: sent }).catch((error) => {
    if (error.name === "AbortError") throw error; // not so a TimeoutError: then nobody answered
    throw new Offline(String(error));
  });
  if (answer.ok || answer.status === 304) return answer;
  if (answer.type === "opaqueredirect") throw new SignedOut();
  const data = await answer.json().catch(() => ({}));
  if (answer.status === 401) throw new SignedOut(data.login);
  if (answer.status === 502 || answer.status === 504) throw new Offline(`status ${answer.status}`);
  throw new Refused(answer.status, data, Number(answer.headers.get("Retry-After")) || 0);
}

export const get = (url, options) => ask(url, options).then((answer) => answer.json());

export const getHtml = (url) => ask(url, { html: true }).then((answer) => answer.text());

/** The same address with `?partial=1`, for a part of a page. */
export function partial(url) {
  const address = new URL(url, location.href);
  address.searchParams.set("partial", "1");
  return address.href;
}
