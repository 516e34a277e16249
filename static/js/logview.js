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

  line({ kind, level, level_text: word, text, time, iso, at }) {
    const line = this.template.content.firstElementChild.cloneNode(true);
    line.dataset.kind = kind;
    line.dataset.level = level;
    line.dataset.at = at;
    const stamp = line.querySelector("time");
    stamp.textContent = time;
    stamp.dateTime = iso;
    line.querySelector(".log-level").textContent = word;
    line.querySelector(".log-text").textContent = text;
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
      .map((line) => [...line.children].map((part) => part.textContent.trim()).join(" "))
      .join("\n");
  }
}
