"""Columns that read the same on every database, and the text and numbers that they keep.

Statements written by hand use the same: times are seconds since the epoch (UTC), JSON is text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from .status import PRIORITIES, PRIORITY_WORDS, Status
from .text import clean

_encode = json.JSONEncoder(ensure_ascii=False, default=clean, separators=(",", ":"), allow_nan=False).encode
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def to_epoch(value: datetime | float | int) -> float:
    """Seconds since the epoch; a naive datetime is local time, as everywhere in Python."""
    return value.timestamp() if isinstance(value, datetime) else float(value)


class Instant(sa.types.TypeDecorator[datetime]):
    """A moment: a float of epoch seconds in the database, an aware UTC datetime in Python."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> float | None:
        return None if value is None else to_epoch(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)


class JSONText(sa.types.TypeDecorator[Any]):
    """Any JSON value as text; what JSON does not know is stored as its text."""

    impl = sa.Text().with_variant(sa.Text(length=2**24), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else to_json(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


class StatusType(sa.types.TypeDecorator[Status]):
    """A :class:`Status` as its number."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Status | None:
        return None if value is None else Status(value)


class PriorityType(sa.types.TypeDecorator[str]):
    """A priority word as its rank."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> int | None:
        return PRIORITIES[value] if isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else PRIORITY_WORDS[value]


class UserKey(sa.types.TypeDecorator[Any]):
    """A host's user id, which keeps its type: 7 stays a number, "7" a text, a UUID becomes its text."""

    impl = sa.String(190)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else user_key(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


def user_key(value: Any) -> str:
    """A user id as it is stored."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)


def to_json(value: Any) -> str:
    """JSON text of a value: paths, dates, decimals and UUIDs as their text; no NUL or lone surrogate inside."""
    return clean(_encode(_storable(value)))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_storable(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
