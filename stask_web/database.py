"""Our engine on the host's database: its pragmas, its transactions, its tables."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from .errors import ConfigError, DatabaseBusy, TablesMissing, TransactionOpen
from .paths import PACKAGE

BUSY_TIMEOUT = 15.0
#: Seconds after which PostgreSQL counts as away when it cannot be reached; a URL may name its own ``connect_timeout``.
CONNECT_WITHIN = 5
VERSION_TABLE = "s_alembic_version"
#: Pages of SQLite's write-ahead log (64 MB) after which whoever commits moves it into the database, and waits for two
#: syncs of the disk: seldom, for a supervisor does it sooner, when it has nothing else to do.
CHECKPOINT = 16_000
_WRITE = "stask_write"
#: Seconds between two looks at a lock, under gevent.
_LOOK = 0.02


class Database:
    """The one place that opens connections.

    :param engine: our own engine, or the host's when it is an in-memory SQLite.
    :param shared: whether the engine is the host's, which we leave as it is.
    """

    def __init__(self, engine: sa.Engine, *, shared: bool = False) -> None:
        self.engine = engine
        self.shared = shared
        #: ``sqlite``, ``postgresql`` or ``mysql``, which MariaDB is, too, by whatever name it was called.
        self.dialect = "mysql" if engine.dialect.name == "mariadb" else engine.dialect.name
        #: How often this process has written: numbers that were counted before may be wrong after.
        self.writes = 0
        #: Seconds that a write may wait here for SQLite's lock, which the caller itself may hold; see :mod:`joining`.
        self.patience: Callable[[], float] = _whole_time
        self._ready = False

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading."""
        with _busy(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, wait: float = BUSY_TIMEOUT) -> Iterator[sa.Connection]:
        """A short write transaction, committed at the end; on SQLite it takes the write lock at its start.

        :param wait: seconds to wait for that lock at most.
        :raises DatabaseBusy: when the lock cannot be had within that time.
        :raises TransactionOpen: when the host's session of this context is what has it.
        """
        with self._write(wait, self.patience()) as connection:
            yield connection

    @contextmanager
    def _write(self, wait: float, own: float) -> Iterator[sa.Connection]:
        try:
            with (
                _busy(),
                self.engine.connect().execution_options(**{_WRITE: True}) as connection,
                _patience(connection, min(wait, own)),
                connection.begin(),
            ):
                yield connection
        except DatabaseBusy as error:
            if own < BUSY_TIMEOUT:
                raise TransactionOpen() from error
            raise
        finally:
            self.writes += 1

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A driver's cursor in a write transaction like :meth:`write`'s: for the few statements that must be fast."""
        own = self.patience()
        if self.shared or self.dialect != "sqlite" or own < BUSY_TIMEOUT:
            with self._write(BUSY_TIMEOUT, own) as connection, _translated(self.engine):
                yield connection.connection.cursor()
            return
        with _busy(), _translated(self.engine), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(Exception):  # after some errors SQLite has done it already
                    cursor.execute("ROLLBACK")
                raise
            finally:
                self.writes += 1

    @contextmanager
    def session(self) -> Iterator[Session]:
        """An ORM session for reading; what it gives stays usable after it."""
        with _busy(), Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    def ready(self) -> bool:
        """Whether our tables are there and of this version."""
        if not self._ready:
            self._ready = self.revision() == head_revision()
        return self._ready

    def require(self) -> None:
        """Make sure that the tables are there.

        :raises TablesMissing: says what to run.
        """
        if not self.ready():
            raise TablesMissing()

    def revision(self) -> str | None:
        """The revision of our tables, None without tables."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table(VERSION_TABLE):
                return None
            found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
            return None if found is None else str(found)

    def forget(self) -> None:
        """Drop all pooled connections without closing them: for a forked child, whose parent still uses them."""
        self.engine.dispose(close=False)


def open_database(
    uri: str | None,
    host_engine: sa.Engine | None,
    *,
    sync: str = "normal",
    host_arguments: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Database:
    """Make our engine.

    :param uri: ``STASK_DATABASE_URI``, or None for the host's database.
    :param host_engine: the engine of the host's Flask-SQLAlchemy, if it has one.
    :param sync: SQLite's ``synchronous``: ``"normal"`` or ``"full"``.
    :param host_arguments: how the host connects to its database beside the URL (its ``connect_args``): certificates,
        a ``search_path``.
    :param folder: where the file of a relative SQLite URI lies: the host's instance folder, as for Flask-SQLAlchemy.
    :raises ConfigError: when there is no database at all, or its URI cannot be read.
    """
    if uri is None and host_engine is None:
        raise ConfigError("There is no database: pass db=, or set STASK_DATABASE_URI.")
    try:
        url = sa.make_url(uri) if uri else host_engine.url if host_engine is not None else sa.make_url("")
        if _in_memory(url):
            shared = host_engine is not None and uri is None
            engine = host_engine if shared else _memory_engine(url)
            assert engine is not None
            return Database(engine, shared=shared)
        url = _placed(url, folder) if uri and folder is not None else url
        options = _engine_options(url)
        if uri is None:
            options["connect_args"] = {**options.get("connect_args", {}), **(host_arguments or {})}
        engine = sa.create_engine(url, **options)
    except sa.exc.ArgumentError as error:
        raise ConfigError(f"STASK_DATABASE_URI cannot be read: {error}") from None
    except ImportError as error:
        raise ConfigError(f"The driver of {url.drivername!r} is not installed: {error}.") from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, sync)
    return Database(engine)


def _placed(url: sa.URL, folder: Path) -> sa.URL:
    """A SQLite file with its whole path: the web process, the workers and the commands stand in different folders."""
    name = url.database or ""
    scheme = "file:" if url.query.get("uri") and name.startswith("file:") else ""
    path = Path(name.removeprefix(scheme))
    if url.get_backend_name() != "sqlite" or path.is_absolute():
        return url
    folder.mkdir(parents=True, exist_ok=True)
    return url.set(database=f"{scheme}{folder / path}")


def _engine_options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT}}
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": 1800}
    drivers = ("postgresql+psycopg", "postgresql+psycopg2", "postgresql")
    if url.drivername in drivers and "connect_timeout" not in url.query and "PGCONNECT_TIMEOUT" not in os.environ:
        options["connect_args"] = {"connect_timeout": CONNECT_WITHIN}
    return options


def _memory_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})


def _in_memory(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite" and (
        url.database in (None, "", ":memory:")
        or "mode=memory" in str(url.database)
        or url.query.get("mode") == "memory"
    )


def _prepare_sqlite(engine: sa.Engine, sync: str) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not at the driver's first write
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous={sync.upper()}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get(_WRITE):
            if _is_cooperative():
                _wait_for_lock(connection)
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # takes no lock yet, so it cannot fail: by the driver itself, for a page begins a dozen of them
            connection.connection.dbapi_connection.execute("BEGIN").close()  # type: ignore[union-attr]


def _is_cooperative() -> bool:
    """Whether this process serves its requests by greenlets of gevent."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("time"))


def _wait_for_lock(connection: sa.Connection) -> None:
    """Take SQLite's write lock, and let other greenlets work while somebody has it: its own waiting stops them all."""
    driver: Any = connection.connection.dbapi_connection
    patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    until = time.monotonic() + patience / 1000
    driver.execute("PRAGMA busy_timeout=0").close()
    try:
        while time.monotonic() < until:
            try:
                driver.execute("BEGIN IMMEDIATE").close()
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    break
            time.sleep(_LOOK)
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout={patience}").close()


@contextmanager
def _patience(connection: sa.Connection, wait: float) -> Iterator[None]:
    """Let SQLite wait for a lock no longer than that."""
    driver: Any = connection.connection.dbapi_connection
    if wait >= BUSY_TIMEOUT or connection.dialect.name != "sqlite":
        yield
        return
    usual = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute(f"PRAGMA busy_timeout={int(wait * 1000)}").close()
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout={usual}").close()


def _whole_time() -> float:
    return BUSY_TIMEOUT


@contextmanager
def _busy() -> Iterator[None]:
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        if is_busy(error.orig):
            raise DatabaseBusy() from error
        if _lacks_table(error.orig):
            raise TablesMissing() from error
        raise


def _lacks_table(error: BaseException | None) -> bool:
    """Whether a driver's error means that one of our tables is not there."""
    text = str(error).lower()
    return bool(
        re.search(r"no such table: s_|relation \"s_\w+\" does not exist|table '[^']*s_\w+' doesn't exist", text)
    )


def is_busy(error: BaseException | None) -> bool:
    """Whether a driver's error means: locked by somebody else, try again."""
    text = str(error).lower()
    return "database is locked" in text or "database table is locked" in text or "lock wait timeout" in text


@contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    """Give a driver's errors as SQLAlchemy does, where it is not asked."""
    dbapi: Any = engine.dialect.loaded_dbapi
    try:
        yield
    except dbapi.OperationalError as error:
        raise OperationalError("", None, error) from error
    except dbapi.ProgrammingError as error:
        raise ProgrammingError("", None, error) from error


def _alembic_config(connection: sa.Connection | None = None) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(PACKAGE / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """The newest revision of our tables, by the names of the migrations: the web process need not load Alembic."""
    names = [path.name for path in (PACKAGE / "migrations" / "versions").glob("[0-9]*.py")]
    return max(names).partition("_")[0]


def upgrade(database: Database, *, wal: bool = True) -> list[str]:
    """Bring our tables to the newest revision. Safe on every deploy and when two do it at once.

    :param wal: turn on SQLite's write-ahead log.
    :returns: sentences on what was done; empty when nothing was to do.
    """
    from alembic import command

    done = []
    if wal and database.dialect == "sqlite" and not _in_memory(database.engine.url):
        done += _turn_on_wal(database)
    before = database.revision()
    if before != head_revision():
        with _alone(database) as connection:
            command.upgrade(_alembic_config(connection), "head")
        done.append("Created the tables of stask-web." if before is None else "Updated the tables of stask-web.")
    database._ready = False
    return done


def _turn_on_wal(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        cursor = connection.connection.cursor()
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return []
        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        cursor.close()
    if mode != "wal":
        return [
            "SQLite's write-ahead log cannot be used on this file system; readers and writers will wait for each other."
        ]
    return ["Turned on SQLite's write-ahead log (WAL), so that pages can be read while tasks write."]


@contextmanager
def _alone(database: Database) -> Iterator[sa.Connection]:
    """A write transaction beside which nobody else updates the tables.

    :raises DatabaseBusy: somebody does, and has for a minute.
    """
    if database.dialect != "mysql":
        with database.write() as connection:
            if database.dialect == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(5732941)")
            yield connection
        return
    # There the lock is the connection's, of the whole server, and must outlive the commit.
    name = (f"stask_{database.engine.url.database}"[:64],)
    with database.read() as guard:
        if guard.exec_driver_sql("SELECT GET_LOCK(%s, 60)", name).scalar() != 1:
            raise DatabaseBusy()
        try:
            with database.write() as connection:
                yield connection
        finally:
            guard.exec_driver_sql("SELECT RELEASE_LOCK(%s)", name)
