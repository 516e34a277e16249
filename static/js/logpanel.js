// One log on the page: new lines at the end, older ones at the top, follow until someone scrolls up.

import { root } from "./dom.js";
import { Follower } from "./follow.js";
import { get } from "./http.js";
import { newer, older, once, toEnd } from "./logpages.js";
import { LogView, MOST } from "./logview.js";
import { counted } from "./words.js";

const NEAR = 40;
const RETRY = 1500;

export class LogPanel {
  constructor(list) {
    const panel = list.closest("[data-log-panel]") ?? list.parentElement;
    this.list = list;
    this.scroller = list.closest("[data-log-scroll]") ?? list;
    this.pill = panel.querySelector("[data-log-pill]");
    this.view = new LogView(list, panel.querySelector("template[data-log-line]"));
    // spilled: newer lines exist that are not on the page. late: lines that came while the end was being fetched.
    Object.assign(this, { spilled: false, late: null, unseen: 0, lastTop: 0, asking: false });
    this.follower = new Follower(list.dataset.position || "-:0", {
      lines: (lines) => this.add(lines),
      anew: () => this.anew(),
      fetch: (from) => this.fetch({ from }),
    });
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    // Also of a task that is over: the end says how it ended, and older lines come when one scrolls up from there.
    this.toBottom();
  }

  get following() {
    return this.list.hasAttribute("data-follow");
  }

  set following(value) {
    this.list.toggleAttribute("data-follow", value);
  }

  fetch(query) {
    const address = root.dataset.logUrl.replace(/\/0\/log$/, `/${this.list.dataset.log}/log`);
    const only = this.list.dataset.attempt ? { attempt: this.list.dataset.attempt } : {};
    return get(`${address}?${new URLSearchParams({ ...query, ...only })}`);
  }

  async take(piece) {
    try {
      await this.follower.take(piece);
    } catch {
      // Not reached: the position stays where it is, so nothing is lost.
      setTimeout(() => this.list.isConnected && this.take({ ...piece, start: piece.end, first: false, lines: [] }), RETRY);
    }
    this.list.dataset.position = this.follower.position;
  }

  /** @param {object[]} all of them; a page of one attempt shows only its lines */
  add(all) {
    const { attempt } = this.list.dataset;
    const lines = attempt ? all.filter((line) => String(line.attempt) === attempt) : all;
    if (!lines.length) return undefined;
    if (this.late) return void this.late.push(...lines);
    // What someone reads must not run away: further lines stay outside the page until they come back to the end.
    this.spilled ||= !this.following && this.list.childElementCount + lines.length > MOST;
    if (!this.spilled) this.view.append(lines);
    if (this.following) return this.toBottom();
    return this.count(this.unseen + lines.length);
  }

  anew() {
    this.view.clear();
    this.list.toggleAttribute("data-whole", true);
    this.spilled = false;
    this.count(0);
  }

  filter(matches) {
    this.view.filter(matches);
    if (this.following) this.toBottom();
  }

  count(unseen) {
    this.unseen = unseen;
    if (!this.pill) return;
    this.pill.hidden = !unseen;
    this.pill.textContent = counted(this.pill.dataset.words ?? "{n} new", unseen);
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const [up, atEnd] = [scrollTop < this.lastTop, scrollHeight - scrollTop - clientHeight < NEAR];
    this.lastTop = scrollTop;
    if (this.following && up && !atEnd) this.following = false;
    if (up && scrollTop < NEAR) once(this, older);
    if (up || !atEnd || this.following) return;
    if (this.spilled) once(this, newer);
    else this.toEnd();
  }

  toEnd() {
    return toEnd(this);
  }

  toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
  }
}
