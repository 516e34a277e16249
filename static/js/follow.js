// Follows one journal: takes pieces in any order, gives lines in their order, each once.

import { decide } from "./position.js";

export class Follower {
  /**
   * @param {string} position everything up to here is shown
   * @param {{lines: Function, anew: Function, fetch: (position: string) => Promise<object>}} use
   *   `fetch` answers {start, end, lines, more}
   */
  constructor(position, use) {
    Object.assign(this, { position, use, filling: null, waiting: [] });
  }

  /** Take a piece from the socket or from a poll; it resolves when all of it is shown. */
  async take(piece) {
    if (this.filling) {
      this.waiting.push(piece);
      return this.filling;
    }
    return this.apply(piece) ? undefined : this.fill();
  }

  /** Fetch all that follows our position, however much it is. */
  fill() {
    this.filling ??= this.fetchAll().finally(() => {
      this.filling = null;
      this.waiting = [];
    });
    return this.filling;
  }

  /** @returns {boolean} false when something before the piece is missing */
  apply(piece) {
    const what = decide(this.position, piece);
    if (what === "anew") this.use.anew();
    if (what === "apply" || what === "anew") this.show(piece);
    return what !== "gap";
  }

  show(piece) {
    this.position = piece.end;
    if (piece.lines.length) this.use.lines(piece.lines);
  }

  async fetchAll() {
    let more = true;
    while (more) {
      const piece = await this.use.fetch(this.position);
      if (piece.start !== this.position) this.use.anew();
      this.show(piece);
      // What came meanwhile may go on exactly where the answer ended; if it does not, ask again.
      more = piece.more || !this.waiting.splice(0).every((later) => this.apply(later));
    }
  }
}
