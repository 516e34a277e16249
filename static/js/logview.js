// The lines of one log in the page: a window of at most 2,000 over a journal that may be much longer.

export const MOST = 2000;

export class LogView {
  /**
   * @param {HTMLElement} list the <ol>
   * @param {HTMLTemplateElement|null} template one line
   */
  constructor(list, template) {
    Object.assign(this, { list, template, matches: () => true });
  }


  /** Offset of the first or last line that is shown; undefined when there is none. */
  offset(end) {
    return (end === "first" ? this.list.firstElementChild : this.list.lastElementChild)?.dataset.at;
  }

  clear() {
    this.list.replaceChildren();
    this.list.removeAttribute("data-whole");
  }

  append(lines) {
    this.list.append(this.build(lines.slice(-MOST)));
    this.cut("first");
  }

  /** Put older lines on top without moving what is being read. */
  prepend(lines, scroller) {
    const before = scroller.scrollHeight - scroller.scrollTop;
    this.list.prepend(this.build(lines));
    scroller.scrollTop = scroller.scrollHeight - before;
  }

  /** @returns {boolean} whether lines had to go */
  cut(end) {
    const over = this.list.childElementCount - MOST;
    if (over > 0 && end === "first") this.list.removeAttribute("data-whole");
    for (let left = over; left > 0; left -= 1) {
      (end === "first" ? this.list.firstElementChild : this.list.lastElementChild).remove();
    }
    return over > 0;
  }

  build(lines) {
    const piece = document.createDocumentFragment();
    lines.forEach((line) => piece.append(this.line(line)));
    return piece;
  }

  /** One line of the server's JSON as an element. */
  line(entry) {
    const line = this.template.content.firstElementChild.cloneNode(true);
    Object.assign(line.dataset, { kind: entry.kind, level: entry.level, at: entry.at, attempt: entry.attempt });
    if (entry.continued) line.toggleAttribute("data-continued", true);
    const stamp = line.querySelector("time");
    stamp.textContent = entry.time;
    stamp.dateTime = entry.timestamp;
    line.querySelector(".log-level").textContent = entry.level;
    line.querySelector(".log-text").textContent = entry.message;
    line.hidden = !this.matches(line);
    return line;
  }

  /** Show only lines for which `matches(li)` holds. */
  filter(matches) {
    this.matches = matches;
    for (const line of this.list.children) line.hidden = !matches(line);
  }

  text() {
    return [...this.list.children]
      .filter((line) => !line.hidden)
      .map((line) => [...line.children].slice(0, 3).map((part) => part.textContent.trim()).join(" "))
      .join("\n");
  }
}
