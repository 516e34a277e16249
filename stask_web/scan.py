"""The bytes of a journal: where its lines begin and end, and the records in them. Read by blocks, also from the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .fileio import read_at

#: In a record of progress and nowhere else: within a text the quotes are escaped.
PROGRESS = b'"k":"progress"'
#: The generation of a file whose first line cannot be read.
_SPOILT = "0"


def header_of(fd: int) -> tuple[str | None, int]:
    """The generation and where the first record begins; None for a file without a whole line.

    A power cut may have spoilt the first line: then the others are still read, and it is passed over.
    """
    data = read_at(fd, 64, 0)
    line, newline, _ = data.partition(b"\n")
    if not newline and len(data) < 64:
        return None, 0
    try:
        return str(json.loads(line)["g"]), len(line) + 1
    except (ValueError, KeyError, TypeError):
        return _SPOILT, 0


def parsed(line: bytes) -> dict[str, Any] | None:
    """A line of a journal as its record; None for what is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return None  # a torn line, ended by the next writer
    return record if isinstance(record, dict) and {"t", "a", "k"} <= record.keys() else None


def located(data: bytes, start: int) -> list[tuple[int, dict[str, Any]]]:
    """The records of a piece, each with where it begins.

    :param start: where the piece begins in the file, in bytes.
    """
    rows, at = [], start
    for line in data.splitlines(keepends=True):
        record = parsed(line) if line.endswith(b"\n") else None
        if record is not None:
            rows.append((at, record))
        at += len(line)
    return rows


def whole_end(fd: int, first: int, size: int) -> int:
    """Where the last whole line ends: a writer may be in the middle of the next."""
    stop = size
    while stop > first:
        start = max(first, stop - 65536)
        at = read_at(fd, stop - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        stop = start
    return first


def shown_before(fd: int, first: int, end: int, n: int, window: int) -> list[tuple[int, dict[str, Any]]]:
    """The last ``n`` lines before ``end`` that people see, with where they begin.

    Read window by window from the end, and no more lines are parsed than are wanted: minutes of mere progress may lie
    between two of them.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    stop = end
    while stop > first and len(found) < n:
        start = max(first, stop - window)
        start = start if start == first else line_end(fd, start)
        if start >= stop:  # no line is as long as a window; a foreign file may hold one
            return found
        at, piece = stop, []
        for line in reversed(read_at(fd, stop - start, start).splitlines(keepends=True)):
            at -= len(line)
            record = None if PROGRESS in line else parsed(line) if line.endswith(b"\n") else None
            if record is not None and record["k"] != "progress":
                piece.append((at, record))
                if len(found) + len(piece) == n:
                    break
        found = piece[::-1] + found
        stop = start
    return found


def line_end(fd: int, offset: int) -> int:
    """The offset behind the first line end at or after ``offset``."""
    while True:
        data = read_at(fd, 65536, offset)
        at = data.find(b"\n")
        if at >= 0:
            return offset + at + 1
        if not data:
            return offset
        offset += len(data)


def blocks(fd: int, start: int, end: int) -> Iterator[bytes]:
    """The bytes from ``start`` to ``end``, at most 1 MiB at a time."""
    while start < end:
        data = read_at(fd, min(2**20, end - start), start)
        if not data:
            return
        yield data
        start += len(data)
