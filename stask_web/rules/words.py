"""Rules in words, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from ..language import DEFAULT, reader, tr, trn

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAY_MINUTES = 24 * 60
#: The locales of cron-descriptor. It takes names of days from the process, so they are put in afterwards.
_CRON_LOCALES = {"en": "en_US", "uk": "uk_UA"}


class _Run(NamedTuple):
    first: int
    last: int


def day_name(day: int) -> str:
    """A day of the week; 0 is Monday."""
    return _names(reader().language)[DAYS[day].capitalize()]


def day_words(days: Sequence[int]) -> str:
    """Such as ``"Monday to Friday"``, ``"Monday and Thursday"``, ``"day"`` for all seven."""
    if len(days) == 7:
        return tr("day")
    runs: list[_Run] = []
    for day in days:
        runs = [*runs[:-1], _Run(runs[-1].first, day)] if runs and runs[-1].last == day - 1 else [*runs, _Run(day, day)]
    parts = []
    for first, last in runs:
        names = [day_name(day) for day in range(first, last + 1)]
        parts += [tr("%(first)s to %(last)s", first=names[0], last=names[-1])] if len(names) > 2 else names
    if len(parts) == 1:
        return parts[0]
    return tr("%(list)s and %(last)s", list=", ".join(parts[:-1]), last=parts[-1])


def every_words(minutes: int) -> str:
    """Such as ``"every 15 minutes"``, ``"every hour"``, ``"every 2 hours"``."""
    if minutes in (1, 60):  # beside the plural forms: that of 1 is also that of 21 in some languages
        return tr("every hour") if minutes == 60 else tr("every minute")
    if minutes % 60 == 0:
        return trn("every %(num)s hour", "every %(num)s hours", minutes // 60)
    return trn("every %(num)s minute", "every %(num)s minutes", minutes)


def date_words(day: datetime) -> str:
    """Such as ``"20 July 2026"``."""
    language = reader().language
    if language == DEFAULT:
        return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    from babel.dates import format_date

    return format_date(day, "d MMMM y", locale=language)


def clock(minutes: int) -> str:
    """Minutes after midnight as ``"18:30"``."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def zone_words(zone: str) -> str:
    """Whose clock a rule means, e.g. ``"Kyiv time"``; a zone of no place as it is called: ``"UTC"``."""
    if "/" not in zone or zone.startswith("Etc/"):
        return zone.removeprefix("Etc/")
    return tr("%(place)s time", place=place_of(zone, reader().language))


@lru_cache(maxsize=256)
def place_of(zone: str, language: str = DEFAULT) -> str:
    """The place after which a time zone is called, e.g. ``"Kyiv"``.

    :param zone: an IANA name.
    :param language: of the name, as far as CLDR has one.
    """
    city = zone.rpartition("/")[2].replace("_", " ")
    if language == DEFAULT:
        return city
    from babel import Locale
    from babel.core import get_global

    older = [old for old, new in get_global("zone_aliases").items() if new == zone]
    known = Locale.parse(language).time_zones
    return next((str(known[name]["city"]) for name in (zone, *older) if "city" in known.get(name, {})), city)


def cron_words(expression: str) -> str:
    """A cron expression in words; the expression itself where there are none."""
    from cron_descriptor import FormatError, MissingFieldError, Options, WrongArgumentError, get_description

    language = reader().language
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = _CRON_LOCALES.get(language, _CRON_LOCALES[DEFAULT])
    try:
        words = str(get_description(expression, options))
    except (FormatError, MissingFieldError, WrongArgumentError, ValueError, LookupError):
        return f"cron {expression}"
    if language != DEFAULT:
        for english, name in _names(language).items():
            words = words.replace(english, name)
    return words[:1].lower() + words[1:]


@lru_cache(maxsize=8)
def _names(language: str) -> dict[str, str]:
    """The days and months of a language by their English names."""
    english = [*(name.capitalize() for name in DAYS), *MONTHS]
    if language == DEFAULT:
        return dict(zip(english, english, strict=True))
    from babel.dates import get_day_names, get_month_names

    days = get_day_names("wide", context="stand-alone", locale=language)
    months = get_month_names("wide", context="stand-alone", locale=language)
    names = [*(days[number] for number in range(7)), *(months[number] for number in range(1, 13))]
    return dict(zip(english, map(str, names), strict=True))
