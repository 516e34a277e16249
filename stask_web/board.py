"""The numbers of the dashboard, at a cost that does not grow with the tasks of a day or the days of a site.

What ended more than a minute ago is settled: it changes only when somebody opens, retries or deletes a task. It is
counted once in :data:`SETTLED_FOR` seconds, and anew after every write of this process; what came since is counted each
time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from .columns import Instant
from .database import Database
from .models import Stat, Task
from .queries import STATUS
from .status import Status

#: Seconds for which settled numbers are kept.
SETTLED_FOR = 5.0
#: Seconds after which an end is settled: a transaction may commit later than the moment that it notes.
SETTLES_IN = 60.0


@dataclass(frozen=True)
class _Settled:
    """What had ended before ``edge``: then only the rest need be counted.

    :param until: by the monotonic clock, how long it is good.
    :param writes: of this process at that time.
    :param day: UTC; ``ended`` is of the days before it.
    """

    until: float
    writes: int
    edge: datetime
    day: str
    completed: int
    failed: int
    unseen: int
    ended: int

    def is_good(self, writes: int) -> bool:
        return time.monotonic() < self.until and self.writes == writes


#: By the midnight of who reads: as many as there are zones with readers.
_known: WeakKeyDictionary[Database, dict[datetime, _Settled]] = WeakKeyDictionary()
_MOST = 50


def counts(database: Database, midnight: datetime, day_ago: datetime) -> dict[str, int]:
    """The numbers of the dashboard.

    :param midnight: when today began.
    :param day_ago: the begin of the last 24 hours.
    :returns: pending, running, completed_today, failed_24h, unseen (of those failures, not opened by anybody), total.
    """
    writes = database.writes
    known = _known.setdefault(database, {})
    with database.read() as connection:
        past = known.get(midnight)
        if past is None or not past.is_good(writes):
            if len(known) >= _MOST:
                known.clear()
            past = known[midnight] = _settle(connection, writes, midnight, day_ago)
        now = connection.execute(_NOW, {"day": past.day, "done": max(past.edge, midnight), "bad": past.edge}).one()
    ended = past.ended + int(now.ended)
    return {
        "pending": int(now.pending),
        "running": int(now.running),
        "completed_today": past.completed + int(now.completed),
        "failed_24h": past.failed + int(now.failed),
        "unseen": past.unseen + int(now.unseen),
        "total": int(now.pending) + int(now.running) + ended,
    }


def _settle(connection: sa.Connection, writes: int, midnight: datetime, day_ago: datetime) -> _Settled:
    now = datetime.now(UTC)
    edge, day = now - timedelta(seconds=SETTLES_IN), f"{now - timedelta(days=1):%Y-%m-%d}"
    row = connection.execute(_PAST, {"midnight": midnight, "day_ago": day_ago, "edge": edge, "day": day}).one()
    numbers = (int(row.completed), int(row.failed), int(row.unseen), int(row.ended))
    return _Settled(time.monotonic() + SETTLED_FOR, writes, edge, day, *numbers)


def _moment(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=Instant)


def _number(what: Any, *conditions: Any) -> Any:
    return sa.select(what).select_from(Task).where(*conditions).scalar_subquery()


def _statement(done: tuple[Any, ...], bad: tuple[Any, ...], days: Any, **more: Any) -> sa.Select[Any]:
    """One statement for all of it: a page is drawn faster than six questions are asked."""
    failures = sa.select(Task.seen_at).where(STATUS == Status.FAILED, *bad).subquery()
    seen = sa.select(sa.func.count().label("failed"), sa.func.count(failures.c.seen_at).label("seen")).select_from(
        failures
    )
    failed = seen.subquery()
    ended = sa.select(sa.func.coalesce(sa.func.sum(Stat.n - Stat.gone), 0)).where(days).scalar_subquery()
    return sa.select(
        failed.c.failed,
        (failed.c.failed - failed.c.seen).label("unseen"),
        _number(sa.func.count(), STATUS == Status.COMPLETED, *done).label("completed"),
        ended.label("ended"),
        *(part.label(name) for name, part in more.items()),
    )


_DAY = sa.bindparam("day", type_=sa.String)
_PAST = _statement(
    (Task.finished_at >= _moment("midnight"), Task.finished_at < _moment("edge")),
    (Task.finished_at >= _moment("day_ago"), Task.finished_at < _moment("edge")),
    Stat.day < _DAY,
)
_NOW = _statement(
    (Task.finished_at >= _moment("done"),),
    (Task.finished_at >= _moment("bad"),),
    Stat.day >= _DAY,
    pending=_number(sa.func.count(Task.id), Task.status == Status.PENDING),
    running=_number(sa.func.count(Task.id), Task.status == Status.RUNNING),
)
