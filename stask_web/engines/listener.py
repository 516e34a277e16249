"""PostgreSQL's NOTIFY, as one more wake-up: a connection that does nothing but listen."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from ..database import Database
from .wake import CHANNEL

_log = logging.getLogger(__name__)


class Listener:
    """Listens on PostgreSQL; on every other database it does nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._proxy: Any = None
        self._connection: Any = None
        self.fd: int | None = None

    def open(self) -> int | None:
        """Begin to listen; gives a descriptor to wait for, or None."""
        if self._database.dialect != "postgresql":
            return None
        try:
            self._proxy = self._database.engine.raw_connection()
            self._connection = self._proxy.driver_connection
            self._proxy.detach()
            self._connection.autocommit = True
            self._connection.cursor().execute(f"LISTEN {CHANNEL}")
            self.fd = int(self._connection.fileno())
        except Exception:
            _log.debug("No LISTEN; the poll finds new tasks.", exc_info=True)
            self.close()
        return self.fd

    def drain(self) -> bool:
        """Take all notices that wait; whether there was one."""
        if self._connection is None:
            return False
        if hasattr(self._connection, "pgconn"):  # psycopg 3
            pgconn = self._connection.pgconn
            pgconn.consume_input()
            woken = False
            while pgconn.notifies():
                woken = True
            return woken
        self._connection.poll()  # psycopg2
        woken = bool(self._connection.notifies)
        self._connection.notifies.clear()
        return woken

    def close(self) -> None:
        """Stop listening."""
        if self._proxy is not None:
            with suppress(Exception):
                self._proxy.close()
        self._proxy = self._connection = self.fd = None
