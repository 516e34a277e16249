"""Read the tables that people really have: any common encoding, any delimiter, decimal commas, quoted line breaks.

:func:`read_table` finds out how a file is written and gives its rows one by one, in constant memory. What is wrong with
a file or a row is a sentence for the person who made it.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, zip_longest
from pathlib import Path
from typing import TextIO

from .errors import STaskError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
"""The delimiters that are looked for, with their names."""

_BLOCK = 64 * 1024
_SAMPLE_ROWS = 20
_LONGEST_LINE = 1024 * 1024
# The longer mark first: UTF-16's is the beginning of UTF-32's.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CYRILLIC = ("cp1251", "koi8_u", "cp866")
_WESTERN = ("cp1252", "cp1250", "cp1257", "cp1254")
_FREQUENT = set("оаеинтіслр")
_NUMBER = re.compile(r"[+-]?(\d+([.,' ]\d+)*|[.,]\d+)([eE][+-]?\d{1,2})?")
_LONGEST_NUMBER = 40


class TableError(STaskError):
    """The table cannot be read."""


@dataclass(frozen=True)
class Row:
    """One data row.

    :param line: the first line of the file that it stands on; the header is usually line 1.
    :param values: column -> text, exactly as in the file.
    :param problem: what is wrong with its form (a sentence), or None. Its values are then a best guess.
    """

    line: int
    values: dict[str, str]
    problem: str | None = None


class Table:
    """A table file whose encoding, delimiter and header are known. Made by :func:`read_table`.

    :param header: the column names, without blanks around them; an unnamed column is `column 3`.
    """

    def __init__(
        self, path: Path, encoding: str, delimiter: str, header: list[str], header_line: int, skip: int
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.delimiter = delimiter
        self.header = header
        self._header_line = header_line
        self._skip = skip

    @property
    def decimal_mark(self) -> str | None:
        """How this file writes fractions, for :func:`parse_decimal`; None when its delimiter does not tell.

        Spreadsheets that use a decimal comma separate columns by semicolons.
        """
        return "," if self.delimiter == ";" else None

    def rows(self) -> Iterator[Row]:
        """Every row with at least one value, in the file's order.

        :raises TableError: a quote is opened and never closed, so that all lines after it are one value.
        """
        with self.path.open(encoding=self.encoding, newline="") as source:
            records = _Records(source, self.delimiter, self._skip)
            for line, cells, problem in records:
                if line > self._header_line and any(cells):
                    yield self._row(line, cells, problem)

    def count(self) -> int:
        """The number of rows. Reads the whole file once: a broken one is refused before anything is done with it.

        :raises TableError: as :meth:`rows`.
        """
        return sum(1 for _ in self.rows())

    def require(self, *columns: str, aliases: Mapping[str, Sequence[str]] | None = None) -> dict[str, str]:
        """Check that columns are there; upper or lower case does not matter.

        :param aliases: column -> other names under which it may come.
        :returns: each wanted column -> its name in this file.
        :raises TableError: names the first missing one, those found and the nearest.
        """
        found = {name.casefold(): name for name in self.header}
        result = {}
        for column in columns:
            names = [column, *(aliases or {}).get(column, ())]
            match = next((found[name.casefold()] for name in names if name.casefold() in found), None)
            if match is None:
                raise TableError(self._missing(column, names))
            result[column] = match
        return result

    def _row(self, line: int, cells: list[str], problem: str | None) -> Row:
        wanted = len(self.header)
        if problem is None and len(cells) != wanted:
            problem = (
                f"The line has {len(cells)} {'value' if len(cells) == 1 else 'values'}, the header {wanted} columns"
            )
        found = dict(zip_longest(self.header, cells[:wanted], fillvalue=""))
        found.update({f"column {number}": cell for number, cell in enumerate(cells[wanted:], wanted + 1)})
        return Row(line, found, problem)

    def _missing(self, column: str, names: Sequence[str]) -> str:
        lower = {name.casefold(): name for name in self.header}
        near = [match for name in names for match in difflib.get_close_matches(name.casefold(), lower, n=1, cutoff=0.6)]
        hint = f" Did you mean '{lower[near[0]]}'?" if near else ""
        return f"Column '{column}' is missing. Found: {', '.join(self.header)}.{hint}"


def read_table(path: Path | str, delimiter: str = "auto") -> Table:
    """Find out how a table file is written.

    :param delimiter: one of :data:`DELIMITERS`, its name, or `auto`.
    :raises TableError: the file is empty, is no text, has two columns of one name, or no row below its header.
    """
    path = Path(path)
    encoding = encoding_of(path)
    with path.open(encoding=encoding, newline="", errors="replace") as source:
        first = source.readline(_BLOCK)
    told = re.fullmatch(r"sep=(.)\s*", first)
    given = _given(delimiter) or (told.group(1) if told else None)
    skip = 1 if told else 0
    chosen = given or _guess_delimiter(path, encoding, skip)
    with path.open(encoding=encoding, newline="") as source:
        records = ((line, cells) for line, cells, _ in _Records(source, chosen, skip) if any(cells))
        line, cells = next(records, (0, []))
        if not cells:
            raise TableError("The file is empty.")
        if next(records, None) is None:
            raise TableError("The file has a header, but no rows below it.")
    return Table(path, encoding, chosen, _header(cells), header_line=line, skip=skip)


def parse_decimal(text: str, decimal: str | None = None) -> Decimal:
    """Read a number as people write it: `12.50`, `12,50`, `1 234,50`, `1,234.50`, `1'234.50`, `$ 5`.

    :param decimal: the mark of fractions in the text's source, `.` or `,`, if known: it decides what `1,234` is.
    :raises ValueError: it is no number, or means two different ones; the message is a sentence for people.
    """
    plain = _plain_number(text)
    if len(plain) > _LONGEST_NUMBER or not _NUMBER.fullmatch(plain):
        raise ValueError(f"“{text}” is not a number. Write it like 12.50")
    if re.search(r"[' ]", plain) and not re.fullmatch(r"[+-]?\d{1,3}([' ]\d{3})+([.,]\d*)?", plain):
        raise ValueError(f"“{text}” is not a number. Write it like 1234.50")
    plain = plain.replace("'", "").replace(" ", "")
    mark = _decimal_mark(text, plain, decimal)
    for other in {".", ","} - {mark}:
        plain = plain.replace(other, "")
    return Decimal(plain.replace(",", "."))


def _plain_number(text: str) -> str:
    """Blanks of every kind as one, any minus as `-`, no currency sign."""
    kept = (char for char in text.strip() if unicodedata.category(char) != "Sc")
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in kept).strip()
    return spaced.replace("−", "-").replace("’", "'")


def _decimal_mark(text: str, plain: str, decimal: str | None) -> str:
    """Which of the separators in a number begins its fraction; anything else must stand before groups of three."""
    digits = re.split("[eE]", plain.lstrip("+-"))[0]
    last = max(digits.rfind("."), digits.rfind(","))
    mark = digits[last] if last >= 0 else "."
    grouped = re.fullmatch(r"\d{1,3}(([.,])\d{3})(\2\d{3})*", digits)
    if digits.count(mark) > 1:
        if not grouped:
            raise ValueError(f"“{text}” is not a number. Write it like 1234.50")
        return "," if mark == "." else "."
    other = "," if mark == "." else "."
    if other in digits:
        whole = digits[:last]
        if not re.fullmatch(rf"\d{{1,3}}({re.escape(other)}\d{{3}})+", whole):
            raise ValueError(f"“{text}” is not a number. Write it like 1234.50")
        return mark
    if not grouped or digits.startswith("0") or mark == (decimal or "."):
        return mark
    if decimal == "." and mark == ",":
        return "."
    raise ValueError(f"“{text}” can be read as two numbers. Write it without separators, or with two decimals")


def _given(delimiter: str) -> str | None:
    if delimiter in ("auto", ""):
        return None
    for mark, name in DELIMITERS.items():
        if delimiter in (mark, name, "\\t" if mark == "\t" else mark):
            return mark
    raise TableError(f"{delimiter!r} is not a delimiter. Choose one of: {', '.join(DELIMITERS.values())}.")


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise TableError(f"Column '{name}' appears twice in the header. Rename or remove one.")
        seen.add(name.casefold())
    return names


class _Records:
    """The records of a csv file with the line on which each begins; skips what a sloppy quote broke, and says so."""

    def __init__(self, source: TextIO, delimiter: str, skip: int) -> None:
        self._source = source
        self._line = 0
        self._raw: list[str] = []
        for _ in range(skip):
            source.readline()
            self._line += 1
        self._reader = csv.reader(self._feed(), delimiter=delimiter, strict=True)
        self._delimiter = delimiter

    def _feed(self) -> Iterator[str]:
        while text := self._source.readline(_LONGEST_LINE):
            if len(text) == _LONGEST_LINE:
                raise TableError(f"Line {self._line + len(self._raw) + 1} never ends: this is not a table of rows.")
            self._raw.append(text)
            yield text

    def __iter__(self) -> Iterator[tuple[int, list[str], str | None]]:
        while True:
            start, self._raw = self._line + 1, []
            problem = None
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells, problem = self._repair(start, error)
            except UnicodeError as error:
                raise TableError(f"The file is damaged near line {start}: it breaks off or mixes encodings.") from error
            self._line += len(self._raw)
            yield start, cells, problem

    def _repair(self, start: int, error: csv.Error) -> tuple[list[str], str]:
        if "unexpected end" in str(error) or "field limit" in str(error) or len(self._raw) > 1:
            raise TableError(
                f'Line {start}: a quote (") is opened and never closed. Close it, then try again.'
            ) from error
        lenient = csv.reader(self._raw, delimiter=self._delimiter)
        return next(lenient, []), "The quotes in this line do not match"


def _guess_delimiter(path: Path, encoding: str, skip: int) -> str:
    """The candidate that splits the header and then splits the first rows into equally many columns."""

    def score(delimiter: str) -> tuple[float, int]:
        with path.open(encoding=encoding, newline="") as source:
            records = islice(_Records(source, delimiter, skip), _SAMPLE_ROWS)
            try:
                widths = [len(cells) for _, cells, _ in records if any(cells)]
            except TableError:
                return (0.0, 0)
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (sum(width == widths[0] for width in widths) / len(widths), widths[0])

    return max(DELIMITERS, key=score)


def encoding_of(path: Path) -> str:
    """By its mark, else UTF-8 when all of the file is, else the code page that reads most like language.

    :raises TableError: it is empty, holds binary data, or mixes encodings.
    """
    with path.open("rb") as source:
        head = source.read(_BLOCK)
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise TableError("The file is empty.")
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if b"\0" in head:
        raise TableError("This is not a text table: it holds binary data. Save it as CSV first.")
    sample = _bytes_beyond_utf8(path)
    return "utf-8" if sample is None else _code_page(sample)


def _bytes_beyond_utf8(path: Path) -> bytes | None:
    """None when the file is strict UTF-8; else its first part with letters of another encoding.

    :raises TableError: most of it is UTF-8, so that reading it as anything else would spoil what is right.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as source:
        while True:
            block = source.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                if not block or _mostly_utf8(error.object):
                    raise TableError(
                        f"The file is damaged at line {line}: it breaks off or mixes encodings."
                    ) from error
                return error.object
            if not block:
                return None
            line += block.count(b"\n")


def _mostly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    return sum(char > "\x7f" for char in text) - broken > broken


def _code_page(sample: bytes) -> str:
    """Cyrillic words have bytes over 127 only; in western ones they stand among plain letters.

    Among Cyrillic pages that with the most frequent letters wins, among western ones that with the most letters at all.
    """
    high = bytes(byte for byte in sample if byte > 127)
    words = [word for word in re.findall(rb"[A-Za-z\x80-\xff]{2,}", sample) if not word.isascii()]
    if sum(min(word) > 127 for word in words) * 2 > len(words):
        return max(_CYRILLIC, key=lambda page: sum(char in _FREQUENT for char in high.decode(page, "replace")))
    return max(_WESTERN, key=lambda page: sum(char.isalpha() for char in high.decode(page, "replace")))
