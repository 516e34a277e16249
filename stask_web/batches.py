"""Several tasks in one statement: claim some more than there are free children, end many, let go of what never began.

Beside :mod:`stask_web.claims`, whose fences hold here too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from .claims import FENCE, FIELDS, START, Claims, Cursor, claim_from
from .outcomes import CANCELLED, COMPLETED, MESSAGE_LIMIT, Claim, Ended, Outcome, Stat, add_ending, decide, end_values
from .text import clean

#: How many at most by one call; short enough for a statement with a mark for each.
MOST = 200
#: Where a task is that never started and of which nothing was said: giving it back leaves no trace.
_QUEUE = "SELECT id, lane, attempt_no FROM s_tasks WHERE lane > 0 ORDER BY lane, id LIMIT {limit}"
_ALL = "SELECT id FROM {}"
_RANKED = (
    "SELECT id FROM (SELECT id, row_number() OVER w AS place, max(attempt_no) OVER w AS tried FROM {} "
    "WINDOW w AS (ORDER BY lane, id)) AS ranked WHERE place <= ? OR tried = 0"
)
_ATTEMPT = "INSERT INTO s_attempts (task_id, number, token, owner, pid, started_at) "
_UNDO = (
    "lane = NULL, attempts = attempts - 1, attempt_no = attempt_no - 1, started_at = NULL, owner = NULL, "
    "claim_token = NULL"
)
#: The columns of an end, in the order of :func:`stask_web.outcomes.end_values`.
_ENDS = (
    "status smallint, finished_at float8, duration float8, result text, crashes int, message text, error text, "
    "progress smallint, processed bigint, total bigint, warnings int, counts text, files text, started_at float8"
)
_KEPT = ("progress", "processed", "total")


class Batches:
    """The statements in the words of SQLite or PostgreSQL."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._postgresql = claims.dialect == "postgresql"
        #: Whether tasks can be claimed ahead at all.
        self.able = claims.dialect in ("postgresql", "sqlite")
        self._claim: dict[tuple[int, bool], str] = {}
        sql = claims.sql
        self._attempt = sql(f"{_ATTEMPT} VALUES (?, ?, ?, ?, ?, ?)")
        self._end = sql(self._end_sql())
        self._above = sql("SELECT 1 FROM s_tasks WHERE lane > 0 AND lane < ? LIMIT 1")
        self._written = sql("SELECT outcome FROM s_attempts WHERE task_id = ? AND number = ? AND token = ?")
        self._start = sql("UPDATE s_tasks SET started_at = ?" + FENCE)
        self._start_attempt = sql("UPDATE s_attempts SET started_at = ?, pid = ? WHERE task_id = ? AND number = ?")

    # -- claim

    def claim(self, cursor: Cursor, pids: Sequence[int], more: int, *, owner: str, now: float) -> list[Claim]:
        """Start the next tasks of the queue, in its order.

        :param pids: of the free children, one task for each.
        :param more: how many besides; of these only such as never started, and none behind one that did: they may be
            given back by :meth:`let_go`.
        """
        if not pids and not more:
            return []
        if not self.able:
            found = (self._claims.claim(cursor, owner=owner, pid=pid, now=now) for pid in pids)
            return [claim for claim in found if claim is not None]
        statement, values = self._claim_for(len(pids), more), (token_hex(8), owner, now)
        ranks = (len(pids),) if more else ()
        if self._postgresql:
            cursor.execute(statement, (*ranks, *values, list(pids)))
            rows = cursor.fetchall()
        else:
            cursor.execute(statement, (*values, *ranks))
            rows = sorted(cursor.fetchall(), key=_row_place)
        claims = [claim_from(row, pid) for row, pid in zip(rows, [*pids, *[None] * more], strict=False)]
        if not self._postgresql:
            for each in claims:
                cursor.execute(self._attempt, (each.id, each.attempt_no, each.token, owner, each.pid, now))
        return claims

    def _claim_for(self, pids: int, more: int) -> str:
        """The statement of :meth:`claim`, made once."""
        key = (pids + more, more > 0)
        if key not in self._claim:
            self._claim[key] = self.claim_sql(pids, more)
        return self._claim[key]

    def is_above(self, cursor: Cursor, rank: int) -> bool:
        """Whether a task waits that comes before those of a priority."""
        cursor.execute(self._above, (rank,))
        return cursor.fetchone() is not None

    def note_start(self, cursor: Cursor, claim: Claim) -> None:
        """Write when a task that was claimed ahead did start, and in which process."""
        cursor.execute(self._start, (claim.started_at, claim.id, claim.token))
        cursor.execute(self._start_attempt, (claim.started_at, claim.pid, claim.id, claim.attempt_no))

    # -- end

    def end(
        self, cursor: Cursor, ends: Sequence[tuple[Claim, Outcome, float]], stats: dict[Stat, list[float]]
    ) -> list[Ended | None]:
        """End attempts, each at its time; see :meth:`stask_web.claims.Claims.end`."""
        found: list[Ended | None] = [None] * len(ends)
        many = [n for n, (claim, outcome, _) in enumerate(ends) if outcome.kind == "completed" and not claim.alone]
        done = self._end_many(cursor, [ends[n] for n in many]) if self._postgresql and len(many) > 1 else set()
        for number, (claim, outcome, at) in enumerate(ends):
            if claim.token in done:
                add_ending(stats, claim, COMPLETED, at)
                found[number] = decide(claim, outcome, at)
            else:
                found[number] = self._claims.end(cursor, claim, outcome, now=at, stats=stats)
        return found

    def _end_many(self, cursor: Cursor, ends: Sequence[tuple[Claim, Outcome, float]]) -> set[str]:
        """End those that completed and that nobody stopped, in one statement -> their tokens."""
        names = [column.split()[0] for column in _ENDS.split(", ")]
        rows = []
        for claim, outcome, at in ends:
            message = decide(claim, outcome, at).message
            row = dict(zip(names, end_values(COMPLETED, message, claim, outcome, at), strict=True))
            row.update(id=claim.id, token=claim.token, number=claim.attempt_no, pid=claim.pid)
            row["note"] = clean(outcome.error or message, MESSAGE_LIMIT)
            rows.append(row)
        cursor.execute(self._end, (json.dumps(rows),))
        return {row[0] for row in cursor.fetchall()}

    def was_written(self, cursor: Cursor, claim: Claim, outcome: Outcome) -> bool:
        """Whether this very attempt stands there with this end, or as stopped."""
        cursor.execute(self._written, (claim.id, claim.attempt_no, claim.token))
        row = cursor.fetchone()
        return row is not None and row[0] in (outcome.kind, "cancelled")

    # -- let go

    def let_go(
        self, cursor: Cursor, claims: Sequence[Claim], *, now: float, stats: dict[Stat, list[float]]
    ) -> list[Claim]:
        """Put tasks that were claimed ahead and never began where they were, without a trace.

        One that somebody stopped meanwhile is withdrawn.

        :returns: those that were withdrawn.
        """
        withdrawn: list[Claim] = []
        for start in range(0, len(claims), MOST):
            withdrawn += self._let_go(cursor, claims[start : start + MOST], now, stats)
        return withdrawn

    def _let_go(
        self, cursor: Cursor, claims: Sequence[Claim], now: float, stats: dict[Stat, list[float]]
    ) -> list[Claim]:
        marks = ", ".join("?" * len(claims))
        tokens = [claim.token for claim in claims]
        ours = f"WHERE id IN ({marks}) AND status = 20 AND claim_token IN ({marks}) AND cancel_at IS"
        back = f"UPDATE s_tasks SET status = 10, {_UNDO} {ours} NULL RETURNING id"
        back = back.replace("lane = NULL", "lane = priority")
        stop = (
            f"UPDATE s_tasks SET status = 50, {_UNDO}, finished_at = ?, duration = 0, unique_key = NULL, message = "
            "CASE WHEN cancelled_by IS NULL THEN 'Withdrawn.' ELSE 'Withdrawn by ' || cancelled_by || '.' END "
            f"{ours} NOT NULL RETURNING id"
        )
        keys = [claim.id for claim in claims] + tokens
        cursor.execute(self._claims.sql(back), keys)
        changed = {row[0] for row in cursor.fetchall()}
        withdrawn: list[Claim] = []
        if len(changed) < len(claims):
            cursor.execute(self._claims.sql(stop), [now, *keys])
            stopped = {row[0] for row in cursor.fetchall()}
            withdrawn = [claim for claim in claims if claim.id in stopped]
            changed |= stopped
        for claim in withdrawn:
            add_ending(stats, claim._replace(started_at=now), CANCELLED, now)
        gone = [claim for claim in claims if claim.id in changed]
        if gone:
            marks = ", ".join("?" * len(gone))
            forget = f"DELETE FROM s_attempts WHERE task_id IN ({marks}) AND token IN ({marks})"
            cursor.execute(self._claims.sql(forget), [each.id for each in gone] + [each.token for each in gone])
        return withdrawn

    # -- words of a database

    def claim_sql(self, pids: int, more: int) -> str:
        """The statement of :meth:`claim`. The limit stands in it: one that PostgreSQL does not know lets it sort.

        Only where some are claimed besides it asks which have been tried: an idle worker has nothing to rank.
        """
        start = START.replace("claim_token = ?", "claim_token = CAST(? AS text) || s_tasks.id")
        queue = _QUEUE.format(limit=pids + more)
        chosen = _RANKED if more else _ALL
        if not self._postgresql:
            return f"{start} WHERE id IN ({chosen.format(f'({queue})')}) RETURNING {FIELDS}"
        fields = ", ".join(f"s_tasks.{name}" for name in FIELDS.split(", "))
        order = "row_number() OVER (ORDER BY priority, id)"
        return self._claims.sql(
            f"WITH picked AS MATERIALIZED ({queue} FOR UPDATE SKIP LOCKED), next AS ({chosen.format('picked')}), "
            f"started AS ({start} FROM next WHERE s_tasks.id = next.id RETURNING {fields} AS alone), "
            f"noted AS ({_ATTEMPT} SELECT id, attempt_no, claim_token, owner, (CAST(? AS int[]))[{order}], "
            "started_at FROM started) SELECT * FROM started ORDER BY priority, id"
        )

    def _end_sql(self) -> str:
        names = [column.split()[0] for column in _ENDS.split(", ")]
        values = [f"COALESCE(told.{name}, s_tasks.{name})" if name in _KEPT else f"told.{name}" for name in names]
        sets = ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
        return (
            "WITH told AS MATERIALIZED (SELECT * FROM json_to_recordset(CAST(? AS json)) AS told "
            f"(id bigint, token text, number int, pid int, note text, {_ENDS})), "
            f"ended AS (UPDATE s_tasks SET {sets}, eta = NULL, owner = NULL FROM told WHERE s_tasks.id = told.id "
            "AND s_tasks.status = 20 AND s_tasks.claim_token = told.token AND s_tasks.cancel_at IS NULL "
            "RETURNING told.id, told.token), "
            "noted AS (UPDATE s_attempts SET ended_at = told.finished_at, outcome = 'completed', message = told.note, "
            "started_at = told.started_at, pid = COALESCE(told.pid, s_attempts.pid) FROM told, ended "
            "WHERE ended.id = told.id AND s_attempts.task_id = told.id AND s_attempts.number = told.number) "
            "SELECT token FROM ended"
        )


def place(claim: Claim) -> tuple[int, int]:
    """Where a task stands in the queue."""
    return claim.priority, claim.id


def _row_place(row: Sequence[Any]) -> tuple[int, int]:
    """The same of the fields of a row."""
    return row[3], row[0]
