"""The supervisor's side of the database: one connection, short waits, nothing lost when it is locked or away."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..batches import Batches
from ..claims import Claims
from ..columns import to_json
from ..database import Database
from ..outcomes import CANCELLED, Claim, Ended, Outcome, Stat, decide
from .line import Away, Line
from .owner import lock_name

__all__ = ["Away", "Ledger", "Reported", "Settled"]

#: Transactions after which a moment of rest is used for it.
REST_AFTER = 100


class _Tried(Exception):
    """Ends a transaction that was only tried."""


class Reported(NamedTuple):
    """An attempt that has ended and is not yet written.

    :param at: when, in seconds since the epoch.
    :param doubt: whether its claim, or a first writing of this, may have been taken back by a crash of the database,
        or may stand there without our knowing.
    """

    claim: Claim
    outcome: Outcome
    at: float
    doubt: bool = False


class Settled(NamedTuple):
    """What one transaction has done.

    :param ended: for each reported attempt, in their order, what became of its task; None if it was not the live one.
    :param claims: fewer than asked for when the queue is empty.
    :param withdrawn: of those that were let go, the ones that somebody had stopped.
    """

    ended: list[Ended | None]
    claims: list[Claim]
    withdrawn: list[Claim]


class Ledger(Line):
    """Everything that a supervisor reads and writes.

    :param owner: the supervisor's process id.
    :param tell: called with status and task id of each attempt that :meth:`give_back` ended.
    :param info: what the process's row says of its code; see :func:`stask_web.vitals.facts_of_this`.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        tell: Callable[[int, int], None] = lambda status, task_id: None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(database)
        self.owner = owner
        self.claims = Claims(database.dialect, database.engine.dialect.paramstyle)
        self.batches = Batches(self.claims)
        self._tell = tell
        self._info = dict(info or {})
        self._version: int | None = None

    def close(self) -> None:
        """Let go of the connection: before a fork, and after an error."""
        super().close()
        self._version = None

    # -- tasks

    def settle(
        self, reported: Sequence[Reported], pids: Sequence[int], more: int = 0, unused: Sequence[Claim] = ()
    ) -> Settled:
        """End what was reported and claim a task for each free child, in one transaction.

        Its commit may be under way when this returns: see :meth:`Line.answer`.

        :param pids: of the free children.
        :param more: how many tasks to claim besides.
        :param unused: claimed ahead earlier, and never begun: they go back to where they were.
        """
        now = time.time()
        stats: dict[Stat, list[float]] = {}
        with self.transaction(wait=False) as cursor:
            ended = self.batches.end(cursor, [each[:3] for each in reported], stats)
            for number, (claim, outcome, at, doubt) in enumerate(reported):
                if doubt and ended[number] is None and self.batches.was_written(cursor, claim, outcome):
                    ended[number] = decide(claim, outcome, at)
            withdrawn = self.batches.let_go(cursor, unused, now=now, stats=stats)
            claims = self.batches.claim(cursor, pids, more, owner=self.owner, now=now)
            if stats:
                self.claims.count(cursor, stats)
        return Settled(ended, claims, withdrawn)

    def fits(self, reported: Reported) -> bool:
        """Whether an outcome can be written; nothing is changed.

        :raises Away: nobody knows.
        """
        try:
            with self.transaction() as cursor:
                self.batches.end(cursor, [reported[:3]], {})
                raise _Tried
        except _Tried:
            return True
        except Away:
            raise
        except Exception:
            return False

    def note_starts(self, claims: Iterable[Claim]) -> None:
        """Write when tasks that were claimed ahead have begun, and where."""
        with self.transaction(durable=False) as cursor:
            for claim in claims:
                self.batches.note_start(cursor, claim)

    def is_above(self, rank: int) -> bool:
        """Whether a task waits that comes before those of a priority."""
        with self.reading() as cursor:
            return self.batches.is_above(cursor, rank)

    def report(self, reports: Iterable[tuple[Claim, dict[str, Any]]]) -> None:
        """Write the newest progress of running tasks into their rows."""
        with self.transaction(durable=False) as cursor:
            for claim, values in reports:
                self.claims.report(cursor, claim, values)

    def running(self) -> dict[str, tuple[int, bool]]:
        """Our running tasks as the database knows them: token -> (id, whether somebody stopped it)."""
        with self.reading() as cursor:
            return self.claims.running(cursor, self.owner)

    def give_back(
        self, owner: str, outcome: Outcome, tokens: set[str] | None = None, begun: set[str] | None = None
    ) -> list[Claim]:
        """End the attempts of an owner who does not run them any more.

        :param tokens: only these.
        :param begun: those that were given to a child; the others never began, and leave no trace. None: all were.
        :returns: those that ended here.
        """
        now = time.time()
        stats: dict[Stat, list[float]] = {}
        gone: list[tuple[Claim, Ended]] = []
        with self.transaction() as cursor:
            owned = [each for each in self.claims.owned(cursor, owner) if tokens is None or each.token in tokens]
            unused = [] if begun is None else [each for each in owned if each.token not in begun]
            withdrawn = self.batches.let_go(cursor, unused, now=now, stats=stats)
            for claim in owned:
                if begun is None or claim.token in begun:
                    ended = self.claims.end(cursor, claim, outcome, now=now, stats=stats)
                    if ended is not None:
                        gone.append((claim, ended))
            self.claims.count(cursor, stats)
        for claim, ended in gone:
            self._tell(ended.status, claim.id)
        for claim in withdrawn:
            self._tell(CANCELLED, claim.id)
        return [claim for claim, _ in gone]

    def changed(self) -> bool:
        """Whether anything may have changed since the last call: on SQLite without reading anything."""
        if not self._sqlite:
            return True
        with self.reading() as cursor:
            cursor.execute("PRAGMA data_version")
            version = cursor.fetchone()[0]
        changed, self._version = version != self._version, version
        return bool(changed)

    def promote(self) -> float | None:
        """Let in tasks that are due; returns when the next one is."""
        now = time.time()
        with self.reading() as cursor:
            due = self.claims.next_due(cursor)
        if due is None or due > now:
            return due
        with self.transaction() as cursor:
            self.claims.promote(cursor, now)
        with self.reading() as cursor:
            return self.claims.next_due(cursor)

    def rest(self) -> bool:
        """There is nothing to do right now: move SQLite's write-ahead log into the database, if much was written.

        :returns: whether it was moved. Whoever writes next begins the log anew, and waits for the disk to do so: that
            should be us, and no request.
        """
        if not self._sqlite or self._written < REST_AFTER:
            return False
        self._written = 0
        with self.reading() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            cursor.fetchone()
        return True

    # -- processes

    def beat(self, *, concurrency: int, busy: int, stopping: bool) -> None:
        """Write our sign of life; the row is made when it is not there."""
        now = time.time()
        sql = self.claims.sql
        with self.transaction(durable=False) as cursor:
            update = "UPDATE s_processes SET beat_at = ?, concurrency = ?, busy = ?, stopping = ? WHERE id = ?"
            cursor.execute(sql(update), (now, concurrency, busy, stopping, self.owner))
            if cursor.rowcount:
                return
            insert = (
                "INSERT INTO s_processes (id, host, pid, started_at, beat_at, concurrency, busy, stopping, lock, info) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            )
            host = socket.gethostname()[:190]
            facts = (self.owner, host, os.getpid(), now, now, concurrency, busy, stopping)
            cursor.execute(sql(insert), (*facts, lock_name(self.owner), to_json(self._info)))

    def others(self) -> dict[str, float | None]:
        """Other processes that have a row or running tasks: id -> last sign of life."""
        with self.reading() as cursor:
            found: dict[str, float | None] = dict.fromkeys(self.claims.owners(cursor))
            cursor.execute("SELECT id, beat_at FROM s_processes")
            found.update({row[0]: row[1] for row in cursor.fetchall()})
        found.pop(self.owner, None)
        return found

    def remove(self, process_id: str) -> None:
        """Remove the row of a process that is gone."""
        with self.transaction() as cursor:
            cursor.execute(self.claims.sql("DELETE FROM s_processes WHERE id = ?"), (process_id,))
