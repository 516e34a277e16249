// Positions in a journal: "generation:offset". A cleared or replaced journal begins a new generation.
// Nothing here touches the page, so it can be reasoned about (and tested) alone.

/** @returns {{generation: string, offset: number}} */
export function split(position) {
  const at = position.lastIndexOf(":");
  return { generation: position.slice(0, at), offset: Number(position.slice(at + 1)) };
}

/**
 * What to do with a piece when everything up to `mine` is shown.
 *
 * "apply": it goes on where we are. "anew": another journal begins, forget what is shown. "drop": we have it all.
 * "gap": something lies between, or the piece is only partly known: ask for what follows `mine`.
 *
 * @param {string} mine
 * @param {{start: string, end: string, first?: boolean}} piece `first` says that it begins its journal
 */
export function decide(mine, piece) {
  if (piece.start === mine) return "apply";
  const [me, from, to] = [split(mine), split(piece.start), split(piece.end)];
  if (me.generation !== from.generation) return piece.first ? "anew" : "gap";
  if (from.offset > me.offset) return "gap";
  return to.offset <= me.offset ? "drop" : "gap";
}
