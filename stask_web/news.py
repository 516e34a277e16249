"""What a live page is told, whichever way it asks: tasks with their newest numbers, pieces of journals, lists, counts.

The relay sends it through sockets, ``views/live.py`` answers with it; both say the same.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa

from . import access, board, filters, listing, queries
from .database import Database
from .formatting import Surroundings
from .journal import NOTHING, Chunk, Journal
from .language import tr
from .models import Task
from .queries import STATUS, Narrow
from .state import State
from .status import Status
from .stored import translated
from .tally import Kept, asked
from .text import plain
from .times import here, midnight, today
from .told import task_json

_log = logging.getLogger(__name__)
PIECE = 256 * 1024
LIST_SIZE = 25
#: How far tasks are counted for people who may not see all: the daily counts would tell them of the others.
COUNTED = 1_000
_POSITION = re.compile(r"(-|[0-9A-Za-z]{1,40}):[0-9]{1,18}")
_FILTER_LIMIT = 500
_NUMBERS = ("progress", "processed", "total", "eta", "message")


def is_position(text: str) -> bool:
    """Whether a text from a browser can be a position in a journal, ``generation:offset``."""
    return _POSITION.fullmatch(text) is not None


# Tasks


@dataclass(frozen=True)
class Around:
    """What is the same for all tasks at one moment.

    :param alive: whether a worker process is alive.
    """

    alive: bool


def around(state: State) -> Around:
    """Look what is the same for all tasks now."""
    return Around(alive=queries.is_any_alive(state.database, state.settings.lease))


def freshen(task: Task, numbers: Mapping[str, Any] | None) -> Task:
    """Put the newest numbers of the journal over those of the row, which is up to half a second behind.

    :param numbers: the journal's last progress record; ignored when it is of an earlier attempt, or the task is over.
    """
    if numbers and task.status == Status.RUNNING and numbers.get("a") == task.attempt_no:
        for name in _NUMBERS:
            if numbers.get(name) is not None:
                setattr(task, name, numbers[name])
        task.warnings = max(task.warnings or 0, numbers.get("warnings") or 0)
        task.counts = numbers.get("counts") or task.counts
    return task


def newest(state: State, task: Task, numbers: Mapping[str, Any] | None) -> Task:
    """A task as people see it now: with the newest numbers, and the usual time left when the action tells none.

    :param numbers: see :func:`freshen`.
    """
    freshen(task, numbers)
    if task.status == Status.RUNNING and task.eta is None and task.started_at is not None and not task.total:
        usual = queries.usual_duration(state.database, task.identifier, task.action)
        left = None if usual is None else usual - (datetime.now(UTC) - task.started_at).total_seconds()
        task.eta = round(left, 1) if left is not None and left > 0 else None  # longer than usual: we do not know
    return task


def task_news(
    state: State, task: Task, numbers: Mapping[str, Any] | None, now: Around, *, who: str | None = None
) -> dict[str, Any]:
    """One task as a page is told of it.

    :param numbers: the newest ones of its journal, see :func:`freshen`.
    :param who: the name of the person who started it, when it is known already.
    """
    return task_json(
        task, look_around(state, task, numbers, now), who=name_of(state, task.started_by) if who is None else who
    )


def look_around(state: State, task: Task, numbers: Mapping[str, Any] | None, now: Around) -> Surroundings:
    """Bring a task up to date, and look at what decides why it waits: the same for all who read of it.

    :param numbers: see :func:`freshen`.
    """
    newest(state, task, numbers)
    position = None
    if task.status == Status.PENDING:
        position = queries.place_in_queue(state.database, task) or None
    return Surroundings(alive=now.alive, position=position, silence=silence(state, task, numbers))


#: Seconds without a sign of life that are never worth a word, and how many usual gaps are.
QUIET, GAPS = 60.0, 5


def silence(state: State, task: Task, numbers: Mapping[str, Any] | None) -> float | None:
    """How long a running task has given no sign of life, when that is beyond five times its usual gap; else None.

    :param numbers: the newest ones of its journal; a recent one spares the look into the journal itself.
    """
    if task.status != Status.RUNNING or task.started_at is None:
        return None
    now, started = time.time(), task.started_at.timestamp()
    if now - max(started, (numbers or {}).get("t") or 0.0) <= QUIET:
        return None
    last, gap = state.journals.of(task.id).signs()
    quiet = now - max(started, last)
    return quiet if quiet > max(QUIET, GAPS * gap) else None


def name_of(state: State, user_id: Any) -> str:
    """The name of whoever started something; nothing when nobody did, "someone" when nobody knows."""
    return shown_name(user_id, known_name(state, user_id))


def known_name(state: State, user_id: Any) -> str:
    """The name of whoever started something, "" when nobody did or nobody knows."""
    if user_id is None:
        return ""
    try:
        return access.known_name(state.policy, user_id)
    except Exception:
        _log.exception("The access policy could not name the user %r.", user_id)
        return ""


def shown_name(user_id: Any, name: str) -> str:
    """A name as a reader sees it.

    :param name: as :func:`known_name` gave it.
    """
    return name or ("" if user_id is None else tr("someone"))


# Journals


def piece(chunk: Chunk) -> dict[str, Any]:
    """A piece of a journal as JSON: start, end, first, more, lines. Numbers of progress are not lines."""
    rows = zip(chunk.offsets, chunk.lines, strict=True)
    lines = [line(record, at) for at, record in rows if record["k"] != "progress"]
    first = chunk.first or chunk.start == NOTHING
    return {"start": chunk.start, "end": chunk.end, "first": first, "more": chunk.more, "lines": lines}


def read_piece(journal: Journal, position: str, limit: int = PIECE) -> dict[str, Any]:
    """The piece of a journal that follows a position."""
    return piece(journal.read(position, limit))


def numbers_in(chunk: Chunk) -> dict[str, Any] | None:
    """The last numbers that a piece of a journal tells, as :meth:`Journal.progress` gives them."""
    for record in reversed(chunk.lines):
        if record["k"] == "progress":
            return {**record.get("p", {}), "t": record["t"], "a": record["a"]}
    return None


def line(record: Mapping[str, Any], at: int) -> dict[str, Any]:
    """One line of a log as JSON.

    :param record: of the journal.
    :param at: where it begins, in bytes.
    """
    moment = datetime.fromtimestamp(record["t"], UTC)
    entry = {
        "at": at,
        "timestamp": moment.isoformat(timespec="milliseconds"),
        "time": f"{here(moment):%H:%M:%S}",
        "level": record["l"],
        "kind": record["k"],
        "attempt": record["a"],
        "message": translated(plain(record.get("m", ""))) if record["k"] != "out" else plain(record.get("m", "")),
    }
    if record.get("c"):
        entry["context"] = record["c"]
    if record.get("+"):
        entry["continued"] = True
    return entry


# Lists and counts


class BadFilter(ValueError):
    """A list was asked for in words nobody knows."""


def list_news(state: State, text: str, narrow: Narrow | None = None) -> dict[str, Any]:
    """Whether a list is still what a page shows: its filter and a digest that changes when rows come or go.

    The digest says nothing of what is in the list; the page fetches that itself, with the rights of its reader.

    :param text: the filter as a query string: ``worker``, ``action``, ``status``, ``schedule`` (a number, or ``any``
        for what any schedule started) and ``limit``.
    :param narrow: keeps what the reader may see; without it the news are those of all tasks, for who may see all.
    :raises BadFilter: for anything else.
    """
    select, limit = _select(text)
    if narrow is not None:
        select = narrow(select)
    ids = listing.newest_ids(state.database, select, limit)
    return {"filter": text, "digest": digest_of(ids)}


def list_filter(**values: str | int) -> str:
    """A filter of :func:`list_news` as its query string."""
    return urlencode(values)


def digest_of(ids: Iterable[int]) -> str:
    """The digest of a list that shows the tasks with these ids, in their order."""
    return hashlib.sha256(repr(list(ids)).encode()).hexdigest()[:16]


def _select(text: str) -> tuple[sa.Select[Any], int]:
    select, limit = sa.select(Task), LIST_SIZE
    if len(text) > _FILTER_LIMIT:
        raise BadFilter(text)
    for name, value in parse_qsl(text, keep_blank_values=True):
        try:
            if name == "worker":
                select = select.where(Task.identifier == value)
            elif name == "action":
                select = select.where(Task.action == value)
            elif name == "status":
                select = select.where(*filters.LOOKS[value])
            elif name == "schedule":
                is_any = value == "any"
                select = select.where(Task.schedule_id.is_not(None) if is_any else Task.schedule_id == int(value[:18]))
            elif name == "limit" and 1 <= int(value) <= 100:
                limit = int(value)
            else:
                raise BadFilter(text)
        except (KeyError, ValueError):
            raise BadFilter(text) from None
    return select, limit


def counts(state: State) -> dict[str, int]:
    """The counts of the dashboard: pending, running, completed_today (by the reader), failed_24h, unseen, total."""
    now = datetime.now(UTC)
    return board.counts(state.database, midnight(today(now)), now - timedelta(hours=24))


def counts_within(state: State, select: sa.Select[Any]) -> dict[str, int]:
    """The same numbers for a part of all tasks, each as far as :data:`COUNTED`: for people who may not see all.

    :param select: of the tasks that they may see.
    """
    with state.database.read() as connection:
        found = _ends_within(state.database, connection, select)
        pending, running = (select.where(Task.status == status) for status in (Status.PENDING, Status.RUNNING))
        return {
            **found,
            "pending": listing.how_many(connection, pending, COUNTED),
            "running": listing.how_many(connection, running, COUNTED),
            "total": listing.how_many(connection, select, COUNTED),
        }


_ends: Kept[dict[str, int]] = Kept()


def _ends_within(database: Database, connection: sa.Connection, select: sa.Select[Any]) -> dict[str, int]:
    """What has ended lately of a part of all tasks: completed_today, failed_24h, unseen."""
    now, writes = datetime.now(UTC), database.writes
    begin, day_ago = midnight(today(now)), now - timedelta(hours=24)
    key = asked(select.where(Task.finished_at >= begin))
    kept = _ends.get(database, key)
    if kept is not None:
        return kept
    lately = select.where(STATUS.in_((Status.COMPLETED, Status.FAILED)), Task.finished_at >= min(begin, day_ago))
    way = listing.find_way(connection, lately, None, None, listing.LOOK)
    rows = way.select.with_only_columns(*_END).subquery()
    row = connection.execute(_ENDS.select_from(rows), {"today": begin, "day_ago": day_ago}).one()
    found = {name: min(int(n or 0), COUNTED) for name, n in row._mapping.items()}
    if way.edge is not None:
        _ends.put(database, key, found, writes)
    return found


#: What is counted of the ends, built once: to build a statement takes as long as to ask it.
_END: tuple[Any, ...] = (Task.status, Task.finished_at, Task.seen_at)
_status, _finished_at, _seen_at = (sa.column(fact.key, fact.type) for fact in _END)
_is_done = sa.and_(_status == Status.COMPLETED, _finished_at >= sa.bindparam("today", type_=Task.finished_at.type))
_is_bad = sa.and_(_status == Status.FAILED, _finished_at >= sa.bindparam("day_ago", type_=Task.finished_at.type))
_ENDS: Any = sa.select(
    sa.func.sum(sa.case((_is_done, 1), else_=0)).label("completed_today"),
    sa.func.sum(sa.case((_is_bad, 1), else_=0)).label("failed_24h"),
    sa.func.sum(sa.case((sa.and_(_is_bad, _seen_at.is_(None)), 1), else_=0)).label("unseen"),
)


def newest_numbers(state: State, tasks: Iterable[Task]) -> dict[int, dict[str, Any]]:
    """The last numbers in the journals of those tasks that run: id -> record."""
    found = {}
    for task in tasks:
        numbers = state.journals.of(task.id).progress() if task.status == Status.RUNNING else None
        if numbers:
            found[task.id] = numbers
    return found
