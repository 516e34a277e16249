"""Turns real films into a price list with all the oddities that real lists have.

The films are `movies.json` of the npm package vega-datasets (3,201 films, gathered about 2010): a title is missing,
some titles are numbers, budgets are missing or tiny, and years of two digits became the future ("Aug 01 2044"). They
are kept, for a shop's import has to cope with them. Where npm did not bring the file, a made-up list of the same size
and with the same kinds of oddities takes its place.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

FILMS = Path(__file__).resolve().parents[2] / "node_modules" / "vega-datasets" / "data" / "movies.json"
COLUMNS = ("sku", "name", "price", "stock", "released", "genre")
COUNT = 3201

_MILLION = Decimal(1_000_000)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_GENRES = ["Drama", "Comedy", "Action", "Adventure", "Thriller/Suspense", "Horror", "Musical", "Western", None]
_FIRST = [
    "Last",
    "Silent",
    "Broken",
    "Golden",
    "Hidden",
    "Winter",
    "Paper",
    "Crimson",
    "Distant",
    "Little",
    "Northern",
    "Second",
]
_SECOND = [
    "Harbour",
    "Station",
    "Garden",
    "Letter",
    "Summer",
    "Bridge",
    "Orchard",
    "Mirror",
    "Valley",
    "Detective",
    "Waltz",
    "Island",
]


def write_price_list(target: Path, source: Path = FILMS) -> tuple[int, bool]:
    """Write the films as CSV (UTF-8, comma) -> how many, and whether they are the real ones.

    :param source: `movies.json`; a file that is absent is made up for.
    """
    real = source.is_file()
    films = json.loads(source.read_text(encoding="utf-8")) if real else made_up_films()
    part = target.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(as_products(films))
    part.replace(target)
    return len(films), real


def as_products(films: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Films as rows of a price list: the budget in millions is the price, the gross in ten thousands the stock."""
    for number, film in enumerate(films, 1):
        budget, gross = film["Production_Budget"], film["US_Gross"]
        yield {
            "sku": f"M{number:04d}",
            "name": film["Title"],
            "price": None if budget is None else (budget / _MILLION).quantize(Decimal("0.01"), ROUND_DOWN),
            "stock": None if gross is None else gross // 10_000,
            "released": film["Release_Date"],
            "genre": film["Major_Genre"],
        }


def made_up_films(count: int = COUNT) -> list[dict[str, Any]]:
    """As many films as the real list has, the same at each call, odd in the same ways and about as often."""
    chance = random.Random(1204)
    films = [_made_up(chance, number) for number in range(1, count + 1)]
    for number, oddity in enumerate(_oddities()):
        films[number * 80 % count].update(oddity)
    return films


def _made_up(chance: random.Random, number: int) -> dict[str, Any]:
    day, month, year = chance.randint(1, 28), chance.choice(_MONTHS), chance.randint(1950, 2010)
    return {
        "Title": f"The {chance.choice(_FIRST)} {chance.choice(_SECOND)}, Part {number}",
        "Production_Budget": chance.randint(10_000, 200_000_000),
        "US_Gross": chance.randint(0, 400_000_000),
        "Release_Date": f"{month} {day:02d} {year}",
        "Major_Genre": chance.choice(_GENRES),
    }


def _oddities() -> list[dict[str, Any]]:
    """As in the real list: forty rows that a careful import refuses, and some that it must take."""
    refused = [
        {"Title": None},
        {"Production_Budget": None},
        {"Title": "A title that goes on and on until it does not fit into the column any more"},
        *({"Production_Budget": budget} for budget in (218, 1100, 5000, 6000, 7000, 7000, 7000, 7000)),
        *({"US_Gross": None} for _ in range(7)),
        *({"Release_Date": f"Aug 01 {year}"} for year in range(2011, 2033)),
    ]
    taken = [{"Title": 1776}, {"Title": 21}, {"Title": 'The "Naked" Gun 2½'}, {"Title": "Amélie"}, {"US_Gross": 0}]
    return refused + taken
