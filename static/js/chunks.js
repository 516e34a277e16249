// Sends one file in chunks. A chunk that got lost is sent again, and the server says which one it is waiting for.

import { Offline, Refused, ask } from "./http.js";

const WAITS = [500, 1000, 2000, 4000, 8000];
const PASSING = [408, 429, 502, 503, 504];

/**
 * @param {File} file
 * @param {string} url where uploads of this worker begin
 * @param {{action: string, field: string}} purpose
 * @param {{signal: AbortSignal, progress: (share: number) => void}} options
 * @returns {Promise<object>} what the server says of the whole file
 */
export async function sendFile(file, url, purpose, { signal, progress }) {
  const facts = JSON.stringify({ ...purpose, name: file.name, size: file.size });
  const headers = { "Content-Type": "application/json" };
  const begun = await stubborn(() => ask(url, { method: "POST", body: facts, headers, signal }), signal);
  const { chunk, url: place } = await begun.json();
  const count = Math.ceil(file.size / chunk);
  for (let number = 0; ; ) {
    try {
      while (number < count) {
        await stubborn(() => put(file.slice(number * chunk, (number + 1) * chunk), `${place}/${number}`, signal), signal);
        number += 1;
        progress(number / count);
      }
      const done = await stubborn(() => ask(`${place}/finish`, { method: "POST", signal }), signal);
      return await done.json();
    } catch (error) {
      if (!(error instanceof Refused && error.status === 409 && error.data.next < count)) throw error;
      number = error.data.next;
    }
  }
}

const put = (body, url, signal) =>
  ask(url, { method: "PUT", body, quiet: true, headers: { "Content-Type": "application/octet-stream" }, signal });

/** Try again what failed in passing, ever more slowly, and give up after a quarter of a minute. */
async function stubborn(send, signal) {
  for (const wait of WAITS) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Offline || (error instanceof Refused && PASSING.includes(error.status)))) throw error;
    }
    await pause(wait, signal);
  }
  return send();
}

const pause = (time, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, time);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
