"""Moments and lengths of time as the reader says them, by the reader's clock and calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from .language import DEFAULT, mark, reader, tr, trn
from .numbers import localised, number

#: The two biggest units of a length of time: seconds, text with both, text without the smaller, seconds of the smaller.
_LENGTHS = (
    (86400, mark("%(d)s d %(h)s h"), mark("%(d)s d"), "d", 3600, "h"),
    (3600, mark("%(h)s h %(min)s min"), mark("%(h)s h"), "h", 60, "min"),
    (60, mark("%(min)s min %(s)s s"), mark("%(min)s min"), "min", 1, "s"),
)


def duration(seconds: float | None) -> str:
    """A length of time in its two biggest units, e.g. ``"3 min 12 s"``."""
    if seconds is None:
        return ""
    if seconds < 10:
        precise = 0 < seconds < 9.95 and round(seconds, 1) % 1
        return tr("%(s)s s", s=localised(f"{seconds:.1f}") if precise else f"{seconds:.0f}")
    whole = round(seconds)
    for size, both, alone, unit, small_size, small in _LENGTHS:
        if whole >= size:
            rest = whole % size // small_size
            return tr(both if rest else alone, **{unit: number(whole // size), small: rest})
    return tr("%(s)s s", s=whole)


def eta_words(seconds: float | None) -> str:
    """A calm estimate, e.g. ``"about 2 min left"``, near the end ``"almost done"``."""
    if seconds is None or seconds != seconds or seconds < 0:
        return ""
    if seconds < 5:
        return tr("almost done")
    if seconds < 50:
        return tr("about %(s)s s left", s=max(5, round(seconds / 5) * 5))
    if seconds < 3600:
        return tr("about %(min)s min left", min=max(1, round(seconds / 60)))
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 48:
        return trn("about %(num)s day left", "about %(num)s days left", hours // 24, num=number(hours // 24))
    if minutes and hours < 10:
        return tr("about %(h)s h %(min)s min left", h=hours, min=minutes)
    return tr("about %(h)s h left", h=hours)


_DAYS = {0: mark("today %(time)s"), 1: mark("tomorrow %(time)s"), -1: mark("yesterday %(time)s")}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@cache
def _months(language: str) -> tuple[str, ...]:
    """The short names of the months as they stand in a date."""
    if language == DEFAULT:
        return _MONTHS
    from babel import Locale

    names = Locale.parse(language).months["format"]["abbreviated"]
    return tuple(names[number] for number in range(1, 13))


def _date_parts(moment: date) -> dict[str, Any]:
    month = _months(reader().language)[moment.month - 1]
    return {"day": moment.day, "month": month, "year": moment.year}


def here(moment: datetime) -> datetime:
    """A moment by the reader's clock."""
    return moment.astimezone(reader().zone)


def today(now: datetime | None = None) -> date:
    """The day that it is for the reader."""
    return here(now or datetime.now(UTC)).date()


def midnight(day: date) -> datetime:
    """When a day begins for the reader; where the clock goes forward at midnight, when it does."""
    zone = reader().zone
    begin = datetime(day.year, day.month, day.day, tzinfo=zone)
    # A zone of this machine has no name: what the clock was ahead of UTC then is not always what it is now.
    return begin.astimezone(UTC) if zone is not None else begin.astimezone()


def hour(moment: datetime) -> str:
    """The time of a moment by the reader's clock, e.g. ``"18:02"``."""
    return f"{here(moment):%H:%M}"


def day(moment: date) -> str:
    """A day, e.g. ``"12 Mar"``, in another year ``"12 Mar 2025"``."""
    this_year = datetime.now(reader().zone).year
    if moment.year == this_year:
        return tr("%(day)s %(month)s", **_date_parts(moment))
    return tr("%(day)s %(month)s %(year)s", **_date_parts(moment))


def exact(moment: datetime | None) -> str:
    """A moment to the second by the reader's clock, with the name of its zone, e.g. ``"12 Mar 2026, 18:02:05 EET"``."""
    if moment is None:
        return ""
    local = here(moment)
    return tr("%(day)s %(month)s %(year)s, %(time)s", **_date_parts(local), time=f"{local:%H:%M:%S %Z}".strip())


def clock(moment: datetime | None, *, now: datetime | None = None) -> str:
    """A moment by the reader's clock, e.g. ``"today 20:00"``, ``"12 Mar 18:02"``."""
    if moment is None:
        return ""
    local = here(moment)
    this_day = today(now)
    near = _DAYS.get((local.date() - this_day).days)
    if near:
        return tr(near, time=f"{local:%H:%M}")
    if local.year == this_day.year:
        return tr("%(day)s %(month)s %(time)s", **_date_parts(local), time=f"{local:%H:%M}")
    return tr("%(day)s %(month)s %(year)s", **_date_parts(local))


#: Ages: up to so many seconds, the text, and the seconds of its unit. ``time.js`` counts on with the same texts.
AGES = (
    (60, mark("%(num)s s ago"), 1),
    (3600, mark("%(num)s min ago"), 60),
    (6 * 3600, mark("%(num)s h ago"), 3600),
)


def ago(moment: datetime | None, *, now: datetime | None = None) -> str:
    """How long ago a moment was, e.g. ``"5 min ago"``; from yesterday on by the clock."""
    if moment is None:
        return ""
    current = now or datetime.now(UTC)
    seconds = (current - moment).total_seconds()
    if seconds < -5:
        return tr("in %(time)s", time=duration(-seconds)) if seconds > -3600 else clock(moment, now=current)
    if seconds < 10:
        return tr("just now")
    for limit, text, unit in AGES:
        if seconds < limit:
            return tr(text, num=f"{seconds / unit:.0f}")
    return clock(moment, now=current)


def age_words() -> list[str]:
    """The texts of :func:`ago` for the browser, ``{n}`` for the number: below 10 s, a minute, an hour, 6 hours."""
    return [tr("just now"), *(tr(text, num="{n}") for _, text, _ in AGES)]
