"""A supervisor's one connection to the database: short waits, nothing lost when it is locked or away.

On PostgreSQL a commit waits for the disk. So that children need not wait as well, the commit can be sent and its answer
be taken later (:meth:`Line.answer`): until then it stands in doubt, and after a crash of the server it may be undone.
A small commit behind one with ``synchronous_commit = off`` would not do: PostgreSQL flushes only for a transaction that
has written something itself.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa

from ..claims import Cursor
from ..database import CHECKPOINT, Database, is_busy
from ..errors import ConfigError

#: Seconds that SQLite may make the supervisor wait for a lock: it has pipes to serve meanwhile.
BUSY = 0.05
#: Pages of SQLite's write-ahead log after which we pay for a checkpoint in the middle of the work: sooner than any
#: request does. Before that it is done when there is none, see :meth:`stask_web.engines.ledger.Ledger.rest`.
PAY_AFTER = CHECKPOINT // 2
#: Seconds after which a commit without an answer counts as lost.
PATIENCE = 2.0
#: Seconds after which PostgreSQL ends a transaction that goes on no more: a supervisor that is stopped in the middle
#: of one (SIGSTOP, a frozen machine) must not hold the locks that all others need.
FROZEN = 10
_COMMITTED = b"COMMIT"


class Away(Exception):
    """The database is locked or cannot be reached right now. Nothing was changed; try again later."""

    def __init__(self, error: BaseException) -> None:
        self.busy = is_busy(error)
        super().__init__(f"{type(error).__name__}: {error}")


class Line:
    """The connection.

    :param database: on a file or a server: one in memory cannot be shared with children.
    """

    def __init__(self, database: Database) -> None:
        if database.shared or database.engine.url.database in (None, "", ":memory:"):
            raise ConfigError(
                "The database is in memory, so worker processes cannot share it. Use a file, or STASK_ENGINE='inline'."
            )
        self._database = database
        self._sqlite = database.dialect == "sqlite"
        self._postgresql = database.dialect == "postgresql"
        self._proxy: Any = None
        self._connection: Any = None
        self._written = 0
        self._sent_at: float | None = None
        self._answer: bool | None = None

    def close(self) -> None:
        """Let go of the connection: before a fork, and after an error."""
        if self._sent_at is not None:
            self._await()
        if self._proxy is not None:
            if self._answer is False:  # it is busy for ever, so SQLAlchemy could not reset it, and would drop it open
                with suppress(Exception):
                    self._connection.close()
            with suppress(Exception):
                self._proxy.close()
        self._proxy = self._connection = None

    # -- transactions

    @contextmanager
    def transaction(self, *, durable: bool = True, wait: bool = True) -> Iterator[Cursor]:
        """A write transaction, committed at the end.

        :param durable: whether PostgreSQL has to wait for its disk. A sign of life and progress need not:
            a crash of the server may take them back. A claim must: taken back, it would start a task beside itself.
        :param wait: for the answer to the commit. If not, :meth:`answer` tells it.
        :raises Away: nothing was changed.
        """
        try:
            cursor = self._cursor()
            if durable or not self._postgresql:
                cursor.execute("BEGIN IMMEDIATE" if self._sqlite else "BEGIN")
            else:
                cursor.execute("BEGIN; SET LOCAL synchronous_commit = off")
        except self._errors as error:
            raise self._away(error) from error
        try:
            yield cursor
            if wait or not hasattr(self._connection, "pgconn"):
                cursor.execute("COMMIT")
                if not wait:
                    self._answer = True
            else:
                self._send()
            self._written += 1
        except BaseException as error:
            with suppress(Exception):
                cursor.execute("ROLLBACK")
            if isinstance(error, self._errors) and not isinstance(error, self._refusals):
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

    # -- a commit that was sent

    @property
    def waits(self) -> float | None:
        """Seconds until a commit that was sent counts as lost; None when none is under way."""
        return None if self._sent_at is None else max(0.0, self._sent_at + PATIENCE - time.monotonic())

    @property
    def fd(self) -> int:
        """What becomes readable with its answer."""
        return int(self._connection.pgconn.socket)

    def answer(self) -> bool | None:
        """Whether the last commit that was sent stands, told once; None while it is not known.

        False means that it may stand or not: the connection is cut, or there was no answer for :data:`PATIENCE`.
        """
        if self._sent_at is not None:
            self._look()
            if self._sent_at is not None and self.waits == 0.0:
                self._lose()
        told, self._answer = self._answer, None
        return told

    def _send(self) -> None:
        pgconn = self._connection.pgconn
        self._sent_at, self._answer = time.monotonic(), None
        try:
            pgconn.send_query(_COMMITTED)
            pgconn.flush()
        except self._errors:
            self._lose()

    def _look(self) -> None:
        """Take the answer, if it is there."""
        pgconn = self._connection.pgconn
        try:
            pgconn.flush()
            pgconn.consume_input()
            if pgconn.is_busy():
                return
            tags = []
            while (result := pgconn.get_result()) is not None:
                tags.append(result.command_status)
        except self._errors:
            tags = []
        if tags == [_COMMITTED]:
            self._sent_at, self._answer = None, True
        else:
            self._lose()

    def _lose(self) -> None:
        self._sent_at, self._answer = None, False
        self.close()

    def _await(self) -> bool:
        """Wait for the answer; whether the connection can be used."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while self._sent_at is not None:
            self._look()
            left = self.waits
            if left == 0.0:
                self._lose()
            elif left is not None:
                poll.poll(left * 1000)
        return self._connection is not None

    # -- the connection

    @property
    def _errors(self) -> tuple[type[BaseException], ...]:
        return (self._database.engine.dialect.loaded_dbapi.Error, sa.exc.DBAPIError, OSError)

    @property
    def _refusals(self) -> tuple[type[BaseException], ...]:
        """What the database says of values that no column holds: to wait would not help."""
        dbapi = self._database.engine.dialect.loaded_dbapi
        return (dbapi.DataError, dbapi.IntegrityError)

    def _away(self, error: BaseException) -> Away:
        away = Away(error)
        if not away.busy:
            self.close()
        return away

    def _cursor(self) -> Any:
        if self._sent_at is not None and not self._await():
            raise Away(ConnectionError("The answer to a commit was lost."))
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
            self._connection.execute(f"PRAGMA wal_autocheckpoint={PAY_AFTER}")
        elif callable(self._connection.autocommit):
            self._connection.autocommit(True)
        else:
            self._connection.autocommit = True
        if self._postgresql:
            self._connection.cursor().execute(f"SET idle_in_transaction_session_timeout = '{FROZEN}s'")
