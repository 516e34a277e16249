"""Log records of an action go to its journal, also from threads that it starts in a process of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .pen import Pen

_here: ContextVar[Pen | None] = ContextVar("stask_pen", default=None)


class _Process:
    """What holds for the whole process: the pen of a child's one run, and how many runs want the handler."""

    pen: Pen | None = None
    users = 0
    level = logging.WARNING
    lock = threading.Lock()


class JournalHandler(logging.Handler):
    """Writes records of level INFO and above to the journal of the run that is bound here."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; one that cannot be formatted is told as such."""
        pen = _here.get() or _Process.pen
        if pen is None:
            return
        try:
            text = self.format(record)
        except Exception as error:
            text = f"{record.msg!r} ({type(error).__name__} while formatting)"
        pen.log(_level(record.levelno), text)


_handler = JournalHandler()


def hide_here(values: Iterable[Any]) -> None:
    """Keep values out of the journal of the run that is bound here, if there is one."""
    pen = _here.get() or _Process.pen
    if pen is not None:
        pen.hide(values)


def _level(number: int) -> str:
    return "error" if number >= logging.ERROR else "warning" if number >= logging.WARNING else "info"


def install() -> None:
    """Attach the handler to the root logger for good: for a process that does nothing but run tasks."""
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)
    if root.level > logging.INFO:
        root.setLevel(logging.INFO)


@contextmanager
def bound(pen: Pen, *, alone: bool) -> Iterator[None]:
    """Send records to this pen.

    :param alone: whether the process does nothing else: then threads without our context belong to the run as well, and
        the handler stays. Otherwise the root logger is as before when the last run is over.
    """
    token = _here.set(pen)
    if alone:
        install()
        _Process.pen = pen
    else:
        _enter()
    try:
        yield
    finally:
        _here.reset(token)
        if alone:
            _Process.pen = None
        else:
            _leave()


def _enter() -> None:
    root = logging.getLogger()
    with _Process.lock:
        _Process.users += 1
        if _Process.users == 1:
            _Process.level = root.level
            install()


def _leave() -> None:
    root = logging.getLogger()
    with _Process.lock:
        _Process.users -= 1
        if _Process.users == 0:
            root.removeHandler(_handler)
            root.setLevel(_Process.level)
