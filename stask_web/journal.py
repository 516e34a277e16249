"""The journal of one task: an append-only file of JSON lines, read by position.

The first line names the file's generation. A position is ``generation:offset`` in bytes; a cleared or shortened journal
begins a new generation, so that a reader with an old position starts anew instead of reading the wrong bytes.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import fileio
from .columns import to_json
from .scan import PROGRESS, blocks, header_of, line_end, located, parsed, shown_before, whole_end
from .stored import LEFT_OUT
from .text import clean

#: The position of a reader who has seen nothing.
NOTHING = "-:0"
_CHUNK = 256 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chunk:
    """A piece of a journal.

    :param start: the position of the first line; not the asked one when that belonged to an older generation.
    :param end: the position behind the last line.
    :param lines: the records, see :class:`Journal`.
    :param more: whether there is more behind ``end`` already.
    :param offsets: where each record begins, in bytes.
    :param first: whether it begins with the journal's first record.
    """

    start: str
    end: str
    lines: list[dict[str, Any]]
    more: bool
    offsets: list[int] = field(default_factory=list)
    first: bool = False


class Journal:
    """Writes and reads the journal of one task.

    A record is ``{"t": epoch seconds, "a": attempt, "k": kind, "l": level, "m": text, "c": context}``; kinds are
    ``log``, ``out`` (captured output), ``progress`` (with ``p``, the values) and ``gap``. A text over the line cap goes
    on in further records marked ``"+": 1``.

    :param path: the file; it appears with the first record.
    :param cap: largest size in bytes; then the middle is dropped and the gap marked.
    :param line_cap: longest text of one record in bytes.
    """

    def __init__(self, path: Path, *, cap: int = 50 * 2**20, line_cap: int = 8192) -> None:
        self.path = path
        self.cap = max(cap, 4096)
        self.line_cap = max(line_cap, 64)
        self._fd: int | None = None

    # -- writing

    def log(
        self,
        level: str,
        message: object,
        context: Any = None,
        *,
        attempt: int = 1,
        kind: str = "log",
        at: float | None = None,
    ) -> None:
        """Append one line of the log, split when it is over the cap."""
        self.write(self.records(level, message, context, attempt=attempt, kind=kind, at=at))

    def records(
        self,
        level: str,
        message: object,
        context: Any = None,
        *,
        attempt: int = 1,
        kind: str = "log",
        at: float | None = None,
    ) -> list[dict[str, Any]]:
        """The records that :meth:`log` would write."""
        base = {"t": round(time.time() if at is None else at, 3), "a": attempt, "k": kind, "l": level}
        pieces = split_text(clean(message), self.line_cap)
        records = [{**base, "m": piece, **({"+": 1} if number else {})} for number, piece in enumerate(pieces)]
        if context:
            records[0]["c"] = _fit_context(context, self.line_cap)
        return records

    def write(self, records: Iterable[dict[str, Any]]) -> None:
        """Append records in one go.

        :raises OSError: when the file cannot be written; nothing of it is left half-written for a reader.
        """
        self.write_bytes("".join(to_json(record) + "\n" for record in records).encode())

    def write_bytes(self, data: bytes) -> None:
        """Append encoded lines. For callers that encode themselves."""
        if not data:
            return
        fd = self._locked()
        try:
            size = os.fstat(fd).st_size
            if size == 0:
                data = b'{"g":"%s"}\n' % secrets.token_hex(4).encode() + data
            elif fileio.read_at(fd, 1, size - 1) != b"\n":
                data = b"\n" + data
            _write_whole(fd, data, size)
            if size + len(data) > self.cap:
                with suppress(OSError):  # no room for the shorter one: it grows on, for the lines themselves are kept
                    self._shorten(fd)
        finally:
            self._unlock()

    def clear(self) -> None:
        """Remove everything. The next line begins a new generation."""
        self.close()
        fileio.remove(self.path)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _locked(self) -> int:
        while True:
            if self._fd is None:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._fd = fileio.open_bytes(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            fileio.lock(self._fd)
            if os.fstat(self._fd).st_nlink:
                return self._fd
            self.close()  # cleared or shortened by another process: write to the new file

    def _unlock(self) -> None:
        if self._fd is not None:
            fileio.unlock(self._fd)

    def _shorten(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        head_end = line_end(fd, self.cap // 4)
        tail_start = line_end(fd, size - self.cap // 4)
        head_start = line_end(fd, 0)
        gap = {"t": round(time.time(), 3), "a": 0, "k": "gap", "l": "warning"}
        gap["m"] = LEFT_OUT
        kept = self._without_gap(fd, head_start, head_end)
        temporary = self.path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            with open(fileio.open_bytes(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as out:
                out.write(b'{"g":"%s"}\n' % secrets.token_hex(4).encode())
                out.write(kept + to_json(gap).encode() + b"\n")
                for piece in blocks(fd, tail_start, size):
                    out.write(piece)
            if not fileio.OPEN_FILES_GIVE_WAY:
                self.close()
            fileio.replace(temporary, self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self.close()

    @staticmethod
    def _without_gap(fd: int, start: int, end: int) -> bytes:
        head = b"".join(blocks(fd, start, end))
        at = head.find(b'"k":"gap"')
        return head if at < 0 else head[: head.rfind(b"\n", 0, at) + 1]

    # -- reading

    def reader(self) -> int | None:
        """A descriptor to read with; None when there is no journal, or none that can be read."""
        try:
            return fileio.open_bytes(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("The journal %s cannot be read: %s", self.path, error.strerror)
            return None

    def read(self, position: str | None = None, limit: int = _CHUNK) -> Chunk:
        """Read records from a position on.

        :param position: where the reader is; None or a position of another generation begins at the start.
        :param limit: about how many bytes at most; at least one record is given if there is one.
        """
        fd = self.reader()
        if fd is None:
            return Chunk(NOTHING, NOTHING, [], False)
        try:
            return self._read(fd, position, limit)
        finally:
            os.close(fd)

    def _read(self, fd: int, position: str | None, limit: int) -> Chunk:
        generation, first = header_of(fd)
        if generation is None:
            return Chunk(NOTHING, NOTHING, [], False)
        size = os.fstat(fd).st_size
        mine, offset = split_position(position)
        start = offset if mine == generation and first <= offset <= size else first
        end = min(size, start + limit)
        data = fileio.read_at(fd, end - start, start)
        while b"\n" not in data and end < size:
            end = min(size, end + limit)
            data = fileio.read_at(fd, end - start, start)
        data = data[: data.rfind(b"\n") + 1]
        end = start + len(data)
        rows = located(data, start)
        return _chunk(generation, start, end, rows, more=bool(data) and end < size, first=start == first)

    def end(self) -> str:
        """The position behind the last whole line."""
        return self.last(0).end

    def last(self, n: int, limit: int = _CHUNK) -> Chunk:
        """The last ``n`` lines that people see (log, output, gap), with the positions around them."""
        fd = self.reader()
        if fd is None:
            return Chunk(NOTHING, NOTHING, [], False)
        try:
            generation, first = header_of(fd)
            if generation is None:
                return Chunk(NOTHING, NOTHING, [], False)
            end = whole_end(fd, first, os.fstat(fd).st_size)
            shown = shown_before(fd, first, end, n, limit)
            at = shown[0][0] if shown else end
            return _chunk(generation, at, end, shown, more=False, first=at == first)
        finally:
            os.close(fd)

    def before(self, position: str, n: int, limit: int = _CHUNK) -> Chunk:
        """Up to ``n`` lines that people see before a position; ``more`` tells whether there are older ones."""
        fd = self.reader()
        if fd is None:
            return Chunk(NOTHING, NOTHING, [], False)
        try:
            generation, first = header_of(fd)
            mine, offset = split_position(position)
            if generation is None or mine != generation:
                return Chunk(position, position, [], False)
            shown = shown_before(fd, first, offset, n, limit)
            at = shown[0][0] if shown else first
            return _chunk(generation, at, offset, shown, more=at > first, first=at == first)
        finally:
            os.close(fd)

    def progress(self) -> dict[str, Any] | None:
        """The last progress in the last 64 KiB: its values, time ``t`` and attempt ``a``; None if there is none."""
        try:
            with open(self.path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 64 * 1024))
                data = file.read()
        except OSError:
            return None
        at = data.rfind(PROGRESS)
        if at < 0:
            return None
        end = data.find(b"\n", at)
        record = parsed(data[data.rfind(b"\n", 0, at) + 1 : end if end >= 0 else None])
        return None if record is None else {**record.get("p", {}), "t": record["t"], "a": record["a"]}

    def signs(self) -> tuple[float, float]:
        """When the journal last grew (epoch seconds, 0 for never) and the usual gap between its records.

        That is the median over its last 64 KiB, in seconds; 0 for fewer than three records.
        """
        try:
            facts = os.stat(self.path)
            return _signs(self.path, facts.st_size, facts.st_mtime_ns)
        except OSError:
            return 0.0, 0.0

    def each(self) -> Iterator[dict[str, Any]]:
        """Every record, in constant memory."""
        position: str | None = None
        while True:
            chunk = self.read(position)
            yield from chunk.lines
            if not chunk.more:
                return
            position = chunk.end

    def size(self) -> int:
        """Bytes of the file; 0 when there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def lines(self) -> list[dict[str, Any]]:
        """The lines that people see: dicts of timestamp, level, message, context, attempt."""
        return [public_line(group) for group in grouped(self.each())]


class Journals:
    """The journals of all tasks in one folder.

    :param root: the storage's ``journal/`` folder.
    """

    def __init__(self, root: Path, *, cap: int, line_cap: int) -> None:
        self.root = root
        self._cap, self._line_cap = cap, line_cap

    def of(self, task_id: int) -> Journal:
        """The journal of a task, written or not."""
        return Journal(self.root / str(task_id // 1000) / f"{task_id}.log", cap=self._cap, line_cap=self._line_cap)


@lru_cache(maxsize=256)
def _signs(path: Path, size: int, _written: int) -> tuple[float, float]:
    """Kept until the file grows, for pages ask every second of a task that says nothing."""
    with open(path, "rb") as file:
        file.seek(max(0, size - 64 * 1024))
        found = (parsed(line) for line in file.read().splitlines())
        times = [float(record["t"]) for record in found if record is not None]
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    return (times[-1] if times else 0.0), (gaps[len(gaps) // 2] if len(gaps) > 1 else 0.0)


def split_position(position: str | None) -> tuple[str, int]:
    """Generation and offset of a position; ``("-", 0)`` for None and what is none."""
    generation, _, offset = (position or NOTHING).partition(":")
    return (generation, int(offset)) if offset.isdecimal() and len(offset) < 19 else ("-", 0)


def split_text(text: str, cap: int) -> list[str]:
    """Cut a text into pieces of at most ``cap`` bytes of UTF-8."""
    data = text.encode()
    if len(data) <= cap:
        return [text]
    pieces, at = [], 0
    while at < len(data):
        end = min(len(data), at + cap)
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[at:end].decode())
        at = end
    return pieces


def public_line(group: list[dict[str, Any]]) -> dict[str, Any]:
    """The records of one line as what users see: timestamp, level, message, context, attempt, kind."""
    first = group[0]
    return {
        "timestamp": datetime.fromtimestamp(first["t"], UTC).isoformat(timespec="milliseconds"),
        "level": first["l"],
        "message": "".join(record["m"] for record in group),
        "context": first.get("c") or {},
        "attempt": first["a"],
        "kind": first["k"],
    }


def grouped(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The records of each line that people see: a long one has several."""
    group: list[dict[str, Any]] = []
    for record in records:
        if record["k"] == "progress":
            continue
        if group and not record.get("+"):
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def _fit_context(context: Any, cap: int) -> Any:
    text = to_json(context)
    return json.loads(text) if len(text) <= cap else {"text": clean(text, cap // 4)}


def _chunk(
    generation: str, start: int, end: int, rows: list[tuple[int, dict[str, Any]]], *, more: bool, first: bool
) -> Chunk:
    lines, offsets = [record for _, record in rows], [at for at, _ in rows]
    return Chunk(f"{generation}:{start}", f"{generation}:{end}", lines, more, offsets, first)


def _write_whole(fd: int, data: bytes, size: int) -> None:
    """Append everything or nothing: a disk that is full in the middle of it leaves the file as it was."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, size)
        raise
