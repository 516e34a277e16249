"""Signals as something to wait for in ``poll``."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Takes SIGTERM, SIGINT, SIGHUP and SIGCHLD of this process until it is closed. A SIGHUP that is ignored, as nohup
    wants it, stays so.

    ``fd`` becomes readable with each; ``stops`` counts the wishes to end.
    """

    def __init__(self) -> None:
        self.stops = 0
        self.fd, self._write = os.pipe()
        for fd in self.fds:
            os.set_blocking(fd, False)
        self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        stops = [number for number in _STOPS if number != signal.SIGHUP or not _is_ignored(number)]
        self._old: dict[int, Any] = {number: signal.signal(number, self._stop) for number in stops}
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _only_wake)

    @property
    def fds(self) -> tuple[int, int]:
        """What a fork must not hold."""
        return (self.fd, self._write)

    def drain(self) -> None:
        """Take what has arrived."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fd, 512):
                pass

    def close(self) -> None:
        """Give the signals back to whom they belonged to."""
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        for fd in self.fds:
            os.close(fd)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _only_wake(number: int, frame: FrameType | None) -> None:
    """The signal only has to wake the loop."""
