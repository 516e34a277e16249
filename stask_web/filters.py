"""What a list of tasks can be asked for, as conditions of a select: a look, a period, words.

No index serves the time of creation: ids grow with it, so :func:`in_period` finds the ids of a period by halving.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from .database import Database
from .models import Task
from .status import Status

#: How far ids and times of creation may be out of step: transactions end in another order than they begin.
SLACK = 1_000

Conditions = tuple[sa.ColumnElement[bool], ...]

#: What can be asked for in one word: the five statuses, and the looks of people that are part of one of them.
LOOKS: Mapping[str, Conditions] = {
    **{status.text: (Task.status == status,) for status in Status},
    "scheduled": (Task.status == Status.PENDING, Task.due_at.is_not(None), Task.attempt_no == 0),
    "retrying": (Task.status == Status.PENDING, Task.due_at.is_not(None), Task.attempt_no > 0),
    "refused": (Task.status == Status.COMPLETED, Task.warnings > 0),
}

_EDGES: WeakKeyDictionary[Database, dict[float, int]] = WeakKeyDictionary()
_EDGES_KEPT = 200


def in_period(database: Database, since: datetime | None, until: datetime | None) -> Conditions:
    """Conditions for tasks created in a period.

    :param since: from then on.
    :param until: before then.
    """
    found: list[sa.ColumnElement[bool]] = []
    if since is not None:
        found += [Task.created_at >= since, Task.id > _first_id(database, since) - SLACK]
    if until is not None:
        found.append(Task.created_at < until)
        if until.timestamp() < time.time():
            found.append(Task.id < _first_id(database, until) + SLACK)
    return tuple(found)


def ids_between(database: Database, since: datetime, until: datetime) -> tuple[int, int]:
    """Between which ids all tasks of a period are, the first one excluded: a little wider than the period.

    :param since: a moment in the past.
    :param until: may be in the future.
    """
    low = max(0, _first_id(database, since) - SLACK)
    if until.timestamp() < time.time():
        return low, _first_id(database, until) + SLACK
    with database.read() as connection:
        return low, int(connection.execute(sa.select(sa.func.max(Task.id))).scalar() or 0)


def _first_id(database: Database, moment: datetime) -> int:
    """The first id that is surely not older than a moment in the past, found by halving and then known for good."""
    known, at = _EDGES.setdefault(database, {}), moment.timestamp()
    if at not in known:
        while len(known) >= _EDGES_KEPT:
            known.pop(next(iter(known)))
        known[at] = _halve(database, at)
    return known[at]


def _halve(database: Database, at: float) -> int:
    probe = sa.text("SELECT id, created_at FROM s_tasks WHERE id >= :id ORDER BY id LIMIT 1")
    with database.read() as connection:
        ends = [connection.execute(sa.select(end(Task.id))).scalar() for end in (sa.func.min, sa.func.max)]
        low, high = (ends[0] or 0), (ends[1] or 0) + 1
        while low < high:
            middle = (low + high) // 2
            row = connection.execute(probe, {"id": middle}).first()
            if row is None or row.created_at >= at:
                high = middle
            else:
                low = int(row.id) + 1
    return low


def with_words(database: Database, text: str, titles: Mapping[tuple[str, str], str]) -> Conditions:
    """Conditions for tasks that have every word of a text in their message, or in the titles of action and worker.

    :param titles: the words of each action: (identifier, action) -> all that it may be found by.
    """
    return tuple(sa.or_(*_one_word(database.dialect, word, titles)) for word in text.split())


def _one_word(dialect: str, word: str, titles: Mapping[tuple[str, str], str]) -> list[sa.ColumnElement[bool]]:
    actions: dict[str, list[str]] = {}
    for (identifier, action), words in titles.items():
        if word.casefold() in words.casefold():
            actions.setdefault(identifier, []).append(action)
    named = [sa.and_(Task.identifier == name, Task.action.in_(those)) for name, those in actions.items()]
    if dialect == "postgresql":
        return [*named, Task.message.icontains(word, autoescape=True)]
    # SQLite tells capitals from small letters beyond ASCII.
    forms = [word] if word.isascii() else dict.fromkeys((word, word.lower(), word.upper(), word.capitalize()))
    return [*named, *(Task.message.contains(form, autoescape=True) for form in forms)]
