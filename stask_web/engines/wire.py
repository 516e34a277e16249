"""Messages between the supervisor and its children: JSON with its length in front, over pipes."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from typing import Any

_LENGTH = 4
_READ = 65536


_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


def pack(message: Any) -> bytes:
    """A message as bytes."""
    body = _encode(message).encode()
    return len(body).to_bytes(_LENGTH, "big") + body


class Unpacker:
    """Collects bytes and gives whole messages."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Any]:
        """Add bytes; gives each message that is complete now."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        while len(buffer) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(buffer[at : at + _LENGTH], "big")
            if end > len(buffer):
                break
            body = buffer[at + _LENGTH : end]
            at = end
            self._buffer = buffer[at:]
            yield _decode(body.decode())
        self._buffer = buffer[at:]


class Reader:
    """Reads messages from a pipe.

    :param fd: its read end; blocking for :meth:`next`, non-blocking for :meth:`ready`.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = False
        self._unpacker = Unpacker()
        self._waiting: list[Any] = []

    def next(self) -> Any:
        """Wait for one message; None when the other end is closed."""
        while not self._waiting:
            data = os.read(self.fd, _READ)
            if not data:
                return None
            self._waiting.extend(self._unpacker.feed(data))
        return self._waiting.pop(0)

    def ready(self) -> list[Any]:
        """All messages that are here now; sets ``ended`` when the other end is closed."""
        messages: list[Any] = []
        while True:
            try:
                data = os.read(self.fd, _READ)
            except BlockingIOError:
                return messages
            if not data:
                self.ended = True
                return messages
            messages.extend(self._unpacker.feed(data))
            if len(data) < _READ:
                return messages


class Writer:
    """Writes messages to a pipe without ever waiting for its reader.

    :param fd: its write end, non-blocking.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.left = b""

    def send(self, message: Any) -> None:
        """Write a message, or as much of it as the pipe takes now; what is left is written by :meth:`flush`."""
        self.left += pack(message)
        self.flush()

    def flush(self) -> None:
        """Write what is left. A closed reader drops it: its end is noticed elsewhere."""
        while self.left:
            try:
                written = os.write(self.fd, self.left)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                self.left = b""
                return
            self.left = self.left[written:]


def write_all(fd: int, data: bytes) -> None:
    """Write to a blocking pipe, whole."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
