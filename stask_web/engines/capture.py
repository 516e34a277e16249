"""What is written to file descriptors 1 and 2 while a task runs: read from a pipe, written to its journal by lines."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import Any, ClassVar
from weakref import WeakSet

from ..runner.pen import LONGEST, Pen

_READ = 65536
#: Most bytes that one look takes: whoever reads has other things to look at, also while a task floods its output.
_LOOK = 16 * _READ


class Capture:
    """The read end of a child's output pipe. The child reads it; after its death the supervisor reads what is left.

    :param fd: non-blocking.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""
        self._lock = threading.Lock()

    def drain(self, pen: Pen | None) -> int:
        """Read what is there now, within limits, and write its whole lines; without a pen it is dropped.

        :returns: bytes read.
        """
        with self._lock:
            return self._drain(pen)

    def finish(self, pen: Pen | None) -> None:
        """The same at the end of a task, when nothing more comes: a line without its end is written as well."""
        with self._lock:
            self._drain(pen)
            if self._rest and pen is not None:
                pen.lines([_text(self._rest)])
            self._rest = b""

    def _drain(self, pen: Pen | None) -> int:
        count = 0
        while count < _LOOK:
            try:
                data = os.read(self.fd, _READ)
            except BlockingIOError:
                break
            if not data:
                break
            count += len(data)
            self._take(data, pen)
        return count

    def _take(self, data: bytes, pen: Pen | None) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if b"\r" in self._rest:
            self._rest = _last_state(self._rest)  # of a bar that is written anew all the time
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        if pen is not None:
            pen.lines(_text(line) for line in lines)


def redirect(write_end: int) -> None:
    """Let file descriptors 1 and 2 of this process be the pipe.

    Log handlers that wrote to the terminal go on doing so: their records reach the journal as records, once.
    """
    _Terminal.stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    for logger in (logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))):
        spare(logger)
    logging.lastResort = logging.StreamHandler(_Terminal.stream)
    logging.lastResort.setLevel(logging.WARNING)
    for fd in (1, 2):
        os.dup2(write_end, fd)
    for name in ("stdout", "stderr"):
        _line_buffered(name)


class _Terminal:
    """What were file descriptors 1 and 2, and the handlers that were looked at."""

    stream: Any = None
    seen: ClassVar[WeakSet[logging.Handler]] = WeakSet()


def spare(logger: logging.Logger) -> None:
    """Let those handlers of a logger that write to file descriptor 1 or 2 write to the terminal: also new ones."""
    step: logging.Logger | None = logger
    while step is not None:
        for handler in step.handlers:
            if handler not in _Terminal.seen:
                _Terminal.seen.add(handler)
                if isinstance(handler, logging.StreamHandler) and _number(handler) in (1, 2):
                    handler.stream = _Terminal.stream
        step = step.parent if step.propagate else None


def flush() -> None:
    """Push out what Python still holds."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _line_buffered(name: str) -> None:
    stream = getattr(sys, name)
    with suppress(Exception):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _number(handler: logging.StreamHandler[Any]) -> int:
    try:
        return int(handler.stream.fileno())
    except Exception:
        return -1


def _last_state(line: bytes) -> bytes:
    """What a terminal would end with: what stands behind the last ``\\r``, and all of it while nothing does yet."""
    written = line.rstrip(b"\r")
    start = written.rfind(b"\r") + 1
    return line[start : len(written) + 1]


def _text(line: bytes) -> str:
    return _last_state(line).rstrip(b"\r").decode(errors="replace")
