"""Process control: names, subreaping, and the end of whole process trees."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

LINUX = sys.platform.startswith("linux")
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int | bytes) -> None:
    if LINUX:
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def name_process(name: str) -> None:
    """The name that ``ps`` and ``top`` show, on Linux."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def become_subreaper() -> None:
    """Descendants that lose their parent become our children, on Linux; so they can be found and ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """The calling process's own children, on Linux."""
    me = os.getpid()
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and _parent(entry) == me] if LINUX else []


def descendants(pid: int) -> list[int]:
    """All processes below one, deepest last. On Linux only; elsewhere a process group is all we know."""
    if not LINUX:
        return []
    below: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            parent = _parent(entry)
            if parent is not None:
                below.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    waiting = list(below.get(pid, ()))
    while waiting:
        child = waiting.pop(0)
        found.append(child)
        waiting.extend(below.get(child, ()))
    return found


def _parent(pid: str) -> int | None:
    try:
        stat = Path("/proc", pid, "stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()
    return None if fields[0] == b"Z" else int(fields[1])


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process group; one that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process; those that are gone already are fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_tree(pid: int) -> None:
    """End a process, its group and everything below it, at once."""
    for _ in range(10):  # what is forked while we look is found by the next look
        found = descendants(pid)
        signal_all(found, signal.SIGKILL)
        if not found:
            break
    signal_group(pid, signal.SIGKILL)
    signal_all([pid], signal.SIGKILL)


def end_descendants(grace: float = 0.5) -> bool:
    """End everything that the calling process has left running: SIGTERM, then SIGKILL.

    :param grace: seconds between the two.
    :returns: whether there was anything. Costs one system call when there was not.
    """
    if not _reap():
        return False
    signal_all(descendants(os.getpid()), signal.SIGTERM)
    until = time.monotonic() + grace
    while _reap():
        if time.monotonic() > until:
            signal_all(descendants(os.getpid()), signal.SIGKILL)
        time.sleep(0.005)
    return True


def _reap() -> bool:
    """Collect ended children; whether any is still there."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
