"""The host's ``db.session`` of one run: closed after it; what was not committed is rolled back, and that is told."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from ..stored import NOT_COMMITTED

_WRITTEN = "stask_written"
_WATCHED = "_stask_watched"
_READS = re.compile(r"\s*(select|pragma|show|explain|values|with)\b", re.IGNORECASE)


def close_session(host_db: Any) -> str | None:
    """Close the session of the current app context.

    :param host_db: the host's Flask-SQLAlchemy, or None.
    :returns: a sentence when uncommitted work was rolled back.
    """
    scoped = getattr(host_db, "session", None)
    if scoped is None or not scoped.registry.has():
        return None
    session = scoped()
    changed = bool(session.new or session.dirty or session.deleted or session.info.get(_WRITTEN))
    session.rollback()
    scoped.remove()
    return NOT_COMMITTED if changed else None


def watch_session(host_db: Any) -> None:
    """Make the host's sessions note that they have written something. Once for each Flask-SQLAlchemy."""
    factory = getattr(getattr(host_db, "session", None), "session_factory", None)
    if factory is None or getattr(host_db, _WATCHED, False):
        return
    setattr(host_db, _WATCHED, True)
    event.listen(factory, "after_flush", _flushed)
    event.listen(factory, "do_orm_execute", _executed)
    event.listen(factory, "after_commit", _settled)
    event.listen(factory, "after_rollback", _settled)


def _flushed(session: Session, _context: Any) -> None:
    session.info[_WRITTEN] = True


def _executed(state: ORMExecuteState) -> None:
    if not state.is_select and not _READS.match(str(getattr(state.statement, "text", ""))):
        state.session.info[_WRITTEN] = True


def _settled(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop(_WRITTEN, None)
