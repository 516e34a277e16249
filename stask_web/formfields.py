"""One field of a launch form on its page: what it shows, and the sentences of what its browser checks by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from .conditions import Condition
from .controls import EXACT, ZONE_OF, shown, step_of
from .errors import STaskError
from .language import mark, tr, trn
from .numbers import human_size, number
from .options import Field
from .sentences import sentence
from .storage import Received
from .text import clean

#: Of an uploaded table: how many rows and columns are shown, and how many characters of a cell.
PREVIEW_ROWS, PREVIEW_COLUMNS, PREVIEW_SIGNS = 5, 50, 500
FILE_KINDS = ("file", "files")

#: kind -> sentence for what a browser cannot read as one.
_UNREADABLE = {
    "decimal": "decimal_parsing",
    "date": "date_parsing",
    "time": "time_parsing",
    "datetime": "datetime_parsing",
    "email": "email",
    "url": "url",
}
_EMPTY = {"file": "file", "files": "file", "select": "choice", "radio": "choice", "multiselect": "choice"}


@dataclass(frozen=True)
class Preview:
    """The first rows of a table as it was read."""

    header: list[str]
    rows: list[list[str]]
    note: str


@dataclass
class FormField:
    """One field on the page.

    :param spec: what is known of it.
    :param text: what it shows; a list for fields with several values.
    :param zone: of a moment that has one, see :class:`stask_web.controls.Shown`.
    :param exact: the whole value, where the control does not hold it.
    :param note: what a person has to know of it now, e.g. that a secret must be entered anew.
    :param depends: the fields whose values decide what there is to choose.
    :param asked: whether its condition holds, so that it is asked for.
    :param show_if: its condition, in the terms of the other fields.
    """

    spec: Field
    text: Any = ""
    zone: str | None = None
    exact: str = ""
    error: str = ""
    note: str = ""
    files: list[Received] = field(default_factory=list)
    choices: list[tuple[str, str]] = field(default_factory=list)
    depends: tuple[str, ...] = ()
    asked: bool = True
    show_if: Condition = field(default_factory=dict)

    def show(self, value: Any) -> None:
        """Show a value."""
        self.text, self.zone, self.exact = shown(self.spec, value)

    @property
    def name(self) -> str:
        """Its name in the form."""
        return self.spec.name

    @property
    def kind(self) -> str:
        """Which template draws it."""
        return self.spec.kind

    @property
    def described_by(self) -> str:
        """The ids of its help and its error."""
        return f"help-{self.name} error-{self.name}" if self.spec.help else f"error-{self.name}"

    @property
    def optional(self) -> bool:
        """Whether it may stay empty: that says None, or there is no default that is used instead."""
        return self.kind != "checkbox" and (self.spec.nullable or self._starts_empty)

    @property
    def _starts_empty(self) -> bool:
        return not self.spec.required and not shown(self.spec, self.spec.default).text

    @property
    def more(self) -> bool:
        """Whether it stands under "More": no file, and nothing with an error, a note, a group or a condition does."""
        special = self.error or self.note or self.spec.group or self.spec.show_if or self.kind in FILE_KINDS
        return self.optional and self._starts_empty and not special

    @property
    def beside(self) -> list[tuple[str, str]]:
        """Hidden fields with what its control does not hold."""
        found = [] if self.zone is None else [(self.name + ZONE_OF, self.zone)]
        return [*found, (self.name + EXACT, self.exact)] if self.exact else found

    @property
    def clock(self) -> str:
        """Of a moment with a time zone: by whose clock it is told."""
        if self.zone:
            return tr("By your clock, %(zone)s", zone=self.zone)
        return tr("By the clock of this site, %(zone)s", zone=datetime.now().astimezone().tzname())

    @property
    def has_lines(self) -> bool:
        """Whether it is drawn with room for several lines: one line of HTML would lose the breaks."""
        return self.kind in ("textarea", "json") or (self.kind == "text" and "\n" in str(self.text))

    @property
    def html_attrs(self) -> dict[str, Any]:
        """The constraints for HTML; a number without a step takes any."""
        attrs = dict(self.spec.attrs)
        if self.kind == "decimal":
            attrs.pop("step", None)
        elif self.kind == "number":
            attrs.setdefault("step", "any")
        elif self.kind in ("date", "time", "datetime"):
            attrs |= {name: self._limit(attrs[name]) for name in ("min", "max") if name in attrs}
            if step := step_of([str(attrs.get("min", "")), str(attrs.get("max", "")), str(self.text)]):
                attrs["step"] = step
        return attrs

    def _limit(self, value: Any) -> str:
        """The first or last moment that is taken, by the clock of its control."""
        return str(shown(self.spec, value, self.zone).text) if isinstance(value, date | datetime | time) else str(value)

    @property
    def says(self) -> str:
        """Our sentences for what a browser finds wrong, as JSON by the names of its ``ValidityState``."""
        attrs = self.spec.attrs
        whole = self.kind == "number" and attrs.get("step") == 1
        unreadable = sentence("int_parsing" if whole else _UNREADABLE.get(self.kind, "float_parsing"))
        found = {"valueMissing": sentence(_EMPTY.get(self.kind, "missing")), "badInput": unreadable}
        found |= {"typeMismatch": unreadable, "stepMismatch": unreadable}
        limits = (
            ("min", "rangeUnderflow", "greater_than_equal", "ge"),
            ("max", "rangeOverflow", "less_than_equal", "le"),
            ("minlength", "tooShort", "string_too_short", "min_length"),
            ("maxlength", "tooLong", "string_too_long", "max_length"),
            ("pattern", "patternMismatch", "string_pattern_mismatch", "pattern"),
        )
        for attribute, flag, kind, name in limits:
            if attribute in attrs:
                found[flag] = sentence(kind, {name: attrs[attribute]})
        return json.dumps(found, ensure_ascii=False)

    @property
    def condition(self) -> str:
        """When it is asked for, as JSON: field name -> values."""
        return json.dumps(self.show_if, ensure_ascii=False) if self.show_if else ""

    @property
    def has_choice(self) -> bool:
        """Whether what it holds is among its choices."""
        return any(self.chosen(value) for value, _ in self.choices)

    def chosen(self, value: str) -> bool:
        """Whether a choice is the chosen one."""
        return value in self.text if isinstance(self.text, list) else value == self.text

    def size(self, file: Received) -> str:
        """A file's size in words."""
        return human_size(file.size)

    def preview(self, file: Received) -> Preview | None:
        """The first rows of a file, None when it is no table."""
        return preview_of(file)


def preview_of(file: Received) -> Preview | None:
    """The first rows of an uploaded table as the action will read them; None when it is no table or cannot be read."""
    from .tables import read_table

    if not file.name.lower().endswith((".csv", ".tsv", ".txt")):
        return None
    try:
        table = read_table(file.path)
        shown = list(table.header)[:PREVIEW_COLUMNS]
        rows = [
            [clean(row.values.get(name, ""), PREVIEW_SIGNS) for name in shown]
            for row, _ in zip(table.rows(), range(PREVIEW_ROWS), strict=False)
        ]
    except (STaskError, OSError, ValueError):
        return None
    columns = len(table.header)
    facts = [trn("%(num)s column", "%(num)s columns", columns, num=number(columns))]
    if columns > len(shown):
        facts.append(tr("only the first %(num)s are shown", num=number(len(shown))))
    facts.append(table.encoding)
    if table.delimiter in _DELIMITERS:
        facts.append(tr(_DELIMITERS[table.delimiter]))
    return Preview([clean(name, PREVIEW_SIGNS) for name in shown], rows, " · ".join(facts))


_DELIMITERS = {
    ",": mark("separated by comma"),
    ";": mark("separated by semicolon"),
    "\t": mark("separated by tab"),
    "|": mark("separated by bar"),
}
