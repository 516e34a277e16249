"""Words for people: how a task looks, and every number, size, time and sentence a page shows.

The server makes all text. Pages, rows, JSON answers, the socket and the command line take it from here, so that they
never disagree; the browser only puts it in place.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from .status import Status
from .text import human_size, plain

if TYPE_CHECKING:
    from .models import Task
    from .options import ActionSpec

__all__ = [
    "LOOKS",
    "Look",
    "Surroundings",
    "ago",
    "amount",
    "clock",
    "counts_text",
    "day_text",
    "duration",
    "eta_words",
    "fields",
    "hour_text",
    "human_size",
    "humanise",
    "look",
    "number",
    "outcome",
    "share",
    "task_json",
    "waiting_for",
]


class Look(NamedTuple):
    """How a task is shown: a key for code, a word for people, an icon and a tone (a colour token)."""

    key: str
    word: str
    icon: str
    tone: str


#: Every look there is; nothing else names, colours or marks a task.
LOOKS: dict[str, Look] = {
    entry.key: entry
    for entry in (
        Look("scheduled", "Scheduled", "calendar", "muted"),
        Look("waiting", "Waiting", "clock", "muted"),
        Look("blocked", "Waiting for a process", "alert", "attention"),
        Look("retrying", "Starts again", "retry", "attention"),
        Look("running", "Running", "running", "running"),
        Look("paused", "Paused", "pause", "muted"),
        Look("stopping", "Stopping…", "stop", "attention"),
        Look("completed", "Completed", "check", "done"),
        Look("refused", "Completed with refusals", "alert", "attention"),
        Look("failed", "Failed", "cross", "failed"),
        Look("stopped", "Stopped", "stop", "muted"),
        Look("checked", "Check only", "eye", "done"),
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
        return f"Starts again in {duration(_seconds_until(task.due_at))}"
    if key == "scheduled":
        return f"Starts {clock(task.due_at)}"
    if key == "blocked":
        return "No worker process is running. It starts by itself when one is back"
    if around.blocker:
        return f"Starts after {around.blocker}"
    if around.position is None or around.position <= 1:
        return "Starts next"
    return f"Number {number(around.position)} in the queue"


def _seconds_until(moment: datetime | None) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else 0.0


# Numbers, sizes, times


def number(value: float | None) -> str:
    """A number with grouped thousands, e.g. ``1204`` as ``"1,204"``; nothing for None."""
    return "" if value is None else f"{value:,}"


def amount(processed: int | None, total: int | None) -> str:
    """How much is done, e.g. ``"1,204 of 3,201"``."""
    if processed is None:
        return ""
    return f"{processed:,} of {total:,}" if total is not None else f"{processed:,} so far"


def duration(seconds: float | None) -> str:
    """A length of time in its two biggest units, e.g. ``"3 min 12 s"``."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 and round(seconds, 1) % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    for size, unit, small_size, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size:,} {unit} {rest} {small}" if rest else f"{whole // size:,} {unit}"
    return f"{whole} s"


def eta_words(seconds: float | None) -> str:
    """A calm estimate, e.g. ``"about 2 min left"``, near the end ``"almost done"``."""
    if seconds is None or seconds != seconds or seconds < 0:
        return ""
    if seconds < 5:
        return "almost done"
    if seconds < 50:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    if seconds < 3600:
        return f"about {max(1, round(seconds / 60))} min left"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 48:
        return f"about {hours // 24} days left"
    return f"about {hours} h {minutes} min left" if minutes and hours < 10 else f"about {hours} h left"


def clock(moment: datetime | None, *, now: datetime | None = None) -> str:
    """A moment by the clock of this machine, e.g. ``"today 20:00"``, ``"12 Mar 18:02"``."""
    if moment is None:
        return ""
    local = moment.astimezone()
    today = (now or datetime.now(UTC)).astimezone().date()
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((local.date() - today).days)
    if near:
        return f"{near} {local:%H:%M}"
    if local.year == today.year:
        return f"{local.day} {local:%b %H:%M}"
    return f"{local.day} {local:%b %Y}"


def ago(moment: datetime | None, *, now: datetime | None = None) -> str:
    """How long ago a moment was, e.g. ``"5 min ago"``; from yesterday on by the clock."""
    if moment is None:
        return ""
    current = now or datetime.now(UTC)
    seconds = (current - moment).total_seconds()
    if seconds < -5:
        return f"in {duration(-seconds)}" if seconds > -3600 else clock(moment, now=current)
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 6 * 3600:
        return f"{seconds / 3600:.0f} h ago"
    return clock(moment, now=current)


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, e.g. ``"94.1 %"``; nothing of nothing. Only all of it is 100 %."""
    if not whole:
        return ""
    percents = part / whole * 100
    return f"{percents:.0f} %" if part in (0, whole) else f"{min(99.9, max(0.1, percents)):.1f} %"


def day_text(day: date) -> str:
    """A day, e.g. ``"12 Mar"``, of another year ``"12 Mar 2025"``."""
    return f"{day.day} {day:%b}" if day.year == date.today().year else f"{day.day} {day:%b %Y}"


def hour_text(moment: datetime) -> str:
    """A time of day by the clock of this machine, e.g. ``"14:00"``."""
    return f"{moment.astimezone():%H:%M}"


def rate_text(processed: int | None, seconds: float | None) -> str:
    """A speed, e.g. ``"142 a second"`` or ``"38 a minute"``; nothing before it means something."""
    if not processed or not seconds or seconds < 0.5:
        return ""
    rate = processed / seconds
    if rate >= 10:
        return f"{rate:,.0f} a second"
    if rate >= 1:
        return f"{rate:.1f} a second"
    if rate * 60 >= 1:
        return f"{rate * 60:.0f} a minute"
    return f"{rate * 3600:.0f} an hour" if rate * 3600 >= 1 else ""


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
    return ", ".join([*parts, f"{number(refused)} refused"] if refused else parts)


def more_counts(task: Task) -> str:
    """The counters that the sentence of the end does not say already."""
    said, text = outcome(task), counts_text(task)
    return "" if all(part.split(" ")[0] in said.replace(".", " ").split() for part in text.split(", ")) else text


def outcome(task: Task) -> str:
    """How a task ended, in one sentence: the author's own, or what the counters say."""
    if task.status == Status.CANCELLED:
        return stopped_sentence(task)
    if task.status == Status.FAILED:
        return failed_sentence(plain(task.message))
    if task.message:
        return plain(task.message)
    if task.dry_run:
        return "Checked. Nothing was changed"
    return counts_text(task) or "Done"


def failed_sentence(message: str) -> str:
    """Why a task failed: the author's sentence, or that the program is to blame and how far it came."""
    if not message:
        return "It stopped because of an error in the program"
    head = message[:1].lower() + message[1:]
    return f"It stopped because of {head}" if head.startswith("an error in the program") else message


def stopped_sentence(task: Task) -> str:
    """Who stopped a task and what it left behind, as far as it is known."""
    by = f" by {plain(task.cancelled_by)}" if task.cancelled_by else ""
    if task.started_at is None:
        return f"Withdrawn{by} before it started"
    if task.processed is not None and task.total:
        return f"Stopped{by} at {number(task.processed)} of {number(task.total)}. What was done stays done"
    return f"Stopped{by}. What was done stays done"


def stopping_words(task: Task) -> str:
    """What happens to a task that was asked to stop, with the seconds until force is used; "" for any other."""
    if task.status != Status.RUNNING or task.cancel_at is None:
        return ""
    from .state import current_state

    left = task.cancel_at.timestamp() + current_state().settings.cancel_grace - time.time()
    return f"Waits for a safe point. By force in {left:.0f} s" if left >= 1 else "Being stopped by force"


def quiet_words(silence: float | None) -> str:
    """That a running task has said nothing for unusually long, e.g. ``"No sign of progress for 2 min"``."""
    if silence is None:
        return ""
    return f"No sign of progress for {duration(silence if silence < 60 else silence // 60 * 60)}"


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


def fields(task: Task, around: Surroundings | None = None, *, who: str = "", title: str = "") -> dict[str, str]:
    """Every text of a task that a page patches while it runs, by the name of its ``data-field``."""
    running = task.status == Status.RUNNING
    share = percent(task)
    percent_text = f"{share} %" if share is not None else ""
    amount_text = amount(task.processed, task.total)
    eta_text = eta_words(task.eta) if running and task.cancel_at is None else ""
    spent = elapsed(task)
    message = plain(task.message or "", 500)
    parts = [percent_text or ("working" if running else ""), amount_text, eta_text]
    return {
        "word": look(task, alive=around.alive if around else True).word,
        "percent": percent_text,
        "processed": number(task.processed),
        "total": number(task.total),
        "amount": amount_text,
        "stays": f"{amount_text} are done and stay done." if amount_text else "What is done stays done.",
        "eta": eta_text,
        "line": " · ".join(part for part in parts if part),
        "message": message,
        "stopping": stopping_words(task),
        "quiet": quiet_words(around.silence) if around and running and task.cancel_at is None else "",
        "rate": rate_text(task.processed, spent) if running else "",
        "elapsed": duration(int(spent) if running and spent is not None else spent),
        "counts": more_counts(task) if Status(task.status).ended else counts_text(task),
        "warnings": number(task.warnings) if task.warnings else "",
        "waiting_for": waiting_for(task, around) or "",
        "outcome": outcome(task) if Status(task.status).ended else "",
        "by": who,
        "tab": " ".join(part for part in (percent_text if running else "", title) if part),
    }


def version(task: Task, *, alive: bool = True) -> str:
    """Changes with the task's state, not with its numbers: a page then fetches its part anew."""
    return f"{_look_key(task, alive)}-{task.attempt_no}-{len(task.files or ())}"


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
        "message": plain(task.message or ""),
        "warnings": task.warnings,
        "counts": task.counts or {},
        "waiting_for": waiting_for(task, around),
        "position": around.position,
        "duration": elapsed(task),
        "version": version(task, alive=around.alive),
        "fields": fields(task, around, who=who, title=title),
    }


def task_title(task: Task) -> str:
    """What a task does, e.g. ``"Import products"``; made from its name when its class is gone."""
    spec = action_spec(task.identifier, task.action)
    return str(spec.title) if spec and str(spec.title) else humanise(task.action)


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
