"""Tasks with everything a template needs beside the row: look, texts, names, rights, files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import url_for
from markupsafe import Markup

from .. import news
from ..formatting import Look, Surroundings, action_spec, look, percent, title_by
from ..language import tr
from ..models import Task
from ..numbers import human_size, number
from ..options import ActionSpec
from ..queries import place_in_queue
from ..state import State
from ..status import Status
from ..times import duration
from ..told import Texts, task_json, version
from .icons import icon
from .visitor import Visitor, around_now, may_start_again, visible, visitor


@dataclass(frozen=True)
class ShownFile:
    """A file that a task made."""

    name: str
    size: str
    url: str
    kind: str
    number: int
    sha256: str = ""

    @property
    def verb(self) -> str:
        """The words of its button."""
        return tr("Download refused rows") if self.kind == "refused" else tr("Download")


#: A form with more fields is a page of its own.
MOST_IN_DIALOG = 10


def fits_dialog(spec: ActionSpec) -> bool:
    """Whether an action's form is short enough for a dialog."""
    return spec.model is None or len(spec.model.model_fields) <= MOST_IN_DIALOG


class Shown:
    """One task, ready to be drawn.

    :param task: with its newest numbers.
    :param around: what decides why it waits.
    :param person: who looks at it.
    :param home: the address of the list of tasks.
    :param spec: the action's declaration, None when it is gone.
    :ivar url: the task's page.
    :ivar when: the moment that its row shows: when it started, or was created.
    """

    def __init__(
        self, task: Task, around: Surroundings, person: Visitor, *, home: str, spec: ActionSpec | None
    ) -> None:
        status = task.status
        self.task = task
        self.around = around
        self.person = person
        self.id = task.id
        self.spec = spec
        self.title = title_by(spec, task.action)
        self.look: Look = look(task, alive=around.alive)
        self.version = version(task, self.look)
        self.who = person.name_of(task.started_by)
        self.percent = percent(task)
        self.url = f"{home}/{task.id}"
        self.when = task.started_at or task.created_at
        self.pending, self.running = status == Status.PENDING, status == Status.RUNNING
        self.ended, self.failed = status >= Status.COMPLETED, status == Status.FAILED

    @cached_property
    def f(self) -> Texts:
        """The texts that the page patches, by the name of their ``data-field``."""
        return Texts(self.task, self.around, who=self.who, title=self.title)

    @property
    def json(self) -> dict[str, Any]:
        """The task as every JSON answer has it."""
        return task_json(self.task, self.around, title=self.title, who=self.who)

    @property
    def icon(self) -> Markup:
        """The look's icon."""
        return icon(self.look.icon)

    def part(self, name: str) -> str:
        """Where the page fetches a part of itself anew."""
        return f"{self.url}?part={name}"

    @property
    def is_mine(self) -> bool:
        """Whether the person who looks has started it."""
        return self.task.started_by is not None and self.task.started_by == self.person.id

    @cached_property
    def may_stop(self) -> bool:
        """Whether there is something to stop, and he may."""
        return not self.ended and self.task.cancel_at is None and self.person.may("cancel", self.task)

    @property
    def retrying(self) -> bool:
        """Whether it waits for its next attempt."""
        return self.look.key == "retrying"

    @cached_property
    def may_start_now(self) -> bool:
        """Whether it waits for a time, and he may let it start at once."""
        waits = self.pending and self.task.due_at is not None and self.task.cancel_at is None
        return waits and self.spec is not None and self.person.may("retry", self.task)

    @cached_property
    def may_prioritise(self) -> bool:
        """Whether it waits, and he may let it start before others."""
        return self.pending and self.spec is not None and self.person.may("launch", self.task)

    @cached_property
    def may_retry(self) -> bool:
        """Whether he may start it again."""
        return may_start_again(self.task)

    @cached_property
    def may_repeat(self) -> bool:
        """Whether he may launch the same action anew."""
        return self.ended and self.spec is not None and self.person.may("launch", self.spec)

    @property
    def form_in_dialog(self) -> bool:
        """Whether the form of its action opens in a dialog."""
        return self.spec is not None and fits_dialog(self.spec)

    @property
    def stop_word(self) -> str:
        """The word on the button that ends it."""
        return tr("Give up") if self.retrying else tr("Withdraw") if self.pending else tr("Stop")

    @cached_property
    def long(self) -> str:
        """How long it took, or has run."""
        return self.f.elapsed

    @cached_property
    def files(self) -> list[ShownFile]:
        """What it made, if he may download it: the result first, then the refused rows."""
        if not self.task.files or not self.person.may("download", self.task):
            return []
        found = []
        for index, file in enumerate(self.task.files):
            is_result = file["kind"] == "result"
            url = (
                url_for("stask.result", task_id=self.id)
                if is_result
                else url_for("stask.file", task_id=self.id, number=index)
            )
            size, digest = human_size(file["size"]), file.get("sha256", "")
            found.append(ShownFile(file["name"], size, url, file["kind"], index, digest))
        return sorted(found, key=lambda file: ("result", "refused", "file").index(file.kind))

    @property
    def counters(self) -> list[tuple[str, str]]:
        """The named counters as (number, name)."""
        return [(number(value), name.replace("_", " ")) for name, value in (self.task.counts or {}).items()]

    @property
    def waited(self) -> str:
        """How long it waited before its first start."""
        if self.task.started_at is None:
            return ""
        seconds = (self.task.started_at - (self.task.start_at or self.task.created_at)).total_seconds()
        return duration(seconds) if seconds >= 1 else ""


def show_all(state: State, tasks: Iterable[Task], *, places: bool = False) -> list[Shown]:
    """Those of the tasks that the visitor may see, ready to be drawn.

    :param places: whether to work out the places of waiting tasks in the queue, which costs a query each.
    """
    person = visitor()
    found = visible(list(tasks))
    numbers = news.newest_numbers(state, found)
    alive = True
    if any(task.status == Status.PENDING for task in found):
        alive = around_now().alive
    shown = []
    home = url_for("stask.tasks")
    specs = {key: action_spec(*key) for key in {(task.identifier, task.action) for task in found}}
    for task in found:
        news.newest(state, task, numbers.get(task.id))
        place = place_in_queue(state.database, task) or None if places and task.status == Status.PENDING else None
        quiet = news.silence(state, task, numbers.get(task.id))
        around = Surroundings(alive=alive, position=place, silence=quiet)
        shown.append(Shown(task, around, person, home=home, spec=specs[task.identifier, task.action]))
    return shown


def show(state: State, task: Task) -> Shown:
    """One task that the visitor may see, ready to be drawn."""
    return show_all(state, [task], places=True)[0]
