"""How many tasks of a selection there are of each look, without counting a big history.

The newest are counted, up to :data:`COUNT_LOOK`. When there are more, the numbers are "at least", unless the daily
counts know better.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from .database import Database
from .filters import LOOKS
from .listing import find_way, ordered
from .models import Stat, Task
from .status import Status

#: Rows that are looked at to count them.
COUNT_LOOK = 1_000


class Count(NamedTuple):
    """A number of tasks.

    :param exact: whether that is all; otherwise there may be more.
    """

    n: int
    exact: bool


_Sums = dict[tuple[str, str, int], int]
_SUMS_FOR = 5.0
_sums: WeakKeyDictionary[Database, tuple[float, _Sums]] = WeakKeyDictionary()


def ended_sums(database: Database) -> _Sums:
    """How many ended tasks there still are: (identifier, action, status) -> number, from the daily counts.

    Up to five seconds old: pages ask for it often, and a site of many years has many days.
    """
    until, sums = _sums.get(database, (0.0, {}))
    if time.monotonic() >= until:
        key = (Stat.identifier, Stat.action, Stat.status)
        select = sa.select(*key, sa.func.sum(Stat.n - Stat.gone)).group_by(*key)
        with database.read() as connection:
            rows = connection.execute(select).all()
        sums = {(identifier, action, int(status)): int(n) for identifier, action, status, n in rows if n > 0}
        _sums[database] = (time.monotonic() + _SUMS_FOR, sums)
    return sums


#: Waiting tasks that are looked at to say how many each worker has.
WAITING_LOOK = 10_000


class WorkerCounts(NamedTuple):
    """How many tasks of a worker there are.

    :param whole: whether all that wait were looked at; otherwise there may be more of them.
    """

    waiting: int
    running: int
    completed: int
    failed: int
    whole: bool


def worker_counts(database: Database) -> dict[str, WorkerCounts]:
    """How many tasks of each worker wait, run, have completed, have failed: identifier -> counts.

    What has ended comes from the daily counts, what waits from a bounded look at the queue.
    """
    found: dict[str, Counter[int]] = {}
    with database.read() as connection:
        whole = True
        for status in (Status.PENDING, Status.RUNNING):
            some: Any = sa.select(Task.identifier).where(Task.status == status).order_by(Task.id)
            some = some.limit(WAITING_LOOK).subquery()
            rows = connection.execute(sa.select(some.c.identifier, sa.func.count()).group_by(some.c.identifier)).all()
            whole = whole and sum(int(n) for _, n in rows) < WAITING_LOOK
            for identifier, n in rows:
                found.setdefault(identifier, Counter())[status] = int(n)
    for (identifier, _, number), n in ended_sums(database).items():
        found.setdefault(identifier, Counter())[number] += n
    return {
        name: WorkerCounts(
            counts[Status.PENDING], counts[Status.RUNNING], counts[Status.COMPLETED], counts[Status.FAILED], whole
        )
        for name, counts in found.items()
    }


_Value = TypeVar("_Value")


class Kept(Generic[_Value]):
    """Numbers of big selections of tasks, good for five seconds or until this process writes.

    They are kept by what was asked, not by who asked: whatever a policy narrows a select by is part of that.
    """

    _MOST = 1_000

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[Database, dict[Hashable, tuple[float, int, _Value]]] = WeakKeyDictionary()

    def get(self, database: Database, key: Hashable) -> _Value | None:
        """What is known and still good."""
        until, writes, value = self._found.get(database, {}).get(key, (0.0, 0, None))
        return value if time.monotonic() < until and writes == database.writes else None

    def put(self, database: Database, key: Hashable, value: _Value, writes: int) -> None:
        """Keep what was found.

        :param key: of :func:`asked`; what has none is not kept.
        :param writes: of this process, before it was looked for.
        """
        found = self._found.setdefault(database, {})
        if len(found) >= self._MOST:
            found.clear()
        if key is not None:
            found[key] = (time.monotonic() + _SUMS_FOR, writes, value)


def asked(select: sa.Select[Any]) -> Hashable | None:
    """What a select asks, with its values; None for one that SQLAlchemy cannot tell from others."""
    key = select._generate_cache_key()
    return None if key is None else (key.key, repr([each.effective_value for each in key.bindparams]))


def forget_sums(database: Database) -> None:
    """Let the next page count anew: something was deleted."""
    _sums.pop(database, None)


def look_counts(
    database: Database, select: sa.Select[Any], worker: str = "", action: str = "", *, simple: bool
) -> dict[str, Count]:
    """How many tasks of a selection have each of the looks that can be asked for, and ``""`` for all.

    :param select: of tasks, without a condition for the look.
    :param worker: the worker, and the action, that the selection is narrowed to.
    :param simple: whether it is narrowed to nothing else; the daily counts then tell how many have ended. The numbers
        of any other big selection are kept for a while.
    """
    if not simple:
        return _kept_looks(database, select)
    with database.read() as connection:
        newest = _sample(connection, select)
        if newest.whole:
            return newest.counts
        found = newest.counts
        for status in (Status.PENDING, Status.RUNNING):
            part = _sample(connection, select.where(Task.status == status))
            found |= {name: part.counts[name] for name in _PARTS[status]}
    ended = {status: 0 for status in Status if status.ended}
    for (identifier, name, number), n in ended_sums(database).items():
        if worker in ("", identifier) and action in ("", name):
            ended[Status(number)] += n
    exact = {status.text: Count(n, exact=True) for status, n in ended.items()}
    parts = [*exact.values(), found[Status.PENDING.text], found[Status.RUNNING.text]]
    return {**found, **exact, "": Count(sum(each.n for each in parts), all(each.exact for each in parts))}


_looks: Kept[dict[str, Count]] = Kept()


def _kept_looks(database: Database, select: sa.Select[Any]) -> dict[str, Count]:
    key, writes = asked(select), database.writes
    kept = _looks.get(database, key)
    if kept is not None:
        return kept
    with database.read() as connection:
        newest = _sample(connection, select)
    if not newest.whole:
        _looks.put(database, key, newest.counts, writes)
    return newest.counts


#: The looks that tasks of a status may have.
_PARTS = {
    Status.PENDING: (Status.PENDING.text, "scheduled", "retrying"),
    Status.RUNNING: (Status.RUNNING.text,),
    Status.COMPLETED: (Status.COMPLETED.text, "refused"),
}


#: What decides of the look of a task, built once: to build a statement takes as long as to ask it.
_FACTS: tuple[Any, ...] = (
    Task.status.label("status"),
    Task.due_at.is_not(None).label("waits"),
    (Task.attempt_no > 0).label("again"),
    (Task.warnings > 0).label("refused"),
)
_NAMES: tuple[Any, ...] = tuple(sa.column(fact.name, fact.type) for fact in _FACTS)
_GROUPED: Any = sa.select(*_NAMES, sa.func.count()).group_by(*_NAMES)


class _Sample(NamedTuple):
    counts: dict[str, Count]
    whole: bool


def _sample(connection: sa.Connection, select: sa.Select[Any]) -> _Sample:
    """The looks of the newest tasks of a selection."""
    way = find_way(connection, select, None, None, COUNT_LOOK)
    rows: Any = ordered(way.select.with_only_columns(*_FACTS)).limit(COUNT_LOOK + 1).subquery()
    counts: Counter[str] = Counter()
    for status, waits, again, refused, n in connection.execute(_GROUPED.select_from(rows)).all():
        for name in _names(status, bool(waits), bool(again), bool(refused)):
            counts[name] += int(n)
    whole = way.edge is None and counts[""] <= COUNT_LOOK
    return _Sample({name: Count(min(counts[name], COUNT_LOOK), whole) for name in ("", *LOOKS)}, whole)


def _names(status: Status, waits: bool, again: bool, refused: bool) -> Iterator[str]:
    yield from ("", status.text)
    if status == Status.PENDING and waits:
        yield "retrying" if again else "scheduled"
    if status == Status.COMPLETED and refused:
        yield "refused"
