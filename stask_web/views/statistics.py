"""Statistics: how runs ended, how long they took, which are slow and why some fail; for all workers, or for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue

from .. import figures, times
from ..figures import Ends, Failures, Grouped, Lap, Scope, Span
from ..formatting import action_specs_of, humanise
from ..language import mark, tr
from ..numbers import number, share
from ..state import State, current_state
from ..stored import translated
from ..text import clean
from ..times import clock, duration
from .charts import Chart, Stack, bar_chart, bar_share, round_number, round_seconds, small_bars
from .export import table_as_csv
from .page import render
from .shown import Shown, show_all
from .task_list import Choice, Wish, choices
from .visitor import Visitor, need, the_worker, visitor, wants_json
from .worker_frame import frame

#: Days of a period, today included.
PERIODS = {"today": (1, mark("Today")), "7d": (7, mark("Last 7 days")), "30d": (30, mark("Last 30 days"))}
USUAL = "7d"
#: The longest period of one's own, in days, and from where on a bar is a week.
LONGEST, WEEKS_FROM = 366, 93
SLOWEST, ERRORS, ACTIONS = 10, 10, 30
_COLUMNS = ("day_utc", "worker", "action", "completed", "failed", "stopped", "average_seconds")


@dataclass(frozen=True)
class Ask:
    """What the address asks for.

    :param period: a key of :data:`PERIODS`, or "" for a period of one's own.
    :param since: the first day as it was typed, and ``until`` the last.
    :param scope: the worker and action.
    :param errors: what is wrong with the days: name of the field -> sentence.
    """

    period: str
    since: str
    until: str
    span: Span
    scope: Scope
    errors: Mapping[str, str]
    endpoint: str = "stask.statistics"
    fixed: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str], today: date) -> Ask:
        """What is asked for; days that cannot be are told, and the usual period stands in."""
        worker, _, action = given.get("worker", "").partition("/")
        scope = Scope(worker[:100], (action or given.get("action", ""))[:100] if worker else "")
        since, until = given.get("from", "").strip(), given.get("to", "").strip()
        period = given.get("period", "")
        period = period if period in PERIODS else ""
        if not (since or until):
            period = period or USUAL
            return cls(period, "", "", _last(PERIODS[period][0], today), scope, {})
        span, errors = _own(since, until, today)
        return cls("", since, until, span or _last(PERIODS[USUAL][0], today), scope, errors)

    def address(self, **changes: str) -> str:
        """The address that asks for this, with some of it changed; no empty values."""
        own = {"from": self.since, "to": self.until} if not self.period else {"period": self.period}
        values = {"worker": "" if self.fixed else self.scope.identifier, "action": self.scope.action, **own, **changes}
        if "period" in changes:
            values |= {"from": "", "to": ""}
        query = urlencode({name: value for name, value in values.items() if value})
        path = url_for(self.endpoint, identifier=self.fixed) if self.fixed else url_for(self.endpoint)
        return f"{path}?{query}" if query else path


def _own(since: str, until: str, today: date) -> tuple[Span | None, dict[str, str]]:
    """A period of one's own, or what is wrong with it."""
    days = {name: _day(text) for name, text in (("from", since), ("to", until)) if text}
    errors = {name: tr("Enter a day, for example 2026-05-01.") for name, day in days.items() if day is None}
    if not since:
        errors["from"] = tr("Enter the first day, too.")
    if errors:
        return None, errors
    first, last = days["from"], days.get("to", today)
    assert first is not None and last is not None
    if first > last:
        return None, {"to": tr("The last day is before the first one.")}
    if (last - first).days >= LONGEST:
        return None, {"to": tr("At most %(days)s days can be shown at once.", days=number(LONGEST))}
    return Span(first, last), {}


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 < found.year < 9999 else None


def _last(days: int, today: date) -> Span:
    return Span(today - timedelta(days=days - 1), today)


def statistics() -> ResponseReturnValue:
    """The figures of all workers."""
    need("audit")
    return _answer(Ask.read(request.args, datetime.now(UTC).date()), "statistics/page.html", "statistics")


def worker_statistics(identifier: str) -> ResponseReturnValue:
    """The figures of one worker."""
    record = the_worker(identifier, "audit")
    ask = Ask.read({**request.args, "worker": identifier}, datetime.now(UTC).date())
    scope = Scope(identifier, request.args.get("action", "")[:100])
    ask = replace(ask, endpoint="stask.worker_statistics", fixed=identifier, scope=scope)
    return _answer(ask, "workers/statistics.html", "workers", **frame(record, "statistics"))


def _answer(ask: Ask, template: str, section: str, **context: Any) -> ResponseReturnValue:
    state, person = current_state(), visitor()
    if ask.errors and wants_json():
        return jsonify(error=next(iter(ask.errors.values())), errors=dict(ask.errors)), 422
    if request.args.get("format") == "csv" and not ask.errors:
        return _csv(state, ask)
    if wants_json():
        return jsonify(_json(state, person, ask))
    context |= {"ask": ask, "periods": PERIODS, "workers": _choices(state, person, ask), "figures": None}
    context |= {"number": number, "duration": duration}
    if not ask.errors:
        context["figures"] = Figures.of(state, person, ask)
    return render(template, section, **context), 422 if ask.errors else 200


# Figures


class Row(NamedTuple):
    """One day or week, or one action: its words, ends, and what its bar is made of."""

    words: str
    ends: Ends
    rate: str
    average: str
    bar: list[tuple[int, float, float]]
    url: str = ""
    under: str = ""


class Error(NamedTuple):
    """Failures of one cause."""

    text: str
    title: str
    n: int
    first: datetime
    last: datetime
    bars: list[tuple[float, float, float]]
    url: str
    others: str


class Figures(NamedTuple):
    """Everything that the page shows."""

    all: Ends
    rate: str
    average: str
    half: str
    most: str
    looked: int
    whole: bool
    rows: list[Row]
    counts: Chart | None
    averages: Chart | None
    unit: str
    actions: list[Row]
    more_actions: int
    slowest: list[Shown]
    errors: list[Error]
    failures: int
    days: str
    day_ends: str

    @classmethod
    def of(cls, state: State, person: Visitor, ask: Ask) -> Figures:
        """Look them up."""
        days = figures.by_day(state.database, ask.span, ask.scope)
        ends = sum(days.values(), Ends())
        laps = figures.sample(state.database, ask.span, ask.scope) if ends.completed else []
        grouped = figures.failures(state.database, ask.span, ask.scope) if ends.failed else Grouped([], 0)
        actions = figures.by_action(state.database, ask.span, ask.scope)
        unit, pieces = _pieces(state, ask, days)
        rows = [_row(words, part) for words, part in pieces]
        return cls(
            all=ends,
            rate=share(ends.completed, ends.tried),
            average=duration(ends.average),
            half=duration(figures.percentile(laps, 0.5)),
            most=duration(figures.percentile(laps, 0.95)),
            looked=len(laps),
            whole=len(laps) >= ends.completed,
            rows=rows,
            counts=_counts_chart(rows) if len(rows) > 1 else None,
            averages=_averages_chart(rows) if len(rows) > 1 and unit != "hour" else None,
            unit=unit,
            actions=_action_rows(state, actions),
            more_actions=max(0, len(actions) - ACTIONS),
            slowest=_slowest(state, laps),
            errors=[_error(state, group) for group in grouped.groups[:ERRORS]],
            failures=grouped.looked,
            days=_span_words(ask.span),
            day_ends=clock(Span(ask.span.until, datetime.now(UTC).date()).end),
        )


def _pieces(state: State, ask: Ask, days: Mapping[date, Ends]) -> tuple[str, list[tuple[str, Ends]]]:
    """What has a bar of its own: hours of one day, days, or weeks -> its name, and pairs of words and ends."""
    if len(days) == 1 and not ask.scope.identifier:
        [day] = days
        return "hour", [(times.hour(hour), ends) for hour, ends in figures.by_hour(state.database, day)]
    if len(days) < WEEKS_FROM:
        return "day", [(times.day(day), ends) for day, ends in days.items()]
    all_days = list(days.items())
    weeks = [all_days[start : start + 7] for start in range(0, len(all_days), 7)]
    return "week", [(times.day(week[0][0]), sum((ends for _, ends in week), Ends())) for week in weeks]


def _row(words: str, ends: Ends, most: int = 0, url: str = "", under: str = "") -> Row:
    bar = bar_share((ends.completed, ends.failed, ends.stopped), most) if most else []
    return Row(words, ends, share(ends.completed, ends.tried), duration(ends.average), bar, url, under)


def _counts_chart(rows: Sequence[Row]) -> Chart:
    stacks = []
    for row in rows:
        ends = row.ends
        label = tr(
            "%(when)s: %(completed)s completed, %(failed)s failed, %(stopped)s stopped",
            when=row.words,
            completed=number(ends.completed),
            failed=number(ends.failed),
            stopped=number(ends.stopped),
        )
        stacks.append(Stack(row.words, label, (ends.completed, ends.failed, ends.stopped)))
    return bar_chart(stacks, lambda value: number(int(value)), round_number)


def _averages_chart(rows: Sequence[Row]) -> Chart:
    stacks = [
        Stack(row.words, f"{row.words}: {row.average or tr('no completed run')}", (row.ends.average or 0.0,))
        for row in rows
    ]
    return bar_chart(stacks, lambda value: duration(value) if value else "0", round_seconds)


def _action_rows(state: State, actions: Mapping[tuple[str, str], Ends]) -> list[Row]:
    most = max((ends.total for ends in actions.values()), default=0)
    found = []
    for (identifier, action), ends in list(actions.items())[:ACTIONS]:
        worker, title = _titles(state, identifier, action)
        url = url_for("stask.tasks", worker=identifier, action=action)
        found.append(_row(title, ends, most, url, worker))
    return found


def _slowest(state: State, laps: Sequence[Lap]) -> list[Shown]:
    """The slowest of a sample, as far as the visitor may see them."""
    ids = [lap.id for lap in laps[: -SLOWEST - 1 : -1]]
    tasks = visitor().find_all(ids)
    return show_all(state, [tasks[task_id] for task_id in ids if task_id in tasks])


def _error(state: State, group: Failures) -> Error:
    worker, title = _titles(state, group.identifier, group.action)
    return Error(
        translated(group.error) or tr("Without a reason"),
        f"{title} · {worker}",
        group.n,
        group.first,
        group.last,
        small_bars(group.moments),
        url_for("stask.task", task_id=group.task_id),
        url_for("stask.tasks", status="failed", worker=group.identifier, action=group.action),
    )


def _titles(state: State, identifier: str, action: str) -> tuple[str, str]:
    """The titles of a worker and its action, made from their names when the class is gone."""
    cls = state.registry.get(identifier)
    spec = action_specs_of(cls).get(action) if cls is not None else None
    worker = clean(cls.title) if cls is not None else ""
    return worker or identifier, (clean(spec.title) if spec is not None else "") or humanise(action)


def _choices(state: State, person: Visitor, ask: Ask) -> list[Choice]:
    known = choices(state, person, Wish(worker=ask.scope.identifier, action=ask.scope.action))
    return [each for each in known if not ask.fixed or each.entries[0][0] == ask.fixed]


def _span_words(span: Span) -> str:
    if span.since == span.until:
        return times.day(span.since)
    return tr("%(first)s to %(last)s", first=times.day(span.since), last=times.day(span.until))


# For programs


def _csv(state: State, ask: Ask) -> ResponseReturnValue:
    rows = (
        (day, identifier, action, ends.completed, ends.failed, ends.stopped, _rounded(ends.average))
        for day, identifier, action, ends in figures.every_count(state.database, ask.span, ask.scope)
    )
    return table_as_csv(_COLUMNS, rows, f"statistics-{ask.span.since}-{ask.span.until}")


def _json(state: State, person: Visitor, ask: Ask) -> dict[str, Any]:
    days = figures.by_day(state.database, ask.span, ask.scope)
    laps = figures.sample(state.database, ask.span, ask.scope)
    grouped = figures.failures(state.database, ask.span, ask.scope)
    actions = figures.by_action(state.database, ask.span, ask.scope)
    slowest = {lap.id: lap.seconds for lap in laps[: -SLOWEST - 1 : -1]}
    return {
        "from": ask.span.since.isoformat(),
        "to": ask.span.until.isoformat(),
        "total": _numbers(sum(days.values(), Ends())),
        "days": [{"day": day.isoformat(), **_numbers(ends)} for day, ends in days.items()],
        "actions": [{"worker": key[0], "action": key[1], **_numbers(ends)} for key, ends in actions.items()],
        "sample": {
            "runs": len(laps),
            "p50": _rounded(figures.percentile(laps, 0.5)),
            "p95": _rounded(figures.percentile(laps, 0.95)),
        },
        "slowest": [{"id": t.id, "title": t.title, "duration": _rounded(slowest[t.id])} for t in _slowest(state, laps)],
        "failures": [
            {"worker": group.identifier, "action": group.action, "error": translated(group.error), "n": group.n}
            | {"first": group.first.isoformat(), "last": group.last.isoformat(), "task": group.task_id}
            for group in grouped.groups
        ],
    }


def _numbers(ends: Ends) -> dict[str, Any]:
    counts = {"completed": ends.completed, "failed": ends.failed, "stopped": ends.stopped}
    rate = round(ends.completed / ends.tried, 4) if ends.tried else None
    return {**counts, "success_rate": rate, "average": _rounded(ends.average)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
