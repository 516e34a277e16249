"""A small process that outlives a killed supervisor by a moment, to end all that it has left.

The supervisor forks it first and tells it of each child over a pipe. The pipe's end is the supervisor's end, whatever
its cause: then the guard kills each child with everything below it. Meanwhile it holds the owner lock, so that nobody
takes the tasks before nothing of them runs any more.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Iterable

from .processes import kill_tree, name_process


class Guard:
    """The supervisor's side.

    :param close: file descriptors that the guard must not hold.
    """

    def __init__(self, close: Iterable[int] = ()) -> None:
        read_end, self.fd = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _serve(read_end, [self.fd, *close])
            finally:
                os._exit(0)
        os.close(read_end)

    def watch(self, pid: int) -> None:
        """Kill this process, too, when the supervisor ends."""
        self._tell(b"+%d\n" % pid)

    def forget(self, pid: int) -> None:
        """This process has ended."""
        self._tell(b"-%d\n" % pid)

    def close(self) -> None:
        """End the guard; what it still watches is killed."""
        os.close(self.fd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it was killed; the supervisor notices and starts another
            os.write(self.fd, line)


def _serve(fd: int, close: Iterable[int]) -> None:
    gc.disable()
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    for other in close:
        with contextlib.suppress(OSError):
            os.close(other)
    _quiet()
    name_process("stask-guard")
    for pid in _watched(fd):
        kill_tree(pid)


def _quiet() -> None:
    """Let go of the terminal or pipe of the supervisor's output: its reader waits for the end of it."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def _watched(fd: int) -> set[int]:
    """The processes that are left when the supervisor ends."""
    pids: set[int] = set()
    rest = b""
    while data := os.read(fd, 65536):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            (pids.add if line[:1] == b"+" else pids.discard)(int(line[1:]))
    return pids
