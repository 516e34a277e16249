"""The host's ``db.session`` of one run: closed after it; what was not committed is rolled back, and that is told."""

from __future__ import annotations

import logging
import re
import threading
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from ..stored import NOT_COMMITTED, NOT_COMMITTED_IN

#: Seconds that a database gets to answer to a rollback.
ROLLBACK = 5.0
_WRITTEN = "stask_written"
_WATCHED = "_stask_watched"
#: How many tables are named.
_NAMED = 5
_WRITES = re.compile(
    r"(?>\s+|/\*.*?\*/|--[^\n]*\n)*+(?:(?:insert|update|delete|merge|replace|truncate|copy|load|call|create|alter|drop)\b"
    r"|with\b.*\b(?:insert\s+into|update\s+\S+\s+(?:as\s+\S+\s+)?set|delete\s+from|merge\s+into)\b)",
    re.IGNORECASE | re.DOTALL,
)
_TABLE = re.compile(
    r"\b(?:into|update|delete\s+from|truncate(?:\s+table)?|table(?:\s+if\s+(?:not\s+)?exists)?|^\s*copy)\s+([^\s(;]+)",
    re.IGNORECASE,
)
_log = logging.getLogger(__name__)


def close_session(host_db: Any) -> str | None:
    """Close the session of the current app context. A database that is gone is not waited for, and stops nobody.

    :param host_db: the host's Flask-SQLAlchemy, or None.
    :returns: a sentence when uncommitted work was rolled back.
    """
    scoped = getattr(host_db, "session", None)
    if scoped is None or not scoped.registry.has():
        return None
    session = scoped()
    told: str | None = NOT_COMMITTED
    with suppress(Exception):
        told = _told(session)
    if session.in_transaction() and _is_far(session):
        scoped.registry.clear()  # whatever comes of it, nobody else uses this session
        end = threading.Thread(target=_end, args=(session,), name="stask-rollback", daemon=True)
        end.start()
        end.join(ROLLBACK)
    else:
        _end(session)
        scoped.remove()
    return told


def _end(session: Session) -> None:
    try:
        session.rollback()
        session.close()
    except Exception as error:  # its connection is dead, and with it what was not committed
        _log.debug("The session of a task could not be rolled back: %s", error)
        with suppress(Exception):
            session.invalidate()


def _is_far(session: Session) -> bool:
    """Whether it may use a database that could be away: SQLite never is, and wants to be asked by its own thread."""
    with suppress(Exception):
        return any(connection.dialect.name != "sqlite" for connection in _connections(session))
    return True


def _connections(session: Session) -> list[sa.Connection]:
    """Those on which its transaction has begun."""
    transaction: Any = session.get_transaction()
    return [each for each in transaction._connections if isinstance(each, sa.Connection)]


def _told(session: Session) -> str | None:
    changed = (*session.new, *(each for each in session.dirty if session.is_modified(each)), *session.deleted)
    names = [str(getattr(sa.inspect(type(each)).local_table, "name", "")) for each in changed]
    written: list[str] = session.info.get(_WRITTEN, [])
    tables = list(dict.fromkeys(name for name in (*written, *names) if name))
    if tables:
        more = ", …" if len(tables) > _NAMED else ""
        return NOT_COMMITTED_IN % {"tables": ", ".join(tables[:_NAMED]) + more}
    return NOT_COMMITTED if written or names else None


def watch_session(host_db: Any) -> None:
    """Make the host's sessions note what they write, by whatever way. Once for each Flask-SQLAlchemy."""
    factory = getattr(getattr(host_db, "session", None), "session_factory", None)
    if factory is None or getattr(host_db, _WATCHED, False):
        return
    setattr(host_db, _WATCHED, True)
    event.listen(factory, "after_begin", _begun)
    event.listen(factory, "after_commit", _settled)
    event.listen(factory, "after_rollback", _settled)


def _begun(session: Session, _transaction: Any, connection: sa.Connection) -> None:
    """Listen to the connection as long as this transaction has it; the host's engine is none of our business."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    if getattr(connection, _WATCHED, None) is session:
        return
    setattr(connection, _WATCHED, session)

    def executed(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: Any) -> None:
        _note(session, statement, context)

    event.listen(connection, "after_cursor_execute", executed)


def _note(session: Session, statement: str, context: Any) -> None:
    if context.isinsert or context.isupdate or context.isdelete:
        table = getattr(getattr(context.compiled, "statement", None), "table", None)
        name = str(getattr(table, "name", ""))
    elif _WRITES.match(statement):
        found = _TABLE.search(statement)
        name = found[1].strip("\"`'[]") if found else ""
    else:
        return
    written = session.info.setdefault(_WRITTEN, [])
    if name not in written:
        written.append(name)


def _settled(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop(_WRITTEN, None)
