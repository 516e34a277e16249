"""What the shop accepts as a product: one row of a price list becomes values, or a reason why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stask_web.tables import Row, Table, parse_decimal

REQUIRED = ("sku", "name", "price")
OPTIONAL = ("stock", "year", "genre", "active")
ALIASES = {
    "sku": ("article", "code", "артикул"),
    "name": ("title", "назва", "название"),
    "price": ("ціна", "цена"),
    "stock": ("quantity", "залишок", "остаток"),
    "year": ("released", "рік", "год"),
    "genre": ("жанр",),
}
LONGEST = {"sku": 40, "name": 64, "genre": 40}
HIGHEST_PRICE = Decimal("9999999.99")
HIGHEST_STOCK = 1_000_000_000
# The first film was shot in 1888. The list was made in 2010: later years are two digits that were read as 20xx.
FIRST_YEAR, LAST_YEAR = 1888, 2010

_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Layout:
    """Which column of one price list holds what.

    :raises TableError: a required column is missing.
    """

    def __init__(self, table: Table) -> None:
        self._mark = table.decimal_mark
        self.columns = table.require(*REQUIRED, aliases=ALIASES)
        known = {name.casefold() for name in table.header}
        for column in OPTIONAL:
            if known & {column, *ALIASES.get(column, ())}:
                self.columns |= table.require(column, aliases=ALIASES)

    def product(self, row: Row) -> dict[str, Any]:
        """The values of a product: those columns that the list has.

        :raises ValueError: why the shop refuses the row, as a sentence.
        """
        if row.problem:
            raise ValueError(row.problem)
        texts = {column: row.values[name].strip() for column, name in self.columns.items()}
        for column in REQUIRED:
            if not texts[column]:
                raise ValueError(f"The {column} is missing")
        for column, limit in LONGEST.items():
            if len(texts.get(column, "")) > limit:
                raise ValueError(f"The {column} is longer than {limit} characters")
        readers = {"price": self._price, "stock": _stock, "year": _year, "active": _active}
        return {column: readers.get(column, str)(text) for column, text in texts.items()}

    def _price(self, text: str) -> Decimal:
        price = _number("price", text, self._mark)
        if price <= 0:
            raise ValueError(f"The price is {price:f}, but must be more than 0")
        if price > HIGHEST_PRICE:
            raise ValueError(f"The price is {price:f}, but may be at most {HIGHEST_PRICE:,}")
        if price != round(price, 2):
            raise ValueError(f"The price {price:f} has more than two decimals")
        return price


def _number(column: str, text: str, mark: str | None) -> Decimal:
    try:
        return parse_decimal(text, mark)
    except ValueError as error:
        raise ValueError(f"The {column} {error}") from None


def _stock(text: str) -> int:
    if not text:
        raise ValueError("The stock is missing")
    if not re.fullmatch(r"-?\d{1,12}", text):
        raise ValueError(f"The stock “{text}” is not a whole number")
    if not 0 <= int(text) <= HIGHEST_STOCK:
        raise ValueError(f"The stock is {text}, but must be between 0 and {HIGHEST_STOCK:,}")
    return int(text)


def _year(text: str) -> int | None:
    """The year of `1998`, `1998-06-12`, `12.06.1998` or `Jun 12 1998`; nothing when it is left empty."""
    if not text:
        return None
    found = re.findall(r"(?<!\d)\d{4}(?!\d)", text)
    if len(found) != 1:
        raise ValueError(f"“{text}” has no year")
    if not FIRST_YEAR <= int(found[0]) <= LAST_YEAR:
        raise ValueError(f"The year {found[0]} is not between {FIRST_YEAR} and {LAST_YEAR}")
    return int(found[0])


def _active(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError(f"“{text}” is neither yes nor no")
    return _WORDS[text.lower()]


def as_cells(product: Mapping[str, Any]) -> dict[str, Any]:
    """A product as the cells of an exported price list, which this module reads back unchanged."""
    cells = {column: product[column] for column in (*REQUIRED, *OPTIONAL)}
    return cells | {"price": f"{product['price']:.2f}", "active": "yes" if product["active"] else "no"}
