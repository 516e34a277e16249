"""The supervisor's side of the database: one connection, short waits, nothing lost when it is locked or away."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..claims import Claim, Claims, Cursor, Ended, Outcome, Stat
from ..database import Database, is_busy
from ..errors import ConfigError
from ..models import to_json
from .owner import lock_name

#: Seconds that SQLite may make the supervisor wait for a lock: it has pipes to serve meanwhile.
BUSY = 0.05
#: Pages of SQLite's write-ahead log (32 MB) after which we pay for a checkpoint, two syncs of the disk, in the middle
#: of the work; before that it is done when there is none, see :meth:`Ledger.rest`.
CHECKPOINT = 8000
#: Transactions after which a moment of rest is used for it.
REST_AFTER = 300
_log = logging.getLogger(__name__)


class Away(Exception):
    """The database is locked or cannot be reached right now. Nothing was changed; try again later."""

    def __init__(self, error: BaseException) -> None:
        self.busy = is_busy(error)
        super().__init__(f"{type(error).__name__}: {error}")


class Reported(NamedTuple):
    """An attempt that has ended and is not yet written."""

    claim: Claim
    outcome: Outcome


class Settled(NamedTuple):
    """What one transaction has done.

    :param ended: for each reported attempt, in their order, what became of its task; None if it was not the live one.
    :param claims: fewer than asked for when the queue is empty.
    """

    ended: list[Ended | None]
    claims: list[Claim]


class Ledger:
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
        if database.shared or database.engine.url.database in (None, "", ":memory:"):
            raise ConfigError(
                "The database is in memory, so worker processes cannot share it. Use a file, or STASK_ENGINE='inline'."
            )
        self.owner = owner
        self.claims = Claims(database.dialect, database.engine.dialect.paramstyle)
        self._tell = tell
        self._info = dict(info or {})
        self._database = database
        self._sqlite = database.dialect == "sqlite"
        self._postgresql = database.dialect == "postgresql"
        self._proxy: Any = None
        self._connection: Any = None
        self._version: int | None = None
        self._written = 0

    # -- the connection

    def close(self) -> None:
        """Let go of the connection: before a fork, and after an error."""
        if self._proxy is not None:
            with suppress(Exception):
                self._proxy.close()
        self._proxy = self._connection = self._version = None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Cursor]:
        """A write transaction, committed at the end.

        :param durable: whether PostgreSQL has to wait for its disk. A sign of life and progress need not:
            a crash of the server may take them back. A claim must: taken back, it would start a task beside itself.
        :raises Away: nothing was changed.
        """
        try:
            cursor = self._cursor()
            cursor.execute("BEGIN IMMEDIATE" if self._sqlite else "BEGIN")
            if not durable and self._postgresql:
                cursor.execute("SET LOCAL synchronous_commit = off")
        except self._errors as error:
            raise self._away(error) from error
        try:
            yield cursor
            cursor.execute("COMMIT")
            self._written += 1
        except BaseException as error:
            with suppress(Exception):
                cursor.execute("ROLLBACK")
            if isinstance(error, self._errors):
                raise self._away(error) from error
            raise

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        """A cursor for single reads.

        :raises Away: when it cannot be read.
        """
        try:
            yield self._cursor()
        except self._errors as error:
            raise self._away(error) from error

    @property
    def _errors(self) -> tuple[type[BaseException], ...]:
        return (self._database.engine.dialect.loaded_dbapi.Error, sa.exc.DBAPIError, OSError)

    def _away(self, error: BaseException) -> Away:
        away = Away(error)
        if not away.busy:
            self.close()
        return away

    def _cursor(self) -> Any:
        if self._connection is None:
            self._connect()
        return self._connection.cursor()

    def _connect(self) -> None:
        self._proxy = self._database.engine.raw_connection()
        self._connection = self._proxy.driver_connection
        self._proxy.detach()
        if self._sqlite:
            self._connection.isolation_level = None
            self._connection.execute(f"PRAGMA busy_timeout={int(BUSY * 1000)}")
            self._connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
        elif callable(self._connection.autocommit):
            self._connection.autocommit(True)
        else:
            self._connection.autocommit = True

    # -- tasks

    def settle(self, reported: Sequence[Reported], pids: Sequence[int]) -> Settled:
        """End what was reported and claim a task for each free child, in one transaction.

        :param pids: of the free children.
        """
        now = time.time()
        stats: dict[Stat, list[float]] = {}
        found: list[Claim] = []
        with self.transaction() as cursor:
            ended = [self.claims.end(cursor, claim, outcome, now=now, stats=stats) for claim, outcome in reported]
            for pid in pids:
                claim = self.claims.claim(cursor, owner=self.owner, pid=pid, now=now)
                if claim is None:
                    break
                found.append(claim)
            if stats:
                self.claims.count(cursor, stats)
        return Settled(ended, found)

    def report(self, reports: Iterable[tuple[Claim, dict[str, Any]]]) -> None:
        """Write the newest progress of running tasks into their rows."""
        with self.transaction(durable=False) as cursor:
            for claim, values in reports:
                self.claims.report(cursor, claim, values)

    def running(self) -> dict[str, tuple[int, bool]]:
        """Our running tasks as the database knows them: token -> (id, whether somebody stopped it)."""
        with self.reading() as cursor:
            return self.claims.running(cursor, self.owner)

    def give_back(self, owner: str, outcome: Outcome, tokens: set[str] | None = None) -> list[Reported]:
        """End the attempts of an owner who does not run them any more.

        :param tokens: only these.
        :returns: those that ended here.
        """
        now = time.time()
        stats: dict[Stat, list[float]] = {}
        gone: list[tuple[Claim, Ended]] = []
        with self.transaction() as cursor:
            for claim in self.claims.owned(cursor, owner):
                if tokens is None or claim.token in tokens:
                    ended = self.claims.end(cursor, claim, outcome, now=now, stats=stats)
                    if ended is not None:
                        gone.append((claim, ended))
            self.claims.count(cursor, stats)
        for claim, ended in gone:
            self._tell(ended.status, claim.id)
        return [Reported(claim, outcome) for claim, _ in gone]

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

    def rest(self) -> None:
        """There is nothing to do right now: move SQLite's write-ahead log into the database, if much was written.

        Not more often: whoever writes next begins the log anew, and waits for the disk to do so.
        """
        if self._sqlite and self._written >= REST_AFTER:
            self._written = 0
            with self.reading() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                cursor.fetchone()

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
