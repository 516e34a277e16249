"""Is a file what its name says? Names, sizes and content of what people upload, before anything else reads it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Protocol

from .errors import UploadRefused
from .language import mark, tr
from .numbers import human_size

NAME_LIMIT = 255
"""Bytes in a file name: what common file systems hold."""

_TEXT = {
    *("csv", "tsv", "tab", "txt", "json", "jsonl", "ndjson", "xml"),
    *("md", "log", "ini", "yaml", "yml", "html", "htm", "svg"),
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PROGRAM = mark("a program")
_PROGRAMS = {"exe", "dll", "so", "bin", "com", "sys", "class", "dylib"}

# First bytes -> what it is, in words, and the extensions that may have it. Source: each format's own specification.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"MZ", _PROGRAM, ""),
    (b"\x7fELF", _PROGRAM, ""),
    (b"\xcf\xfa\xed\xfe", _PROGRAM, ""),
    (b"\xfe\xed\xfa\xcf", _PROGRAM, ""),
    (b"\xca\xfe\xba\xbe", _PROGRAM, ""),
    (b"PK\x03\x04", mark("a ZIP archive or an Excel workbook"), "xlsx xlsm docx ods odt zip jar"),
    (b"PK\x05\x06", mark("an empty ZIP archive"), "zip"),
    (b"\xd0\xcf\x11\xe0", mark("an old Excel or Word file"), "xls doc"),
    (b"\x1f\x8b", mark("a compressed archive"), "gz tgz"),
    (b"7z\xbc\xaf\x27\x1c", mark("a compressed archive"), "7z"),
    (b"Rar!", mark("a compressed archive"), "rar"),
    (b"%PDF", mark("a PDF document"), "pdf"),
    (b"\x89PNG", mark("a picture"), "png"),
    (b"\xff\xd8\xff", mark("a picture"), "jpg jpeg"),
    (b"GIF8", mark("a picture"), "gif"),
)
_HEAD = 1024


class Accepts(Protocol):
    """What tells which file names are welcome: `options.Upload`."""

    @property
    def extensions(self) -> Sequence[str]:
        """Extensions with their dot, such as `.csv`; empty means any."""


def extension(name: str) -> str:
    """`Prices.CSV` -> `csv`; a name without one -> ``""``."""
    _, dot, last = name.rpartition(".")
    return last.lower() if dot else ""


#: What Windows takes for a device, whatever the extension.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}


def safe_name(name: str) -> str:
    """The last part of a name from outside, fit for any file system: no folder, control character or leading dot.

    At most `NAME_LIMIT` bytes, the extension kept; never empty.
    """
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C" and char not in '<>:"|?*')
    name = name.strip().lstrip(".").rstrip(". ").strip()
    if not name:
        return "file"
    stem, dot, last = name.rpartition(".")
    if not dot or len(last.encode()) > 20:
        stem, last = name, ""
    tail = f".{last}" if last else ""
    if stem.partition(".")[0].rstrip().upper() in _DEVICES:
        stem = f"_{stem}"
    return stem.encode()[: NAME_LIMIT - len(tail.encode())].decode(errors="ignore") + tail


def check_name(name: str, accept: Accepts) -> str:
    """The cleaned name, when its extension is welcome.

    :raises UploadRefused: it is not; the sentence says which are.
    """
    name = safe_name(name)
    welcome = [item if item.startswith(".") else f".{item}" for item in accept.extensions]
    if welcome and f".{extension(name)}" not in [item.lower() for item in welcome]:
        raise UploadRefused(tr("Choose a %(kinds)s file. “%(name)s” is not one.", kinds=_listed(welcome), name=name))
    return name


def check_size(size: int, limit: int) -> None:
    """:raises UploadRefused: the file is empty (422) or bigger than the limit (413), both in bytes."""
    if size <= 0:
        raise UploadRefused(tr("The file is empty."))
    if size > limit:
        raise UploadRefused(tr("The file is too big. The limit is %(size)s.", size=human_size(limit)), 413)


class Sniffer:
    """Fed with a file's blocks in their order: counts, hashes, and refuses what the name cannot mean.

    :param name: the cleaned file name.
    """

    def __init__(self, name: str) -> None:
        self.size = 0
        self._kind = extension(name)
        self._digest = hashlib.sha256()
        self._head = b""
        self._utf_16 = False

    @property
    def sha256(self) -> str:
        """The digest of what was fed, in hexadecimal."""
        return self._digest.hexdigest()

    def feed(self, block: bytes) -> None:
        """:raises UploadRefused: the content is not what the name says."""
        if len(self._head) < _HEAD:
            self._head += block[: _HEAD - len(self._head)]
            self._utf_16 = self._head.startswith(_UTF_16)
            self._refuse_foreign()
        if self._kind in _TEXT and not self._utf_16 and b"\0" in block:
            raise UploadRefused(
                tr("This is not %(wanted)s: it holds binary data. Save it as %(wanted)s first.", wanted=self._wanted())
            )
        self.size += len(block)
        self._digest.update(block)

    def end(self) -> None:
        """:raises UploadRefused: nothing was fed, or the beginning that this kind of file has never came."""
        check_size(self.size, self.size)
        if any(self._kind in kinds.split() for _, _, kinds in _MAGIC) and not self._own_magic():
            raise UploadRefused(tr("This is not %(wanted)s, or it is damaged.", wanted=self._wanted()))

    def _own_magic(self) -> bool:
        return any(self._head.startswith(magic) and self._kind in kinds.split() for magic, _, kinds in _MAGIC)

    def _refuse_foreign(self) -> None:
        for magic, what, kinds in _MAGIC:
            if not self._head.startswith(magic) or self._kind in kinds.split():
                continue
            if what == _PROGRAM and self._kind in _PROGRAMS:
                continue
            if magic == b"MZ" and self._kind in _TEXT and not self._binary():
                continue
            raise UploadRefused(tr("This is %(what)s, not %(wanted)s.", what=tr(what), wanted=self._wanted()))

    def _binary(self) -> bool:
        """Two letters are a weak sign, for a column may be called "MZ": does more speak for a program?"""
        return b"\0" in self._head or not any(mark in self._head for mark in b",;\t|\n")

    def _wanted(self) -> str:
        kind = self._kind.upper()
        if not kind:
            return tr("a file of this kind")
        return tr("an %(kind)s file", kind=kind) if kind[:1] in "AEFHILMNORSX" else tr("a %(kind)s file", kind=kind)


def _listed(extensions: Sequence[str]) -> str:
    *first, last = extensions
    return tr("%(first)s or %(last)s", first=", ".join(first), last=last) if first else last
