"""Reading the tables: the chainable queries of the public API, and what the pages ask. Nothing here writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from .columns import StatusType
from .database import Database
from .errors import STaskError
from .models import Attempt, Process, Schedule, Stat, Task, Upload, WorkerRecord
from .status import Status

#: Keeps of a select of tasks those that somebody may see.
Narrow = Callable[[Any], Any]

M = TypeVar("M", bound=Any)
#: The status where the index on the end is the one to use: SQLite would take that on the status, and read all of it.
STATUS: sa.ColumnElement[Any] = sa.literal_column("+s_tasks.status", StatusType)


class Query(Generic[M]):
    """A query that is built by chaining and run by ``all``, ``first``, ``count``, ``delete`` or a loop.

    What it gives are snapshots: they stay usable after any commit, rollback or end of a session.
    """

    def __init__(self, model: type[M], select: sa.Select[Any] | None = None) -> None:
        self.model = model
        self.select = sa.select(model) if select is None else select

    def filter(self, *conditions: Any) -> Query[M]:
        """Keep rows for which all conditions hold, e.g. ``Task.created_at > when``."""
        return Query(self.model, self.select.where(*conditions))

    where = filter

    def exists(self) -> bool:
        """Whether there is any row."""
        return self.first() is not None

    def filter_by(self, **values: Any) -> Query[M]:
        """Keep rows whose columns equal the values."""
        return Query(self.model, self.select.filter_by(**values))

    def by_identifier(self, identifier: str) -> Query[M]:
        """Keep one worker's rows."""
        return self.filter(self.model.identifier == identifier)

    def by_action(self, action: str) -> Query[M]:
        """Keep one action's tasks; any spelling of its name will do, where it does not mean another action."""
        from .state import current_state

        meant, others = current_state().registry.spellings(action)
        column, wanted = self.model.action, action.strip().lower().replace("-", "_")
        known = sorted({action, wanted, *(name for _, name in meant)})  # a database may know capitals of Latin only
        query = self.filter(sa.or_(column.in_(known), sa.func.lower(column) == wanted))
        for identifier, name in others:
            query = query.filter(sa.not_(sa.and_(self.model.identifier == identifier, column == name)))
        return query

    def with_status(self, *statuses: Status) -> Query[M]:
        """Keep tasks of these statuses."""
        return self.filter(self.model.status.in_(statuses))

    def pending(self) -> Query[M]:
        """Keep tasks that wait to start."""
        return self.with_status(Status.PENDING)

    def running(self) -> Query[M]:
        """Keep tasks whose action works right now."""
        return self.with_status(Status.RUNNING)

    def completed(self) -> Query[M]:
        """Keep tasks that ended well."""
        return self.with_status(Status.COMPLETED)

    def failed(self) -> Query[M]:
        """Keep tasks that failed."""
        return self.with_status(Status.FAILED)

    def cancelled(self) -> Query[M]:
        """Keep tasks that were withdrawn or stopped."""
        return self.with_status(Status.CANCELLED)

    def incomplete(self) -> Query[M]:
        """Keep tasks that wait or run."""
        return self.with_status(Status.PENDING, Status.RUNNING)

    def only_active(self) -> Query[M]:
        """Keep workers that are turned on."""
        return self.filter(self.model.active.is_(True))

    def by_scope(self, scope: str) -> Query[M]:
        """Keep the workers of one scope."""
        return self.filter(self.model.scope == scope)

    def ordered(self) -> Query[M]:
        """Sort workers by scope and identifier."""
        return self.order_by(self.model.scope, self.model.identifier)

    def order_by(self, *keys: Any) -> Query[M]:
        """Sort the rows, e.g. ``Task.created_at.desc()``."""
        return Query(self.model, self.select.order_by(*keys))

    def limit(self, n: int) -> Query[M]:
        """Give at most ``n`` rows."""
        return Query(self.model, self.select.limit(n))

    def offset(self, n: int) -> Query[M]:
        """Leave out the first ``n`` rows."""
        return Query(self.model, self.select.offset(n))

    def all(self) -> list[M]:
        """All rows."""
        with _database().session() as session:
            return list(session.scalars(self.select))

    def first(self) -> M | None:
        """The first row, or None."""
        with _database().session() as session:
            found: M | None = session.scalars(self.select.limit(1)).first()
            return found

    def count(self) -> int:
        """How many rows there are."""
        with _database().read() as connection:
            count = sa.select(sa.func.count()).select_from(self.select.order_by(None).subquery())
            return int(connection.execute(count).scalar_one())

    def delete(self) -> int:
        """Delete tasks that have ended, with their attempts and files.

        :returns: how many were deleted; tasks that wait or run are left alone.
        :raises STaskError: for anything but tasks.
        """
        if self.model is not Task:
            raise STaskError("Only tasks can be deleted by a query.")
        from .state import current_state

        return int(current_state().tasks.delete(self.select))

    def __iter__(self) -> Iterator[M]:
        return iter(self.all())


def _database() -> Database:
    from .state import current_state

    return current_state().database


def task_or_none(database: Database, task_id: int, narrow: Narrow | None = None) -> Task | None:
    """One task by id; an id that no column can hold is nobody's.

    :param narrow: keeps what somebody may see.
    """
    if not 0 < task_id < 2**63:
        return None
    with database.session() as session:
        if narrow is None:
            return session.get(Task, task_id)
        found: Task | None = session.scalars(narrow(sa.select(Task)).where(Task.id == task_id)).first()
        return found


def task_by_unique_key(database: Database, key: str | None) -> Task | None:
    """The task that waits or runs and lets no other of its kind start."""
    with database.session() as session:
        return session.scalars(sa.select(Task).where(Task.unique_key == key)).first() if key else None


def tasks_by_id(database: Database, ids: Iterable[int], narrow: Narrow | None = None) -> dict[int, Task]:
    """Several tasks in one query: id -> task.

    :param narrow: keeps what somebody may see.
    """
    wanted = list(ids)
    if not wanted:
        return {}
    select: Any = sa.select(Task)
    if narrow is not None:
        select = narrow(select)
    with database.session() as session:
        found: Iterable[Task] = session.scalars(select.where(Task.id.in_(wanted)))
        return {task.id: task for task in found}


def recent_tasks(database: Database, limit: int, select: sa.Select[Any] | None = None) -> list[Task]:
    """The newest tasks of a selection, newest first."""
    base = sa.select(Task) if select is None else select
    with database.session() as session:
        return list(session.scalars(base.order_by(Task.id.desc()).limit(limit)))


def attempts(database: Database, task_id: int) -> list[Attempt]:
    """The attempts of a task, oldest first."""
    with database.session() as session:
        return list(session.scalars(sa.select(Attempt).where(Attempt.task_id == task_id).order_by(Attempt.number)))


def uploads_by_token(database: Database, tokens: Iterable[str]) -> list[Upload]:
    """The rows of these uploads, in the order in which they came; of those that are gone there is none."""
    wanted = sorted(tokens)
    if not wanted:
        return []
    with database.session() as session:
        select = sa.select(Upload).where(Upload.token.in_(wanted)).order_by(Upload.created_at, Upload.token)
        return list(session.scalars(select))


def worker_record(database: Database, identifier: str) -> WorkerRecord | None:
    """One worker's row by identifier."""
    with database.session() as session:
        return session.scalars(sa.select(WorkerRecord).where(WorkerRecord.identifier == identifier)).first()


def worker_records(database: Database, *, active_only: bool = False) -> list[WorkerRecord]:
    """All workers by scope and identifier."""
    select = sa.select(WorkerRecord).order_by(WorkerRecord.scope, WorkerRecord.identifier)
    if active_only:
        select = select.where(WorkerRecord.active.is_(True))
    with database.session() as session:
        return list(session.scalars(select))


def stats(database: Database) -> dict[str, int]:
    """How many tasks there are of each status, and in all.

    Ended ones come from the daily counts, never from the history.
    """
    with database.read() as connection:
        waiting = {
            Status.PENDING: _count(connection, Task.status == Status.PENDING),
            Status.RUNNING: _count(connection, Task.status == Status.RUNNING),
        }
        ended = sa.select(Stat.status, sa.func.sum(Stat.n - Stat.gone)).group_by(Stat.status)
        counts = {**waiting, **{status: int(n) for status, n in connection.execute(ended).all()}}
    result = {status.text: counts.get(status, 0) for status in Status}
    return {**result, "total": sum(result.values())}


def _count(connection: sa.Connection, condition: Any) -> int:
    return int(connection.execute(sa.select(sa.func.count(Task.id)).where(condition)).scalar_one())


def last_tasks(database: Database, identifiers: Sequence[str]) -> dict[str, Task]:
    """The newest task of each worker: identifier -> task."""
    if not identifiers:
        return {}
    with database.session() as session:
        found = session.scalars(_LAST_TASKS, {"identifiers": list(identifiers)})
        return {task.identifier: task for task in found}


_newest = sa.select(sa.func.max(Task.id)).where(Task.identifier == WorkerRecord.identifier)
#: One look at the end of an index for each worker.
_LAST_TASKS = sa.select(Task).where(
    Task.id.in_(
        sa.select(_newest.correlate(WorkerRecord).scalar_subquery()).where(
            WorkerRecord.identifier.in_(sa.bindparam("identifiers", expanding=True))
        )
    )
)


#: How far back a page looks for the last runs of a worker's actions.
RUNS_LOOK = 2_000


def last_runs(
    database: Database, select: sa.Select[Any], identifier: str, runs: int, look: int = RUNS_LOOK
) -> dict[str, list[Task]]:
    """The newest started tasks of each of a worker's actions: action -> tasks, newest first.

    One statement that looks at the worker's newest tasks only, by their index: an action that ran long ago has none.

    :param select: of the tasks that may be seen.
    :param runs: how many of each action at most.
    :param look: at how many of the worker's tasks to look.
    """
    newest = (
        sa.select(Task.id, Task.action, Task.started_at)
        .where(Task.identifier == identifier)
        .order_by(Task.id.desc())
        .limit(look)
        .subquery()
    )
    place = sa.func.row_number().over(partition_by=newest.c.action, order_by=newest.c.id.desc())
    started = newest.c.started_at.is_not(None)
    placed = sa.select(newest.c.id, place.label("place")).where(started).subquery()
    wanted = sa.select(placed.c.id).where(placed.c.place <= runs)
    found: dict[str, list[Task]] = {}
    with database.session() as session:
        for task in session.scalars(select.where(Task.id.in_(wanted)).order_by(Task.id.desc())):
            found.setdefault(task.action, []).append(task)
    return found


def next_fires(database: Database) -> dict[str, datetime]:
    """When each worker's next schedule fires: identifier -> moment, without workers that have none."""
    with database.read() as connection:
        return {identifier: moment for identifier, moment in connection.execute(_NEXT_FIRES) if moment}


_NEXT_FIRES = (
    sa.select(Schedule.identifier, sa.func.min(Schedule.next_fire_at))
    .where(Schedule.enabled, Schedule.next_fire_at.is_not(None))
    .group_by(Schedule.identifier)
)


#: SQLite takes at most 500 selects in one.
_SELECTS = 400


def last_of_schedules(database: Database, schedule_ids: Sequence[int], n: int = 5) -> dict[int, list[Task]]:
    """The last tasks of each schedule, newest first: schedule -> tasks. Schedules that made none are left out.

    One query for all of them, and it reads those tasks only.

    :param n: how many of each, at most.
    """
    found: dict[int, list[Task]] = {}
    for at in range(0, len(schedule_ids), _SELECTS):
        parts = []
        for schedule_id in schedule_ids[at : at + _SELECTS]:
            one = sa.select(Task.id).where(Task.schedule_id == schedule_id).order_by(Task.id.desc()).limit(n).subquery()
            parts.append(sa.select(one.c.id))
        with database.session() as session:
            select = sa.select(Task).where(Task.id.in_(sa.union_all(*parts))).order_by(Task.id.desc())
            for task in session.scalars(select):
                found.setdefault(int(task.schedule_id or 0), []).append(task)
    return found


def running_tasks(database: Database, limit: int = 100, narrow: Narrow | None = None) -> list[Task]:
    """Tasks that run, oldest first.

    :param narrow: keeps what somebody may see.
    """
    select: Any = _RUNNING_TASKS
    if narrow is not None:
        select = narrow(sa.select(Task)).where(Task.status == Status.RUNNING).order_by(Task.id).limit(_LIMIT)
    with database.session() as session:
        return list(session.scalars(select, {"limit": limit}))


_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_RUNNING_TASKS = sa.select(Task).where(Task.status == Status.RUNNING).order_by(Task.id).limit(_LIMIT)


def place_in_queue(database: Database, task: Task) -> int:
    """How many waiting tasks start before this one, plus one; 0 when it is not in the queue."""
    if task.lane is None:
        return 0
    earlier = sa.or_(Task.lane < task.lane, sa.and_(Task.lane == task.lane, Task.id < task.id))
    with database.read() as connection:
        return _count(connection, sa.and_(Task.lane >= 1, earlier)) + 1


def live_processes(database: Database, lease: float) -> list[Process]:
    """Supervisors that gave a sign of life within the lease."""
    since = datetime.fromtimestamp(time.time() - lease, UTC)
    with database.session() as session:
        return list(session.scalars(sa.select(Process).where(Process.beat_at >= since).order_by(Process.started_at)))


def is_any_alive(database: Database, lease: float) -> bool:
    """Whether any supervisor gave a sign of life within the lease."""
    since = datetime.fromtimestamp(time.time() - lease, UTC)
    with database.read() as connection:
        return connection.execute(_ALIVE, {"since": since}).first() is not None


_ALIVE = sa.select(Process.id).where(Process.beat_at >= sa.bindparam("since", type_=Process.beat_at.type)).limit(1)


#: How many completed runs an action must have before we speak of its usual duration, and over how many days.
USUAL_RUNS, USUAL_DAYS = 3, 30
_USUAL_FOR = 60.0
_usual: WeakKeyDictionary[Database, dict[tuple[str, str], tuple[float, float | None]]] = WeakKeyDictionary()


def usual_duration(database: Database, identifier: str, action: str) -> float | None:
    """How many seconds an action takes, by the daily counts of its completed runs; None while there are too few.

    Read anew once a minute at most: pages ask for it several times a second.
    """
    known, now = _usual.setdefault(database, {}), time.monotonic()
    until, seconds = known.get((identifier, action), (0.0, None))
    if now >= until:
        seconds = _mean_duration(database, identifier, action)
        known[identifier, action] = (now + _USUAL_FOR, seconds)
    return seconds


def _mean_duration(database: Database, identifier: str, action: str) -> float | None:
    since = f"{datetime.now(UTC) - timedelta(days=USUAL_DAYS):%Y-%m-%d}"
    key = (Stat.identifier == identifier, Stat.action == action, Stat.status == Status.COMPLETED, Stat.day >= since)
    with database.read() as connection:
        n, seconds = connection.execute(sa.select(sa.func.sum(Stat.n), sa.func.sum(Stat.seconds)).where(*key)).one()
    return seconds / int(n) if n and n >= USUAL_RUNS else None


_HOURS_FOR = 30.0
_hours: WeakKeyDictionary[Database, tuple[float, list[dict[str, Any]]]] = WeakKeyDictionary()


def hourly(database: Database, hours: int = 24, now: datetime | None = None) -> list[dict[str, Any]]:
    """How many tasks ended well or failed in each of the last hours, oldest first: dicts of hour, completed, failed.

    Hours that are over are counted once in half a minute.
    """
    end = (now or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(hours=hours - 1)
    rows: list[dict[str, Any]] = [
        {"hour": start + timedelta(hours=number), "completed": 0, "failed": 0} for number in range(hours)
    ]
    until, known = _hours.get(database, (0.0, []))
    is_known = time.monotonic() < until and [row["hour"] for row in known] == [row["hour"] for row in rows]
    if is_known:
        rows[:-1] = [{**row} for row in known[:-1]]
    select = _by_hour(database.dialect == "sqlite")
    with database.read() as connection:
        begins = {"start": start.timestamp(), "since": end if is_known else start}
        for index, status, n in connection.execute(select, begins):
            rows[min(int(index), hours - 1)][Status(status).text] += int(n)
    if not is_known:
        _hours[database] = (time.monotonic() + _HOURS_FOR, [{**row} for row in rows])
    return rows


@cache
def _by_hour(cuts: bool) -> sa.Select[Any, Any, Any]:
    """Ends by the hour from ``start`` on, of those since ``since``.

    :param cuts: whether the database cuts when it casts, as SQLite does, which may lack floor(); the others round.
    """
    hours: Any = (sa.type_coerce(Task.finished_at, sa.Double) - sa.bindparam("start", type_=sa.Double)) / 3600
    number = sa.cast(hours if cuts else sa.func.floor(hours), sa.Integer).label("number")
    return (
        sa.select(number, Task.status, sa.func.count())
        .where(
            STATUS.in_([Status.COMPLETED, Status.FAILED]),
            Task.finished_at >= sa.bindparam("since", type_=Task.finished_at.type),
        )
        .group_by("number", Task.status)
    )
