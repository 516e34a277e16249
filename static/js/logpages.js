// Ways through a log that is longer than the page holds: older lines, newer ones, and back to the end.

const PAGE = 500;

const positionAt = (panel, offset) => `${panel.follower.position.split(":")[0]}:${offset}`;

/** One question at a time; one that failed is asked again by the next scroll. */
export async function once(panel, question) {
  if (panel.asking) return;
  panel.asking = true;
  await question(panel).catch(() => {});
  panel.asking = false;
}

/** Back to the newest lines, and follow. */
export async function toEnd(panel) {
  if (panel.late) return;
  if (panel.spilled) {
    panel.late = [];
    const tail = await panel.fetch({ before: panel.follower.position, n: PAGE }).catch(() => null);
    const lines = tail && [...tail.lines, ...panel.late];
    panel.late = null;
    if (!lines) return;
    panel.view.clear();
    panel.view.append(lines);
    panel.spilled = false;
  }
  panel.following = true;
  panel.count(0);
  panel.toBottom();
}

export async function older(panel) {
  const first = panel.view.offset("first");
  if (first === undefined) return;
  let page = { start: positionAt(panel, first), lines: [], more: true };
  // A long stretch of reports holds no lines: go on to what stands before it.
  while (!page.lines.length && page.more) page = await panel.fetch({ before: page.start, n: PAGE });
  if (page.first) panel.list.toggleAttribute("data-whole", true);
  if (!page.lines.length || panel.view.offset("first") !== first) return;
  panel.view.prepend(page.lines, panel.scroller);
  if (panel.view.cut("last")) panel.spilled = true;
}

/** The lines behind the last one on the page, when newer ones had to leave it. */
export async function newer(panel) {
  const last = panel.view.offset("last");
  const { end, lines } = await panel.fetch({ from: positionAt(panel, last) });
  if (panel.view.offset("last") !== last) return;
  panel.view.append(lines.slice(1, PAGE + 1));
  if (lines.length > PAGE + 1 || end !== panel.follower.position) return;
  panel.spilled = false;
  await toEnd(panel);
}
