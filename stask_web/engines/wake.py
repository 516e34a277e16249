"""Wake-ups: one byte to a Unix datagram socket of each supervisor that shares the storage, NOTIFY on PostgreSQL.

A wake-up is a hint, sent after the commit. One that gets lost costs time, never a task: a poll is the net below.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..state import State
from .processes import LINUX

CHANNEL = "stask_wake"
_PATH_LIMIT = 100
_log = logging.getLogger(__name__)


class WakeSocket:
    """The socket of one supervisor.

    :param folder: the storage's ``run/``.
    :param process_id: names the socket.
    """

    def __init__(self, folder: Path, process_id: str) -> None:
        self._path = folder / f"{process_id}.sock"
        self._pointer = folder / f"{process_id}.at"
        self._short: Path | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._bind()
        self.fd = self._socket.fileno()

    def _bind(self) -> None:
        if LINUX or len(os.fsencode(self._path)) < _PATH_LIMIT:
            with _reachable(str(self._path)) as name:
                self._socket.bind(name)
            return
        self._short = Path(tempfile.mkdtemp(prefix="stask-")) / "wake"
        self._socket.bind(str(self._short))
        self._pointer.write_text(str(self._short))

    def drain(self) -> bool:
        """Take all wake-ups that wait; whether there was one."""
        woken = False
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)
                woken = True
        return woken

    def close(self) -> None:
        """Close and remove the socket."""
        self._socket.close()
        for path in (self._path, self._pointer, self._short):
            if path is not None:
                path.unlink(missing_ok=True)
        if self._short is not None:
            self._short.parent.rmdir()


def wake(state: State) -> None:
    """Wake every supervisor, after a commit. Never fails."""
    wake_folder(state.storage.run)
    if state.database.dialect == "postgresql":
        try:
            with state.database.write() as connection:
                # There is nothing to keep on the disk, so nobody waits for it.
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
        except Exception:
            _log.debug("NOTIFY could not be sent; the poll finds the task.", exc_info=True)


def wake_folder(folder: Path) -> int:
    """Send a byte to each socket of a folder; returns how many got it."""
    sent = 0
    if not hasattr(socket, "AF_UNIX"):  # on Windows nobody runs tasks
        return sent
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for path in _addresses(str(folder)):
            # Dead ones are the reaper's; a full one is awake.
            with contextlib.suppress(OSError), _reachable(path) as name:
                sender.sendto(b"w", name)
                sent += 1
    return sent


def _addresses(folder: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(".sock"):
                yield f"{folder}/{name}"
            elif name.endswith(".at"):
                yield Path(folder, name).read_text()


@contextlib.contextmanager
def _reachable(path: str) -> Iterator[str]:
    """A name for the path that fits the 108 bytes of a socket address, also when the path does not (Linux)."""
    if len(os.fsencode(path)) < _PATH_LIMIT or not LINUX:
        yield path
        return
    parent, name = os.path.split(path)
    folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{name}"
    finally:
        os.close(folder)
