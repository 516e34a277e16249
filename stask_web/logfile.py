"""A log as a file to download, at the speed of a disk: lines are carried over as bytes, and few of them are parsed.

A record that we wrote has its keys in one order and its text as JSON. So a pattern finds the parts of it; only texts
with a backslash are read as JSON, and only records of another shape as a whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from .columns import to_json
from .fileio import read_at
from .journal import Journal
from .scan import PROGRESS, header_of, parsed

_BLOCK = 256 * 1024
#: One line: moment, its fraction, attempt, kind, level, text as in JSON; or, last, a line of any other shape.
_LINE = re.compile(
    rb'\{"t":(\d{1,11})(?:\.(\d{1,3}))?,"a":(\d{1,9}),"k":"(log|out|gap)","l":"(\w+)",'
    rb'"m":"([^"\\\n]*+(?:\\.[^"\\\n]*+)*+)"\}\n|([^\n]*+)\n'
)


class _Form(NamedTuple):
    """How a line is written: its begin, what stands behind its text, and the text itself.

    :param begin: made of seconds, their fraction and the level.
    :param end: made of attempt, kind and the context as JSON, empty for none.
    :param text: made of a text with backslashes as it stands in JSON.
    """

    begin: Callable[[bytes, bytes, bytes], bytes]
    end: Callable[[bytes, bytes, bytes], bytes]
    text: Callable[[bytes], bytes]


def text(journal: Journal) -> Iterator[bytes]:
    """The lines that people see, as text: ``2026-11-24 03:20:11 INFO message`` in UTC."""
    return _written(journal, _TEXT)


def jsonl(journal: Journal) -> Iterator[bytes]:
    """The lines that people see, as JSON lines: timestamp, level, message, context, attempt, kind."""
    return _written(journal, _JSON)


def _written(journal: Journal, form: _Form) -> Iterator[bytes]:
    """The journal as it is now, piece by piece. A line is ended when the next one begins: its text may go on."""
    begin, end, as_text = form
    rest = b""
    for block in _blocks(journal):
        out: list[bytes] = []
        add = out.append
        for seconds, fraction, attempt, kind, level, words, other in _LINE.findall(block):
            if seconds:
                add(rest)
                add(begin(seconds, fraction, level))
                add(as_text(words) if b"\\" in words else words)
                rest = end(attempt, kind, b"")
            elif (record := _shown(other)) is not None:
                said = to_json(record.get("m", "")).encode()[1:-1]
                if not (record.get("+") and rest):
                    add(rest)
                    whole, _, part = f"{record['t']:.6f}".partition(".")
                    add(begin(whole.encode(), part[:3].encode(), record["l"].encode()))
                    context = to_json(record["c"]).encode() if record.get("c") else b""
                    rest = end(b"%d" % record["a"], record["k"].encode(), context)
                add(as_text(said) if b"\\" in said else said)
        yield b"".join(out)
    yield rest


def _shown(line: bytes) -> dict[str, Any] | None:
    """A record of another shape than most, if people see it."""
    record = None if PROGRESS in line else parsed(line)
    return record if record is not None and record["k"] != "progress" and "l" in record else None


def _blocks(journal: Journal) -> Iterator[bytes]:
    """Whole lines of the file as it is when it is opened; it may be shortened or cleared meanwhile."""
    fd = journal.reader()
    if fd is None:
        return
    try:
        at, size, rest = header_of(fd)[1], os.fstat(fd).st_size, b""
        while at < size and (data := read_at(fd, min(_BLOCK, size - at), at)):
            at += len(data)
            whole, newline, left = data.rpartition(b"\n")
            if newline:
                yield rest + whole + newline
                rest = left
            else:
                rest += left
    finally:
        os.close(fd)


@lru_cache(maxsize=64)
def _moment(seconds: bytes) -> bytes:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


@lru_cache(maxsize=64)
def _text_begin_of(seconds: bytes, level: bytes) -> bytes:
    return b"%s %s " % (_moment(seconds).replace(b"T", b" "), level.upper())


def _text_begin(seconds: bytes, _fraction: bytes, level: bytes) -> bytes:
    return _text_begin_of(seconds, level)


def _text_end(_attempt: bytes, _kind: bytes, context: bytes) -> bytes:
    return b" %s\n" % context if context else b"\n"


def _plain(words: bytes) -> bytes:
    try:
        return str(json.loads(b'"%s"' % words)).encode()
    except ValueError:  # somebody else wrote it
        return words


def _json_begin(seconds: bytes, fraction: bytes, level: bytes) -> bytes:
    stamp = _moment(seconds)
    return b'{"timestamp":"%s.%s+00:00","level":"%s","message":"' % (stamp, fraction.ljust(3, b"0"), level)


def _json_end(attempt: bytes, kind: bytes, context: bytes) -> bytes:
    return b'","context":%s,"attempt":%s,"kind":"%s"}\n' % (context or b"{}", attempt, kind)


_TEXT = _Form(_text_begin, _text_end, _plain)
_JSON = _Form(_json_begin, _json_end, lambda words: words)
