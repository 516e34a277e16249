"""What an action may leave behind in its process, and the next task must not find."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

_SIGNALS = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE),
    *(signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2),
)


class Surroundings:
    """How the process is when it has run no task yet."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        self._place = os.stat(self._folder)
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._environ = dict(os.environ)
        self._path = list(sys.path)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._handlers: list[Any] = [signal.getsignal(number) for number in _SIGNALS]

    def restore(self) -> None:
        """Let all be so again. Costs some microseconds when nothing has changed."""
        place = None
        with suppress(OSError):
            place = os.stat(".")
        if place is None or not os.path.samestat(place, self._place):
            with suppress(OSError):
                os.fchdir(self._folder)
        os.umask(self._umask)
        if dict(os.environ) != self._environ:
            for name in os.environ.keys() - self._environ.keys():
                del os.environ[name]
            os.environ.update(self._environ)
        if sys.path != self._path:
            sys.path[:] = self._path
        sys.stdin, sys.stdout, sys.stderr = self._streams
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)


def threads_left() -> list[str]:
    """Names of the threads that an action has left running, and that are no daemons."""
    main = threading.main_thread()
    return [each.name for each in threading.enumerate() if each is not main and not each.daemon and each.is_alive()]
