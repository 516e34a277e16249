"""A language that puts each text of ours between ⟦ and ⟧: what stands on a page without them was not translated."""

from __future__ import annotations

import gettext
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

#: What is no text: programs and what machines read; scripts and styles.
SKIPPED = {"script", "style", "code", "pre", "svg", "kbd"}
#: Attributes that people see or hear.
SEEN = {"title", "aria-label", "placeholder", "alt", "aria-description", "label"}
#: Ends of the names of `data-` attributes from which scripts take words.
SAID = ("-words", "-word", "-done", "-failed", "-busy", "-wait", "-needs", "-offline", "-says", "-empty")
#: Names that are the same in every language.
NAMES = re.compile(r"\bsTask\b|\w*\.csv\b|\bCSV\b|\bJSON\b|English|\b(?:EN|UK)\b|\bSHA-256\b|\bUTC\b")
_MARKED = re.compile("⟦[^⟦⟧]*⟧")
_VOID = {"meta", "link", "input", "br", "img", "hr", "source"}


class Marked(gettext.NullTranslations):
    """Every text between marks."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


def unmarked(text: str) -> str:
    """What of a text stands outside of all marks."""
    while _MARKED.search(text):
        text = _MARKED.sub("", text)
    return text


def is_foreign(text: str) -> bool:
    """Whether a text has Latin letters outside of marks; the host's own words in these tests are Greek."""
    return re.search(r"[A-Za-z]", NAMES.sub("", unmarked(text))) is not None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        #: Open tags, and what they count as: a part with ``translate="no"`` as code.
        self.tags: list[str] = []
        self.open: list[str] = []
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in SEEN or (name.startswith("data-") and name.endswith(SAID))):
                self.found += [(f"<{tag} {name}>", text) for text in _parts(value)]
        if tag not in _VOID:
            self.open.append("code" if ("translate", "no") in attrs else tag)
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self.tags:
            self.open.pop()
            if self.tags.pop() == tag:
                break

    def handle_data(self, data: str) -> None:
        if data.strip() and not SKIPPED.intersection(self.open):
            self.found.append((f"<{self.open[-1] if self.open else ''}>", " ".join(data.split())))


def _parts(value: str) -> list[str]:
    """A text, or the texts of a JSON object or list."""
    if value[:1] in "{[":
        try:
            found = json.loads(value)
        except ValueError:
            return [value]
        return [str(text) for text in (found.values() if isinstance(found, dict) else found)]
    return [value]


def foreign_in_html(html: str) -> list[str]:
    """The untranslated texts of a page, each with where it stands."""
    reader = _Reader()
    reader.feed(html)
    return [f"{place} {text!r}" for place, text in reader.found if is_foreign(text)]


#: What programs read in a JSON answer; all other texts are for people.
CODES = {
    "identifier", "action", "status_text", "look", "icon", "tone", "version", "kind", "level", "url", "digest",
    "filter",
    "name", "scope", "priority", "started_by", "value", "help", "start", "end", "created_at", "start_at", "started_at",
    "finished_at", "timestamp", "meta", "older", "newer", "further", "workers", "language", "label", "html", "token",
    "recent_url", "encoding", "first", "last", "since", "registered_at", "class", "worker", "dialect", "mode", "engine",
}  # fmt: skip


def foreign_in_json(data: Any, at: str = "") -> Iterator[str]:
    """The untranslated texts of a JSON answer."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name not in CODES:
                yield from foreign_in_json(value, f"{at}.{name}")
    elif isinstance(data, list):
        for value in data:
            yield from foreign_in_json(value, at)
    elif isinstance(data, str) and is_foreign(data):
        yield f"{at} {data!r}"
