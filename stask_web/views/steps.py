"""The way of a task on its page: waiting, each start, the end; and a tab for each attempt when there are several."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ..language import mark, tr
from ..models import Attempt
from ..status import Status
from ..stored import translated
from ..text import plain
from ..times import clock, duration
from .shown import Shown


class Ending(NamedTuple):
    """How an attempt ended, for people."""

    word: str
    icon: str
    tone: str


#: By the outcome of an attempt; None while it runs.
ENDINGS: dict[str | None, Ending] = {
    None: Ending(mark("Running"), "running", "running"),
    "completed": Ending(mark("Completed"), "check", "done"),
    "failed": Ending(mark("Failed"), "cross", "failed"),
    "cancelled": Ending(mark("Stopped"), "stop", "muted"),
    "error": Ending(mark("Ended with an error"), "cross", "failed"),
    "crashed": Ending(mark("The process died"), "cross", "failed"),
    "drained": Ending(mark("Given back, because the worker was stopped"), "retry", "muted"),
    "lost": Ending(mark("Lost with its machine"), "alert", "attention"),
}


class Step(NamedTuple):
    """One step of a task's way; ``field`` names the text that the page keeps current."""

    word: str
    icon: str
    tone: str
    time: str
    note: str = ""
    moment: datetime | None = None
    field: str = ""


class Tab(NamedTuple):
    """One tab above the steps."""

    word: str
    title: str
    icon: str
    tone: str
    url: str
    here: bool


def tabs_of(shown: Shown, tries: Sequence[Attempt], chosen: Attempt | None) -> list[Tab]:
    """A tab for the whole and one for each attempt; none when there was only one."""
    if len(tries) < 2:
        return []
    tabs = [Tab(tr("All"), tr("All attempts"), "", "", shown.url, chosen is None)]
    for attempt in tries:
        ending = ending_of(attempt)
        title = tr("Attempt %(number)s: %(ending)s", number=attempt.number, ending=ending.word)
        url = f"{shown.url}?attempt={attempt.number}"
        here = chosen is not None and chosen.number == attempt.number
        tabs.append(Tab(str(attempt.number), title, ending.icon, ending.tone, url, here))
    return tabs


def ending_of(attempt: Attempt) -> Ending:
    """How an attempt ended, in the reader's language."""
    ending = ENDINGS.get(attempt.outcome) or ENDINGS["error"]
    return ending._replace(word=tr(ending.word))


def steps_of_attempt(attempt: Attempt, *, errors: bool) -> list[Step]:
    """One attempt: its start, how long it took, how it ended and why.

    :param errors: whether the program's own errors may be seen.
    """
    ending = ending_of(attempt)
    started = Step(tr("Attempt %(number)s started", number=attempt.number), "play", "muted", clock(attempt.started_at))
    started = started._replace(moment=attempt.started_at)
    if attempt.ended_at is None:
        return [started, Step(ending.word, ending.icon, ending.tone, "", "", None, "elapsed")]
    spent = duration((attempt.ended_at - attempt.started_at).total_seconds())
    return [started, Step(ending.word, ending.icon, ending.tone, spent, _why(attempt, errors), attempt.ended_at)]


def steps_of(shown: Shown, tries: Sequence[Attempt], *, errors: bool) -> list[Step]:
    """The whole way of a task; ``errors`` as in :func:`steps_of_attempt`."""
    row = shown.task
    by = tr("by %(name)s", name=shown.who) if shown.who else ""
    steps = [Step(tr("Created"), "plus", "muted", clock(row.created_at), by, row.created_at)]
    if shown.waited:
        steps.append(Step(tr("Waited"), "clock", "muted", shown.waited))
    past = tries if shown.pending else tries[:-1]
    steps += [_past(attempt, errors) for attempt in past]
    if shown.pending:
        word = tr("Attempt %(number)s", number=tries[-1].number + 1) if tries else shown.look.word
        return [*steps, _now(shown, "", "waiting_for", shown.f.waiting_for)._replace(word=word)]
    if shown.running:
        many = len(tries) > 1
        word = tr("Running, attempt %(number)s", number=tries[-1].number) if many else tr("Running")
        return [*steps, Step(word, "running", "running", shown.f.elapsed, "", None, "elapsed")]
    if row.started_at is not None:
        steps.append(Step(tr("Ran"), "running", "muted", duration(row.duration)))
    who = tr("by %(name)s", name=row.cancelled_by) if row.status == Status.CANCELLED and row.cancelled_by else ""
    return [*steps, _now(shown, clock(row.finished_at), "", who)._replace(moment=row.finished_at)]


def _now(shown: Shown, time: str, field: str, note: str) -> Step:
    return Step(shown.look.word, shown.look.icon, shown.look.tone, time, note, None, field)


def _why(attempt: Attempt, errors: bool) -> str:
    """Why an attempt ended: what the program said is for those who may see its log."""
    return (
        translated(plain(attempt.message or "", 500))
        if errors or attempt.outcome in ("completed", "failed", "cancelled")
        else ""
    )


def _past(attempt: Attempt, errors: bool) -> Step:
    ending = ending_of(attempt)
    spent = (attempt.ended_at - attempt.started_at).total_seconds() if attempt.ended_at else None
    note = _why(attempt, errors) or ending.word
    return Step(
        tr("Attempt %(number)s", number=attempt.number),
        ending.icon,
        ending.tone,
        duration(spent),
        note,
        attempt.started_at,
    )
