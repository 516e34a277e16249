"""Numbers for our SVG charts: presentation attributes only, no style and no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..language import tr
from ..numbers import number
from ..times import hour


class Hour(NamedTuple):
    """One hour of the strip: where it begins, and what a reader hears and a pointer sees."""

    x: float
    label: str


class HourStrip(NamedTuple):
    """The strip of hours, in a drawing of 960 x 64: failed tasks stand on completed ones.

    :param done: the outline of all bars of completed tasks, as the ``d`` of a path; so are ``failed`` and ``none``.
    :param ticks: the first hour and the one in the middle, in words.
    """

    hours: list[Hour]
    done: str
    failed: str
    none: str
    ticks: tuple[str, str]


WIDTH, HEIGHT, SMALLEST = 960.0, 64.0, 3.0
_GAP, _BAR = 8.0, 24.0


def hour_strip(hours: Sequence[Mapping[str, Any]]) -> HourStrip:
    """Bars of equal width; the highest hour fills the height, any hour with a task is at least 3 high.

    :param hours: dicts of hour, completed and failed, oldest first; at least one.
    """
    most = max(row["completed"] + row["failed"] for row in hours) or 1
    step = WIDTH / len(hours)
    shown, shapes = [], {"done": "", "failed": "", "none": ""}
    for index, row in enumerate(hours):
        x = round(index * step, 2)
        done, failed = _height(row["completed"], most), _height(row["failed"], most)
        top = HEIGHT - done
        shapes["done"] += _bar(x + _GAP, top, done, 2)
        shapes["failed"] += _bar(x + _GAP, max(0.0, top - failed), failed, 2)
        if not (done or failed):
            shapes["none"] += _bar(x + _GAP, HEIGHT - SMALLEST, SMALLEST, SMALLEST / 2)
        words = tr(
            "%(time)s: %(completed)s completed, %(failed)s failed",
            time=hour(row["hour"]),
            completed=number(row["completed"]),
            failed=number(row["failed"]),
        )
        shown.append(Hour(x, words))
    return HourStrip(shown, **shapes, ticks=(hour(hours[0]["hour"]), hour(hours[len(hours) // 2]["hour"])))


def _bar(x: float, y: float, height: float, round_by: float) -> str:
    """The outline of a bar with round corners, as a piece of a path's ``d``; nothing without a height."""
    if not height:
        return ""
    r = min(round_by, height / 2)
    across, down = _BAR - 2 * r, height - 2 * r
    return (
        f"M{x + r:g} {y:g}h{across:g}a{r:g} {r:g} 0 0 1 {r:g} {r:g}v{down:g}a{r:g} {r:g} 0 0 1 {-r:g} {r:g}"
        f"h{-across:g}a{r:g} {r:g} 0 0 1 {-r:g} {-r:g}v{-down:g}a{r:g} {r:g} 0 0 1 {r:g} {-r:g}z"
    )


class Run(NamedTuple):
    """One run of an action, to be drawn as a bar.

    :param seconds: how long it took.
    :param tone: of its look.
    :param words: what a reader hears and a pointer sees.
    """

    seconds: float
    tone: str
    url: str
    words: str


class RunBar(NamedTuple):
    """One bar of an action's last runs, in a drawing of 320 x 40."""

    x: float
    y: float
    height: float
    run: Run


RUN_WIDTH, RUN_HEIGHT, RUN_STEP, RUN_SMALLEST = 320.0, 40.0, 16.0, 4.0


def run_bars(runs: Sequence[Run], most: int) -> list[RunBar]:
    """Bars of equal width that end at the right edge; the longest run fills the height.

    :param runs: oldest first.
    :param most: how many bars there is room for.
    """
    longest = max((run.seconds for run in runs), default=0.0) or 1.0
    first = RUN_WIDTH - RUN_STEP * min(len(runs), most)
    bars = []
    for place, run in enumerate(runs[-most:]):
        height = round(max(RUN_SMALLEST, run.seconds / longest * RUN_HEIGHT), 2)
        bars.append(RunBar(first + place * RUN_STEP, round(RUN_HEIGHT - height, 2), height, run))
    return bars


def _height(value: int, most: int) -> float:
    return round(max(SMALLEST, value / most * HEIGHT), 2) if value else 0.0


class Stack(NamedTuple):
    """What one bar stands for.

    :param tick: its word below the axis.
    :param label: what a pointer that rests on it is told.
    :param values: from the bottom up.
    """

    tick: str
    label: str
    values: tuple[float, ...]


class Piece(NamedTuple):
    """One value of a bar; ``part`` is its place among the values of the stack."""

    part: int
    y: float
    height: float


class Bar(NamedTuple):
    """One bar: its room, itself, its pieces and what it says."""

    left: float
    room: float
    x: float
    width: float
    pieces: list[Piece]
    label: str


class Line(NamedTuple):
    """One line across the drawing, and the words beside it."""

    y: float
    words: str


class Chart(NamedTuple):
    """Bars in a drawing of :data:`WIDTH` x :data:`TALL`, lines across it, and words below."""

    bars: list[Bar]
    lines: list[Line]
    ticks: list[str]


TALL = 160.0
_GAP, _TICKS = 0.28, 5


def bar_chart(stacks: Sequence[Stack], words: Callable[[float], str], steps: Callable[[float], float]) -> Chart:
    """Bars beside each other, the highest below the top line.

    :param words: what is written beside a line.
    :param steps: the value of the top line, for the highest bar.
    """
    top = steps(max([sum(stack.values) for stack in stacks], default=0.0))
    room = WIDTH / max(1, len(stacks))
    bars = []
    for index, stack in enumerate(stacks):
        y, pieces = TALL, []
        for part, value in enumerate(stack.values):
            height = max(SMALLEST, value / top * TALL) if value > 0 else 0.0
            y -= height
            if height:
                pieces.append(Piece(part, round(max(0.0, y), 2), round(height, 2)))
        gap = room * _GAP / 2
        left = round(index * room, 2)
        bars.append(Bar(left, round(room, 2), round(left + gap, 2), round(room - 2 * gap, 2), pieces, stack.label))
    lines = [Line(round(TALL * (1 - part), 2), words(top * part)) for part in (1.0, 0.5, 0.0)]
    return Chart(bars, lines, _some([stack.tick for stack in stacks]))


def round_number(most: float) -> float:
    """The next even number of the kinds 2, 4, 10, 20, 40, 60, 100, ... so that half of it is a whole one, too."""
    size = 1.0
    while True:
        for factor in (2, 4, 6, 10):
            if most <= factor * size:
                return factor * size
        size *= 10


def round_seconds(most: float) -> float:
    """The next length of time that reads well, as does half of it."""
    steps = (0.2, 1, 2, 4, 10, 20, 40, 60, 90, 120, 240, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)
    return next((float(step) for step in steps if most <= step), round_number(most / 86400) * 86400)


def bar_share(ends: Sequence[float], most: float) -> list[tuple[int, float, float]]:
    """One bar that lies: (part, x, width) of each value, in a drawing that is 100 wide."""
    x, found = 0.0, []
    for part, value in enumerate(ends):
        width = round(value / most * 100, 3) if most else 0.0
        if value > 0:
            width = max(width, 0.6)
            found.append((part, round(min(x, 100 - width), 3), width))
        x += width
    return found


def small_bars(values: Sequence[int]) -> list[tuple[float, float, float]]:
    """Bars without an axis, in a drawing of 4 for each value x 16: (x, y, height)."""
    most = max(values, default=0) or 1
    heights = [max(2.0, value / most * 16) if value else 0.0 for value in values]
    return [(index * 4.0, round(16 - height, 2), round(height, 2)) for index, height in enumerate(heights)]


def _some(words: list[str]) -> list[str]:
    """The first, the last and some between, evenly."""
    if len(words) <= _TICKS:
        return words
    last = len(words) - 1
    return [words[round(last * number / (_TICKS - 1))] for number in range(_TICKS)]
