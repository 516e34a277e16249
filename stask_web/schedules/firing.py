"""What is due is fired: any number of processes may do it at any time, and each instant brings one task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from .. import rules
from ..creation import Creation, NewTask, Order
from ..database import BUSY_TIMEOUT
from ..errors import AlreadyRunning, DatabaseBusy, InvalidSchedule, STaskError, WorkerInactive
from ..keeping import Kept, load
from ..models import Schedule
from ..options import ActionSpec
from ..state import State
from ..text import clean

#: How many seconds a missed instant may be late to be caught up with.
CATCH_UP = 600.0
#: How many schedules are fired in one go.
BATCH = 50
_log = logging.getLogger("stask_web.schedules")


class Fired(NamedTuple):
    """What one go has done.

    :param task_ids: of the tasks that it created.
    :param left: whether more may be due.
    """

    task_ids: list[int]
    left: bool


class _Due(NamedTuple):
    """One schedule whose time has come.

    :param due: its ``next_fire_at``.
    :param instant: the one instant to fire for; None when all of them are too long ago, or were fired.
    :param next: the first instant to come.
    """

    schedule: Schedule
    due: float
    instant: float | None
    next: float | None


class Firing:
    """Fires what is due.

    :param state: the app's state.
    :param wait: seconds to wait for a locked database at most; what could not be fired stays due.
    """

    def __init__(self, state: State, *, wait: float = BUSY_TIMEOUT) -> None:
        self._state = state
        self._wait = wait
        self._creation = Creation(state, state.tasks.engine)

    def tell(self, task_ids: Sequence[int]) -> None:
        """Tell of the tasks that were created: whoever listens, and what starts them."""
        if task_ids:
            self._creation.tell(task_ids)

    def fire(self, now: float) -> Fired:
        """Create the tasks of what is due; needs an app context, and :meth:`tell` afterwards.

        A schedule that is broken is reported and stops no other.

        :param now: seconds since the epoch.
        :raises DatabaseBusy: what has not been fired stays due.
        """
        created: list[int] = []
        due = self._due(now)
        for schedule_id, at in due:
            try:
                task_id = self._fire_one(schedule_id, at, now)
            except (DatabaseBusy, DBAPIError):
                if created:  # they are there, and want to be told of
                    break
                raise
            except Exception as error:
                _log.exception("Schedule %d could not be fired.", schedule_id)
                self._break(schedule_id, at, f"It could not be fired: {type(error).__name__}.")
                continue
            if task_id is not None:
                created.append(task_id)
        return Fired(created, len(due) == BATCH)

    def realign(self, now: float) -> None:
        """Compute the next instants anew: the rules of time zones change, and so does a clock that was wrong.

        No instant up to the last one that was fired is fired again.
        """
        with self._state.database.read() as connection:
            ids = list(connection.scalars(sa.select(Schedule.id).where(Schedule.enabled)))
        for schedule_id in ids:
            try:
                self._realign_one(schedule_id, now)
            except (InvalidSchedule, ValueError) as error:
                _log.warning("Schedule %d cannot fire: %s", schedule_id, error)

    def _realign_one(self, schedule_id: int, now: float) -> None:
        schedule = self._load(schedule_id)
        if schedule is None or not schedule.enabled:
            return
        old = _epoch(schedule.next_fire_at)
        if old is not None and old <= now:
            return  # due, or missed: that is for fire
        rule = rules.read_rule(schedule.rule, schedule.timezone)
        new = rules.next_after(rule, schedule.timezone, max(now, _epoch(schedule.last_fire_at) or 0.0))
        if new != old:
            same = Schedule.next_fire_at.is_(None) if old is None else Schedule.next_fire_at == old
            with self._state.database.write(wait=self._wait) as connection:
                change = sa.update(Schedule).where(Schedule.id == schedule_id, same, Schedule.enabled)
                connection.execute(change.values(next_fire_at=new))

    # -- one schedule

    def _due(self, now: float) -> list[tuple[int, float]]:
        due_at = sa.type_coerce(Schedule.next_fire_at, sa.Double)
        select = sa.select(Schedule.id, due_at).where(Schedule.next_fire_at <= now, Schedule.enabled)
        with self._state.database.read() as connection:
            rows = connection.execute(select.order_by(due_at, Schedule.id).limit(BATCH))
            return [(int(row[0]), float(row[1])) for row in rows]

    def _load(self, schedule_id: int) -> Schedule | None:
        with self._state.database.session() as session:
            return session.get(Schedule, schedule_id)

    def _fire_one(self, schedule_id: int, at: float, now: float) -> int | None:
        schedule = self._load(schedule_id)
        if schedule is None:
            return None
        try:
            rule = rules.read_rule(schedule.rule, schedule.timezone)
            due = _look_at(schedule, rule, at, now)
        except InvalidSchedule as error:
            self._break(schedule_id, at, f"Its rule cannot be read. {error.message}")
            return None
        new: NewTask | None = None
        problem: str | None = None
        if due.instant is not None:
            new, problem = self._prepare(due)
        elif due.due > (_epoch(schedule.last_fire_at) or 0.0):
            problem = f"Missed at {_clock(due.due, schedule)}: nothing was running that could have started it."
        return self._commit(due, new, problem)

    def _prepare(self, due: _Due) -> tuple[NewTask | None, str | None]:
        """The task to insert, or why there can be none. Outside the transaction: here, code of others runs."""
        schedule = due.schedule
        try:
            spec, kept = load_action(self._state, schedule)
            order = Order(
                schedule.identifier, spec.name, schedule.priority, schedule.created_by,
                start_at=due.instant, schedule_id=schedule.id,
            )  # fmt: skip
            new = self._creation.prepare(order, kept)
            new.values.update(lane=new.values["priority"], due_at=None)  # its time has come, by the clock of the caller
        except STaskError as error:
            return None, f"Not started at {_clock(due.instant, schedule)}. {error.message}"
        except Exception as error:
            _log.warning("The options of schedule %d could not be checked.", schedule.id, exc_info=True)
            text = f"{type(error).__name__}: {clean(str(error), 500)}"
            return None, f"Not started at {_clock(due.instant, schedule)}. Its options could not be checked ({text})."
        return new, None

    def _commit(self, due: _Due, new: NewTask | None, problem: str | None) -> int | None:
        """Take the instant and insert its task, both or neither; None when another process had it or it brings none."""
        schedule, task_id = due.schedule, None
        with self._state.database.write(wait=self._wait) as connection:
            if not _move_on(connection, schedule.id, due.due, due.next):
                return None
            if new is not None:
                try:
                    task_id = self._creation.insert(connection, new)
                except (WorkerInactive, AlreadyRunning) as error:
                    problem = f"Not started at {_clock(due.instant, schedule)}. {error.message}"
            values: dict[str, Any] = {"last_error": problem}
            if task_id is not None:
                values |= {"last_fire_at": due.instant, "last_task_id": task_id}
            if task_id is not None or problem is not None:
                connection.execute(sa.update(Schedule).where(Schedule.id == schedule.id).values(**values))
        if problem is not None:
            level = logging.DEBUG if problem == schedule.last_error else logging.WARNING
            _log.log(level, "Schedule %d (%s.%s): %s", schedule.id, schedule.identifier, schedule.action, problem)
        return task_id

    def _break(self, schedule_id: int, at: float, problem: str) -> None:
        """It cannot go on by itself: it stays silent until somebody changes it, or a worker starts anew."""
        _log.error("Schedule %d is broken and does not fire any more. %s", schedule_id, problem)
        with self._state.database.write(wait=self._wait) as connection:
            if _move_on(connection, schedule_id, at, None):
                connection.execute(sa.update(Schedule).where(Schedule.id == schedule_id).values(last_error=problem))


def load_action(state: State, schedule: Schedule) -> tuple[ActionSpec, Kept]:
    """The action of a schedule and its options, as they are today. Its tasks get what is stored of them.

    :raises UnknownWorker, UnknownAction, InvalidOptions, STaskError: when they have changed so that it cannot start.
    """
    spec = Creation(state, state.tasks.engine).spec(schedule.identifier, schedule.action)
    secrets = state.vault.open(schedule.secrets)
    meta = schedule.meta or {}
    return spec, Kept(load(spec, meta, secrets, state.storage.upload_path), meta, secrets)


def _look_at(schedule: Schedule, rule: rules.Rule, due: float, now: float) -> _Due:
    """Which instant to fire for: of all that were missed, the newest, if it is not too late."""
    zone = schedule.timezone
    rules.find_zone(zone)
    instant = rules.last_within(rule, zone, max(due, now - CATCH_UP), now)
    if instant is None and now - due < CATCH_UP:
        instant = due
    if instant is not None and instant <= (_epoch(schedule.last_fire_at) or 0.0):
        instant = None
    return _Due(schedule, due, instant, rules.next_after(rule, zone, now))


def _move_on(connection: sa.Connection, schedule_id: int, due: float, to: float | None) -> bool:
    """The statement on which it rests that each instant fires once: whose update changes the row has the instant."""
    fence = (Schedule.id == schedule_id, Schedule.next_fire_at == due, Schedule.enabled)
    return connection.execute(sa.update(Schedule).where(*fence).values(next_fire_at=to)).rowcount == 1


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _clock(at: float | None, schedule: Schedule) -> str:
    return "?" if at is None else f"{datetime.fromtimestamp(at, rules.find_zone(schedule.timezone)):%Y-%m-%d %H:%M}"
