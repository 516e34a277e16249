"""The beginning of a file as people can look at it: a table, a picture, text. Bounded, whatever the file is.

Its content decides what a file is; its name only says which text is a table and which is JSON. Nothing is ever run:
HTML and SVG are text.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .sniff import extension
from .tables import TableError, encoding_of, read_table
from .text import plain

#: Bytes that are read of a file, and those of the largest picture that is shown.
READ, PICTURE = 64 * 1024, 8 * 1024 * 1024
ROWS, COLUMNS, CELL = 100, 60, 200
LINES, WIDTH = 500, 1_000
TABLES = frozenset({"csv", "tsv", "tab"})

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Begin like text, and are none.
_PAPERS = (b"%PDF", b"%!PS", b"{\\rtf")


@dataclass(frozen=True)
class FilePreview:
    """What can be shown of a file.

    :param kind: table, json, text, picture; large for a picture that is too big, empty, or binary.
    :param mimetype: of a picture.
    :param header: names of columns.
    :param rows: cells, each as long as the header.
    :param more: whether the file goes on.
    """

    kind: str
    mimetype: str = ""
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    text: str = ""
    more: bool = False


def picture_type(head: bytes) -> str:
    """The media type of a picture by its first bytes; "" for anything that is none, or that could hold a program."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else ""


def look_at(path: Path, name: str) -> FilePreview:
    """Look at the first 64 KiB of a file.

    :param name: as people know it.
    :raises OSError: it cannot be read.
    """
    with path.open("rb") as source:
        head, size = source.read(READ), os.fstat(source.fileno()).st_size
    if not head:
        return FilePreview("empty")
    if mimetype := picture_type(head):
        return FilePreview("picture" if size <= PICTURE else "large", mimetype)
    if _is_binary(head):
        return FilePreview("binary")
    more = size > len(head)
    with _copy(_whole_lines(head) if more else head) as copy:
        kind = extension(name)
        return (kind in TABLES and _table(copy, more=more)) or _text(copy, kind == "json" and not more, more=more)


def _is_binary(head: bytes) -> bool:
    if head.startswith(_PAPERS):
        return True
    return not head.startswith(_WIDE) and len(_CONTROL.findall(head)) * 100 > len(head)


def _whole_lines(head: bytes) -> bytes:
    """The beginning of a file without its last line, which is cut; where there is only one, without a cut letter."""
    if head.startswith(_WIDE):
        text = head.decode("utf-16", "ignore")
        return text[: text.rfind("\n") + 1 or None].encode()
    at = head.rfind(b"\n") + 1
    if at:
        return head[:at]
    whole = head.decode("utf-8", "ignore").encode()
    return whole if len(head) - len(whole) < 4 else head


@contextmanager
def _copy(head: bytes) -> Iterator[Path]:
    """A file of its own with what was read, for readers that want to see all of a file."""
    with tempfile.NamedTemporaryFile(prefix="stask-preview-") as target:
        target.write(head)
        target.flush()
        yield Path(target.name)


def _table(path: Path, *, more: bool) -> FilePreview | None:
    """The first rows; None when it cannot be read as a table."""
    rows: list[list[str]] = []
    try:
        table = read_table(path)
    except (TableError, ValueError, OSError):
        return None
    header = table.header[:COLUMNS]
    try:
        for row in table.rows():
            if len(rows) == ROWS:
                more = True
                break
            rows.append([plain(row.values.get(name, ""), CELL) for name in header])
    except (TableError, ValueError):
        more = True  # the rest cannot be read, what was is right
    if not rows:
        return None
    return FilePreview("table", header=[plain(name, CELL) for name in header], rows=rows, more=more)


def _text(path: Path, is_json: bool, *, more: bool) -> FilePreview:
    try:
        encoding = encoding_of(path)
    except TableError:  # damaged in places
        encoding = "utf-8"
    text = path.read_bytes().decode(encoding, "replace").removeprefix("\ufeff")
    pretty = _pretty(text) if is_json else None
    lines = plain(text if pretty is None else pretty).splitlines()
    shown = "\n".join(f"{line[:WIDTH]}…" if len(line) > WIDTH else line for line in lines[:LINES])
    return FilePreview("text" if pretty is None else "json", text=shown, more=more or len(lines) > LINES)


def _pretty(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
