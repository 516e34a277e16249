"""When a schedule fires: its rule, the instants that follow in a time zone, and both in words. Pure computation."""

from __future__ import annotations

from .instants import last_within, next_after, next_instants
from .kinds import Rule, describe
from .reading import TYPES, read_rule
from .words import DAYS, day_name, place_of, zone_words
from .zones import find_zone, local_zone

__all__ = [
    "DAYS",
    "TYPES",
    "Rule",
    "day_name",
    "describe",
    "find_zone",
    "last_within",
    "local_zone",
    "next_after",
    "next_instants",
    "place_of",
    "read_rule",
    "zone_words",
]
