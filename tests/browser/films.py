"""Price lists for the tests: the real films, many copies of them, and what was refused of them, mended."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from itertools import count
from pathlib import Path
from typing import Any

COLUMNS = ("sku", "name", "price", "stock", "year", "genre", "active")
Row = dict[str, str]

_copies = count(1)


def read_rows(content: bytes) -> list[Row]:
    """The rows of a comma-separated file."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def write_rows(path: Path, rows: list[Row]) -> Path:
    """Write rows as a comma-separated file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def many(source: Path, target: Path, copies: int) -> tuple[str, Path]:
    """Write so many copies of a price list into one, none with a SKU that any list had before.

    :returns: what all its SKUs begin with, and the file.
    """
    prefix = f"C{next(_copies)}-"
    rows = read_rows(source.read_bytes())
    every = [{**row, "sku": f"{prefix}{number}-{row['sku']}"} for number in range(copies) for row in rows]
    return prefix, write_rows(target, every)


def mended(row: Row) -> Row:
    """A refused row with what the reason names put right, as a person would do it in a spreadsheet."""
    reason = row["reason"]
    mend = {key: value for key, value in row.items() if key not in ("reason", "line")}
    if reason == "The name is missing":
        mend["name"] = "Untitled"
    elif reason.startswith("The name is longer"):
        mend["name"] = mend["name"][:40]
    elif reason.startswith("The price"):
        mend["price"] = "0.99"
    elif reason == "The stock is missing":
        mend["stock"] = "0"
        mend["released"] = re.sub(r"\b20(1[1-9]|[2-9]\d)$", r"19\1", mend["released"])
    else:
        assert re.fullmatch(r"The year 20\d\d is not between 1888 and 2010", reason), reason
        mend["released"] = re.sub(r"\b20(\d\d)$", r"19\1", mend["released"])
    return mend


class Shelf:
    """The shop's products, read and changed past the shop: what the tests compare with.

    :param folder: the shop's instance folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "shop.db"

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement."""
        connection = sqlite3.connect(self._path, timeout=15)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def products(self, prefix: str = "") -> dict[str, tuple[Any, ...]]:
        """All products by SKU: id, sku, name, price in cents, stock, year, genre, active."""
        rows = self.ask(f"SELECT id, {', '.join(COLUMNS)} FROM products WHERE sku LIKE ? || '%'", prefix)
        return {row[1]: row for row in rows}

    def as_csv(self, where: str) -> bytes:
        """What an export of these products must look like."""
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        for *cells, active in self.ask(f"SELECT {', '.join(COLUMNS)} FROM products WHERE {where} ORDER BY sku"):
            cells[2] = f"{cells[2] // 100}.{cells[2] % 100:02}"
            writer.writerow([*("" if cell is None else cell for cell in cells), "yes" if active else "no"])
        return lines.getvalue().encode()
