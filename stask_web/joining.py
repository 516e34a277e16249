"""The host's own session beside our transactions: joined where it is passed, and never waited for by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import has_app_context
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session

from .database import BUSY_TIMEOUT, Database
from .errors import ConfigError, TransactionOpen

#: Seconds that we wait for SQLite's write lock while a transaction of the host's session, which has perhaps only read,
#: may hold it itself.
PATIENCE = 0.5

Bind = sa.Engine | sa.Connection


def joined(session: Any, database: Database, host_db: Any) -> sa.Connection:
    """The connection by which a session reaches our database: what is written with it ends with its transaction.

    :param session: a session, or a scoped one such as ``db.session``.
    :param host_db: the host's Flask-SQLAlchemy, or None: its session has an engine for each of its binds.
    :raises ConfigError: it is no session, or one on other databases.
    """
    session = _plain(session)
    bind = _bind_of(session, database, host_db)
    if bind is None:
        theirs = ", ".join(sorted({_shown(bind) for bind in _binds(session, host_db)})) or "none"
        raise ConfigError(
            f"session= needs a session on the database of stask-web ({_shown(database.engine)}), but it is on another "
            f"one ({theirs}). Leave session= out, or see STASK_DATABASE_URI."
        )
    return _connection(session, bind)


def patience(database: Database, host_db: Any) -> float:
    """Seconds that a transaction of ours may wait for SQLite's write lock here.

    The host's session of this context may hold that lock; then we would wait for the very code that waits for us.

    :raises TransactionOpen: it is sure to, for both have one connection.
    """
    if host_db is None or database.dialect != "sqlite" or not has_app_context() or not host_db.session.registry.has():
        return BUSY_TIMEOUT
    # Those that it has: asked for one, it would make it, and refuse while it commits, when a hook of ours runs a task.
    transaction: Any = host_db.session().get_transaction()
    opened = [] if transaction is None else [each for each in transaction._connections if _is_of(each, database)]
    drivers: list[Any] = [each.connection.dbapi_connection for each in opened if not each.closed]
    driver = next((each for each in drivers if getattr(each, "in_transaction", False)), None)
    if driver is None:
        return BUSY_TIMEOUT
    if database.shared:
        raise TransactionOpen()
    # As Python's driver is by default, it begins with the first write. Set up otherwise, reading begins one, too.
    begins_by_writing = driver.isolation_level is not None and getattr(driver, "autocommit", -1) == -1
    return 0.0 if begins_by_writing else PATIENCE


def same_database(bind: Bind, database: Database) -> bool:
    """Whether both reach the same database: the same file, or the same one of a server for the same user."""
    engine = database.engine
    return bind.engine is engine or (not database.shared and _place(bind.engine.url) == _place(engine.url))


def _is_of(connection: Any, database: Database) -> bool:
    return isinstance(connection, sa.Connection) and same_database(connection, database)


def _plain(session: Any) -> Session:
    session = session() if hasattr(session, "registry") else session
    if not isinstance(session, Session):
        raise ConfigError(f"session= needs a session such as db.session, not a {type(session).__name__}.")
    return session


def _bind_of(session: Session, database: Database, host_db: Any) -> Bind | None:
    return next((bind for bind in _binds(session, host_db, database) if same_database(bind, database)), None)


def _binds(session: Session, host_db: Any, database: Database | None = None) -> Iterator[Bind]:
    """What a session is bound to, the default first; without our own engine, which the host's has for our tables."""
    with suppress(UnboundExecutionError):
        yield session.get_bind()
    if host_db is not None and isinstance(session, host_db.session.session_factory.class_):
        yield from (engine for engine in host_db.engines.values() if database is None or engine is not database.engine)


def _connection(session: Session, bind: Bind) -> sa.Connection:
    return session.connection(bind_arguments={"bind": bind})


def _place(url: sa.URL) -> tuple[Any, ...]:
    """What tells databases apart, whatever driver and password reach them."""
    name = url.get_backend_name()
    if name == "sqlite":
        return name, Path(str(url.database).removeprefix("file:")).resolve()
    name = "mysql" if name == "mariadb" else name
    return name, url.username, url.host, url.port, url.database, tuple(sorted(url.query.items()))


def _shown(bind: Bind) -> str:
    return bind.engine.url.render_as_string(hide_password=True)
