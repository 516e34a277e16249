"""When a schedule fires, as fields of a form: from its rule to fields, and from what was sent back to a rule.

What people choose is one kind of a list; each kind has the fields that it needs. All names begin with an underscore, as
no option of an action does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from werkzeug.datastructures import MultiDict

from .. import rules
from ..errors import InvalidSchedule
from ..language import mark, reader, tr, trn

#: How many of the next runs are shown.
RUNS = 5
#: The kinds as people choose them, and their words.
KINDS = {
    "daily": mark("Every day"),
    "weekly": mark("On days of the week"),
    "monthly": mark("Every month"),
    "hourly": mark("Every hour"),
    "minutes": mark("Every few minutes"),
    "window": mark("Again and again within hours of the day"),
    "once": mark("Once"),
    "cron": mark("By a cron expression"),
    "manual": mark("Only by hand"),
}
#: Field -> the kinds that need it.
NEEDED = {
    "_moment": ("once",),
    "_every": ("minutes",),
    "_minute": ("hourly",),
    "_days": ("weekly", "window"),
    "_day": ("monthly",),
    "_time": ("daily", "weekly", "monthly"),
    "_from": ("window",),
    "_to": ("window",),
    "_interval": ("window",),
    "_cron": ("cron",),
}
DEFAULTS: Mapping[str, str] = {
    "_kind": "daily",
    "_every": "15",
    "_minute": "0",
    "_day": "1",
    "_time": "09:00",
    "_from": "08:00",
    "_to": "18:00",
    "_interval": "30",
}
_DIVISORS = (1, 5, 10, 15, 20, 30)
_LONGEST = 250
#: What an error of a rule is about -> the field that it stands at.
_FIELD_OF = {
    "type": "_kind",
    "datetime": "_moment",
    "frequency": "_every",
    "time": "_time",
    "days": "_days",
    "day": "_day",
    "start_time": "_from",
    "end_time": "_to",
    "interval": "_interval",
    "cron": "_cron",
    "timezone": "_timezone",
}
_NO_PLACES = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/", "posix/", "right/")


@dataclass
class When:
    """The fields of a rule and its time zone.

    :param values: field -> what it shows.
    :param days: the chosen days of the week, by their English names.
    :param errors: field -> sentence.
    """

    values: dict[str, str] = field(default_factory=dict)
    days: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rule: Mapping[str, Any], zone: str) -> When:
        """The fields that say what a stored rule says."""
        kind = str(rule.get("frequency") if rule.get("type") == "periodic" else rule.get("type"))
        kind = {"regular": "window"}.get(kind, kind)
        values = {**DEFAULTS, "_timezone": zone, "_kind": kind if kind in KINDS else "minutes"}
        values |= {
            name: str(rule[key]) for key, name in _FIELD_OF.items() if key in rule and key not in ("type", "days")
        }
        values["_moment"] = values.get("_moment", "").replace(" ", "T")[:16]
        values["_to"] = "00:00" if values["_to"] == "24:00" else values["_to"]
        if kind == "hourly":
            values |= {"_minute": str(int(str(rule["time"]).rpartition(":")[2])), "_time": DEFAULTS["_time"]}
        elif values["_kind"] == "minutes":
            frequency = str(rule.get("frequency"))
            values["_every"] = "1" if frequency == "minutely" else "".join(filter(str.isdigit, frequency))
        else:
            values["_every"] = DEFAULTS["_every"]
        return cls(values, [str(day) for day in rule.get("days", ())])

    @classmethod
    def sent(cls, form: MultiDict[str, str]) -> When:
        """The fields as they were sent, or stand in an address; what is missing has its default."""
        names = ("_kind", "_timezone", *NEEDED)
        values = {name: form.get(name, DEFAULTS.get(name, ""))[:_LONGEST].strip() for name in names}
        return cls(values, [day for day in form.getlist("_days") if day in rules.DAYS])

    def get(self, name: str) -> str:
        """What a field shows."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """The sentence at a field."""
        return self.errors.get(name, "")

    def condition(self, name: str) -> str:
        """When a field is asked for, as JSON for the page."""
        return json.dumps({"_kind": NEEDED[name]})

    def off(self, name: str) -> bool:
        """Whether a field is not asked for now."""
        return self.get("_kind") not in NEEDED[name]

    def kinds_of(self, name: str) -> str:
        """The kinds that need a field, in words: where nothing hides the others."""
        return ", ".join(tr("“%(kind)s”", kind=tr(KINDS[kind])) for kind in NEEDED[name])

    # -- what there is to choose

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds and their words."""
        return [(kind, tr(words)) for kind, words in KINDS.items()]

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The minutes of :data:`KINDS` ``minutes``."""
        numbers = sorted({*_DIVISORS, int(self.get("_every")) if self.get("_every").isdecimal() else 15})
        words = {1: tr("Every minute")}
        return [(str(n), words.get(n) or trn("Every %(num)s minute", "Every %(num)s minutes", n)) for n in numbers]

    @property
    def month_days(self) -> list[tuple[str, str]]:
        """The days of a month that every month has, and its last."""
        return [*((str(day), str(day)) for day in range(1, 29)), ("last", tr("The last day"))]

    @property
    def week(self) -> list[tuple[str, str, bool]]:
        """The days of the week: value, word, whether it is chosen."""
        words = [rules.day_name(number) for number in range(7)]
        return [
            (day, word[:1].upper() + word[1:], day in self.days) for day, word in zip(rules.DAYS, words, strict=True)
        ]

    @property
    def zones(self) -> list[str]:
        """The time zones that are offered."""
        return _zones()

    # -- what it means

    @property
    def rule(self) -> dict[str, Any]:
        """The rule as the door takes it, unchecked."""
        kind, get = self.get("_kind"), self.get
        if kind == "minutes":
            return {
                "type": "periodic",
                "frequency": "minutely" if get("_every") == "1" else f"every_{get('_every')}min",
            }
        if kind == "hourly":
            return {"type": "periodic", "frequency": kind, "minute": get("_minute")}
        if kind in ("daily", "weekly", "monthly"):
            more: dict[str, Any] = {"days": self.days} if kind == "weekly" else {}
            more |= {"day": get("_day")} if kind == "monthly" else {}
            return {"type": "periodic", "frequency": kind, "time": get("_time"), **more}
        if kind == "window":
            end = "24:00" if get("_to") == "00:00" else get("_to")
            window = {"start_time": get("_from"), "end_time": end, "interval": get("_interval")}
            return {"type": "regular", **window, "days": self.days}
        return {"type": kind, "datetime": get("_moment"), "cron": get("_cron")}

    def take(self, error: InvalidSchedule) -> dict[str, str]:
        """Put the sentences of an error at their fields -> those that belong to no field of the rule."""
        rest = {}
        for key, sentence in error.errors.items():
            name, text = _FIELD_OF.get(key), sentence
            if key == "time" and self.get("_kind") == "hourly":
                name, text = "_minute", tr("Enter the minute of each hour, from 0 to 59.")
            elif key == "frequency":
                text = tr("Enter minutes that divide an hour: 5, 10, 15, 20 or 30.")
            if name is None:
                rest[key] = text
            else:
                self.errors.setdefault(name, text)
        return rest

    def read(self) -> rules.Rule | None:
        """The rule, or None with a sentence at each field that is wrong."""
        self.errors.clear()
        if self.get("_kind") not in KINDS:
            self.errors["_kind"] = tr("Choose one of the list.")
        try:
            rules.find_zone(self.get("_timezone"))
        except InvalidSchedule as error:
            self.take(error)
        rule = None
        if "_kind" not in self.errors:
            try:
                rule = rules.read_rule(self.rule, "UTC" if self.errors else self.get("_timezone"))
            except InvalidSchedule as error:
                self.take(error)
        return None if self.errors else rule

    def runs(self, rule: rules.Rule, n: int = RUNS) -> list[datetime]:
        """The next runs of its rule, in its time zone."""
        return rules.next_instants(rule, self.get("_timezone"), time.time(), n)


def usual_zone(default: str) -> str:
    """The time zone of a new schedule: the reader's, or that of the site."""
    zone = reader().zone
    return zone.key if zone is not None else default


@cache
def _zones() -> list[str]:
    places = (name for name in available_timezones() if "/" in name and not name.startswith(_NO_PLACES))
    return ["UTC", *sorted(places)]
