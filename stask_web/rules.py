"""When a schedule fires: rules, the instants that follow from them in a time zone, and both in words. Pure computation.

A rule names times on the wall clock of its zone. Where the clock springs forward, a time that is skipped fires once, at
the next valid minute; where it falls back, a time that comes twice fires once, the first time. Only rules that fire in
each hour follow the hours that really pass: 23 or 25 of them on such days.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from datetime import time as wall_time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from .errors import InvalidSchedule
from .text import clean

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
TYPES = ("manual", "once", "periodic", "regular", "cron")
#: All that a schedule may say, over all types; what its type does not need is ignored.
KEYS = frozenset(
    "type datetime frequency time minute days day start_time end_time interval cron enabled timezone action options".split()
)
#: What cron calls these.
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
DAY_MINUTES = 24 * 60
#: No zone has set its clock back by more at once within living memory.
_LARGEST_SHIFT = timedelta(hours=4)
_CRON_LIMIT = 200


@dataclass(frozen=True)
class Rule:
    """When to fire. This one never does: ``manual``.

    :param data: the rule as it is stored, JSON values only; :func:`read_rule` reads it back.
    :param every_hour: whether it follows the hours that pass instead of the wall clock.
    """

    data: Mapping[str, Any]
    every_hour: bool = False

    def wall(self, after: datetime) -> Iterator[datetime]:
        """The times on the wall clock later than ``after``, in their order; all without a zone."""
        return iter(())

    def words(self) -> str:
        """The rule for people, e.g. ``"every day at 18:00"``."""
        return "only by hand"


@dataclass(frozen=True)
class Once(Rule):
    """One single time."""

    at: datetime = datetime.min

    def wall(self, after: datetime) -> Iterator[datetime]:
        """The one time, if it is still to come."""
        return iter((self.at,) if self.at > after else ())

    def words(self) -> str:
        """Such as ``"once, on 20 July 2026 at 03:30"``."""
        seconds = f"{self.at:%H:%M:%S}" if self.at.second else f"{self.at:%H:%M}"
        return f"once, on {self.at.day} {MONTHS[self.at.month - 1]} {self.at.year} at {seconds}"


@dataclass(frozen=True)
class Pattern(Rule):
    """What a cron expression of five fields says; periodic rules are such, too.

    :param text: the words for people; by default those for the expression.
    """

    cron: str = ""
    text: str = ""

    def wall(self, after: datetime) -> Iterator[datetime]:
        """The times that match."""
        return iter(CronSim(self.cron, after))

    def words(self) -> str:
        """Such as ``"at 02:15, Monday through Friday"``."""
        return self.text or cron_words(self.cron)


@dataclass(frozen=True)
class Window(Rule):
    """Again and again within a window of each day.

    :param start: minutes after midnight.
    :param length: minutes from the first to the last possible time; a window may reach into the next day.
    :param step: minutes between two times.
    :param days: on which days it begins; 0 is Monday.
    """

    start: int = 0
    length: int = 0
    step: int = 60
    days: tuple[int, ...] = tuple(range(7))

    def wall(self, after: datetime) -> Iterator[datetime]:
        """The times of each window, its end included."""
        day = after.date() - timedelta(days=1)
        while True:
            if day.weekday() in self.days:
                begin = datetime.combine(day, wall_time()) + timedelta(minutes=self.start)
                for minutes in range(0, self.length + 1, self.step):
                    at = begin + timedelta(minutes=minutes)
                    if at > after:
                        yield at
            day += timedelta(days=1)

    def words(self) -> str:
        """Such as ``"every 15 minutes from 08:00 to 18:00, Monday to Friday"``."""
        days = "" if len(self.days) == 7 else f", {_day_words(self.days)}"
        return f"every {_span_words(self.step)} from {_clock(self.start)} to {_clock(self.start + self.length)}{days}"


# -- instants


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


# -- time zones


@lru_cache(maxsize=64)
def find_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name, such as ``"Europe/Kyiv"``.

    :raises InvalidSchedule: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, TypeError, OSError):
        raise InvalidSchedule(
            {"timezone": f"There is no time zone {clean(str(name), 50)!r}. Enter a name such as Europe/Kyiv."}
        ) from None


@lru_cache(maxsize=1)
def local_zone() -> str:
    """The IANA name of this machine's time zone; ``"UTC"`` where it cannot be told."""
    names = [os.environ.get("TZ", "").lstrip(":")]
    try:
        names.append(str(Path("/etc/localtime").resolve(strict=True)).partition("/zoneinfo/")[2])
        names.append(Path("/etc/timezone").read_text().strip())
    except (OSError, UnicodeDecodeError):
        pass
    for name in names:
        try:
            if name:
                return find_zone(name).key
        except InvalidSchedule:
            continue
    return "UTC"


# -- reading


def read_rule(config: Mapping[str, Any], zone: str = "UTC") -> Rule:
    """A rule from its JSON form, as in sTask for PHP.

    - ``{"type": "manual"}``
    - ``{"type": "once", "datetime": "2026-07-20 03:30"}``
    - ``{"type": "periodic", "frequency": "daily", "time": "18:00"}``; the frequencies are ``minutely``, ``every_5min``
      (or another divisor of an hour), ``hourly`` (``time`` is ``*:15``), ``daily``, ``weekly`` (``days`` such as
      ``["monday", "fri", 7]``, 1 is Monday) and ``monthly`` (``day`` is 1 to 28, or ``"last"``)
    - ``{"type": "regular", "start_time": "08:00", "end_time": "18:00", "interval": "every_15min"}``; ``interval`` may be
      ``hourly`` or a number of minutes; ``days`` as above; a window may pass midnight
    - ``{"type": "cron", "cron": "15 2 * * mon-fri"}``

    :param config: the JSON form; what its type does not need is ignored.
    :param zone: the time zone that a ``datetime`` with an offset is turned into.
    :raises InvalidSchedule: key -> sentence.
    """
    kind = str(config.get("type") or "manual").strip().lower()
    read = _READERS.get(kind)
    if read is None:
        raise InvalidSchedule({"type": f"Choose one of: {', '.join(TYPES)}."})
    unknown = sorted(str(key) for key in config if key not in KEYS)
    if unknown:
        raise InvalidSchedule({clean(unknown[0], 50): "A schedule has no such key."})
    return read(config, zone)


def describe(rule: Rule, zone: str) -> str:
    """A rule and its time zone in words: ``"every day at 18:00 (Europe/Kyiv)"``."""
    return rule.words() if type(rule) is Rule else f"{rule.words()} ({zone})"


def cron_words(expression: str) -> str:
    """A cron expression in words; the expression itself where there are none."""
    from cron_descriptor import FormatError, MissingFieldError, Options, WrongArgumentError, get_description

    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    try:
        words = str(get_description(expression, options))
    except (FormatError, MissingFieldError, WrongArgumentError, ValueError, LookupError):
        return f"cron {expression}"
    return words[:1].lower() + words[1:]


def _manual(config: Mapping[str, Any], zone: str) -> Rule:
    return Rule({"type": "manual"})


def _once(config: Mapping[str, Any], zone: str) -> Rule:
    value = config.get("datetime")
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        if at.tzinfo is not None:
            at = at.astimezone(find_zone(zone)).replace(tzinfo=None, fold=0)
        if not 1970 < at.year < 9999:
            raise ValueError
    except (ValueError, OverflowError):
        raise InvalidSchedule({"datetime": "Enter a date and a time, for example 2026-12-31 18:30."}) from None
    at = at.replace(microsecond=0)
    return Once({"type": "once", "datetime": at.isoformat(" ")}, at=at)


def _periodic(config: Mapping[str, Any], zone: str) -> Rule:
    frequency = str(config.get("frequency") or "hourly").strip().lower()
    data: dict[str, Any] = {"type": "periodic", "frequency": frequency}
    minutes = _frequency_minutes(frequency)
    if minutes is not None:
        if minutes > 60 or 60 % minutes:
            raise InvalidSchedule({"frequency": "Enter minutes that divide an hour: 5, 10, 15, 20 or 30."})
        every = "*" if minutes == 1 else f"*/{minutes}" if minutes < 60 else "0"
        return Pattern(data, cron=f"{every} * * * *", text=f"every {_span_words(minutes)}", every_hour=True)
    reader = _FREQUENCIES.get(frequency)
    if reader is None:
        known = "minutely, every_5min, every_15min, every_30min, hourly, daily, weekly, monthly"
        raise InvalidSchedule({"frequency": f"Choose one of: {known}."})
    return reader(config, data)


def _hourly(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    minute = _minute(config)
    data["time"] = f"*:{minute:02}"
    text = f"every hour at {minute} minutes past" if minute > 1 else "every hour"
    if minute == 1:
        text = "every hour at 1 minute past"
    return Pattern(data, cron=f"{minute} * * * *", text=text, every_hour=True)


def _daily(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    at = _time(config.get("time"), "time")
    data["time"] = _clock(at)
    return Pattern(data, cron=f"{at % 60} {at // 60} * * *", text=f"every day at {_clock(at)}")


def _weekly(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    at, days = _time(config.get("time"), "time"), _days(config.get("days"))
    if not days:
        raise InvalidSchedule({"days": "Choose at least one day of the week."})
    data |= {"time": _clock(at), "days": [DAYS[day] for day in days]}
    cron = f"{at % 60} {at // 60} * * {','.join(str(day + 1) for day in days)}"
    return Pattern(data, cron=cron, text=f"every {_day_words(days)} at {_clock(at)}")


def _monthly(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    at, day = _time(config.get("time"), "time"), config.get("day", 1)
    last = str(day).strip().lower() in ("last", "l")
    number = 0 if last else _integer(day)
    if not last and not 1 <= number <= 28:
        raise InvalidSchedule({"day": "Enter a day from 1 to 28, or last: not every month has more."})
    data |= {"time": _clock(at), "day": "last" if last else number}
    text = f"on {'the last day' if last else f'day {number}'} of every month at {_clock(at)}"
    return Pattern(data, cron=f"{at % 60} {at // 60} {'L' if last else number} * *", text=text)


def _regular(config: Mapping[str, Any], zone: str) -> Rule:
    start, end = _time(config.get("start_time"), "start_time"), _time(config.get("end_time"), "end_time", midnight=True)
    length = end - start if end > start else end - start + DAY_MINUTES
    if length % DAY_MINUTES == 0 and end != DAY_MINUTES:
        raise InvalidSchedule({"end_time": "Enter another time than the window's begin."})
    given = str(config.get("interval") or config.get("frequency") or "hourly").strip().lower()
    step = 60 if given == "hourly" else _frequency_minutes(given) or _integer(given)
    if not 1 <= step <= DAY_MINUTES:
        raise InvalidSchedule({"interval": "Enter minutes, for example 15."})
    if length == DAY_MINUTES:  # midnight belongs to the next day
        length -= 1
    days = _days(config.get("days")) or tuple(range(7))
    data = {"type": "regular", "start_time": _clock(start), "end_time": _clock(end), "interval": step}
    if len(days) < 7:
        data["days"] = [DAYS[day] for day in days]
    return Window(data, start=start, length=length, step=step, days=days)


def _cron(config: Mapping[str, Any], zone: str) -> Rule:
    expression = " ".join(clean(str(config.get("cron") or "")).split())
    cron = MACROS.get(expression.lower(), expression)
    try:
        if len(cron) > _CRON_LIMIT or len(cron.split()) != 5:
            raise CronSimError("five fields: minute, hour, day of the month, month, day of the week")
        parsed = CronSim(cron, datetime(2000, 1, 1))
        every_hour = len(parsed.hours) == 24
        next(parsed)
    except StopIteration:
        raise InvalidSchedule({"cron": "This day never comes."}) from None
    except (CronSimError, ValueError, TypeError, AssertionError) as error:
        reason = clean(str(error), 100) if isinstance(error, CronSimError) else "it cannot be read"
        text = f"This is no cron expression ({reason[:1].lower()}{reason[1:]}). For example: 15 2 * * mon-fri"
        raise InvalidSchedule({"cron": text}) from None
    return Pattern({"type": "cron", "cron": expression}, cron=cron, every_hour=every_hour)


_READERS = {"manual": _manual, "once": _once, "periodic": _periodic, "regular": _regular, "cron": _cron}
_FREQUENCIES = {"hourly": _hourly, "daily": _daily, "weekly": _weekly, "monthly": _monthly}


def _frequency_minutes(word: str) -> int | None:
    if word == "minutely":
        return 1
    found = re.fullmatch(r"every_?(\d{1,4})_?min(?:ute)?s?", word)
    return (int(found[1]) or None) if found else None


def _minute(config: Mapping[str, Any]) -> int:
    value = config.get("minute")
    if value is None:
        value = str(config.get("time") or "0").rpartition(":")[2]
    minute = _integer(value)
    if not 0 <= minute < 60:
        raise InvalidSchedule({"time": "Enter the minute of each hour, for example *:15."})
    return minute


def _time(value: Any, key: str, *, midnight: bool = False) -> int:
    """Minutes after midnight.

    :param midnight: whether 24:00 is a time, too.
    """
    found = re.fullmatch(r"(\d{1,2}):(\d{2})(?::00)?", str(value).strip())
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not found or int(found[2]) > 59 or not 0 <= minutes < DAY_MINUTES + midnight:
        raise InvalidSchedule({key: "Enter a time, for example 18:30."})
    return minutes


def _days(value: Any) -> tuple[int, ...]:
    items: Sequence[Any] = (
        value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    )
    return tuple(sorted({_day(item) for item in items}))


def _day(item: Any) -> int:
    word = str(item).strip().lower()
    if word in "01234567" and len(word) == 1:
        return (int(word) - 1) % 7
    for number, name in enumerate(DAYS):
        if len(word) >= 2 and name.startswith(word):
            return number
    raise InvalidSchedule({"days": "Choose days of the week, for example monday or fri."})


def _integer(value: Any) -> int:
    try:
        return -1 if isinstance(value, bool) or len(str(value)) > 9 else int(str(value).strip())
    except ValueError:
        return -1


# -- words


class _Run(NamedTuple):
    first: int
    last: int


def _day_words(days: Sequence[int]) -> str:
    """Such as ``"Monday to Friday"``, ``"Monday and Thursday"``, ``"day"`` for all seven."""
    if len(days) == 7:
        return "day"
    runs: list[_Run] = []
    for day in days:
        runs = [*runs[:-1], _Run(runs[-1].first, day)] if runs and runs[-1].last == day - 1 else [*runs, _Run(day, day)]
    parts = []
    for first, last in runs:
        names = [DAYS[day].capitalize() for day in range(first, last + 1)]
        parts += [f"{names[0]} to {names[-1]}"] if len(names) > 2 else names
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _span_words(minutes: int) -> str:
    if minutes % 60 == 0:
        return "hour" if minutes == 60 else f"{minutes // 60} hours"
    return "minute" if minutes == 1 else f"{minutes} minutes"


def _clock(minutes: int) -> str:
    minutes = minutes if minutes <= DAY_MINUTES else minutes - DAY_MINUTES
    return f"{minutes // 60:02}:{minutes % 60:02}"
