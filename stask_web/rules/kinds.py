"""The kinds of rules: which times on the wall clock each names, and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from datetime import time as wall_time
from typing import Any

from cronsim import CronSim

from ..language import tr
from .words import cron_words, date_words, day_words, every_words


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
        return tr("only by hand")


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
        return tr("once, on %(date)s at %(time)s", date=date_words(self.at), time=seconds)


@dataclass(frozen=True)
class Pattern(Rule):
    """What a cron expression of five fields says; periodic rules are such, too.

    :param say: gives the words for people; by default those for the expression.
    """

    cron: str = ""
    say: Callable[[], str] | None = field(default=None, compare=False)

    def wall(self, after: datetime) -> Iterator[datetime]:
        """The times that match."""
        return iter(CronSim(self.cron, after))

    def words(self) -> str:
        """Such as ``"at 02:15, Monday through Friday"``."""
        return self.say() if self.say else cron_words(self.cron)


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
        values = {"every": every_words(self.step), "start": self.data["start_time"], "end": self.data["end_time"]}
        if len(self.days) == 7:
            return tr("%(every)s from %(start)s to %(end)s", **values)
        return tr("%(every)s from %(start)s to %(end)s, %(days)s", **values, days=day_words(self.days))


def describe(rule: Rule, zone: str) -> str:
    """A rule and its time zone in words: ``"every day at 18:00 (Europe/Kyiv)"``."""
    return rule.words() if type(rule) is Rule else f"{rule.words()} ({zone})"
