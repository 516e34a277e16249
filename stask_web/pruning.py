"""Deleting what is over: tasks with their attempts, journals, results and uploads; logs; secrets.

What is promised: only ended tasks go. A transaction deletes at most :data:`BATCH` of them, and looks again whether they
are still what was asked for: one that was retried meanwhile stays. A file that a kept task uses stays until that one
goes, be it an upload or another task's result. Rows go first and files after the commit: a crash in between may leave a
file, never a task without its files. The daily counts stay; they say how many of a day's tasks are gone.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from .models import Attempt, Stat, StatusType, Task, TaskUpload, Upload
from .options import tokens
from .rows import count_endings, count_key
from .state import State
from .status import Status

#: Most rows that one transaction deletes.
BATCH = 1000
#: Seconds after its end for which a task's secrets are kept, so that it can be retried.
KEEP_SECRETS = 86400.0
#: Old tasks that are counted one by one.
COUNT_LOOK = 20_000
_RESULT = "result-"
_STATUS: sa.ColumnElement[Any] = sa.literal_column("+s_tasks.status", StatusType)
_log = logging.getLogger(__name__)

Statuses = Status | int | str | Iterable[Status | int | str]


class Amount(NamedTuple):
    """A number of tasks.

    :param exact: otherwise it is about so many.
    """

    n: int
    exact: bool


class _Gone(NamedTuple):
    """What a transaction has deleted, and whose files nobody needs any more."""

    tasks: list[int]
    results: list[int]
    uploads: list[str]


class Pruner:
    """Deletes for one app.

    :param state: the app's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def delete(self, select: sa.Select[Any]) -> int:
        """Delete the ended tasks of a selection, with all that belongs to them.

        :returns: how many were deleted.
        """
        ended = select.where(Task.status >= Status.COMPLETED)
        if select._limit_clause is not None or select._offset_clause is not None:
            chosen = self._ids(ended)
            pieces = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
            return sum(self._delete_batch(piece, _by_id(piece)) for piece in pieces)
        deleted = 0
        while ids := self._ids(ended.order_by(None).limit(BATCH)):
            gone = self._delete_batch(ids, ended.order_by(None).where(Task.id.in_(ids)))
            deleted += gone
            if not gone:
                break
        return deleted

    def clean_old_tasks(self, days: float, status: Statuses | None = None) -> int:
        """Delete tasks that ended more than ``days`` days ago.

        :param status: only these: completed, failed, cancelled; as :class:`Status`, number or word, one or several.
        :returns: how many were deleted.
        :raises ValueError: for a status that is no end.
        """
        select = sa.select(Task).where(Task.finished_at < _ago(days * 86400))
        if status is not None:
            select = select.where(Task.status.in_(read_statuses(status)))
        self.erase_secrets()
        return self.delete(select)

    def clean_some(self, days: float, status: Statuses | None = None, seconds: float = 5.0) -> int:
        """The same, but no longer than about ``seconds``: whoever waits for it asks again for the rest.

        :returns: how many were deleted.
        """
        select, until, deleted = _old(days, status), time.monotonic() + seconds, 0
        while ids := self._ids(select.limit(BATCH)):
            gone = self._delete_batch(ids, select.where(Task.id.in_(ids)))
            deleted += gone
            if not gone or time.monotonic() > until:
                break
        return deleted

    def count_old(self, days: float, status: Statuses | None = None) -> Amount:
        """How many tasks :meth:`clean_old_tasks` would delete. Of many, the daily counts tell about how many."""
        with self._state.database.read() as connection:
            n = _count(connection, _old(days, status))
            if n <= COUNT_LOOK:
                return Amount(n, exact=True)
            day = _ago(days * 86400).replace(hour=0, minute=0, second=0, microsecond=0)
            before = sa.select(sa.func.sum(Stat.n - Stat.gone)).where(Stat.day < f"{day:%Y-%m-%d}")
            if status is not None:
                before = before.where(Stat.status.in_(read_statuses(status)))
            counted = int(connection.execute(before).scalar() or 0)
            return Amount(max(n, counted + _count(connection, _old(days, status, day))), exact=False)

    def clean_old_logs(self, days: float) -> int:
        """Remove logs of ended and of deleted tasks that were last written more than ``days`` days ago.

        :returns: how many files were removed.
        """
        before = time.time() - days * 86400
        removed = 0
        for ids in _batches(_old_journals(self._state.journals.root, before)):
            with self._state.database.read() as connection:
                live = sa.select(Task.id).where(Task.id.in_(ids), Task.status < Status.COMPLETED)
                kept = set(connection.execute(live).scalars())
            for task_id in ids:
                if task_id not in kept:
                    self._state.journals.of(task_id).clear()
                    removed += 1
        return removed

    def erase_secrets(self, older_than: float = KEEP_SECRETS) -> int:
        """Erase the secrets of tasks that ended more than ``older_than`` seconds ago.

        :returns: of how many tasks.
        """
        erased = 0
        over = (Task.finished_at < _ago(older_than), Task.status >= Status.COMPLETED, Task.secrets.is_not(None))
        while ids := self._ids(sa.select(Task).where(*over).limit(BATCH)):
            with self._state.database.write() as connection:
                change = sa.update(Task).where(Task.id.in_(ids), *over).values(secrets=None)
                erased += connection.execute(change).rowcount
        return erased

    # -- inside

    def _ids(self, select: sa.Select[Any]) -> list[int]:
        """The ids of a selection, read without a lock."""
        with self._state.database.read() as connection:
            return list(connection.execute(select.with_only_columns(Task.id)).scalars())

    def _delete_batch(self, ids: Sequence[int], select: sa.Select[Any]) -> int:
        columns = (Task.id, Task.identifier, Task.action, Task.status, Task.finished_at)
        with self._state.database.write() as connection:
            # Held from here on, or one could be retried between the look at it and its deletion.
            connection.execute(sa.select(Task.id).where(Task.id.in_(ids)).order_by(Task.id).with_for_update())
            rows = connection.execute(select.with_only_columns(*columns)).all()
            gone = _forget(connection, [row.id for row in rows])
            keys = Counter(count_key(row) for row in rows if row.finished_at is not None)
            for key, number in sorted(keys.items()):
                count_endings(connection, key, gone=number)
        self._delete_files(gone)
        return len(gone.tasks)

    def _delete_files(self, gone: _Gone) -> None:
        """Remove files; one that cannot be removed keeps no other one."""
        journals, storage = self._state.journals, self._state.storage
        removals: list[Callable[[], object]] = [
            *(journals.of(task_id).clear for task_id in gone.tasks),
            *(partial(storage.delete_results, task_id) for task_id in gone.results),
            *(partial(storage.discard, token) for token in gone.uploads),
        ]
        failed = 0
        for remove in removals:
            try:
                remove()
            except OSError:
                failed += 1
                problem = sys.exc_info()
        if failed:
            _log.warning("%d files of deleted tasks could not be removed.", failed, exc_info=problem)


def _forget(connection: sa.Connection, ids: list[int]) -> _Gone:
    """Delete the rows of tasks and work out which files are without use now."""
    used = sa.select(TaskUpload.token).where(TaskUpload.task_id.in_(ids))
    dropped = set(connection.execute(used).scalars())
    connection.execute(sa.delete(TaskUpload).where(TaskUpload.task_id.in_(ids)))
    connection.execute(sa.delete(Attempt).where(Attempt.task_id.in_(ids)))
    connection.execute(sa.delete(Task).where(Task.id.in_(ids)))
    asked = [*dropped, *(f"{_RESULT}{task_id}" for task_id in ids)]
    needed = set(connection.execute(sa.select(TaskUpload.token).where(TaskUpload.token.in_(asked))).scalars())
    unused = sorted(dropped - needed)
    uploads = [token for token in unused if not token.startswith(_RESULT)]
    connection.execute(sa.delete(Upload).where(Upload.token.in_(uploads)))
    others = {int(token.removeprefix(_RESULT)) for token in unused if token.startswith(_RESULT)} - set(ids)
    alive = set(connection.execute(sa.select(Task.id).where(Task.id.in_(others))).scalars()) if others else set()
    results = [task_id for task_id in ids if f"{_RESULT}{task_id}" not in needed]
    return _Gone(ids, [*results, *sorted(others - alive)], uploads)


def _old(days: float, status: Statuses | None, since: datetime | None = None) -> sa.Select[Any]:
    """Tasks that ended so long ago, by the index on their end: SQLite would take that on the status, and read it all.

    :param since: only those that ended from then on.
    """
    ends = [end for end in Status if end.ended] if status is None else read_statuses(status)
    select = sa.select(Task).where(Task.finished_at < _ago(days * 86400), _STATUS.in_(ends))
    return select if since is None else select.where(Task.finished_at >= since)


def _count(connection: sa.Connection, select: sa.Select[Any]) -> int:
    """How many there are, up to one more than :data:`COUNT_LOOK`."""
    rows = select.with_only_columns(Task.id).limit(COUNT_LOOK + 1).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one())


def used_files(meta: Any, text: str, results: Path) -> set[str]:
    """Which files options use: tokens of uploads, and a token for each other task whose result they name.

    :param text: the options as JSON, which tells quickly that there is none.
    :param results: the folder of all results.
    """
    found = tokens(meta) if '"upload"' in text else set()
    root = json.dumps(str(results), ensure_ascii=False)[1:-1]
    if root in text:
        found |= {f"{_RESULT}{number}" for number in re.findall(re.escape(root) + r"/\d+/(\d+)/", text)}
    return found


def read_statuses(status: Statuses) -> list[Status]:
    """Ended statuses, however they are named.

    :raises ValueError: for one that is no end.
    """
    several = [status] if isinstance(status, str | int) else list(status)
    ends = {name: end for end in Status if end.ended for name in (end.text, int(end))}
    wrong = [item for item in several if item not in ends]
    if wrong:
        raise ValueError(f"status is {wrong[0]!r}, but must be completed, failed or cancelled: only those are over")
    return [ends[item] for item in several]


def _ago(seconds: float) -> datetime:
    return datetime.fromtimestamp(time.time() - seconds, UTC)


def _by_id(ids: Sequence[int]) -> sa.Select[Any]:
    return sa.select(Task).where(Task.id.in_(ids), Task.status >= Status.COMPLETED)


def _old_journals(root: Path, before: float) -> Iterator[int]:
    for path in sorted(root.glob("*/*.log")):
        if path.stem.isdecimal() and path.stat().st_mtime < before:
            yield int(path.stem)


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for number in numbers:
        batch.append(number)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
