"""What is written to file descriptors 1 and 2 while a task runs: read from a pipe, written to its journal by lines."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import Any

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
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        if pen is not None:
            pen.lines(_text(line) for line in lines)


def redirect(write_end: int) -> None:
    """Let file descriptors 1 and 2 of this process be the pipe.

    Log handlers that wrote to the terminal go on doing so: their records reach the journal as records, once.
    """
    handlers = [handler for handler in _stream_handlers() if _number(handler) in (1, 2)]
    if handlers:
        stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        for handler in handlers:
            handler.stream = stream
    for fd in (1, 2):
        os.dup2(write_end, fd)
    for name in ("stdout", "stderr"):
        _line_buffered(name)


def flush() -> None:
    """Push out what Python still holds."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _line_buffered(name: str) -> None:
    stream = getattr(sys, name)
    with suppress(Exception):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _stream_handlers() -> list[logging.StreamHandler[Any]]:
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    return [handler for handler in dict.fromkeys(handlers) if isinstance(handler, logging.StreamHandler)]


def _number(handler: logging.StreamHandler[Any]) -> int:
    try:
        return int(handler.stream.fileno())
    except Exception:
        return -1


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace")
