"""Numbers for our SVG charts: presentation attributes only, no style and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..formatting import hour, number
from ..language import tr


class HourBar(NamedTuple):
    """One bar of the strip of hours, in a drawing of 960 x 64: failed tasks stand on completed ones."""

    x: float
    done_y: float
    done_height: float
    failed_y: float
    failed_height: float
    label: str
    hour: str
    empty: bool


WIDTH, HEIGHT, SMALLEST = 960.0, 64.0, 3.0


def hour_bars(hours: Sequence[Mapping[str, Any]]) -> list[HourBar]:
    """Bars of equal width; the highest hour fills the height, any hour with a task is at least 3 high."""
    most = max([row["completed"] + row["failed"] for row in hours] or [0]) or 1
    step = WIDTH / max(1, len(hours))
    bars = []
    for index, row in enumerate(hours):
        done, failed = _height(row["completed"], most), _height(row["failed"], most)
        start: datetime = row["hour"]
        words = tr(
            "%(time)s: %(completed)s completed, %(failed)s failed",
            time=hour(start),
            completed=number(row["completed"]),
            failed=number(row["failed"]),
        )
        top = round(HEIGHT - done, 2)
        bars.append(
            HourBar(
                x=round(index * step, 2),
                done_y=top,
                done_height=done,
                failed_y=round(max(0.0, top - failed), 2),
                failed_height=failed,
                label=words,
                hour=hour(start),
                empty=not (row["completed"] or row["failed"]),
            )
        )
    return bars


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
