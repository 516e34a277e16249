"""A form as a browser sends it: what HTML says of controls, read from a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

#: What a browser takes as the value of a control; anything else it shows and sends as nothing.
_DAY, _CLOCK = r"\d{4,}-\d\d-\d\d", r"\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?"
VALUES = {
    "date": _DAY,
    "time": _CLOCK,
    "datetime-local": f"{_DAY}[T ]{_CLOCK}",
    "number": r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?",
}


def shortest(value: str) -> str:
    """A time as a browser writes it: without seconds or parts of one that are none."""
    found = re.search(r"(\d\d:\d\d):(\d\d)(?:\.(\d+))?$", value)
    if found is None:
        return value
    part = (found[3] or "").rstrip("0")
    rest = f":{found[2]}.{part}" if part else "" if found[2] == "00" else f":{found[2]}"
    return f"{value[: found.start()]}{found[1]}{rest}"


class _Reader(HTMLParser):
    """Collects what the one form with ``data-launch`` would send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self._inside = False
        self._select: dict[str, Any] | None = None
        self._area: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, str] = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = "data-launch" in given or given.get("method") == "post"
        if not self._inside:
            return
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "input" and name:
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio"):
                if "checked" in given:
                    self.sent.append((name, given.get("value", "on")))
            elif kind not in ("file", "submit"):
                if kind in ("time", "datetime-local"):
                    value = shortest(value)
                if kind in VALUES and not re.fullmatch(VALUES[kind], value):
                    value = ""
                self.sent.append((name, re.sub(r"[\r\n]", "", value) if kind != "hidden" else value))
        elif tag == "select":
            self._select = {"name": name, "many": "multiple" in given, "all": [], "chosen": []}
        elif tag == "option" and self._select is not None:
            self._select["all"].append(value)
            if "selected" in given:
                self._select["chosen"].append(value)
        elif tag == "textarea":
            self._area = (name, "")

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area = (self._area[0], self._area[1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select" and self._select is not None:
            found = self._select["chosen"]
            if not self._select["many"]:
                found = found[-1:] or self._select["all"][:1]
            self.sent += [(self._select["name"], value) for value in found]
            self._select = None
        elif tag == "textarea" and self._area is not None:
            name, text = self._area
            self.sent.append((name, re.sub(r"\r\n|\r|\n", "\r\n", text.removeprefix("\n"))))
            self._area = None


def as_sent(html: str, **changes: Any) -> dict[str, list[str]]:
    """What a browser sends of the form on a page, with some of its fields changed; None takes one away."""
    reader = _Reader()
    reader.feed(html)
    found: dict[str, list[str]] = {}
    for name, value in reader.sent:
        found.setdefault(name, []).append(value)
    for name, value in changes.items():
        found[name] = value if isinstance(value, list) else [value]
        if value is None:
            del found[name]
    return found
