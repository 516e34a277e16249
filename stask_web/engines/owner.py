"""Who is alive: each supervisor holds a lock on a file of its own, opened before it forks.

Its children and its guard inherit the lock, so a free lock means that owner, children and all are dead. Neither pids
nor boot ids can tell that: they lie between containers.
"""

from __future__ import annotations

import contextlib
import os
import platform
import uuid
from collections.abc import Container
from pathlib import Path

from .. import fileio
from .processes import LINUX


class OwnerLock:
    """The lock of this process.

    :param folder: the storage's ``run/``.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = uuid.uuid4().hex
        self.path = folder / lock_name(self.id)
        self.fd = fileio.open_bytes(self.path, os.O_RDWR | os.O_CREAT)
        fileio.lock(self.fd)
        os.write(self.fd, kernel_id().encode())

    def release(self, *, keep: bool = False) -> None:
        """Let go.

        :param keep: leave the file, so that others see at once that we are gone.
        """
        if not fileio.OPEN_FILES_GIVE_WAY:
            os.close(self.fd)
        if not keep:
            self.path.unlink(missing_ok=True)
        if fileio.OPEN_FILES_GIVE_WAY:
            os.close(self.fd)


def lock_name(process_id: str) -> str:
    """The file name of a process's lock."""
    return f"{process_id}.lock"


def kernel_id() -> str:
    """Which running kernel this is: only on the same one a free lock is sure to mean dead."""
    if LINUX:
        with contextlib.suppress(OSError):
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


def is_alive(folder: Path, process_id: str) -> bool | None:
    """Whether a process lives, by its lock; None when that cannot tell: no such file here, or another kernel's."""
    lock = _try(folder / lock_name(process_id))
    if lock is None or isinstance(lock, bool):
        return lock
    os.close(lock)
    return False


def take(folder: Path, process_id: str) -> int | None:
    """Lock the file of a dead process, so that only one cleans up after it; None when it lives or cannot be told."""
    lock = _try(folder / lock_name(process_id))
    return None if lock is None or isinstance(lock, bool) else lock


def forget(folder: Path, process_id: str, lock: int | None) -> None:
    """Remove what a dead process left in the folder."""
    if lock is not None and not fileio.OPEN_FILES_GIVE_WAY:
        unlock(lock)
    for name in (lock_name(process_id), f"{process_id}.sock", f"{process_id}.at", f"{process_id}.given"):
        (folder / name).unlink(missing_ok=True)
    if lock is not None and fileio.OPEN_FILES_GIVE_WAY:
        unlock(lock)


def strays(folder: Path, known: Container[str]) -> list[str]:
    """Processes that have left a lock file and are known to nobody."""
    return [path.stem for path in folder.glob("*.lock") if path.stem not in known]


def unlock(lock: int) -> None:
    """Let go of a lock that :func:`take` gave."""
    os.close(lock)


def _try(path: Path) -> int | bool | None:
    """A locked descriptor if the lock was free, True if it is held, None if it cannot be told."""
    try:
        fd = fileio.open_bytes(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fileio.lock(fd, wait=False)
    except BlockingIOError:
        os.close(fd)
        return True
    except OSError:
        os.close(fd)
        return None
    if fileio.read_at(fd, 200, 0).decode(errors="replace") != kernel_id():
        os.close(fd)
        return None
    return fd
