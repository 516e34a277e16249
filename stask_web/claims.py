"""The statements of the hot path, by hand: claim a task, end an attempt, let waiting tasks in when they are due.

Everything here works on a DBAPI cursor inside a transaction of the caller, so that an engine can end what was reported
and claim for its free children at once. No ORM: SQLAlchemy's objects cost five times the statement itself.

An attempt ends exactly once: every end is fenced by ``status = 20 AND claim_token = ?``. A stop (``cancel_at``) is a
fact of the row, so it wins over whatever the attempt says about itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any, Protocol

from .columns import to_json
from .outcomes import (
    CANCELLED,
    COMPLETED,
    CRASH_LIMIT,
    LONGEST_BACKOFF,
    MESSAGE_LIMIT,
    RUNNING,
    Claim,
    Ended,
    Outcome,
    Stat,
    add_ending,
    backoff,
    crashes,
    decide,
    end_values,
    outcome_from,
    outcome_values,
    row_values,
    stopped_by,
)
from .text import clean

__all__ = [
    "CRASH_LIMIT", "LONGEST_BACKOFF", "Claim", "Claims", "Cursor", "Ended", "Outcome", "Stat", "backoff", "decide",
    "outcome_from", "outcome_values", "stopped_by",
]  # fmt: skip

#: How many waiting tasks are let in by one statement at most.
PROMOTE_LIMIT = 500


class Cursor(Protocol):
    """What is used of a DBAPI cursor."""

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed."""

    def execute(self, statement: Any, values: Any = ..., /) -> Any:
        """Run a statement."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Any:
        """All rows."""


FIELDS = (
    "id, identifier, action, priority, attempts, max_attempts, attempt_no, crashes, dry_run, meta, secrets, "
    "started_by, created_at, start_at, started_at, claim_token, owner, unique_key IS NOT NULL"
)
# A column that is named in SET costs its index two changes on SQLite, also when the value stays: so due_at, which is
# NULL in the queue, and unique_key, which most tasks have not, are named only where they change.
START = (
    "UPDATE s_tasks SET status = 20, lane = NULL, claim_token = ?, owner = ?, started_at = ?, "
    "duration = NULL, attempts = attempts + 1, attempt_no = attempt_no + 1, progress = 0, "
    "processed = NULL, total = NULL, eta = NULL, message = '', error = NULL, warnings = 0, counts = NULL, "
    "result = NULL, files = NULL "
)
_QUEUE = "SELECT id FROM s_tasks WHERE lane > 0 ORDER BY lane, id LIMIT 1"
_ONE = "SELECT id FROM s_tasks WHERE id = ? AND status = 10"
FENCE = " WHERE id = ? AND status = 20 AND claim_token = ?"
_NOT_STOPPED = FENCE + " AND cancel_at IS NULL"
_VALUES = (
    "message = ?, error = ?, progress = COALESCE(?, progress), processed = COALESCE(?, processed), "
    "total = COALESCE(?, total), eta = NULL, warnings = ?, counts = ?, files = ?, started_at = ?, "
    "owner = NULL"
)
_END = f"UPDATE s_tasks SET status = ?, finished_at = ?, duration = ?, result = ?, crashes = ?, {_VALUES}"
_FREE = ", unique_key = NULL"
_AGAIN = f"UPDATE s_tasks SET status = 10, due_at = ?, crashes = ?, {_VALUES}"
_BACK = (
    "UPDATE s_tasks SET status = 10, lane = priority, attempts = attempts - 1, message = ?, eta = NULL, owner = NULL"
)
_ATTEMPT = "INSERT INTO s_attempts (task_id, number, token, owner, pid, started_at) VALUES (?, ?, ?, ?, ?, ?)"
# The start is written once more: a task that was claimed before a child was free has begun later.
_ATTEMPT_END = (
    "UPDATE s_attempts SET ended_at = ?, outcome = ?, message = ?, started_at = ?, pid = COALESCE(?, pid) "
    "WHERE task_id = ? AND number = ?"
)
_STAT = "INSERT INTO s_stats (day, identifier, action, status, n, gone, seconds) VALUES (?, ?, ?, ?, ?, 0, ?) "
_DUE = "SELECT id FROM s_tasks WHERE due_at <= ? ORDER BY due_at LIMIT ?"
_REPORT = (
    "UPDATE s_tasks SET progress = COALESCE(?, progress), processed = ?, total = ?, eta = ?, "
    "message = COALESCE(?, message), warnings = ?, counts = ?"
)


class Claims:
    """The statements in the words of one database.

    :param dialect: ``sqlite``, ``postgresql`` or ``mysql`` (MariaDB 10.6 and later).
    :param paramstyle: of the DBAPI driver; ``qmark``, or ``format`` and ``pyformat``.
    """

    def __init__(self, dialect: str, paramstyle: str = "qmark") -> None:
        self.dialect = dialect
        self._mark = "?" if paramstyle == "qmark" else "%s"
        skip = "" if dialect == "sqlite" else " FOR UPDATE SKIP LOCKED"
        self._one_step = dialect != "mysql"
        if self._one_step:
            pick = "WITH next AS MATERIALIZED ({}) " if dialect == "postgresql" else "{}"
            self._claim = self._claim_sql(pick, _QUEUE + skip)
            self._claim_id = self._claim_sql(pick, _ONE + skip)
        else:
            self._claim, self._claim_id = self._sql(_QUEUE + skip), self._sql(_ONE + skip)
        self._start = self._sql(START + "WHERE id = ?")
        self._now = self._sql("UPDATE s_tasks SET due_at = NULL WHERE id = ? AND status = 10 AND due_at IS NOT NULL")
        self._fields = self._sql(f"SELECT {FIELDS} FROM s_tasks WHERE id = ?")
        self._owned = self._sql(f"SELECT {FIELDS} FROM s_tasks WHERE status = 20 AND owner = ? ORDER BY id")
        self._running = self._sql("SELECT id, claim_token, cancel_at FROM s_tasks WHERE status = 20 AND owner = ?")
        self._owners = "SELECT DISTINCT owner FROM s_tasks WHERE status = 20"
        self._attempt, self._attempt_end = self._sql(_ATTEMPT), self._sql(_ATTEMPT_END)
        self._end = {True: self._sql(_END + _FREE + _NOT_STOPPED), False: self._sql(_END + _NOT_STOPPED)}
        self._end_stopped = self._sql(_END + _FREE + FENCE)
        self._again, self._back = self._sql(_AGAIN + _NOT_STOPPED), self._sql(_BACK + _NOT_STOPPED)
        self._stop = self._sql("SELECT status, claim_token, cancelled_by, processed FROM s_tasks WHERE id = ?")
        self._report = self._sql(_REPORT + FENCE)
        self._stat = self._sql(_STAT + self._upsert())
        self._due = self._sql(self._promote_sql(skip))
        self._next_due = "SELECT MIN(due_at) FROM s_tasks WHERE due_at IS NOT NULL"

    # -- claim

    def claim(self, cursor: Cursor, *, owner: str | None, pid: int | None, now: float) -> Claim | None:
        """Start the next task in the order of priority and age; None when nothing may start now."""
        return self._start_task(cursor, self._claim, (), owner, pid, now)

    def claim_id(self, cursor: Cursor, task_id: int, *, owner: str | None, pid: int | None, now: float) -> Claim | None:
        """Start one task if it is pending, also before it is due."""
        cursor.execute(self._now, (task_id,))
        return self._start_task(cursor, self._claim_id, (task_id,), owner, pid, now)

    def _start_task(
        self, cursor: Cursor, statement: str, values: tuple[Any, ...], owner: str | None, pid: int | None, now: float
    ) -> Claim | None:
        token = token_hex(12)
        if self._one_step:
            first = (*values, token, owner, now) if self.dialect == "postgresql" else (token, owner, now, *values)
            cursor.execute(statement, first)
            row = cursor.fetchone()
        else:
            row = self._start_in_two_steps(cursor, statement, values, (token, owner, now))
        if row is None:
            return None
        claim = claim_from(row, pid)
        cursor.execute(self._attempt, (claim.id, claim.attempt_no, token, owner, pid, now))
        return claim

    def _start_in_two_steps(
        self, cursor: Cursor, statement: str, values: tuple[Any, ...], start: tuple[Any, ...]
    ) -> Sequence[Any] | None:
        cursor.execute(statement, values)
        found = cursor.fetchone()
        if found is None:
            return None
        cursor.execute(self._start, (*start, found[0]))
        cursor.execute(self._fields, (found[0],))
        row: Sequence[Any] | None = cursor.fetchone()
        return row

    # -- end

    def end(
        self, cursor: Cursor, claim: Claim, outcome: Outcome, *, now: float, stats: dict[Stat, list[float]]
    ) -> Ended | None:
        """End an attempt in the way its outcome says, or cancel the task if somebody stopped it.

        :param stats: the counts that this transaction adds; given to :meth:`count` before the commit.
        :returns: None when the attempt is not the live one any more: nothing was changed.
        """
        ended = self._write_end(cursor, claim, outcome, now)
        if ended is None:
            ended = self._end_if_stopped(cursor, claim, outcome, now)
            if ended is None:
                return None
            outcome = replace(outcome, kind="cancelled")
        text = clean(outcome.error or ended.message, MESSAGE_LIMIT)
        start = (claim.started_at, claim.pid)
        cursor.execute(self._attempt_end, (now, outcome.kind, text, *start, claim.id, claim.attempt_no))
        if ended.status >= COMPLETED:
            add_ending(stats, claim, ended.status, now)
        return ended

    def _write_end(self, cursor: Cursor, claim: Claim, outcome: Outcome, now: float) -> Ended | None:
        ended = decide(claim, outcome, now)
        fence = (claim.id, claim.token)
        if ended.status >= COMPLETED:
            changes = end_values(ended.status, ended.message, claim, outcome, now)
            cursor.execute(self._end[bool(claim.alone)], changes + fence)
        elif outcome.kind in ("drained", "lost"):
            cursor.execute(self._back, (ended.message, *fence))
        else:
            values = row_values(ended.message, claim, outcome)
            cursor.execute(self._again, (ended.due_at, crashes(claim, outcome), *values, *fence))
        return ended if cursor.rowcount == 1 else None

    def _end_if_stopped(self, cursor: Cursor, claim: Claim, outcome: Outcome, now: float) -> Ended | None:
        cursor.execute(self._stop, (claim.id,))
        row = cursor.fetchone()
        if row is None or row[0] != RUNNING or row[1] != claim.token:
            return None
        processed = row[3] if outcome.processed is None else outcome.processed
        message = stopped_by(row[2], processed)
        values = end_values(CANCELLED, message, claim, outcome, now)
        cursor.execute(self._end_stopped, (*values, claim.id, claim.token))
        return Ended(CANCELLED, message, None) if cursor.rowcount == 1 else None

    def count(self, cursor: Cursor, stats: Mapping[Stat, Sequence[float]]) -> None:
        """Add to the daily counts, always in the same order so that two engines cannot wait for each other."""
        for key in sorted(stats):
            number, seconds = stats[key]
            cursor.execute(self._stat, (*key, int(number), seconds))

    # -- while it runs

    def report(self, cursor: Cursor, claim: Claim, values: Mapping[str, Any]) -> None:
        """Write the newest progress into the row."""
        shown = tuple(values.get(name) for name in ("progress", "processed", "total", "eta", "message"))
        counts = values.get("counts")
        more = (values.get("warnings") or 0, to_json(counts) if counts else None)
        cursor.execute(self._report, (*shown, *more, claim.id, claim.token))

    def running(self, cursor: Cursor, owner: str) -> dict[str, tuple[int, bool]]:
        """The tasks that an owner has in hand: token -> (id, whether somebody stopped it)."""
        cursor.execute(self._running, (owner,))
        return {row[1]: (row[0], row[2] is not None) for row in cursor.fetchall()}

    # -- waiting and lost tasks

    def promote(self, cursor: Cursor, now: float) -> int:
        """Let in tasks whose time has come, at most :data:`PROMOTE_LIMIT`; returns how many."""
        cursor.execute(self._due, (now, PROMOTE_LIMIT))
        return max(0, cursor.rowcount)

    def next_due(self, cursor: Cursor) -> float | None:
        """When the next waiting task is due, or None."""
        cursor.execute(self._next_due)
        row = cursor.fetchone()
        return None if row is None or row[0] is None else float(row[0])

    def owned(self, cursor: Cursor, owner: str) -> list[Claim]:
        """All running tasks of one owner."""
        cursor.execute(self._owned, (owner,))
        return [claim_from(row) for row in cursor.fetchall()]

    def owners(self, cursor: Cursor) -> set[str]:
        """Who has running tasks."""
        cursor.execute(self._owners)
        return {row[0] for row in cursor.fetchall() if row[0]}

    # -- words of a database

    def sql(self, statement: str) -> str:
        """A statement written with ``?``, with the marks of this driver."""
        return self._sql(statement)

    def _sql(self, statement: str) -> str:
        return statement if self._mark == "?" else statement.replace("?", self._mark)

    def _claim_sql(self, pick: str, query: str) -> str:
        if self.dialect == "postgresql":
            fields = ", ".join(f"s_tasks.{name}" for name in FIELDS.split(", "))
            start = f"{START} FROM next WHERE s_tasks.id = next.id RETURNING {fields}"
            return self._sql(pick.format(query) + start)
        return self._sql(f"{START} WHERE id = ({query}) RETURNING {FIELDS}")

    def _upsert(self) -> str:
        if self.dialect == "mysql":
            return "ON DUPLICATE KEY UPDATE n = n + VALUES(n), seconds = seconds + VALUES(seconds)"
        return (
            "ON CONFLICT (day, identifier, action, status) DO UPDATE "
            "SET n = s_stats.n + excluded.n, seconds = s_stats.seconds + excluded.seconds"
        )

    def _promote_sql(self, skip: str) -> str:
        change = "UPDATE s_tasks SET lane = priority, due_at = NULL WHERE status = 10 AND "
        if self.dialect == "mysql":
            return change + "due_at <= ? ORDER BY due_at LIMIT ?"
        return f"{change} id IN ({_DUE}{skip})"


def claim_from(row: Sequence[Any], pid: int | None = None) -> Claim:
    """A claim from the fields of its row.

    :param pid: of the process that it is for.
    """
    values = [*row, pid]
    if values[10] is not None:
        values[10] = bytes(values[10]).decode("ascii")
    return Claim(*values)
