"""Which of its claims a supervisor has given to a child: a file that outlives it.

Tasks that were claimed ahead and never begun leave no trace when they are taken back from a dead supervisor. Only the
supervisor knows which these are, so it writes down what it gives away, before it does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

#: Bytes after which what is over is left out.
_FULL = 2**20


class Given:
    """The file of this process.

    :param folder: the storage's ``run/``.
    :param process_id: names the file.
    :ivar live: gives the tokens that still count; the others are left out when the file is full.
    """

    def __init__(self, folder: Path, process_id: str) -> None:
        self._path = folder / _name(process_id)
        self.live: Callable[[], Iterable[str]] = tuple
        self._size = 0
        self._broken = False
        self.fd = self._open(self._path)

    def note(self, tokens: Collection[str]) -> None:
        """Note that these are about to be given. A disk that is full costs the file: then all count as begun."""
        if self._broken:
            return
        try:
            self._write(self.fd, tokens)
            if self._size > _FULL:
                self._renew(tokens)
        except OSError:
            self._broken = True
            self._remove()

    def close(self) -> None:
        """Close and remove the file."""
        os.close(self.fd)
        self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _renew(self, tokens: Collection[str]) -> None:
        """Begin anew in one step: a file that lacks something for a moment would tell the wrong thing."""
        fresh = self._path.with_suffix(".fresh")
        fd = self._open(fresh)
        try:
            self._size = 0
            self._write(fd, {*self.live(), *tokens})
            os.replace(fresh, self._path)
            os.dup2(fd, self.fd, inheritable=False)  # the number stays: forks know it
        finally:
            os.close(fd)

    def _write(self, fd: int, tokens: Collection[str]) -> None:
        data = "".join(f"{token}\n" for token in tokens).encode()
        if os.write(fd, data) != len(data):
            raise OSError("The disk is full.")
        self._size += len(data)

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)


def tokens_given(folder: Path, process_id: str) -> set[str] | None:
    """What a dead process had given to its children; None when that cannot be told."""
    try:
        return set((folder / _name(process_id)).read_text("ascii").split())
    except (OSError, ValueError):
        return None


def _name(process_id: str) -> str:
    return f"{process_id}.given"
