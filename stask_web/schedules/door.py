"""The door to schedules: pages, commands and the host's code make, change and list them through it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .. import rules
from ..columns import to_json
from ..creation import Creation, Order
from ..encoding import first_step, read, with_secrets
from ..errors import (
    InvalidOptions,
    InvalidSchedule,
    ScheduleChanged,
    ScheduleNotFound,
    STaskError,
    UnknownAction,
    UnknownWorker,
)
from ..keeping import keep
from ..language import tr
from ..models import Schedule, Task, TaskUpload
from ..options import ActionSpec
from ..pruning import used_files
from ..rows import note_files, pencil_of
from ..state import State
from ..status import PRIORITIES
from ..text import clean
from ..worker import merged
from .firing import Firing, load_action
from .own import sync

_UNCHANGED: Any = object()


class Schedules:
    """The schedules of one app.

    :param state: the app's state.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    # -- reading

    def get(self, schedule_id: int) -> Schedule:
        """One schedule.

        :raises ScheduleNotFound: names the id.
        """
        found = None
        if 0 < schedule_id < 2**63:
            with self.state.database.session() as session:
                found = session.get(Schedule, schedule_id)
        if found is None:
            raise ScheduleNotFound(f"There is no schedule {schedule_id}.")
        return found

    def all(self, identifier: str | None = None) -> list[Schedule]:
        """All schedules, or one worker's, by worker and age."""
        select = sa.select(Schedule).order_by(Schedule.identifier, Schedule.id)
        if identifier is not None:
            select = select.where(Schedule.identifier == identifier)
        with self.state.database.session() as session:
            return list(session.scalars(select))

    def next_runs(self, schedule: Schedule | int, n: int = 5) -> list[datetime]:
        """When a schedule fires next, ``n`` times at most, in its own time zone; empty when it is turned off."""
        return self._loaded(schedule).next_runs(n)

    def problem(self, schedule: Schedule | int) -> str | None:
        """What is wrong with a schedule right now, as a sentence; None when it will start its task."""
        schedule = self._loaded(schedule)
        record = self.state.roster.get(schedule.identifier)
        return self._problem(schedule, {schedule.identifier} if record is not None and record.active else ())

    def problems(self, schedules: Iterable[Schedule], active: Collection[str]) -> dict[int, str]:
        """What is wrong with several schedules, as :meth:`problem` says it: id -> sentence. It asks no database.

        :param active: the identifiers of the workers that are turned on.
        """
        found = {schedule.id: self._problem(schedule, active) for schedule in schedules}
        return {schedule_id: text for schedule_id, text in found.items() if text is not None}

    # -- changing

    def create(
        self,
        identifier: str,
        action: str,
        rule: Mapping[str, Any],
        data: Mapping[str, Any] | None = None,
        *,
        timezone: str | None = None,
        title: str = "",
        priority: str | None = None,
        enabled: bool = True,
        user_id: Any = None,
    ) -> Schedule:
        """Make a schedule.

        :param identifier: the worker's.
        :param action: the action, in any spelling.
        :param rule: when: ``{"type": "periodic", "frequency": "daily", "time": "18:00"}``; see
            :func:`stask_web.rules.read_rule` for all forms.
        :param data: the options that each task gets.
        :param timezone: IANA name of the zone whose clock the rule means; by default ``STASK_TIMEZONE``.
        :param title: a note for people.
        :param priority: high, normal or low; by default the action's.
        :param user_id: who makes it; its tasks are started by them.
        :raises UnknownWorker, UnknownAction, InvalidOptions, InvalidSchedule: each says which.
        """
        zone = timezone or self.state.settings.timezone
        spec = self.state.tasks.spec(identifier, action)
        read, first = _read(rule, zone, enabled, time.time())
        _, meta, secrets = keep(spec, data or {})
        now = time.time()
        values = {
            "identifier": identifier,
            "action": spec.name,
            "title": clean(title, 190),
            "rule": dict(read.data),
            "timezone": rules.find_zone(zone).key,
            "enabled": enabled,
            "priority": _priority(priority),
            "meta": meta,
            "secrets": self.state.vault.seal(secrets),
            "next_fire_at": first,
            "created_by": user_id,
            "created_at": now,
            "updated_at": now,
        }
        with self.state.database.write() as connection:
            key = connection.execute(sa.insert(Schedule).values(**values)).inserted_primary_key
            schedule_id = int(key[0]) if key else 0
            self._note_files(connection, schedule_id, meta)
        return self.get(schedule_id)

    def update(
        self,
        schedule: Schedule | int,
        *,
        rule: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        timezone: str | None = None,
        title: str | None = None,
        priority: str | None = _UNCHANGED,
        enabled: bool | None = None,
        seen: float | None = None,
    ) -> Schedule:
        """Change what is given. A worker's own schedule is changed in the worker's settings.

        :param data: all options anew; a secret that is left out stays as it is.
        :param seen: the ``updated_at`` that the change is based on, in seconds since the epoch.
        :raises ScheduleChanged: somebody has changed it since ``seen``.
        :raises ScheduleNotFound, UnknownWorker, UnknownAction, InvalidOptions, InvalidSchedule: each says which.
        """
        old = self._loaded(schedule)
        zone = timezone or old.timezone
        on = old.enabled if enabled is None else enabled
        last = old.last_fire_at.timestamp() if old.last_fire_at is not None else 0.0
        read, first = _read(rule or old.rule, zone, on, max(time.time(), last))
        values: dict[str, Any] = {"rule": dict(read.data), "timezone": rules.find_zone(zone).key, "enabled": on}
        if data is not None:
            values |= self._options(old, data)
        if old.owner is not None:
            self._configure(old, values)
            return self.get(old.id)
        if title is not None:
            values["title"] = clean(title, 190)
        if priority is not _UNCHANGED:
            values["priority"] = _priority(priority)
        values |= {"next_fire_at": first, "last_error": None, "updated_at": time.time()}
        with self.state.database.write() as connection:
            change = sa.update(Schedule).where(Schedule.id == old.id)
            if seen is not None:
                # Python's datetimes know microseconds, the row may know less than that.
                change = change.where(sa.func.abs(sa.type_coerce(Schedule.updated_at, sa.Double) - seen) < 1e-4)
            if not connection.execute(change.values(**values)).rowcount:
                self._say_why(connection, old.id)
            if "meta" in values:
                _forget_files(connection, old.id)
                self._note_files(connection, old.id, values["meta"])
        return self.get(old.id)

    def enable(self, schedule: Schedule | int) -> Schedule:
        """Turn a schedule on; what was missed meanwhile is not caught up with.

        :raises InvalidSchedule: its one moment has passed.
        """
        return self.update(schedule, enabled=True)

    def disable(self, schedule: Schedule | int) -> Schedule:
        """Turn a schedule off."""
        return self.update(schedule, enabled=False)

    def remove(self, schedule: Schedule | int) -> None:
        """Delete a schedule; its tasks stay. A worker's own one becomes ``manual`` in the worker's settings.

        :raises ScheduleNotFound: names the id.
        """
        old = self._loaded(schedule)
        if old.owner is not None:
            self._store_own(old.owner, {"enabled": False, "type": "manual"})
            return
        with self.state.database.write() as connection:
            if not connection.execute(sa.delete(Schedule).where(Schedule.id == old.id)).rowcount:
                raise ScheduleNotFound(f"There is no schedule {old.id}.")
            _forget_files(connection, old.id)

    # -- starting

    def run_now(self, schedule: Schedule | int, user_id: Any = None) -> Task:
        """Start what a schedule starts, now; its next runs stay as they are.

        :param user_id: who starts it.
        :raises STaskError: as for :meth:`Tasks.create`.
        """
        schedule = self._loaded(schedule)
        spec, kept = load_action(self.state, schedule)
        creation = Creation(self.state, self.state.tasks.engine)
        order = Order(schedule.identifier, spec.name, schedule.priority, user_id, schedule_id=schedule.id)
        new = creation.prepare(order, kept)
        with self.state.database.write() as connection:
            task_id = creation.insert(connection, new)
            change = sa.update(Schedule).where(Schedule.id == schedule.id)
            connection.execute(change.values(last_task_id=task_id, last_error=None))
        creation.tell([task_id])
        task: Task = self.state.tasks.get(task_id)
        return task

    def tick(self, now: float | None = None) -> list[int]:
        """Fire what is due -> the ids of the new tasks.

        Worker processes do it by themselves; this is for a site that has none, and for tests. Any number of processes
        may call it at any time.

        :param now: seconds since the epoch; by default, now.
        :raises DatabaseBusy: what has not been fired stays due.
        """
        firing, moment = Firing(self.state), time.time() if now is None else now
        created: list[int] = []
        left = True
        while left:
            ids, left = firing.fire(moment)
            created += ids
        firing.tell(created)
        return created

    def sync(self, identifier: str | None = None) -> None:
        """Bring the workers' own schedules up to date with their settings; see :mod:`own`."""
        sync(self.state, identifier)

    # -- inside

    def _problem(self, schedule: Schedule, active: Collection[str]) -> str | None:
        try:
            rules.find_zone(schedule.timezone)
            rules.read_rule(schedule.rule, schedule.timezone)
            load_action(self.state, schedule)
        except InvalidSchedule as error:
            return " ".join(error.errors.values())
        except InvalidOptions as error:
            fields = self.state.tasks.spec(schedule.identifier, schedule.action).fields()
            labels = {item.name: item.label for item in fields}
            words = " ".join(f"{labels.get(name, name)}: {text}" for name, text in error.errors.items())
            return tr("Its options do not fit any more. %(errors)s", errors=words)
        except UnknownWorker:
            return tr("Its worker is not installed any more.")
        except UnknownAction:
            return tr("Its worker has no such action any more.")
        except STaskError as error:
            return error.message
        return schedule.last_error if schedule.identifier in active else tr("Its worker is turned off.")

    def _say_why(self, connection: sa.Connection, schedule_id: int) -> None:
        """A change found no row."""
        if connection.execute(sa.select(Schedule.id).where(Schedule.id == schedule_id)).first() is None:
            raise ScheduleNotFound(f"There is no schedule {schedule_id}.")
        raise ScheduleChanged

    def _loaded(self, schedule: Schedule | int) -> Schedule:
        return self.get(schedule) if isinstance(schedule, int) else schedule

    def _options(self, old: Schedule, data: Mapping[str, Any]) -> dict[str, Any]:
        spec: ActionSpec = self.state.tasks.spec(old.identifier, old.action)
        given = {name: value for name, value in data.items() if value is not None}
        old_secrets = self.state.vault.open(old.secrets)
        before = read(with_secrets(old.meta or {}, old_secrets), self.state.storage.upload_path) if old_secrets else {}
        kept = {name: before[name] for name in map(first_step, old_secrets) if name not in given}
        _, meta, secrets = keep(spec, {**data, **kept})
        if secrets and old.owner is not None:
            raise InvalidSchedule({"options": tr("A worker's settings keep no secrets. Make another schedule for it.")})
        return {"meta": meta, "secrets": self.state.vault.seal(secrets)}

    def _note_files(self, connection: sa.Connection, schedule_id: int, meta: Mapping[str, Any]) -> None:
        used = used_files(meta, to_json(meta), self.state.storage.results)
        note_files(pencil_of(connection), [(-schedule_id, token) for token in sorted(used)])

    def _configure(self, old: Schedule, values: Mapping[str, Any]) -> None:
        config = {**values["rule"], "enabled": values["enabled"], "timezone": values["timezone"], "action": old.action}
        meta = values.get("meta", old.meta)
        self._store_own(str(old.owner), config | ({"options": meta} if meta else {}))

    def _store_own(self, identifier: str, config: Mapping[str, Any]) -> None:
        roster = self.state.roster
        stored = {name: value for name, value in roster.stored_config(identifier).items() if name != "schedule"}
        roster.store_config(identifier, merged(stored, {"schedule": config}))
        self.sync(identifier)


def _read(rule: Mapping[str, Any], zone: str, enabled: bool, now: float) -> tuple[rules.Rule, float | None]:
    """A rule, and when it fires first: None when it is turned off or started by hand."""
    rules.find_zone(zone)
    read = rules.read_rule(rule, zone)
    first = rules.next_after(read, zone, now) if enabled else None
    if enabled and first is None and read.data["type"] == "once":
        raise InvalidSchedule({"datetime": tr("This moment has passed. Choose one that is to come.")})
    return read, first


def _priority(priority: str | None) -> str | None:
    if priority is not None and priority not in PRIORITIES:
        raise ValueError(f"priority is {priority!r}, but must be one of {', '.join(PRIORITIES)}")
    return priority


def _forget_files(connection: sa.Connection, schedule_id: int) -> None:
    """The files themselves go with the next cleaning, if nothing else uses them."""
    connection.execute(sa.delete(TaskUpload).where(TaskUpload.task_id == -schedule_id))
