"""What the list of tasks is asked for in its address, and how that is offered: chips, choices, words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import abort, url_for

from .. import filters
from ..formatting import action_specs_of, humanise
from ..language import mark, tr
from ..listing import LOOK, SEARCH_LOOK
from ..models import Task
from ..numbers import number
from ..state import State
from ..tally import Count, ended_sums
from ..text import clean
from ..times import day, midnight, today
from .visitor import Visitor

SIZE = 25
#: Days of a period, today included.
PERIODS = {"today": (1, mark("Today")), "7d": (7, mark("Last 7 days")), "30d": (30, mark("Last 30 days"))}
_CREATED = {
    "today": mark("Created today"),
    "7d": mark("Created in the last 7 days"),
    "30d": mark("Created in the last 30 days"),
}
OWN = "own"
#: Periods of the end of a task, as the dashboard counts them.
ENDED = {"ended-today": mark("Ended today"), "ended-24h": mark("Ended in the last 24 hours")}
#: The looks that have a chip, and those whose chip shows only when there are any.
CHIPS = {
    "": mark("All"),
    "pending": mark("Waiting"),
    "scheduled": mark("Scheduled"),
    "retrying": mark("Starts again"),
    "running": mark("Running"),
    "completed": mark("Completed"),
    "refused": mark("With refusals"),
    "failed": mark("Failed"),
    "cancelled": mark("Stopped"),
}
SELDOM = ("scheduled", "retrying", "refused")
_LONGEST = 200


class Chip(NamedTuple):
    """A link that sets or removes a filter; ``amount`` and ``stat`` (its live number) may be empty."""

    word: str
    url: str
    here: bool = False
    amount: str = ""
    stat: str = ""


class Choice(NamedTuple):
    """A worker in the form with its actions: pairs of value and title."""

    title: str
    entries: list[tuple[str, str]]


@dataclass(frozen=True)
class Wish:
    """What is asked for; nothing set means everything.

    :param status: a key of :data:`stask_web.filters.LOOKS`.
    :param who: ``"me"`` for what the visitor started.
    :param period: a key of :data:`PERIODS` or of :data:`ENDED`, or ``"own"`` while no day is named yet.
    :param since: the first day, ISO.
    :param until: the last day, ISO.
    :param q: words to search for.
    :param schedule: the number of a schedule, for what it started.
    """

    status: str = ""
    worker: str = ""
    action: str = ""
    who: str = ""
    period: str = ""
    since: str = ""
    until: str = ""
    q: str = ""
    schedule: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Wish:
        """What an address or a form asks for; anything else than what is offered is refused with 422."""
        wish = cls(**{attribute: given.get(name, "").strip() for name, attribute in _PARAMS})
        identifier, slash, action = wish.worker.partition("/")
        if slash and not wish.action:
            wish = replace(wish, worker=identifier, action=action)
        if "period" in given and wish.period != OWN:
            wish = replace(wish, since="", until="")  # the days of a form whose period says otherwise
        elif wish.since or wish.until:
            wish = replace(wish, period="")
        wish._check()
        return replace(wish, q=" ".join(wish.q[:_LONGEST].split()))

    def _check(self) -> None:
        known = {"status": filters.LOOKS, "who": ("me",), "period": (*PERIODS, *ENDED, OWN)}
        wrong = [name for name, values in known.items() if getattr(self, name) and getattr(self, name) not in values]
        if wrong or (self.action and not self.worker) or len(self.worker) > _LONGEST or len(self.action) > _LONGEST:
            abort(422)
        if self.schedule and not (self.schedule.isascii() and self.schedule.isdecimal() and len(self.schedule) < 19):
            abort(422)
        first, last = (_day(text) if text else None for text in (self.since, self.until))
        if first and last and first > last:
            abort(422)

    @cached_property
    def params(self) -> dict[str, str]:
        """What is set, by the names of the address."""
        return {name: value for name, attribute in _PARAMS if (value := getattr(self, attribute))}

    def address(self, endpoint: str = "stask.tasks", **more: Any) -> str:
        """The address that asks for this."""
        query = urlencode({**self.params, **more}, doseq=True)
        return url_for(endpoint) + (f"?{query}" if query else "")

    def but(self, **changes: str) -> Wish:
        """The same with some of it changed."""
        return replace(self, **changes)

    @property
    def look(self) -> int:
        """How many rows a page may look at."""
        return SEARCH_LOOK if self.q else LOOK

    @property
    def number(self) -> int | None:
        """The number of a task, when that may be what is searched for."""
        text = self.q.removeprefix("#")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

    @property
    def live(self) -> str | None:
        """The filter by which a page hears of new rows; None for a search, which costs too much to repeat by itself.

        It may be wider than the list: then some of the news bring nothing.
        """
        if self.q:
            return None
        names = {
            name: value for name, value in self.params.items() if name in ("status", "worker", "action", "schedule")
        }
        return urlencode({**names, "limit": SIZE})

    @property
    def is_simple(self) -> bool:
        """Whether a look, a worker and an action are all that is asked for."""
        narrowed = self.who or self.since or self.until or self.q or self.schedule
        return not (narrowed or self.period in (*PERIODS, *ENDED))

    def days(self) -> tuple[datetime | None, datetime | None]:
        """Begin and end of the period, by the reader's clock."""
        if self.period in PERIODS:
            return midnight(today() - timedelta(days=PERIODS[self.period][0] - 1)), None
        until = midnight(_day(self.until) + timedelta(days=1)) if self.until else None
        return midnight(_day(self.since)) if self.since else None, until

    def select(self, state: State, person: Visitor, *, all_looks: bool = False) -> sa.Select[Any]:
        """The select of tasks that this person may see.

        :param all_looks: leave out what asks for a look.
        """
        select = person.narrow(sa.select(Task))
        if self.status and not all_looks:
            select = select.where(*filters.LOOKS[self.status])
        if self.worker:
            select = select.where(Task.identifier == self.worker)
        if self.action:
            select = select.where(Task.action == self.action)
        if self.who:
            select = select.where(Task.started_by == person.id)
        if self.period in ENDED:
            now = datetime.now(UTC)
            since = midnight(today(now)) if self.period == "ended-today" else now - timedelta(hours=24)
            select = select.where(Task.finished_at >= since)
        if self.schedule:
            select = select.where(Task.schedule_id == int(self.schedule))
        select = select.where(*filters.in_period(state.database, *self.days()))
        return select.where(*filters.with_words(state.database, self.q, titles(state, person))) if self.q else select


#: Pairs of name in the address and attribute; Python keeps some of the names for itself.
_PARAMS = tuple(({"since": "from", "until": "to"}.get(field.name, field.name), field.name) for field in fields(Wish))


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        abort(422)
    return found if 1970 < found.year < 9999 else abort(422)


# Workers and actions


def _known(state: State, person: Visitor) -> dict[str, tuple[str, dict[str, str]]]:
    """Workers that the visitor may see, and workers of old tasks: identifier -> title, and the titles of actions."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for identifier, cls in state.registry.classes().items():
        if person.may("view", cls):
            specs = action_specs_of(cls)
            title = clean(cls.title) or identifier
            found[identifier] = (title, {name: clean(spec.title) or humanise(name) for name, spec in specs.items()})
    for identifier, action, _ in ended_sums(state.database) if person.sees_all else ():
        if identifier not in state.registry.classes():
            found.setdefault(identifier, (identifier, {}))[1].setdefault(action, humanise(action))
    return found


def titles(state: State, person: Visitor) -> dict[tuple[str, str], str]:
    """All that an action may be found by: (identifier, action) -> words."""
    return {
        (identifier, name): f"{title} {identifier} {words} {name}"
        for identifier, (title, actions) in _known(state, person).items()
        for name, words in actions.items()
    }


def choices(state: State, person: Visitor, wish: Wish) -> list[Choice]:
    """The workers and actions that the form offers, the chosen one in any case."""
    known = _known(state, person)
    if wish.worker:
        known.setdefault(wish.worker, (wish.worker, {}))
        if wish.action:
            known[wish.worker][1].setdefault(wish.action, humanise(wish.action))
    found = []
    for identifier, (title, actions) in known.items():
        entries = [(f"{identifier}/{name}", words) for name, words in actions.items()]
        found.append(
            Choice(
                title,
                [(identifier, tr("All of %(worker)s", worker=title)), *sorted(entries, key=lambda entry: entry[1])],
            )
        )
    return sorted(found, key=lambda choice: choice.title.casefold())


def titles_of(state: State, person: Visitor, wish: Wish) -> tuple[str, str]:
    """The titles of the chosen worker and action."""
    title, actions = _known(state, person).get(wish.worker, (wish.worker, {}))
    return title, actions.get(wish.action, humanise(wish.action))


# Chips


def look_chips(wish: Wish, counts: Mapping[str, Count] | None, *, live: bool) -> list[Chip]:
    """One chip for each look.

    :param counts: see :func:`stask_web.tally.look_counts`; None when they would cost too much.
    :param live: whether the numbers are those that the page is told of.
    """
    found = []
    for key, word in CHIPS.items():
        count = counts[key] if counts is not None else None
        here = wish.status == key
        if key in SELDOM and not here and not (count and count.n):
            continue
        stat = key if live and key in ("pending", "running") and count and count.exact else ""
        found.append(Chip(tr(word), wish.but(status=key).address(), here, _count_text(count), stat))
    return found


def _count_text(count: Count | None) -> str:
    if count is None or not (count.n or count.exact):
        return ""
    return number(count.n) if count.exact else f"{number(count.n)}+"


def set_chips(state: State, person: Visitor, wish: Wish) -> list[Chip]:
    """What is set beside the look, each with the address without it."""
    found = []
    if wish.q:
        found.append(Chip(f"“{wish.q}”", wish.but(q="").address()))
    if wish.schedule:
        found.append(Chip(tr("Started by one schedule"), wish.but(schedule="").address()))
    if wish.who:
        found.append(Chip(tr("Mine"), wish.but(who="").address()))
    if wish.worker:
        worker, action = titles_of(state, person, wish)
        found.append(Chip(worker, wish.but(worker="", action="").address()))
        if wish.action:
            found.append(Chip(action, wish.but(action="").address()))
    if words := period_words(wish):
        found.append(Chip(words, wish.but(period="", since="", until="").address()))
    return found


def period_words(wish: Wish) -> str:
    """The period in words, e.g. ``"Created 1 Nov to 5 Nov"``."""
    if wish.period in PERIODS:
        return tr(_CREATED[wish.period])
    if wish.period in ENDED:
        return tr(ENDED[wish.period])
    first, last = (day(_day(text)) if text else "" for text in (wish.since, wish.until))
    if first and last:
        same = first == last
        return tr("Created %(day)s", day=first) if same else tr("Created %(first)s to %(last)s", first=first, last=last)
    if first:
        return tr("Created since %(day)s", day=first)
    return tr("Created until %(day)s", day=last) if last else ""
