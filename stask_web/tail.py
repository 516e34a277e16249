"""The end of one journal: what is new in it goes to a room, in pieces that join without gap or overlap.

So a client can check by position that it misses nothing: each piece begins where the one before it ended.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import news
from .journal import NOTHING, Chunk, Journal, split_position
from .language import Reader, reading

Emit = Callable[[str, dict[str, Any], str], None]
"""Called with an event, its data and a room."""
Send = Callable[[str, dict[str, Any]], None]
"""Called with an event and its data, for one client."""

ENGLISH = Reader()
PIECES_AT_ONCE = 16
#: Seconds after which a stretch without lines is told of.
QUIET_FOR = 5.0
#: Nanoseconds within which a file may be replaced by another one that looks the same from outside.
CLOCK_TICK = 50_000_000


def log_room(task_id: int, reader: Reader = ENGLISH) -> str:
    """The room of those who read the log of a task in the same language by the same clock."""
    return f"log:{task_id}:{reader.name}"


class Tail:
    """Follows one journal.

    Reports of progress are kept as :attr:`numbers`. A stretch of mere reports is not told by itself, for the news of
    the task bring them; it is told of with the next line, or when it has been quiet for a while.

    :param task_id: whose journal it is.
    :param journal: what is read.
    :param emit: tells the room.
    """

    def __init__(self, task_id: int, journal: Journal, emit: Emit) -> None:
        self.lock = threading.Lock()
        #: How many read the log, by language and zone. With none, only the last report is looked up.
        self.readers: Counter[Reader] = Counter()
        #: The newest numbers, as :meth:`Journal.progress` gives them.
        self.numbers: dict[str, Any] | None = None
        self._task_id = task_id
        self._journal = journal
        self._emit = emit
        self._position: str | None = None
        self._told_to = NOTHING
        self._told_at = 0.0
        self._seen: tuple[int, int, int] | None = None

    def unchanged(self) -> bool:
        """Whether the file is certainly as it was when it was last read; costs one ``stat``."""
        if self._seen is None:
            # Never read, or no proof was to be had. A file that is missing need not be read again and again.
            return self._position in (None, NOTHING) and not self._journal.path.exists()
        return self._stamp() == self._seen

    def read_on(self) -> bool:
        """Read what is new; call it with the lock held -> whether there are new numbers."""
        self._seen = self._stamp()
        before = self.numbers
        if not self.readers:
            self._position = None
            self.numbers = self._journal.progress()
            return self.numbers != before
        if self._position is None:
            self._begin()
        for _ in range(PIECES_AT_ONCE):
            chunk = self._journal.read(self._position, news.PIECE)
            if chunk.end == self._position:
                break
            self._position = chunk.end
            self.numbers = news.numbers_in(chunk) or self.numbers
            self._tell(chunk)
            if not chunk.more:
                break
        else:
            self._seen = None  # there is more: go on at the next look
        return self.numbers != before

    def catch_up(self, position: str, send: Send, enter: Callable[[], None]) -> str:
        """Bring one client to where the room is; call it with the lock held, when :attr:`readers` counts it.

        :param position: what the client has.
        :param send: tells this client alone.
        :param enter: puts it into the room.
        :returns: where the room is. At most :data:`PIECES_AT_ONCE` pieces are sent; a client that is not there yet
            fetches the rest.
        """
        self.read_on()
        end = self._position or NOTHING
        if self._told_to != end:
            self._tell({"start": end, "end": end, "first": False, "more": False, "lines": []}, now=True)
        for _ in range(PIECES_AT_ONCE):
            limit = _distance(position, end)
            if not limit:
                break
            chunk = self._journal.read(position, min(limit, news.PIECE))
            if chunk.end == position:
                break
            send("journal", {"task": self._task_id, **news.piece(chunk)})
            position = chunk.end
        enter()
        return end

    def _begin(self) -> None:
        self._position = self._told_to = self._journal.end()
        self._told_at = time.monotonic()
        self.numbers = self._journal.progress()

    def _tell(self, piece: Chunk | dict[str, Any], *, now: bool = False) -> None:
        """Tell the rooms a piece, which begins where they were told to before."""
        plain = news.piece(piece) if isinstance(piece, Chunk) else piece
        if not (now or plain["lines"] or plain["first"] or time.monotonic() - self._told_at > QUIET_FOR):
            return
        start = plain["start"] if plain["first"] else self._told_to
        for reader in list(self.readers):
            with reading(reader):
                words = news.piece(piece) if isinstance(piece, Chunk) else piece
            self._emit("journal", {"task": self._task_id, **words, "start": start}, log_room(self._task_id, reader))
        self._told_to, self._told_at = plain["end"], time.monotonic()

    def _stamp(self) -> tuple[int, int, int] | None:
        """What tells cheaply that a file has changed: which file it is, its size, when it was written.

        None when that is no proof: there is no file, or it was written so lately that another one of the same number
        and size may follow within one tick of the file system's clock.
        """
        with suppress(OSError):
            found = os.stat(self._journal.path)
            if time.time_ns() - found.st_mtime_ns > CLOCK_TICK:
                return found.st_ino, found.st_size, found.st_mtime_ns
        return None


def _distance(position: str, target: str) -> int:
    """How many bytes lie between two positions; with another generation in between, a whole piece."""
    (mine, here), (theirs, there) = split_position(position), split_position(target)
    return max(0, there - here) if mine == theirs else news.PIECE if theirs != "-" else 0
