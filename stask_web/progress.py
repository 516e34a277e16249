"""Progress of one run: the newest values, when they are worth telling, and the time that is left."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import TaskInterrupt
from .text import clean

#: Seconds between two emitted reports.
INTERVAL = 0.1
#: How many reports may follow each other at once after a silence. Without a reserve, an action that reports ten times a
#: second falls behind the timer by one report, once, and from then on each of its reports waits for the next tick.
RESERVE = 2.0
_WINDOW = 15.0
#: Seconds of measuring without which a rate says nothing.
_SETTLED = 1.0
#: The largest number that is stored, and the longest ETA: a hundred years, in seconds.
MOST, LONGEST = 2**63 - 1, 3_155_760_000.0
_NOTHING = (None, None, None, None, None)
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def nice_eta(seconds: Any) -> str:
    """Write a number of seconds for people, in at most two units.

    ``135`` is ``"2m 15s"``, ``90061`` is ``"1d 1h"``, 0 and less is ``"0s"``; None, NaN, infinity and what is no
    number give ``""``.
    A text is given back as it is.
    """
    if isinstance(seconds, str):
        return seconds
    try:
        value = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return ""
    if not math.isfinite(value):
        return ""
    left = max(0, round(value))
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        amount, left = divmod(left, size)
        if amount or (parts and unit != "s"):
            parts.append((amount, unit))
        if len(parts) == 2:
            break
    words = [f"{amount}{unit}" for amount, unit in parts if amount]
    return " ".join(words) or "0s"


def read_eta(value: Any) -> float | None:
    """Seconds of an ETA that an action gave as a number or as a text such as ``"2m 15s"``; None if it cannot be
    read.
    """
    if isinstance(value, str):
        return _eta_of_text(value)
    number = finite(value)
    return None if number is None else max(0.0, number)


def _eta_of_text(text: str) -> float | None:
    sizes = dict(_UNITS)
    total = 0.0
    for word in text.split():
        number, unit = word[:-1], word[-1:]
        if unit not in sizes or not number.isdecimal():
            return None
        total += int(number) * sizes[unit]
    return total if text.strip() else None


def finite(value: Any) -> float | None:
    """A finite float, or None for None, NaN, infinity and what is no number."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(number: float | None) -> int | None:
    """A number as a column of the database can hold it."""
    return None if number is None else max(-MOST, min(MOST, int(number)))


class Meter:
    """The recent rate of a run and, from it, a calm estimate of the time left.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._points: deque[tuple[float, float]] = deque([(clock(), 0.0)])
        self._eta: float | None = None
        self._at = clock()

    def add(self, processed: float) -> None:
        """Note how many are done by now; fewer than before starts the measuring anew."""
        now = self._clock()
        if processed < self._points[-1][1] or not processed:
            # What came before the first step, such as reading a file through, tells nothing of the pace.
            self._points.clear()
            self._eta = None
        self._points.append((now, processed))
        while len(self._points) > 2 and now - self._points[0][0] > _WINDOW:
            self._points.popleft()

    def rate(self) -> float | None:
        """Items a second over the last 15 s, or None before a second of them was seen."""
        (first, low), (last, high) = self._points[0], self._points[-1]
        return (high - low) / (last - first) if last - first >= _SETTLED and high > low else None

    def eta(self, processed: float, total: float) -> float | None:
        """Seconds left. Between two calls the estimate never rises by more than 20 %."""
        now = self._clock()
        rate = self.rate()
        if processed >= total:
            self._eta = 0.0
        elif rate:
            fresh = (total - processed) / rate
            if self._eta is not None:
                counted_down = max(0.0, self._eta - (now - self._at))
                fresh = min(fresh, max(counted_down, 1.0) * 1.2)
            self._eta = fresh
        self._at = now
        return self._eta


class Report:
    """What an action says of its progress. Knows nothing of where it goes.

    The action's thread stores values; :attr:`due` tells it when to call :meth:`flush`. A timer calls :meth:`tick` every
    :data:`INTERVAL`, so the newest value is always told, at most ten times a second over any longer time.

    :param emit: called with each snapshot that is worth telling, in the action's thread or the timer's.
    :param text: makes a message and a limit into text of at most so many characters.
    """

    __slots__ = (
        *("_clock", "_emit", "_interrupt", "_left", "_left_at", "_meter", "_text", "_told"),
        *("due", "eta", "message", "processed", "progress", "total"),
    )

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
        text: Callable[[Any, int], str] = clean,
    ) -> None:
        self._emit = emit
        self._text = text
        self._clock = clock
        self._meter = Meter(clock)
        self._left, self._left_at = RESERVE, clock()
        self._told: tuple[Any, ...] | None = None
        self._interrupt: str | None = None
        self.progress: Any = None
        self.processed: Any = None
        self.total: Any = None
        self.eta: Any = None
        self.message: Any = None
        self.due = True

    def flush(self) -> None:
        """Tell the newest values now.

        :raises TaskInterrupt: when somebody asked the action to stop.
        """
        self.due = False
        self._tell()
        if self._interrupt:
            self.due = True
            raise TaskInterrupt(self._interrupt)
        if self._left >= 1:
            self.due = True

    def tick(self) -> None:
        """Tell what is newer than the last told, or else make the next push be told at once."""
        if not self._tell() or self._left >= 1:
            self.due = True

    def interrupt(self, kind: str) -> None:
        """Make the action's next sign of progress raise :class:`TaskInterrupt`; the first kind stays."""
        self._interrupt = self._interrupt or kind
        self.due = True

    @property
    def interrupted(self) -> str | None:
        """The kind of interrupt that was asked for, if any."""
        return self._interrupt

    def snapshot(self) -> dict[str, Any]:
        """The newest values: progress 0-100 or None, processed, total, eta in seconds, message."""
        processed, total = finite(self.processed), finite(self.total)
        progress, eta = finite(self.progress), read_eta(self.eta)
        if processed is not None:
            self._meter.add(processed)
            if total is not None and total > 0:
                progress = processed / total * 100 if progress is None else progress
                eta = self._meter.eta(processed, total) if eta is None else eta
        return {
            "progress": None if progress is None else int(min(100.0, max(0.0, progress))),
            "processed": _whole(processed),
            "total": _whole(total),
            "eta": None if eta is None else round(min(eta, LONGEST), 1),
            "message": None if self.message is None else self._text(self.message, 2000),
        }

    def _tell(self) -> bool:
        values = (self.progress, self.processed, self.total, self.eta, self.message)
        if values in (self._told, _NOTHING):
            return False
        self._told = values
        now = self._clock()
        self._left = max(0.0, min(RESERVE, self._left + (now - self._left_at) / INTERVAL) - 1)
        self._left_at = now
        self._emit(self.snapshot())
        return True
