"""One task as a page, a socket and a program are told of it: its texts by their names, and its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .formatting import (
    Look,
    Surroundings,
    amount,
    counts_text,
    elapsed,
    look,
    more_counts,
    outcome,
    percent,
    percent_words,
    quiet_words,
    rate_text,
    stopping_words,
    task_title,
    waiting_for,
)
from .language import tr
from .numbers import number
from .status import Status
from .stored import translated
from .text import plain
from .times import duration, eta_words

if TYPE_CHECKING:
    from .models import Task


class Texts:
    """Every text of a task that a page patches while it runs, by the name of its ``data-field``.

    Each is made when it is asked for: a row of a list shows three of them.

    :param task: with its newest numbers.
    :param around: what decides why it waits.
    :param who: the name of the person who started it.
    :param title: the action's title.
    """

    def __init__(self, task: Task, around: Surroundings | None = None, *, who: str = "", title: str = "") -> None:
        self._task = task
        self._around = around
        self._title = title
        self._runs = task.status == Status.RUNNING
        self._goes_on = self._runs and task.cancel_at is None
        self._who = who

    def all(self) -> dict[str, str]:
        """All of them: name -> text."""
        return {name: getattr(self, name) for name, made in vars(Texts).items() if isinstance(made, property)}

    @property
    def word(self) -> str:
        """How it looks."""
        return look(self._task, alive=self._around.alive if self._around else True).word

    @property
    def percent(self) -> str:
        """Its share, e.g. ``"37 %"``."""
        return percent_words(percent(self._task))

    @property
    def processed(self) -> str:
        """How many are done."""
        return number(self._task.processed)

    @property
    def total(self) -> str:
        """Of how many."""
        return number(self._task.total)

    @property
    def amount(self) -> str:
        """How much is done, see :func:`amount`."""
        return amount(self._task.processed, self._task.total)

    @property
    def stays(self) -> str:
        """What stopping it leaves behind."""
        done = self.amount
        return tr("%(amount)s are done and stay done.", amount=done) if done else tr("What is done stays done.")

    @property
    def eta(self) -> str:
        """How long it will still take, while it goes on."""
        return eta_words(self._task.eta) if self._goes_on else ""

    @property
    def line(self) -> str:
        """Share, amount and time left in one line."""
        share = self.percent or (tr("working") if self._runs else "")
        return " · ".join(part for part in (share, self.amount, self.eta) if part)

    @property
    def message(self) -> str:
        """What it said last."""
        return translated(plain(self._task.message or "", 500))

    @property
    def stopping(self) -> str:
        """What happens to it once it was asked to stop."""
        return stopping_words(self._task)

    @property
    def quiet(self) -> str:
        """That it says nothing for unusually long."""
        return quiet_words(self._around.silence) if self._around and self._goes_on else ""

    @property
    def rate(self) -> str:
        """How fast it goes on."""
        return rate_text(self._task.processed, elapsed(self._task)) if self._runs else ""

    @property
    def elapsed(self) -> str:
        """How long it took, or has run, to the second while it runs."""
        spent = elapsed(self._task)
        return duration(int(spent) if self._runs and spent is not None else spent)

    @property
    def counts(self) -> str:
        """Its named counters, at the end those that its sentence does not say."""
        return more_counts(self._task) if Status(self._task.status).ended else counts_text(self._task)

    @property
    def warnings(self) -> str:
        """How many rows it refused."""
        return number(self._task.warnings) if self._task.warnings else ""

    @property
    def waiting_for(self) -> str:
        """Why it has not started."""
        return waiting_for(self._task, self._around) or ""

    @property
    def outcome(self) -> str:
        """How it ended."""
        return outcome(self._task) if Status(self._task.status).ended else ""

    @property
    def by(self) -> str:
        """Who started it."""
        return self._who

    @property
    def tab(self) -> str:
        """The title of the browser's tab."""
        return " ".join(part for part in (self.percent if self._runs else "", self._title) if part)


def version(task: Task, shown: Look) -> str:
    """Changes with the task's state, not with its numbers: a page then fetches its part anew.

    :param shown: how it looks.
    """
    return f"{shown.key}-{task.attempt_no}-{len(task.files or ())}"


def task_json(
    task: Task, around: Surroundings | None = None, *, title: str | None = None, who: str = ""
) -> dict[str, Any]:
    """A task as JSON, the same on every way: socket, polling, API.

    :param task: with its newest numbers (see ``views.page.freshen``).
    :param around: what decides why it waits.
    :param title: the action's title; by default from its worker's class.
    :param who: the name of the person who started it.
    """
    around = around or Surroundings()
    shown = look(task, alive=around.alive)
    title = title or task_title(task)
    return {
        "id": task.id,
        "identifier": task.identifier,
        "action": task.action,
        "title": title,
        "status": int(task.status),
        "status_text": task.status_text,
        "look": shown.key,
        "word": shown.word,
        "icon": shown.icon,
        "tone": shown.tone,
        "progress": percent(task),
        "processed": task.processed,
        "total": task.total,
        "eta": task.eta,
        "eta_text": eta_words(task.eta),
        "message": translated(plain(task.message or "")),
        "warnings": task.warnings,
        "counts": task.counts or {},
        "waiting_for": waiting_for(task, around),
        "position": around.position,
        "duration": elapsed(task),
        "version": version(task, shown),
        "fields": Texts(task, around, who=who, title=title).all(),
    }
