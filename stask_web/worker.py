"""What a developer subclasses: one class that groups actions on one subject."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sized
from copy import deepcopy
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .actions import action_specs, broken_actions, normal_name
from .columns import to_epoch
from .errors import IllegalMove, InvalidOptions, STaskError, UnknownAction
from .models import Task
from .options import ActionSpec, check_model, defaults_of, errors_of, guard_secrets
from .progress import Report
from .services import Services
from .status import Status

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")


class TaskInterface(ABC):
    """What discovery looks for; :class:`BaseWorker` has all of it.

    :cvar identifier: its name in the database and in URLs.
    :cvar scope: the part of the site it belongs to; filters the panel.
    :cvar icon: HTML of an icon.
    :cvar title: for people; may be a lazy string.
    :cvar description: one or two sentences.
    """

    identifier: str = ""
    scope: str = ""
    icon: str = ""
    title: Any = ""
    description: Any = ""

    @abstractmethod
    def actions(self) -> dict[str, ActionSpec]:
        """The actions by name."""

    @abstractmethod
    def invoke_action(self, action: str, task: Task, options: Any) -> Any:
        """Run one action."""

    @abstractmethod
    def render_widget(self) -> str:
        """The HTML for the dashboard."""


class BaseWorker(TaskInterface):
    """A worker: set the attributes of :class:`TaskInterface`, write methods ``task_<name>(self, task, options)``.

    :cvar defaults: the settings' defaults; what an admin stores lies over them.
    :cvar Settings: a pydantic model of the settings: its defaults are theirs, values are checked before they are
        stored, and a ``SecretStr`` is stored sealed and never shown.
    """

    defaults: Mapping[str, Any] = {}
    Settings: type[BaseModel] | None = None

    _services: Services | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        """Let an overridden :meth:`settings` give defaults: the stored values are laid over what it returns."""
        super().__init_subclass__(**more)
        own = vars(cls).get("settings")
        if own is not None:

            @wraps(own)
            def settings(self: BaseWorker) -> dict[str, Any]:
                return self._with_stored(own(self))

            cls.settings = settings  # type: ignore[method-assign]

    @property
    def services(self) -> Services:
        """What the worker is given; by default that of the current app."""
        if self._services is None:
            from .state import current_state

            self._services = current_state().services
        return self._services

    @services.setter
    def services(self, services: Services) -> None:
        self._services = services

    # -- actions

    def actions(self) -> dict[str, ActionSpec]:
        """The public ``task_*`` methods, in the order they are written."""
        return action_specs(type(self))

    def invoke_action(self, action: str, task: Task, options: Any) -> Any:
        """Run one action.

        :raises UnknownAction: when the worker has no public method of that name.
        """
        return getattr(self, self.spec(action).method)(task, options)

    def spec(self, action: str) -> ActionSpec:
        """What is known of one action; ``sync_stock``, ``sync-stock`` and ``Sync_Stock`` mean the same.

        :raises UnknownAction: names the actions there are.
        """
        return find_spec(type(self), action)

    # -- progress

    def push_progress(
        self,
        task: Task,
        values: Mapping[str, Any] | None = None,
        *,
        progress: Any = None,
        processed: Any = None,
        total: Any = None,
        eta: Any = None,
        message: Any = None,
    ) -> None:
        """Tell how far the action is. Cheap enough for every row: what is newest is shown, at most ten times a second.

        :param values: the same as one dict, as in sTask for PHP.
        :param progress: 0 to 100; computed when ``processed`` and ``total`` are given.
        :param processed: how many are done.
        :param total: how many there are.
        :param eta: seconds left, or a text such as ``"2m 15s"``; computed when it can be.
        :param message: what is being done right now.
        :raises TaskInterrupt: when the task is to stop.
        """
        run = task._run
        report = run.report if run is not None else _loose_report(self, task)
        if values is not None:
            _take(report, values)
        if progress is not None:
            report.progress = progress
        if processed is not None:
            report.processed = processed
        if total is not None:
            report.total = total
        if eta is not None:
            report.eta = eta
        if message is not None:
            report.message = message
        if report.due:
            report.flush()

    def track(self, task: Task, rows: Iterable[T], total: int | None = None, message: str | None = None) -> Iterator[T]:
        """Give the rows one by one, with progress, ETA and cancel.

        :param rows: anything to iterate over.
        :param total: how many there are; by default ``len(rows)`` if it has one.
        :param message: what is being done, e.g. ``"Importing"``.
        :raises TaskInterrupt: when the task is to stop.
        """
        report = task._run.report if task._run is not None else _loose_report(self, task)
        if total is None and isinstance(rows, Sized):
            total = len(rows)
        report.progress, report.eta, report.total, report.processed = None, None, total, 0
        if message is not None:
            report.message = message
        done = 0
        report.flush()
        for row in rows:
            yield row
            done += 1  # noqa: SIM113  # enumerate would build a tuple for every row
            report.processed = done
            if report.due:
                report.flush()
        report.flush()

    # -- outcome

    def mark_finished(self, task: Task, result: Any = None, message: str | None = None) -> None:
        """Record that the action ended well; the first recorded outcome wins.

        :param result: path of a file from :meth:`result_path`, to download.
        :param message: a sentence for people.
        """
        self._mark(task, Status.COMPLETED, message, result)

    def mark_failed(self, task: Task, message: str) -> None:
        """Record that the action failed, finally: no further attempt."""
        self._mark(task, Status.FAILED, message)

    def _mark(self, task: Task, status: Status, message: str | None, result: Any = None) -> None:
        if task._run is not None:
            task._run.mark(status, message, result)
        else:
            self.services.mark(task, status, message, result)

    def reject(self, task: Task, reason: str, row: Any = None, line: int | None = None) -> None:
        """Note one refused input: a warning line, one more warning, a row of ``refused.csv``.

        :param reason: why, for people.
        :param row: the input, a dict of columns or a sequence.
        :param line: its line in the source.
        """
        _run_of(task).reject(reason, row, line)

    def count(self, task: Task, **amounts: int) -> None:
        """Add to named counters, which people see as numbers: ``self.count(task, created=1)``."""
        _run_of(task).count(**amounts)

    def result_path(self, task: Task, name: str) -> Path:
        """Where a result of that name is to be written; the folder exists."""
        if task._run is not None:
            return task._run.result_path(name)
        return self.services.result_path(task, name)

    def log(self, task: Task, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to the task's log. Levels: debug, info, warning, error."""
        self.services.log(task, level, message, context)

    def create_task(self, action: str, options: Mapping[str, Any] | None = None, **more: Any) -> Task:
        """Create a task of this worker; further arguments as for :meth:`STask.create`."""
        task: Task = self.services.create(self.identifier, action, options, **more)
        return task

    # -- settings

    def settings(self) -> dict[str, Any]:
        """The settings: defaults in code, stored values over them.

        Override it to give the defaults, as in sTask for PHP: what is stored is laid over what it returns.

        :raises InvalidOptions: when there is a :attr:`Settings` model and they do not fit it.
        """
        return self._with_stored(self.defaults)

    @property
    def config(self) -> Any:
        """The settings as the worker's :attr:`Settings` model.

        :raises InvalidOptions: when they do not fit it.
        """
        if self.Settings is None:
            raise STaskError(f"The worker {self.identifier!r} has no Settings model; use self.settings().")
        return check_model(self.Settings, self.settings())

    def get_config(self, key: str, default: Any = None) -> Any:
        """One setting by dotted key, e.g. ``get_config("api.timeout", 30)``."""
        try:
            values: Any = merged(self._stored(), self.settings())
        except InvalidOptions:  # others are missing, perhaps not this one
            values = merged(defaults_of(self.Settings), merged(self.defaults, self._stored()))
        for part in key.split("."):
            if not isinstance(values, Mapping) or part not in values:
                return default
            values = values[part]
        return values

    def set_config(self, key: str, value: Any) -> None:
        """Store one setting by dotted key.

        :raises InvalidOptions: when there is a :attr:`Settings` model and the value does not fit it.
        """
        stored = self._stored()
        place = stored
        *parents, last = key.split(".")
        for part in parents:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[last] = value
        self._store(stored, {key.split(".", maxsplit=1)[0]})

    def update_config(self, values: Mapping[str, Any]) -> None:
        """Store several settings; nested dicts are merged.

        :raises InvalidOptions: when there is a :attr:`Settings` model and a value does not fit it.
        """
        self._store(merged(self._stored(), values), values.keys())

    def _stored(self) -> dict[str, Any]:
        return deepcopy(self.services.stored_config(self.identifier))

    def _with_stored(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        values = merged(defaults, self._stored())
        return values if self.Settings is None else dict(check_model(self.Settings, values).model_dump())

    def _store(self, stored: dict[str, Any], changed: Collection[str]) -> None:
        if self.Settings is not None:
            errors = errors_of(self.Settings, merged(self.defaults, stored))
            if wrong := {name: text for name, text in errors.items() if name in changed or name == ""}:
                raise InvalidOptions(wrong)
            stored = guard_secrets(self.Settings, stored)
        self.services.store_config(self.identifier, stored)

    # -- its own schedule

    def get_schedule(self) -> dict[str, Any]:
        """The worker's own schedule, as its settings have it under ``"schedule"``; by default started by hand only.

        ``{"enabled": True, "type": "periodic", "frequency": "daily", "time": "18:00"}``: the keys of a rule (see
        :func:`stask_web.rules.read_rule`), and ``action`` (by default ``make``, or the only one), ``options``,
        ``timezone``. What is written here becomes a row among the other schedules, and that is what fires.
        """
        stored = self.get_config("schedule")
        return {"enabled": False, "type": "manual", **(stored if isinstance(stored, Mapping) else {})}

    def should_run_now(self, now: datetime | float | None = None) -> bool:
        """Whether the worker's own schedule has an instant in this minute, that has come.

        To ask is not needed for it to fire; it is there for code that decides by itself, as in sTask for PHP.

        :param now: by default, now; a naive datetime is local time.
        :raises InvalidSchedule: the schedule cannot be read.
        """
        schedule = self.get_schedule()
        if schedule["enabled"] is not True:
            return False
        from .rules import last_within, read_rule  # only who has a schedule needs them

        moment = time.time() if now is None else to_epoch(now)
        zone = str(schedule.get("timezone") or default_zone())
        return last_within(read_rule(schedule, zone), zone, moment // 60 * 60 - 0.001, moment) is not None

    # -- pages

    def render_widget(self) -> str:
        """The HTML for the dashboard. Override it to draw your own."""
        return self.render("stask_web/widgets/default.html")

    def render_settings(self) -> str:
        """HTML for the worker's own page, beside the form of its :attr:`Settings`; by default nothing."""
        return ""

    def render(self, template: str, **context: Any) -> str:
        """Render a template of the host, of ours, or of the ``templates`` folder in the worker's own package.

        :param context: for the template, beside ``worker``, ``widget`` and ``ui``.
        """
        return self.services.render(template, **{"worker": self, **context})


def find_spec(cls: type[Any], action: str) -> ActionSpec:
    """The spec of an action by any spelling of its name.

    :raises UnknownAction: names the actions there are.
    """
    specs = cls().actions() if not issubclass(cls, BaseWorker) else action_specs(cls)
    if action in specs:
        return specs[action]
    wanted = normal_name(action)
    for name, spec in specs.items():
        if normal_name(name) == wanted:
            return spec
    for method, reason in broken_actions(cls).items():
        if normal_name(method) == f"task_{wanted}":
            raise UnknownAction(f"The action {action!r} of the worker {cls.identifier!r} cannot be used: {reason}")
    known = ", ".join(repr(name) for name in specs) or "none"
    raise UnknownAction(f"The worker {cls.identifier!r} has no action {action!r}. It has: {known}.")


def default_zone() -> str:
    """The time zone of a schedule that names none: ``STASK_TIMEZONE`` of the current app."""
    from .state import current_state

    return current_state().settings.timezone


def merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """The values of ``high`` over those of ``low``, nested dicts merged; neither is changed."""
    result = deepcopy(dict(low))
    for key, value in high.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else deepcopy(value)
    return result


def update_task(task: Task, changes: Mapping[str, Any]) -> Task:
    """The guide's ``task.update``: the message, and the outcome in its own action.

    :raises IllegalMove: for a change that nobody may make by hand.
    """
    unknown = changes.keys() - {"status", "message"}
    if unknown:
        raise IllegalMove(f"A task's {sorted(unknown)[0]!r} cannot be changed by hand; only its message can.")
    status, message = changes.get("status"), changes.get("message")
    if task._run is None:
        if status is not None and int(status) != task.status:
            raise IllegalMove(f"Task {task.id} is {task.status_text}; only its own action may end it.")
        if message is not None:
            from .state import current_state

            current_state().tasks.set_message(task, message)
        return task
    if status is None or int(status) == Status.RUNNING:
        if message is not None:
            task._run.report.message = message
            task._run.report.flush()
    elif int(status) in (Status.COMPLETED, Status.FAILED):
        task._run.mark(int(status), message)
    else:
        raise IllegalMove(f"An action may complete or fail its task, but not make it {Status(int(status)).text}.")
    return task


def _take(report: Report, values: Mapping[str, Any]) -> None:
    for name in ("progress", "processed", "total", "eta", "message"):
        if values.get(name) is not None:
            setattr(report, name, values[name])


def _loose_report(worker: BaseWorker, task: Task) -> Report:
    """A report for a task that is not being run right here: told at once, each time."""
    report: Report | None = task.__dict__.get("_loose")
    if report is None:
        report = Report(lambda values: worker.services.report(task, values))
        task.__dict__["_loose"] = report
    report.due = True
    return report


def _run_of(task: Task) -> Any:
    if task._run is None:
        raise IllegalMove(f"Task {task.id} is not being run here; this can only be called by its own action.")
    return task._run
