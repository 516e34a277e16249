"""What operating systems do differently with files: opening bytes as they are, locks, reading at a place, replacing.

Windows has no ``flock`` and no ``pread``, turns line ends unless it is told not to, and replaces or removes no file
that somebody has open.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Whether a file that is open can be replaced and removed: whoever has it open goes on with the old one.
OPEN_FILES_GIVE_WAY = fcntl is not None
_AS_IT_IS = sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOINHERIT"))
#: There a locked place cannot be read by others, so it is one that no file reaches.
_FAR = 1 << 40
_LOOK = 0.01
#: Seconds that a file which somebody reads may take to be let go.
_PATIENCE = 1.0


def open_bytes(path: str | Path, flags: int) -> int:
    """A descriptor on a file's bytes, for this process only; a new file may be read by its owner only.

    :raises OSError: as ``os.open`` does.
    """
    return os.open(path, flags | _AS_IT_IS, 0o600)


def read_at(fd: int, count: int, offset: int) -> bytes:
    """Up to so many bytes from a place. No two threads may read with one descriptor."""
    if hasattr(os, "pread"):
        return os.pread(fd, count, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


def lock(fd: int, *, wait: bool = True) -> None:
    """Take the lock of an open file, which ends with :func:`unlock`, or when the file is closed.

    :raises BlockingIOError: with ``wait=False``, somebody else has it.
    """
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    while True:
        try:
            return _far_byte(fd, "LK_NBLCK")
        except PermissionError:
            if not wait:
                raise BlockingIOError from None
        time.sleep(_LOOK)


def unlock(fd: int) -> None:
    """Let go of the lock of an open file."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_UN)
        return
    _far_byte(fd, "LK_UNLCK")


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another one: whoever opens it finds the old one or the new one, whole.

    :raises OSError: somebody has the old one open and keeps it, on Windows.
    """
    _insist(lambda: os.replace(source, target))


def remove(path: Path) -> None:
    """Remove a file, if there is one.

    :raises OSError: somebody has it open and keeps it, on Windows.
    """
    _insist(lambda: path.unlink(missing_ok=True))


def _far_byte(fd: int, how: str) -> None:
    system: Any = import_module("msvcrt")
    before = os.lseek(fd, 0, os.SEEK_CUR)
    os.lseek(fd, _FAR, os.SEEK_SET)
    try:
        system.locking(fd, getattr(system, how), 1)
    finally:
        os.lseek(fd, before, os.SEEK_SET)


def _insist(do: Callable[[], None]) -> None:
    until = time.monotonic() + (0 if OPEN_FILES_GIVE_WAY else _PATIENCE)
    while True:
        try:
            return do()
        except PermissionError:
            if time.monotonic() >= until:
                raise
        time.sleep(_LOOK)
