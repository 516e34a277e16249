"""Schedules with everything a page shows of them: words, next runs, last tasks, problems, rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import url_for
from markupsafe import Markup

from .. import rules
from ..errors import InvalidSchedule
from ..formatting import action_specs_of, humanise
from ..language import Reader, reader, reading, tr
from ..models import Schedule, WorkerRecord
from ..options import ActionSpec
from ..queries import last_of_schedules
from ..schedules import runs_of, schedule_json
from ..state import State
from ..text import clean
from ..times import clock
from .shown import Shown, show_all
from .visitor import Visitor

#: How many of the last tasks of each schedule are shown.
HISTORY = 5


class Moment(NamedTuple):
    """A moment on a page.

    :param words: by the clock of the schedule's time zone.
    :param yours: by the reader's own clock.
    """

    iso: str
    words: str
    yours: str


def moments(runs: Sequence[datetime]) -> list[Moment]:
    """The next runs of a rule, which are in its time zone. The day is said once."""
    found: list[Moment] = []
    language, day = reader().language, None
    for run in runs:
        yours = tr("By your clock: %(time)s", time=clock(run))
        if run.date() == day:
            words = f"{run:%H:%M}"
        else:
            with reading(Reader(language, run.tzinfo if isinstance(run.tzinfo, ZoneInfo) else None)):
                words = clock(run)
        found.append(Moment(run.isoformat(), words, yours))
        day = run.date()
    return found


def capital(words: str) -> str:
    """Words as the begin of a sentence."""
    return words[:1].upper() + words[1:]


@dataclass
class ScheduleRow:
    """One schedule, ready to be drawn.

    :param cls: its worker's class; None when that is gone.
    :param problem: what is wrong with it; "" when nothing is.
    :param tasks: the last ones it made that the visitor may see, newest first.
    :param may: whether the visitor may change it.
    """

    schedule: Schedule
    record: WorkerRecord | None
    cls: type[Any] | None
    spec: ActionSpec | None
    problem: str
    may: bool
    tasks: list[Shown]

    @property
    def id(self) -> int:
        """Its number."""
        return self.schedule.id

    @property
    def title(self) -> str:
        """What it starts."""
        return (clean(self.spec.title) if self.spec else "") or humanise(self.schedule.action)

    @property
    def worker(self) -> str:
        """The title of its worker."""
        title = clean(self.cls.title) if self.cls is not None else self.record.title if self.record else ""
        return title or self.schedule.identifier

    @property
    def icon(self) -> Markup:
        """Its worker's icon."""
        return Markup(clean(self.cls.icon)) if self.cls is not None else Markup("")

    @cached_property
    def words(self) -> str:
        """Its rule, as the begin of a sentence."""
        try:
            return capital(rules.read_rule(self.schedule.rule, self.schedule.timezone).words())
        except InvalidSchedule:
            return tr("Its rule cannot be read")

    @property
    def zone(self) -> str:
        """Whose clock its rule means; "" where there is none to follow."""
        return "" if self.schedule.rule.get("type") == "manual" else rules.zone_words(self.schedule.timezone)

    @cached_property
    def next(self) -> list[Moment]:
        """Its next runs."""
        return moments(runs_of(self.schedule))

    @property
    def rest(self) -> str:
        """Why it does not start by itself; "" when it does."""
        if not self.schedule.enabled:
            return tr("Turned off")
        if self.next:
            return ""
        if self.problem:
            return tr("Does not start")
        if self.schedule.rule.get("type") == "manual":
            return tr("Starts by hand only")
        return tr("It is over: it does not start again by itself")

    @property
    def own(self) -> bool:
        """Whether it is a part of its worker's settings."""
        return self.schedule.owner is not None

    @property
    def live(self) -> Shown | None:
        """The last task, while it is not over: the page hears of it."""
        return self.tasks[0] if self.tasks and not self.tasks[0].ended else None

    @property
    def asks(self) -> str:
        """What the author of the action wants people to know before they start it; "" for nothing."""
        confirm = self.spec.confirm if self.spec else None
        return confirm if isinstance(confirm, str) else tr("This cannot be taken back.") if confirm else ""

    @property
    def part(self) -> str:
        """Where the page fetches this row anew."""
        return url_for("stask.schedules", part="row", id=self.id)

    @property
    def url(self) -> str:
        """Its page."""
        return url_for("stask.schedule", schedule_id=self.id)

    @property
    def history_url(self) -> str:
        """All that it started."""
        return url_for("stask.tasks", schedule=self.id)

    def found_by(self, words: str) -> bool:
        """Whether it has all these words in its titles, its note or its rule."""
        text = f"{self.title} {self.worker} {self.schedule.title} {self.words} {self.schedule.timezone}".casefold()
        return all(word in text for word in words.casefold().split())

    @property
    def json(self) -> dict[str, Any]:
        """It as JSON."""
        found = schedule_json(self.schedule, self.problem or None)
        return found if self.may else {**found, "options": None}


def rows_of(
    state: State, person: Visitor, schedules: Sequence[Schedule], records: Mapping[str, WorkerRecord]
) -> list[ScheduleRow]:
    """Those of the schedules that the visitor may see, without their tasks.

    :param records: all workers by identifier.
    """
    problems = state.schedules.problems(schedules, {name for name, record in records.items() if record.active})
    rows = []
    for schedule in schedules:
        cls, record = state.registry.get(schedule.identifier), records.get(schedule.identifier)
        target = cls or record
        if not person.may("view", target):
            continue
        spec = action_specs_of(cls).get(schedule.action) if cls is not None else None
        may = person.may("schedule", spec or target)
        rows.append(ScheduleRow(schedule, record, cls, spec, problems.get(schedule.id, ""), may, []))
    return rows


def add_tasks(state: State, rows: Sequence[ScheduleRow]) -> None:
    """Give each row its last tasks: one query for all of them."""
    found = last_of_schedules(state.database, [row.id for row in rows], HISTORY)
    by_id = {shown.id: shown for shown in show_all(state, [task for tasks in found.values() for task in tasks])}
    for row in rows:
        row.tasks = [by_id[task.id] for task in found.get(row.id, ()) if task.id in by_id]
