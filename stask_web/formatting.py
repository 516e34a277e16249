"""Words for people on a task: how it looks, and every number and sentence that a page shows of it.

The server makes all text. Pages, rows, JSON answers, the socket and the command line take it from here, so that they
never disagree; the browser only puts it in place.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from .language import mark, tr, trn
from .numbers import localised, number
from .status import Status
from .stored import translated
from .text import clean, plain
from .times import clock, duration, eta_words

if TYPE_CHECKING:
    from .models import Task
    from .options import ActionSpec


class Look(NamedTuple):
    """How a task is shown: a key for code, a word for people, an icon and a tone (a colour token).

    :param name: the word in English.
    """

    key: str
    name: str
    icon: str
    tone: str

    @property
    def word(self) -> str:
        """The word in the reader's language."""
        return tr(self.name)


#: Every look there is; nothing else names, colours or marks a task.
LOOKS: dict[str, Look] = {
    entry.key: entry
    for entry in (
        Look("scheduled", mark("Scheduled"), "calendar", "muted"),
        Look("waiting", mark("Waiting"), "clock", "muted"),
        Look("blocked", mark("Waiting for a process"), "alert", "attention"),
        Look("retrying", mark("Starts again"), "retry", "attention"),
        Look("running", mark("Running"), "running", "running"),
        Look("paused", mark("Paused"), "pause", "muted"),
        Look("stopping", mark("Stopping…"), "stop", "attention"),
        Look("completed", mark("Completed"), "check", "done"),
        Look("refused", mark("Completed with refusals"), "alert", "attention"),
        Look("failed", mark("Failed"), "cross", "failed"),
        Look("stopped", mark("Stopped"), "stop", "muted"),
        Look("checked", mark("Check only"), "eye", "done"),
    )
}


@dataclass(frozen=True)
class Surroundings:
    """What decides why a task waits, beside its own row.

    :param alive: whether any worker process is alive.
    :param position: the task's place in the queue, from 1; None when it is unknown or does not queue.
    :param blocker: the sentence name of a task it waits for.
    :param silence: seconds since a running task gave its last sign of life, when that is unusually long.
    """

    alive: bool = True
    position: int | None = None
    blocker: str | None = None
    silence: float | None = None


def look(task: Task, *, alive: bool = True) -> Look:
    """How a task looks now.

    :param alive: whether any worker process is alive; without one a waiting task is blocked.
    """
    return LOOKS[_look_key(task, alive)]


def _look_key(task: Task, alive: bool) -> str:
    if task.status == Status.PENDING:
        return _pending_key(task, alive)
    if task.status == Status.RUNNING:
        return "running" if task.cancel_at is None else "stopping"
    if task.status == Status.COMPLETED:
        return "refused" if task.warnings else "checked" if task.dry_run else "completed"
    return "failed" if task.status == Status.FAILED else "stopped"


def _pending_key(task: Task, alive: bool) -> str:
    if task.due_at is not None and task.due_at > datetime.now(UTC):
        return "retrying" if task.attempt_no else "scheduled"
    return "waiting" if alive else "blocked"


def waiting_for(task: Task, around: Surroundings | None = None) -> str | None:
    """Why a pending task has not started, as a sentence; None for any other task."""
    if task.status != Status.PENDING:
        return None
    around = around or Surroundings()
    key = _pending_key(task, around.alive)
    if key == "retrying":
        return tr("Starts again in %(time)s", time=duration(_seconds_until(task.due_at)))
    if key == "scheduled":
        return tr("Starts %(time)s", time=clock(task.due_at))
    if key == "blocked":
        return tr("No worker process is running. It starts by itself when one is back")
    if around.blocker:
        return tr("Starts after %(task)s", task=around.blocker)
    if around.position is None or around.position <= 1:
        return tr("Starts next")
    return tr("Number %(num)s in the queue", num=number(around.position))


def _seconds_until(moment: datetime | None) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else 0.0


# Numbers


def amount(processed: int | None, total: int | None) -> str:
    """How much is done, e.g. ``"1,204 of 3,201"``."""
    if processed is None:
        return ""
    if total is None:
        return tr("%(done)s so far", done=number(processed))
    return tr("%(done)s of %(total)s", done=number(processed), total=number(total))


def rate_text(processed: int | None, seconds: float | None) -> str:
    """A speed, e.g. ``"142 a second"`` or ``"38 a minute"``; nothing before it means something."""
    if not processed or not seconds or seconds < 0.5:
        return ""
    rate = processed / seconds
    if rate >= 10:
        return tr("%(num)s a second", num=number(round(rate)))
    if rate >= 1:
        return tr("%(num)s a second", num=localised(f"{rate:.1f}"))
    if rate * 60 >= 1:
        return tr("%(num)s a minute", num=f"{rate * 60:.0f}")
    return tr("%(num)s an hour", num=f"{rate * 3600:.0f}") if rate * 3600 >= 1 else ""


#: Priority -> its word for people.
PRIORITY_WORDS = {"high": mark("High"), "normal": mark("Normal"), "low": mark("Low")}


def priority_word(priority: str) -> str:
    """A priority for people."""
    return tr(PRIORITY_WORDS.get(priority, priority))


def humanise(name: str) -> str:
    """A code name as a title, e.g. ``"sync_stock"`` as ``"Sync stock"``."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


# Sentences about one task


def counts_text(task: Task) -> str:
    """The named counters and the refusals, e.g. ``"3,161 imported, 40 refused"``."""
    counts = dict(task.counts or {})
    refused = counts.pop("refused", None) or task.warnings
    parts = [f"{number(value)} {plain(name).replace('_', ' ')}" for name, value in counts.items()]
    return ", ".join(
        [*parts, trn("%(num)s refused", "%(num)s refused", refused, num=number(refused))] if refused else parts
    )


def more_counts(task: Task) -> str:
    """The counters that the sentence of the end does not say already."""
    text = counts_text(task)
    said = set(re.findall(r"\d+", re.sub(r"(?<=\d)[,\xa0](?=\d)", "", outcome(task))))
    shown = re.sub(r"(?<=\d)[,\xa0](?=\d)", "", text)
    return "" if all(part.split(" ")[0] in said for part in shown.split(", ")) else text


def outcome(task: Task) -> str:
    """How a task ended, in one sentence: the author's own, or what the counters say."""
    if task.status == Status.CANCELLED:
        return stopped_sentence(task)
    if task.status == Status.FAILED:
        return failed_sentence(plain(task.message))
    if task.message:
        return translated(plain(task.message))
    if task.dry_run:
        return tr("Checked. Nothing was changed")
    return counts_text(task) or tr("Done")


def failed_sentence(message: str) -> str:
    """Why a task failed: the author's sentence, or that the program is to blame and how far it came."""
    if not message:
        return tr("It stopped because of an error in the program")
    head = message[:1].lower() + message[1:]
    blames = head.startswith("an error in the program")
    return translated(f"It stopped because of {head}" if blames else message)


def stopped_sentence(task: Task) -> str:
    """Who stopped a task and what it left behind, as far as it is known."""
    by = plain(task.cancelled_by) if task.cancelled_by else ""
    if task.started_at is None:
        return tr("Withdrawn by %(name)s before it started", name=by) if by else tr("Withdrawn before it started")
    if task.processed is not None and task.total:
        came = {"done": number(task.processed), "total": number(task.total)}
        if by:
            return tr("Stopped by %(name)s at %(done)s of %(total)s. What was done stays done", name=by, **came)
        return tr("Stopped at %(done)s of %(total)s. What was done stays done", **came)
    if by:
        return tr("Stopped by %(name)s. What was done stays done", name=by)
    return tr("Stopped. What was done stays done")


def stopping_words(task: Task) -> str:
    """What happens to a task that was asked to stop, with the seconds until force is used; "" for any other."""
    if task.status != Status.RUNNING or task.cancel_at is None:
        return ""
    from .state import current_state

    left = task.cancel_at.timestamp() + current_state().settings.cancel_grace - time.time()
    if left >= 1:
        return tr("Waits for a safe point. By force in %(s)s s", s=f"{left:.0f}")
    return tr("Being stopped by force")


def quiet_words(silence: float | None) -> str:
    """That a running task has said nothing for unusually long, e.g. ``"No sign of progress for 2 min"``."""
    if silence is None:
        return ""
    return tr("No sign of progress for %(time)s", time=duration(silence if silence < 60 else silence // 60 * 60))


def elapsed(task: Task, now: float | None = None) -> float | None:
    """Seconds of work: of the whole run when it is over, until now while it runs."""
    if task.status == Status.RUNNING and task.started_at is not None:
        return max(0.0, (time.time() if now is None else now) - task.started_at.timestamp())
    return task.duration


def percent(task: Task) -> int | None:
    """The progress in percent; None while nothing is known of it."""
    if task.status == Status.RUNNING and not task.progress and task.total is None:
        return None
    return task.progress


def percent_words(share: int | None) -> str:
    """A share, e.g. ``"37 %"``; nothing for None."""
    return "" if share is None else tr("%(num)s %%", num=share)


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


def task_title(task: Task) -> str:
    """What a task does, e.g. ``"Import products"``; made from its name when its class is gone."""
    return title_by(action_spec(task.identifier, task.action), task.action)


def title_by(spec: ActionSpec | None, action: str) -> str:
    """The title of an action by its declaration; made from its name when that is gone."""
    return (clean(spec.title) if spec is not None else "") or humanise(action)


def action_spec(identifier: str, action: str) -> ActionSpec | None:
    """The declaration of an action, or None when its worker or the action is gone."""
    from .state import current_state

    cls = current_state().registry.get(identifier)
    return action_specs_of(cls).get(action) if cls is not None else None


_specs: WeakKeyDictionary[type[Any], dict[str, ActionSpec]] = WeakKeyDictionary()


def action_specs_of(cls: type[Any]) -> dict[str, ActionSpec]:
    """The actions of a worker class by name; looked at once, for reading signatures takes longer than drawing a row."""
    if cls not in _specs:
        _specs[cls] = dict(cls().actions())
    return _specs[cls]
