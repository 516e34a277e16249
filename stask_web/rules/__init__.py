"""When a schedule fires: its rule, the instants that follow in a time zone, and both in words. Pure computation.

All but the zones is loaded at its first use: whoever calls ``rules.read_rule(...)`` has a schedule.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .zones import find_zone, local_zone

if TYPE_CHECKING:
    from .instants import last_within, next_after, next_instants
    from .kinds import Rule, describe
    from .reading import TYPES, read_rule
    from .words import DAYS, day_name, place_of, zone_words

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
_MODULES = {"last_within": "instants", "next_after": "instants", "next_instants": "instants",
            "Rule": "kinds", "describe": "kinds", "TYPES": "reading", "read_rule": "reading",
            "DAYS": "words", "day_name": "words", "place_of": "words", "zone_words": "words"}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
