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
from .times import clock, duration

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
