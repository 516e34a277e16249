"""Writes the journal of one run: from any thread, without secrets, and without ever failing the task."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..columns import to_json
from ..journal import Journal
from ..text import clean
from .stars import STARS, pattern_of

#: Longest text that is taken for one line; the journal splits it further.
LONGEST = 256 * 1024


class Pen:
    """The journal of one attempt.

    :param make: makes the journal, with the first line.
    :param attempt: the number that each record carries.
    """

    def __init__(self, make: Callable[[], Journal], attempt: int) -> None:
        self.attempt = attempt
        self.lost = 0
        self._make = make
        self._made: Journal | None = None
        self._lock = threading.RLock()
        #: Called with all that is hidden, when there is more of it.
        self.told: Callable[[list[str]], None] | None = None
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    @property
    def _journal(self) -> Journal:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def hide(self, values: Iterable[Any]) -> None:
        """Write stars in place of these values, too, from now on; very short ones would hide half of every line."""
        secrets = self._secrets.union(clean(value) for value in values if isinstance(value, str))
        if secrets != self._secrets:
            self._secrets, self._pattern = secrets, pattern_of(secrets)
            if self.told is not None:
                self.told(sorted(secrets))

    def scrub(self, text: str) -> str:
        """The text without secrets."""
        return text if self._pattern is None else self._pattern.sub(STARS, text)

    def text(self, value: object, limit: int) -> str:
        """Anything as storable text without secrets; it is cut at last, for half a secret would not be found."""
        return clean(self.scrub(clean(value)), limit)

    def log(self, level: str, message: object, context: Mapping[str, Any] | None = None, *, kind: str = "log") -> None:
        """Write one line, of any length."""
        text = self.text(message, LONGEST)
        try:
            values = None if context is None else self._without_secrets(dict(context))
            records = self._journal.records(level, text, values, attempt=self.attempt, kind=kind)
        except (ValueError, TypeError, RecursionError):  # a context that holds itself, or is no mapping
            values = {"text": self.text(context, LONGEST)}
            records = self._journal.records(level, text, values, attempt=self.attempt, kind=kind)
        self.write(records)

    def lines(self, texts: Iterable[str]) -> None:
        """Write captured output, line by line."""
        records: list[dict[str, Any]] = []
        for text in texts:
            records += self._journal.records("info", self.scrub(clean(text)), attempt=self.attempt, kind="out")
        self.write(records)

    def progress(self, values: Mapping[str, Any]) -> None:
        """Write a progress record. Its message is as :meth:`text` gives it."""
        self.write([{"t": round(time.time(), 3), "a": self.attempt, "k": "progress", "p": dict(values)}])

    def write(self, records: list[dict[str, Any]]) -> None:
        """Write records; a full disk or a folder that is gone costs lines, which are counted, never the task."""
        if not records:
            return
        with self._lock:
            try:
                self._journal.write([self._gap(), *records] if self.lost else records)
                self.lost = 0
            except OSError:
                self._journal.close()
                self.lost += len(records)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._made is not None:
                self._made.close()

    def _gap(self) -> dict[str, Any]:
        text = f"{self.lost} lines could not be written here."
        return {"t": round(time.time(), 3), "a": self.attempt, "k": "gap", "l": "warning", "m": text}

    def _without_secrets(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """A context whose texts hold no secrets. Only its JSON shows the texts of all that is in it."""
        if self._pattern is None:
            return values
        cleaned: dict[Any, Any] = self._scrub_all(json.loads(to_json(values)))
        return cleaned

    def _scrub_all(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, dict):
            return {self.scrub(key): self._scrub_all(item) for key, item in value.items()}
        return [self._scrub_all(item) for item in value] if isinstance(value, list) else value
