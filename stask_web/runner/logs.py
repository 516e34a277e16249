"""Log records of an action go to its journal, by whatever logger, and from threads that it starts in a process of its
own.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .pen import Pen

_here: ContextVar[Pen | None] = ContextVar("stask_pen", default=None)


class _Process:
    """What holds for the whole process.

    :cvar pen: of a child's one run: what threads without our context log belongs to it as well.
    :cvar users: how many runs there are.
    :cvar level: the root logger's own level while it is lowered; None while it is not.
    :cvar disabled: the same for :func:`logging.disable`.
    :cvar stands: whether our function stands before that of :mod:`logging`.
    :cvar call_handlers: that of :mod:`logging`, or whatever stood there.
    :cvar before: called with a logger before its handlers get a record.
    """

    pen: Pen | None = None
    users = 0
    level: int | None = None
    disabled: int | None = None
    stands = False
    call_handlers: Callable[[logging.Logger, logging.LogRecord], None] = logging.Logger.callHandlers
    before: Callable[[logging.Logger], None] | None = None
    lock = threading.Lock()


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Write a record to the journal of the run that is bound here; the host's handlers get what they would without us.

    Every record that is logged comes by here, once: also one of a logger that does not propagate.
    """
    pen = _here.get() or _Process.pen
    if pen is not None and record.levelno >= logging.INFO:
        pen.log(_level(record.levelno), _text(record))
    if _is_wanted(logger, record):
        if _Process.before is not None:
            _Process.before(logger)
        _Process.call_handlers(logger, record)


def _text(record: logging.LogRecord) -> str:
    """What a record says; one that cannot be formatted is told as such."""
    cached = record.exc_text
    try:
        return _formatter.format(record)
    except Exception as error:
        return f"{record.msg!r} ({type(error).__name__} while formatting)"
    finally:
        record.exc_text = cached  # the host's formatters may write a traceback in a way of their own


_formatter = logging.Formatter()


def _level(number: int) -> str:
    return "error" if number >= logging.ERROR else "warning" if number >= logging.WARNING else "info"


def _is_wanted(logger: logging.Logger, record: logging.LogRecord) -> bool:
    """Whether the host's handlers would get a record if we had lowered no level."""
    if _Process.disabled is not None and record.levelno <= _Process.disabled:
        return False
    root = logger.root
    if _Process.level is None or record.levelno >= _Process.level or root.level != logging.INFO:
        return True
    step: logging.Logger | None = logger
    while step is not None and step is not root:
        if step.level:
            return True
        step = step.parent
    return False


def _lower() -> None:
    """Let records of INFO and above come by, whatever the host has set for all loggers. A logger's own level stays."""
    root = logging.getLogger()
    if root.level > logging.INFO:
        _Process.level = root.level
        root.setLevel(logging.INFO)
    if root.manager.disable >= logging.INFO:
        _Process.disabled = root.manager.disable
        logging.disable(logging.NOTSET)


def _raise() -> None:
    """All as it was before, unless somebody has set it meanwhile."""
    root = logging.getLogger()
    if _Process.level is not None and root.level == logging.INFO:
        root.setLevel(_Process.level)
    if _Process.disabled is not None and root.manager.disable == logging.NOTSET:
        logging.disable(_Process.disabled)
    _Process.level = _Process.disabled = None


def install(before: Callable[[logging.Logger], None] | None = None) -> None:
    """Stand before the handlers of all loggers, for good: for a process that does nothing but run tasks.

    :param before: called with a logger before its handlers get a record.
    """
    _Process.before = before
    _stand_before()
    _lower()


def _stand_before() -> None:
    if not _Process.stands:
        _Process.stands = True
        _Process.call_handlers = logging.Logger.callHandlers
        logging.Logger.callHandlers = _call_handlers  # type: ignore[method-assign, assignment]


def _step_aside() -> None:
    """No longer stand before the handlers; if somebody else stands before us by now, we stay, and do nothing."""
    if logging.Logger.callHandlers is _call_handlers:
        logging.Logger.callHandlers = _Process.call_handlers  # type: ignore[method-assign, assignment]
        _Process.stands = False


def hide_here(values: Iterable[Any]) -> None:
    """Keep values out of the journal of the run that is bound here, if there is one."""
    pen = _here.get() or _Process.pen
    if pen is not None:
        pen.hide(values)


@contextmanager
def bound(pen: Pen, *, alone: bool) -> Iterator[None]:
    """Send records to this pen.

    :param alone: whether the process does nothing else: then threads without our context belong to the run as well, and
        what :func:`install` did stays. Otherwise the host's logging is as before when the last run is over.
    """
    token = _here.set(pen)
    try:
        with _in_its_own_process(pen) if alone else _among_others():
            yield
    finally:
        _here.reset(token)


@contextmanager
def _in_its_own_process(pen: Pen) -> Iterator[None]:
    _lower()  # a former task may have changed it
    _Process.pen = pen
    try:
        with warnings.catch_warnings():  # what was told once was told in the log of a former task
            yield
    finally:
        _Process.pen = None


@contextmanager
def _among_others() -> Iterator[None]:
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    with _Process.lock:
        _Process.users += 1
        _stand_before()
        _lower()


def _leave() -> None:
    with _Process.lock:
        _Process.users -= 1
        if _Process.users == 0:
            _raise()
            _step_aside()
