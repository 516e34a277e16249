"""Statistics: how much ended how, how long it took, and what went wrong, without reading a big history.

Counts and averages come from the daily counts and are exact. Days there are those of UTC. Percentiles and the slowest
runs come from a sample that is spread evenly over the period, failures from the newest ones: both look at a bounded
number of rows, found by their ids.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from .columns import StatusType
from .database import Database
from .filters import ids_between
from .listing import find_way, ordered
from .models import Stat, Task
from .status import Status
from .text import plain

#: Rows that a sample looks at, and how many pieces of a long period they are taken from.
SAMPLE, PIECES = 2_000, 20
#: Where one action of a worker is asked for, of each piece so many times more rows are looked at.
_MORE_FOR_ACTION = 4
#: Failures that are grouped, the rows looked at for them, and the pieces of the period in which they are counted.
FAILURES, FAILURES_LOOK, MOMENTS = 500, 2_000, 24
_LONGEST_ERROR = 160
#: See :mod:`stask_web.queries`: the index on the end is the one to use.
_STATUS: sa.ColumnElement[Any] = sa.literal_column("+s_tasks.status", StatusType)


class Span(NamedTuple):
    """A period of whole days (UTC), both included."""

    since: date
    until: date

    @property
    def days(self) -> list[date]:
        """Each of its days."""
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return datetime(self.since.year, self.since.month, self.since.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC) + timedelta(days=1)


class Scope(NamedTuple):
    """Whose runs: of one worker, or of one of its actions; empty for all."""

    identifier: str = ""
    action: str = ""


@dataclass
class Ends:
    """How often something ended how.

    :param seconds: of work in those that completed.
    """

    completed: int = 0
    failed: int = 0
    stopped: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.stopped

    @property
    def tried(self) -> int:
        """What the success rate is of: what somebody stopped is neither a success nor a failure."""
        return self.completed + self.failed

    @property
    def average(self) -> float | None:
        """Seconds of a completed run."""
        return self.seconds / self.completed if self.completed > 0 else None

    def add(self, status: Status, n: int, seconds: float = 0.0) -> None:
        """Count more."""
        if status == Status.COMPLETED:
            self.completed += n
            self.seconds += seconds
        elif status == Status.FAILED:
            self.failed += n
        else:
            self.stopped += n

    def __add__(self, other: Ends) -> Ends:
        return Ends(
            self.completed + other.completed,
            self.failed + other.failed,
            self.stopped + other.stopped,
            self.seconds + other.seconds,
        )


# Counts


def by_day(database: Database, span: Span, scope: Scope) -> dict[date, Ends]:
    """How each day's runs ended; days without any are there, too."""
    found = {day: Ends() for day in span.days}
    for day, status, n, seconds in _counts(database, span, scope, Stat.day, Stat.status):
        found[date.fromisoformat(day)].add(status, int(n), float(seconds))
    return found


def by_action(database: Database, span: Span, scope: Scope) -> dict[tuple[str, str], Ends]:
    """How each action's runs ended: (identifier, action) -> ends, the busiest first."""
    found: dict[tuple[str, str], Ends] = {}
    columns = (Stat.identifier, Stat.action, Stat.status)
    for identifier, action, status, n, seconds in _counts(database, span, scope, *columns):
        found.setdefault((identifier, action), Ends()).add(status, int(n), float(seconds))
    return dict(sorted(((key, ends) for key, ends in found.items() if ends.total), key=lambda each: -each[1].total))


def every_count(database: Database, span: Span, scope: Scope) -> Iterator[tuple[str, str, str, Ends]]:
    """Each day's counts of each action: day, identifier, action, ends."""
    rows: dict[tuple[str, str, str], Ends] = {}
    columns = (Stat.day, Stat.identifier, Stat.action, Stat.status)
    for day, identifier, action, status, n, seconds in _counts(database, span, scope, *columns):
        rows.setdefault((day, identifier, action), Ends()).add(status, int(n), float(seconds))
    for key, ends in sorted(rows.items()):
        yield (*key, ends)


def _counts(database: Database, span: Span, scope: Scope, *columns: Any) -> list[Any]:
    select = (
        sa.select(*columns, sa.func.sum(Stat.n), sa.func.sum(Stat.seconds))
        .where(Stat.day >= span.since.isoformat(), Stat.day <= span.until.isoformat())
        .group_by(*columns)
    )
    for column, value in ((Stat.identifier, scope.identifier), (Stat.action, scope.action)):
        select = select.where(column == value) if value else select
    with database.read() as connection:
        return list(connection.execute(select))


_HOURS_FOR = 30.0
_hours: WeakKeyDictionary[Database, tuple[float, date, list[tuple[datetime, Ends]]]] = WeakKeyDictionary()


def by_hour(database: Database, day: date) -> list[tuple[datetime, Ends]]:
    """How the runs of each hour of a day ended, all workers together; counted once in half a minute."""
    until, known, hours = _hours.get(database, (0.0, date.min, []))
    if time.monotonic() >= until or known != day:
        hours = _count_hours(database, Span(day, day))
        _hours[database] = (time.monotonic() + _HOURS_FOR, day, hours)
    return hours


def _count_hours(database: Database, span: Span) -> list[tuple[datetime, Ends]]:
    hours = [(span.begin + timedelta(hours=number), Ends()) for number in range(24)]
    since: Any = (sa.type_coerce(Task.finished_at, sa.Double) - span.begin.timestamp()) / 3600
    # SQLite cuts when it casts and may lack floor(); the others round when they cast.
    number = sa.cast(since if database.dialect == "sqlite" else sa.func.floor(since), sa.Integer).label("number")
    select = (
        sa.select(number, _STATUS, sa.func.count())
        .select_from(Task)
        .where(_STATUS >= Status.COMPLETED, Task.finished_at >= span.begin, Task.finished_at < span.end)
        .group_by("number", _STATUS)
    )
    with database.read() as connection:
        for index, status, n in connection.execute(select):
            hours[min(int(index), 23)][1].add(status, int(n))
    return hours


# Durations


class Lap(NamedTuple):
    """One completed run of a sample: the task's id, and its seconds."""

    id: int
    seconds: float


_PIECE = """
SELECT id, duration FROM (
    SELECT id, action, status, duration, finished_at FROM s_tasks
    WHERE id > :low AND id <= :high {scope} ORDER BY id DESC LIMIT :look
) AS piece
WHERE status = :status AND duration IS NOT NULL AND finished_at >= :begin AND finished_at < :end {action}
LIMIT :most
"""


def sample(database: Database, span: Span, scope: Scope) -> list[Lap]:
    """Completed runs of a period, the quickest first: all of a small one, else some of each of its pieces."""
    low, high = _ids(database, span)
    pieces = PIECES if high - low > SAMPLE else 1
    most = SAMPLE // pieces
    look = most * (_MORE_FOR_ACTION if scope.action else 1)
    statement = sa.text(
        _PIECE.format(
            scope="AND identifier = :identifier" if scope.identifier else "",
            action="AND action = :action" if scope.action else "",
        )
    )
    values: dict[str, float] = {"status": int(Status.COMPLETED), "look": look, "most": most}
    values |= {"begin": span.begin.timestamp(), "end": span.end.timestamp()}
    names = {name: value for name, value in scope._asdict().items() if value}
    edges = [low + (high - low) * number // pieces for number in range(pieces + 1)]
    laps: list[Lap] = []
    with database.read() as connection:
        for first, last in pairwise(edges):
            found = connection.execute(statement, {"low": first, "high": last, **values, **names})
            laps += [Lap(int(row[0]), float(row[1])) for row in found]
    return sorted(laps, key=lambda lap: lap.seconds)


def percentile(laps: Sequence[Lap], part: float) -> float | None:
    """How many seconds such a part of the runs takes at most, by the nearest rank.

    :param laps: the quickest first.
    :param part: e.g. 0.95.
    """
    return laps[max(0, math.ceil(part * len(laps)) - 1)].seconds if laps else None


def _ids(database: Database, span: Span) -> tuple[int, int]:
    if span.begin > datetime.now(UTC):
        return 0, 0
    return ids_between(database, span.begin, span.end)


# Failures


class Failures(NamedTuple):
    """Failures of one action with the same error; numbers in the error are left out.

    :param task_id: the newest one.
    :param moments: how many there were in each of :data:`MOMENTS` equal pieces of the period.
    """

    identifier: str
    action: str
    error: str
    task_id: int
    first: datetime
    last: datetime
    n: int
    moments: list[int]


class Grouped(NamedTuple):
    """Failures by their errors, the most frequent first.

    :param looked: how many were grouped.
    """

    groups: list[Failures]
    looked: int


def failures(database: Database, span: Span, scope: Scope) -> Grouped:
    """The newest failures of a period, grouped."""
    low, high = _ids(database, span)
    ended = (Task.finished_at >= span.begin, Task.finished_at < span.end)
    select = sa.select(Task).where(Task.status == Status.FAILED, Task.id > low, *ended)
    for column, value in ((Task.identifier, scope.identifier), (Task.action, scope.action)):
        select = select.where(column == value) if value else select
    ended_at = sa.type_coerce(Task.finished_at, sa.Double).label("at")
    columns = (
        Task.id,
        Task.identifier,
        Task.action,
        sa.func.coalesce(Task.error, Task.message).label("error"),
        ended_at,
    )
    with database.read() as connection:
        way = find_way(connection, select, high + 1, None, FAILURES_LOOK)
        rows = connection.execute(ordered(way.select.with_only_columns(*columns)).limit(FAILURES)).all()
    groups: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for row in rows:
        groups.setdefault((row.identifier, row.action, error_text(row.error or "")), []).append((row.id, row.at))
    found = [_group(key, ends, span) for key, ends in groups.items()]
    return Grouped(sorted(found, key=lambda group: (-group.n, -group.task_id)), len(rows))


def _group(key: tuple[str, str, str], ends: list[tuple[int, float]], span: Span) -> Failures:
    """The failures of one error: pairs of task and moment."""
    begin, end = span.begin.timestamp(), span.end.timestamp()
    moments = [0] * MOMENTS
    for _, at in ends:
        moments[min(MOMENTS - 1, int((at - begin) / (end - begin) * MOMENTS))] += 1
    first, last = (datetime.fromtimestamp(choose(at for _, at in ends), UTC) for choose in (min, max))
    return Failures(*key, max(task_id for task_id, _ in ends), first, last, len(ends), moments)


@lru_cache(maxsize=2_000)
def error_text(text: str) -> str:
    """What failures of one cause have in common: the first line, without its numbers."""
    line = next(iter(plain(text).strip().splitlines()), "")
    return re.sub(r"\d+(?:[.,]\d+)*", "…", line)[:_LONGEST_ERROR].strip()
