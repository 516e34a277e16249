"""One sentence that a form leaves for the page it leads to. Kept in the session under a name of ours: the host's own
flashed messages stay the host's."""

from __future__ import annotations

from typing import NamedTuple

from flask import session

from ..text import clean

_KEY = "stask_notice"
_LONGEST = 600


class Notice(NamedTuple):
    """What happened.

    :param tone: done or attention.
    """

    text: str
    tone: str


def leave_notice(text: str, tone: str = "done") -> None:
    """Say it on the next page that shows notices."""
    session[_KEY] = [clean(text, _LONGEST), tone]


def take_notice() -> Notice | None:
    """What is to be said now; it is said once."""
    if _KEY not in session:
        return None
    text, tone = session.pop(_KEY)
    return Notice(str(text), str(tone))
