"""From times on the wall clock to instants.

Where the clock springs forward, a time that is skipped fires once, at the next valid minute; where it falls back, a
time that comes twice fires once, the first time. Only rules that fire in each hour follow the hours that really pass:
23 or 25 of them on such days.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from .kinds import Rule
from .zones import find_zone

#: No zone has set its clock back by more at once within living memory.
_LARGEST_SHIFT = timedelta(hours=4)


def next_after(rule: Rule, zone: str, after: float) -> float | None:
    """The first instant of a rule later than ``after``; None when there is none.

    :param zone: the IANA name of its time zone.
    :param after: seconds since the epoch.
    :returns: seconds since the epoch.
    """
    tz = find_zone(zone)
    local = _local(after, tz)
    if rule.every_hour:
        return _next_passing(rule, tz, local, after)
    return next((at for wall in rule.wall(local) if (at := _resolve(wall, tz)) > after), None)


def next_instants(rule: Rule, zone: str, after: float, n: int = 5) -> list[datetime]:
    """The next ``n`` instants, at most, in the rule's own time zone."""
    tz = find_zone(zone)
    found: list[datetime] = []
    at = next_after(rule, zone, after)
    while at is not None and len(found) < n:
        found.append(datetime.fromtimestamp(at, tz))
        at = next_after(rule, zone, at)
    return found


def last_within(rule: Rule, zone: str, low: float, high: float) -> float | None:
    """The latest instant of a rule with ``low < instant <= high``; None when there is none."""
    found = None
    at = next_after(rule, zone, low)
    while at is not None and at <= high:
        found, at = at, next_after(rule, zone, at)
    return found


def _next_passing(rule: Rule, tz: tzinfo, local: datetime, after: float) -> float | None:
    """The next instant at which the wall clock shows a time of the rule, each time it does."""
    found = next((at for wall in rule.wall(local) for at in _instants(wall, tz) if at > after), None)
    if found is None:
        return None
    soon = min(found, after + _LARGEST_SHIFT.total_seconds())
    if _offset(soon, tz) >= _offset(after, tz):
        return found
    # The clock is set back in between: a time that was already passed may come again before.
    last = _local(found, tz) + _LARGEST_SHIFT
    for wall in rule.wall(local - _LARGEST_SHIFT):
        if wall > last:
            break
        found = min([found, *(at for at in _instants(wall, tz) if at > after)])
    return found


def _instants(wall: datetime, tz: tzinfo) -> list[float]:
    """When the wall clock shows this time: never, once or twice."""
    stamps = {wall.replace(tzinfo=tz, fold=fold).timestamp() for fold in (0, 1)}
    return sorted(stamp for stamp in stamps if _local(stamp, tz) == wall)


def _resolve(wall: datetime, tz: tzinfo) -> float:
    """The instant at which a time on the wall clock fires: the first that shows it, or the first after a gap."""
    instants = _instants(wall, tz)
    if instants:
        return instants[0]
    # PEP 495: in a gap, fold=1 is the instant before the clock changes and fold=0 the one after it.
    before, after = (int(wall.replace(tzinfo=tz, fold=fold).timestamp()) for fold in (1, 0))
    old = _offset(before, tz)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset(middle, tz) == old else (before, middle)
    return float(after)


def _local(at: float, tz: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, tz).replace(tzinfo=None, fold=0)


def _offset(at: float, tz: tzinfo) -> timedelta:
    return datetime.fromtimestamp(at, tz).utcoffset() or timedelta()
