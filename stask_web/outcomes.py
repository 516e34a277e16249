"""What is known of a task in hand, how its attempt ended, and what becomes of it. Plain values, no statements."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import stored
from .columns import to_json
from .status import Status
from .text import clean

#: How often a task may end its process before it is given up.
CRASH_LIMIT = 3
#: Longest wait between two attempts of a task, in seconds.
LONGEST_BACKOFF = 3600.0
MESSAGE_LIMIT = 4000

RUNNING, PENDING = int(Status.RUNNING), int(Status.PENDING)
COMPLETED, FAILED, CANCELLED = int(Status.COMPLETED), int(Status.FAILED), int(Status.CANCELLED)


class Claim(NamedTuple):
    """A task as it was claimed: all that a run needs to know. Plain values, so that it can be sent as JSON.

    :param priority: the rank.
    :param attempts: starts that count, this one included.
    :param attempt_no: starts at all, this one included; the number in the journal.
    :param meta: the options, as JSON text.
    :param secrets: the sealed secrets, or None.
    :param started_by: the user's key, as JSON text.
    :param alone: whether it has a unique key, which its end sets free.
    :param pid: of the process that runs it, if that is known.
    """

    id: int
    identifier: str
    action: str
    priority: int
    attempts: int
    max_attempts: int
    attempt_no: int
    crashes: int
    dry_run: bool
    meta: str
    secrets: str | None
    started_by: str | None
    created_at: float
    start_at: float | None
    started_at: float
    token: str
    owner: str | None
    alone: bool
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    :param kind: ``completed``, ``failed`` (final), ``cancelled``, ``error`` (starts again while attempts are left),
        ``crashed`` (its process died), ``drained`` (given back unfinished) or ``lost`` (its engine died).
    :param message: the sentence for people.
    :param error: type and text of the error, for developers.
    :param files: dicts of what was made, see :class:`stask_web.runner.TaskRun`.
    :param delay: seconds until the next attempt, if one follows.
    """

    kind: str
    message: str = ""
    error: str | None = None
    result: str | None = None
    files: list[dict[str, Any]] | None = None
    progress: int | None = None
    processed: int | None = None
    total: int | None = None
    warnings: int = 0
    counts: Mapping[str, int] | None = None
    delay: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the action ended well."""
        return self.kind == "completed"


class Ended(NamedTuple):
    """What became of a task whose attempt ended."""

    status: int
    message: str
    due_at: float | None


class Stat(NamedTuple):
    """One line of the daily counts."""

    day: str
    identifier: str
    action: str
    status: int


def decide(claim: Claim, outcome: Outcome, now: float) -> Ended:
    """What becomes of a task by an outcome: ended, or pending once more."""
    message = clean(outcome.message, MESSAGE_LIMIT)
    if outcome.kind == "completed":
        return Ended(COMPLETED, message, None)
    if outcome.kind == "failed":
        return Ended(FAILED, message, None)
    if outcome.kind == "cancelled":
        return Ended(CANCELLED, message or stopped_by(None, outcome.processed), None)
    if outcome.kind in ("drained", "lost"):
        return Ended(PENDING, message, None)
    if outcome.kind == "crashed" and claim.crashes + 1 >= CRASH_LIMIT:
        return Ended(FAILED, stored.CRASHED_TOO_OFTEN % {"sentence": message}, None)
    if claim.attempts >= claim.max_attempts:
        return Ended(FAILED, message, None)
    text = stored.ATTEMPT_STOPPED % {"number": claim.attempts, "most": claim.max_attempts, "sentence": message}
    return Ended(PENDING, clean(text, MESSAGE_LIMIT), now + outcome.delay)


def backoff(attempts: int, base: float) -> float:
    """Seconds until the next attempt: doubled with each, at most :data:`LONGEST_BACKOFF`, with a jitter of 20 %."""
    wait = min(LONGEST_BACKOFF, base * 2.0 ** min(attempts - 1, 20))
    return wait * random.uniform(0.8, 1.2)


def stopped_by(name: str | None, processed: int | None) -> str:
    """The sentence of a stopped task, e.g. ``"Stopped by Ann at row 1,204"``."""
    if name:
        text = stored.STOPPED_BY_AT if processed else stored.STOPPED_BY
    else:
        text = stored.STOPPED_AT if processed else stored.STOPPED
    return text % {"name": name, "row": f"{processed or 0:,}"}


def row_values(message: str, claim: Claim, outcome: Outcome) -> tuple[Any, ...]:
    """What an end writes into the row in any case."""
    error = None if outcome.error is None else clean(outcome.error, 190)
    counts = to_json(dict(outcome.counts)) if outcome.counts else None
    files = to_json(outcome.files) if outcome.files else None
    shown = (outcome.progress, outcome.processed, outcome.total)
    return (message, error, *shown, outcome.warnings, counts, files, claim.started_at)


def end_values(status: int, message: str, claim: Claim, outcome: Outcome, now: float) -> tuple[Any, ...]:
    """What the end of a task writes into its row."""
    duration = max(0.0, now - claim.started_at)
    return (status, now, duration, outcome.result, crashes(claim, outcome), *row_values(message, claim, outcome))


def crashes(claim: Claim, outcome: Outcome) -> int:
    """How often the task has ended its process, this attempt included."""
    return claim.crashes + (outcome.kind == "crashed")


def add_ending(stats: dict[Stat, list[float]], claim: Claim, status: int, now: float) -> None:
    """Add one ending to the counts of its day."""
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    count = stats.setdefault(Stat(day, claim.identifier, claim.action, status), [0, 0.0])
    count[0] += 1
    count[1] += max(0.0, now - claim.started_at)


def outcome_from(values: Iterable[Any]) -> Outcome:
    """An outcome from the plain values that :func:`outcome_values` gave."""
    return Outcome(*values)


def outcome_values(outcome: Outcome) -> list[Any]:
    """The plain values of an outcome, in the order of its fields."""
    return [getattr(outcome, name) for name in Outcome.__slots__]
