"""Rules from their JSON form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cronsim import CronSim, CronSimError

from ..errors import InvalidSchedule
from ..language import mark, tr, trn
from ..text import clean
from .kinds import Once, Pattern, Rule, Window
from .words import DAY_MINUTES, DAYS, clock, day_words, every_words
from .zones import find_zone

TYPES = ("manual", "once", "periodic", "regular", "cron")
#: All that a schedule may say, over all types; what its type does not need is ignored.
KEYS = frozenset(
    {"type", "enabled", "timezone", "action", "options"}
    | {"datetime", "frequency", "time", "minute", "days", "day", "start_time", "end_time", "interval", "cron"}
)
#: What cronsim says of an expression, and our words for it.
_WRONG = {
    "Wrong number of fields": mark("five fields: minute, hour, day of the month, month, day of the week"),
    "Bad minute": mark("bad minute"),
    "Bad hour": mark("bad hour"),
    "Bad day-of-month": mark("bad day of the month"),
    "Bad month": mark("bad month"),
    "Bad day-of-week": mark("bad day of the week"),
    "": mark("it cannot be read"),
}
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
_CRON_LIMIT = 200


def read_rule(config: Mapping[str, Any], zone: str = "UTC") -> Rule:
    """A rule from its JSON form, as in sTask for PHP.

    - ``{"type": "manual"}``
    - ``{"type": "once", "datetime": "2026-07-20 03:30"}``
    - ``{"type": "periodic", "frequency": "daily", "time": "18:00"}``; the frequencies are ``minutely``, ``every_5min``
      (or another divisor of an hour), ``hourly`` (``time`` is ``*:15``), ``daily``, ``weekly`` (``days`` such as
      ``["monday", "fri", 7]``, 1 is Monday) and ``monthly`` (``day`` is 1 to 28, or ``"last"``)
    - ``{"type": "regular", "start_time": "08:00", "end_time": "18:00", "interval": "every_15min"}``; ``interval`` may
      be ``hourly`` or a number of minutes; ``days`` as above; a window may pass midnight
    - ``{"type": "cron", "cron": "15 2 * * mon-fri"}``

    :param config: the JSON form; what its type does not need is ignored.
    :param zone: the time zone that a ``datetime`` with an offset is turned into.
    :raises InvalidSchedule: key -> sentence.
    """
    kind = str(config.get("type") or "manual").strip().lower()
    read = _READERS.get(kind)
    if read is None:
        raise InvalidSchedule({"type": tr("Choose one of: %(choices)s.", choices=", ".join(TYPES))})
    unknown = sorted(str(key) for key in config if key not in KEYS)
    if unknown:
        raise InvalidSchedule({clean(unknown[0], 50): tr("A schedule has no such key.")})
    return read(config, zone)


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
        raise InvalidSchedule({"datetime": tr("Enter a date and a time, for example 2026-12-31 18:30.")}) from None
    at = at.replace(microsecond=0)
    return Once({"type": "once", "datetime": at.isoformat(" ")}, at=at)


def _periodic(config: Mapping[str, Any], zone: str) -> Rule:
    frequency = str(config.get("frequency") or "hourly").strip().lower()
    data: dict[str, Any] = {"type": "periodic", "frequency": frequency}
    minutes = _frequency_minutes(frequency)
    if minutes is not None:
        if minutes > 60 or 60 % minutes:
            raise InvalidSchedule({"frequency": tr("Enter minutes that divide an hour: 5, 10, 15, 20 or 30.")})
        every = "*" if minutes == 1 else f"*/{minutes}" if minutes < 60 else "0"
        return Pattern(data, cron=f"{every} * * * *", say=lambda: every_words(minutes), every_hour=True)
    reader = _FREQUENCIES.get(frequency)
    if reader is None:
        known = "minutely, every_5min, every_15min, every_30min, hourly, daily, weekly, monthly"
        raise InvalidSchedule({"frequency": tr("Choose one of: %(choices)s.", choices=known)})
    return reader(config, data)


def _hourly(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    minute = _minute(config)
    data["time"] = f"*:{minute:02}"

    def say() -> str:
        if not minute:
            return every_words(60)
        return trn("every hour at %(num)s minute past", "every hour at %(num)s minutes past", minute)

    return Pattern(data, cron=f"{minute} * * * *", say=say, every_hour=True)


def _daily(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    at = _time(config.get("time"), "time")
    data["time"] = clock(at)
    return Pattern(data, cron=f"{at % 60} {at // 60} * * *", say=lambda: tr("every day at %(time)s", time=clock(at)))


def _weekly(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    at, days = _time(config.get("time"), "time"), _days(config.get("days"))
    if not days:
        raise InvalidSchedule({"days": tr("Choose at least one day of the week.")})
    data |= {"time": clock(at), "days": [DAYS[day] for day in days]}
    cron = f"{at % 60} {at // 60} * * {','.join(str(day + 1) for day in days)}"

    def say() -> str:
        if len(days) == 7:
            return tr("every day at %(time)s", time=clock(at))
        return tr("every %(days)s at %(time)s", days=day_words(days), time=clock(at))

    return Pattern(data, cron=cron, say=say)


def _monthly(config: Mapping[str, Any], data: dict[str, Any]) -> Rule:
    at, day = _time(config.get("time"), "time"), config.get("day", 1)
    last = str(day).strip().lower() in ("last", "l")
    number = 0 if last else _integer(day)
    if not last and not 1 <= number <= 28:
        raise InvalidSchedule({"day": tr("Enter a day from 1 to 28, or last: not every month has more.")})
    data |= {"time": clock(at), "day": "last" if last else number}

    def say() -> str:
        if last:
            return tr("on the last day of every month at %(time)s", time=clock(at))
        return tr("on day %(day)s of every month at %(time)s", day=number, time=clock(at))

    return Pattern(data, cron=f"{at % 60} {at // 60} {'L' if last else number} * *", say=say)


def _regular(config: Mapping[str, Any], zone: str) -> Rule:
    start, end = _time(config.get("start_time"), "start_time"), _time(config.get("end_time"), "end_time", midnight=True)
    length = end - start if end > start else end - start + DAY_MINUTES
    if length % DAY_MINUTES == 0 and end != DAY_MINUTES:
        raise InvalidSchedule({"end_time": tr("Enter another time than the window's begin.")})
    given = str(config.get("interval", config.get("frequency", "hourly"))).strip().lower()
    step = 60 if given == "hourly" else _frequency_minutes(given) or _integer(given)
    if not 1 <= step <= DAY_MINUTES:
        raise InvalidSchedule({"interval": tr("Enter minutes, for example 15.")})
    if length == DAY_MINUTES:  # midnight belongs to the next day
        length -= 1
    days = _days(config.get("days")) or tuple(range(7))
    data = {"type": "regular", "start_time": clock(start), "end_time": clock(end), "interval": step}
    if len(days) < 7:
        data["days"] = [DAYS[day] for day in days]
    return Window(data, start=start, length=length, step=step, days=days)


def _cron(config: Mapping[str, Any], zone: str) -> Rule:
    expression = " ".join(clean(str(config.get("cron") or "")).split())
    cron = MACROS.get(expression.lower(), expression)
    try:
        if len(cron) > _CRON_LIMIT or len(cron.split()) != 5:
            raise CronSimError("Wrong number of fields")
        parsed = CronSim(cron, datetime(2000, 1, 1))
        every_hour = len(parsed.hours) == 24
        next(parsed)
    except StopIteration:
        raise InvalidSchedule({"cron": tr("This day never comes.")}) from None
    except (CronSimError, ValueError, TypeError, AssertionError) as error:
        reason = tr(_WRONG.get(str(error), _WRONG[""]))
        text = tr("This is no cron expression (%(reason)s). For example: 15 2 * * mon-fri", reason=reason)
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
        raise InvalidSchedule({"time": tr("Enter the minute of each hour, for example *:15.")})
    return minute


def _time(value: Any, key: str, *, midnight: bool = False) -> int:
    """Minutes after midnight.

    :param midnight: whether 24:00 is a time, too.
    """
    found = re.fullmatch(r"(\d{1,2}):(\d{2})(?::00)?", str(value).strip())
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not found or int(found[2]) > 59 or not 0 <= minutes < DAY_MINUTES + midnight:
        raise InvalidSchedule({key: tr("Enter a time, for example 18:30.")})
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
    raise InvalidSchedule({"days": tr("Choose days of the week, for example monday or fri.")})


def _integer(value: Any) -> int:
    try:
        return -1 if isinstance(value, bool) or len(str(value)) > 9 else int(str(value).strip())
    except ValueError:
        return -1
