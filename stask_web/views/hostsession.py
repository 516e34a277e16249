"""The host's session stays what its owner did to it, whatever a page of ours asks meanwhile.

Flask writes a permanent session back with every answer, as it was when the question came. An open page asks again and
again, and an answer that is late would bring back what a sign-in, a sign-out or a basket has changed since. So with
what a page asks by itself a session is written only when something in it was changed; nor does asking prolong it.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from flask import Blueprint, request, session
from flask.sessions import NullSession

from .visitor import partial, wants_json

_BEFORE = "_stask_before"
_OPEN = {"stask.static", "stask.health"}
_CHUNK = "stask.upload_chunk"


def register(bp: Blueprint) -> None:
    """Look at the session before anything of ours may change it."""
    bp.before_request(_look)


def _look() -> None:
    if _asked_by_a_page():
        write_only_changes(session._get_current_object())  # type: ignore[attr-defined]


def _asked_by_a_page() -> bool:
    """Whether nobody has gone anywhere: a file, news, a part of a page, a piece of an upload."""
    if request.endpoint in _OPEN or request.endpoint == _CHUNK:
        return True
    return request.method in ("GET", "HEAD") and (wants_json() or partial() is not None)


def write_only_changes(here: Any) -> None:
    """From here on a session counts as modified when it holds something else than now.

    One that the host has changed in this request already is written as ever, as is one of a make that cannot be told.
    """
    if not isinstance(here, dict) or isinstance(here, NullSession) or getattr(here, "modified", True):
        return
    try:
        before = deepcopy(dict(here))
        here.__class__ = _calm(type(here))
        setattr(here, _BEFORE, before)
    except Exception:  # what it holds, or how it is made, allows no look
        return


@cache
def _calm(kind: type[Any]) -> type[Any]:
    """A kind of session that is modified when its content is, and is not written only to live longer."""

    def is_modified(self: Any) -> bool:
        before = getattr(self, _BEFORE, None)
        return before is not None and dict(self) != before

    def is_permanent(self: Any) -> bool:
        return bool(self.get("_permanent")) and is_modified(self)

    def set_permanent(self: Any, value: bool) -> None:
        self["_permanent"] = bool(value)

    changes = {
        "modified": property(is_modified, lambda self, value: None),
        "permanent": property(is_permanent, set_permanent),
    }
    return type(kind.__name__, (kind,), changes)
