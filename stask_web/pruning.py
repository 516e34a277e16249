"""Deleting what is over: tasks with their attempts, journals, results and uploads; logs; secrets.

What is promised: only ended tasks go. A transaction deletes at most :data:`BATCH` of them, fewer where it takes long,
and looks again whether they are still what was asked for: one that was retried meanwhile stays. A file that a kept task
uses stays until that one goes, be it an upload or another task's result. Rows go first and files after the commit; a
crash in between leaves a note of them, and the next deletion removes them (:mod:`stask_web.removal`). The daily counts
stay; they say how many of a day's tasks are gone.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import sqlalchemy as sa

from .columns import StatusType
from .encoding import tokens
from .models import Stat, Task, TaskUpload, Upload
from .removal import RESULT, Gone, Removal
from .rows import count_endings, count_key
from .state import State
from .status import Status

#: Most rows that one transaction deletes.
BATCH = 1000
#: As many does the first one delete.
FIRST = 100
#: Fewer never; a commit costs more than they do.
LEAST = 10
#: Seconds for which a transaction may hold the write lock; after a longer one the next takes fewer rows.
SLOW = 0.05
#: Seconds after its end for which a task's secrets are kept, so that it can be retried.
KEEP_SECRETS = 86400.0
#: What is left of them: so that such a task is not taken for one that never had any.
ERASED = b""
#: Old tasks that are counted one by one.
COUNT_LOOK = 20_000
_STATUS: sa.ColumnElement[Any] = sa.literal_column("+s_tasks.status", StatusType)

Statuses = Status | int | str | Iterable[Status | int | str]


class Amount(NamedTuple):
    """A number of tasks.

    :param exact: otherwise it is about so many.
    """

    n: int
    exact: bool


class Pace:
    """How many rows a transaction takes: as many as it can within :data:`SLOW`, on a machine as busy as it is.

    It begins low, doubles while transactions are quick, and halves, or more, after one that was not.
    """

    def __init__(self) -> None:
        self.rows = min(FIRST, BATCH)

    def took(self, seconds: float) -> None:
        """A transaction of that many rows has taken so long."""
        if seconds > SLOW:
            self.rows = max(LEAST, min(self.rows // 2, int(self.rows * SLOW / seconds)))
        elif seconds < SLOW / 2:
            self.rows = min(BATCH, self.rows * 2)


class Pruner:
    """Deletes for one app.

    :param state: the app's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._removal = Removal(state)

    def delete(self, select: sa.Select[Any]) -> int:
        """Delete the ended tasks of a selection, with all that belongs to them.

        :returns: how many were deleted.
        """
        self._removal.resume()
        ended = select.where(Task.status >= Status.COMPLETED)
        pace, deleted = Pace(), 0
        if select._limit_clause is not None or select._offset_clause is not None:
            chosen = self._ids(ended)
            while chosen:
                piece, chosen = chosen[: pace.rows], chosen[pace.rows :]
                deleted += self._delete_batch(pace, piece, _by_id(piece))
            return deleted
        while ids := self._ids(ended.order_by(None).limit(pace.rows)):
            gone = self._delete_batch(pace, ids, ended.order_by(None).where(Task.id.in_(ids)))
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
        self._removal.resume()
        select, until, pace, deleted = _old(days, status), monotonic() + seconds, Pace(), 0
        while ids := self._ids(select.limit(pace.rows)):
            gone = self._delete_batch(pace, ids, select.where(Task.id.in_(ids)))
            deleted += gone
            if not gone or monotonic() > until:
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
        over = (Task.finished_at < _ago(older_than), Task.status >= Status.COMPLETED, sa.func.length(Task.secrets) > 0)
        pace = Pace()
        while ids := self._ids(sa.select(Task).where(*over).limit(pace.rows)):
            with self._paced(pace) as connection:
                change = sa.update(Task).where(Task.id.in_(ids), *over).values(secrets=ERASED)
                erased += connection.execute(change).rowcount
        return erased

    # -- inside

    @contextmanager
    def _paced(self, pace: Pace) -> Iterator[sa.Connection]:
        """A write transaction that tells the pace how long it held its lock."""
        with self._state.database.write() as connection:
            start = monotonic()
            yield connection
        seconds = monotonic() - start
        pace.took(seconds)
        sleep(min(seconds, SLOW))  # who waits for the lock looks only now and then whether it is free

    def _ids(self, select: sa.Select[Any]) -> list[int]:
        """The ids of a selection, read without a lock."""
        with self._state.database.read() as connection:
            return list(connection.execute(select.with_only_columns(Task.id)).scalars())

    def _delete_batch(self, pace: Pace, ids: Sequence[int], select: sa.Select[Any]) -> int:
        columns = (Task.id, Task.identifier, Task.action, Task.status, Task.finished_at)
        with self._paced(pace) as connection:
            if connection.dialect.name != "sqlite":  # held, or one could be retried between this look and its deletion
                connection.execute(sa.select(Task.id).where(Task.id.in_(ids)).order_by(Task.id).with_for_update())
            rows = connection.execute(select.with_only_columns(*columns)).all()
            gone = _forget(connection, [row.id for row in rows])
            keys = Counter(count_key(row) for row in rows if row.finished_at is not None)
            for key, number in sorted(keys.items()):
                count_endings(connection, key, gone=number)
            note = self._removal.note(gone)
        self._removal.remove(gone, note)
        return len(gone.tasks)


def _forget(connection: sa.Connection, ids: list[int]) -> Gone:
    """Delete the rows of tasks and work out which files are without use now.

    The ids stand in the statements as they are: a thousand bound values each would take longer than what they do, and
    everybody waits for the lock meanwhile.
    """
    if not ids:
        return Gone([], [], [])
    tasks, sql = _listed(ids), connection.exec_driver_sql
    dropped = set(sql(f"SELECT token FROM s_task_uploads WHERE task_id IN ({tasks})").scalars())
    if dropped:
        sql(f"DELETE FROM s_task_uploads WHERE task_id IN ({tasks})")
    sql(f"DELETE FROM s_attempts WHERE task_id IN ({tasks})")
    sql(f"DELETE FROM s_tasks WHERE id IN ({tasks})")
    results = ", ".join(f"'{RESULT}{task_id}'" for task_id in ids)
    needed = set(sql(f"SELECT token FROM s_task_uploads WHERE token IN ({results})").scalars())
    needed |= set(connection.execute(sa.select(TaskUpload.token).where(TaskUpload.token.in_(dropped))).scalars())
    unused = sorted(dropped - needed)
    uploads = [token for token in unused if not token.startswith(RESULT)]
    if uploads:
        connection.execute(sa.delete(Upload).where(Upload.token.in_(uploads)))
    others = {int(token.removeprefix(RESULT)) for token in unused if token.startswith(RESULT)} - set(ids)
    alive = set(sql(f"SELECT id FROM s_tasks WHERE id IN ({_listed(others)})").scalars()) if others else set()
    mine = [task_id for task_id in ids if f"{RESULT}{task_id}" not in needed]
    return Gone(ids, [*mine, *sorted(others - alive)], uploads)


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(str(int(task_id)) for task_id in ids)


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
    root = _inside_json(str(results))
    if root in text:
        found |= {f"{RESULT}{number}" for number in re.findall(re.escape(root) + r"/\d+/(\d+)/", text)}
    return found


@cache
def _inside_json(text: str) -> str:
    """A text as it stands in a JSON text that holds it."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


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
