"""Rules in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAY_MINUTES = 24 * 60


class _Run(NamedTuple):
    first: int
    last: int


def day_words(days: Sequence[int]) -> str:
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


def span_words(minutes: int) -> str:
    """Such as ``"15 minutes"``, ``"hour"``, ``"2 hours"``; to stand after "every"."""
    if minutes % 60 == 0:
        return "hour" if minutes == 60 else f"{minutes // 60} hours"
    return "minute" if minutes == 1 else f"{minutes} minutes"


def clock(minutes: int) -> str:
    """Minutes after midnight as ``"18:30"``."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


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
