"""The first tab of a worker's page: a card for each of its actions, and its history."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import current_app, jsonify, url_for
from flask.typing import ResponseReturnValue

from .. import news
from ..formatting import action_specs_of, elapsed
from ..language import tr
from ..models import Task, WorkerRecord
from ..options import ActionSpec
from ..queries import last_runs, recent_tasks, usual_duration
from ..state import State, current_state
from ..text import clean
from ..times import clock, duration
from .charts import Run, RunBar, run_bars
from .page import render
from .shown import Shown, show_all
from .visitor import partial, the_worker, visitor, wants_json
from .widgets import ActionButton, Widget, action_button, waits_for_widget, widgets
from .worker_frame import frame
from .workers import row_part, with_numbers

HISTORY = 25
#: Bars of a card.
RUNS = 20
#: The page on which a schedule is made.
_PLANNER = "stask.schedule_new"


class ActionCard(NamedTuple):
    """One action on the page.

    :param last: the newest of its runs that ended.
    :param usual: how long it takes, in words.
    :param bars: its last runs, oldest first.
    :param button: starts it; None when it cannot be started.
    :param schedule_url: where a schedule is made for it; "" when one may not.
    """

    name: str
    title: str
    help: str
    last: Shown | None
    usual: str
    bars: list[RunBar]
    button: ActionButton | None
    schedule_url: str


def worker(identifier: str) -> ResponseReturnValue:
    """One worker: its actions and its history; or its widget, its row or its actions alone."""
    record = the_worker(identifier)
    state = current_state()
    part = partial()
    if part == "widget":
        drawn = _widget(state, record)
        template = "widgets/_slot.html" if drawn else "widgets/_absent.html"
        return render(template, "dashboard", widget=drawn, identifier=identifier)
    if part == "row":
        return row_part(record)
    if wants_json():
        return jsonify(with_numbers(state, [record])[0])
    newest = _newest(state, identifier)
    context: dict[str, Any] = {
        "identifier": identifier,
        "newest_filter": news.list_filter(worker=identifier, limit=1),
        "newest_digest": news.digest_of(task.id for task in newest[:1]),
    }
    if part == "actions":
        return render("workers/_actions.html", "workers", cards=action_cards(state, record), **context)
    context |= {
        "tasks": show_all(state, newest),
        "list_filter": news.list_filter(worker=identifier, limit=HISTORY),
        "digest": news.digest_of(task.id for task in newest),
    }
    if part == "history":
        return render("workers/_history.html", "workers", **context)
    context |= {"cards": action_cards(state, record), "widget": _widget(state, record) if waits_for_widget() else None}
    return render("workers/history.html", "workers", **frame(record, "history") | context)


def action_cards(state: State, record: WorkerRecord) -> list[ActionCard]:
    """The cards of all its actions; none when its class is gone."""
    cls = state.registry.get(record.identifier)
    if cls is None:
        return []
    person = visitor()
    runs = last_runs(state.database, person.narrow(sa.select(Task)), record.identifier, RUNS)
    found: dict[str, list[Shown]] = {}
    for shown in show_all(state, [task for tasks in runs.values() for task in tasks]):
        found.setdefault(shown.task.action, []).append(shown)
    return [_card(state, record, spec, found.get(name, [])) for name, spec in action_specs_of(cls).items()]


def _card(state: State, record: WorkerRecord, spec: ActionSpec, runs: list[Shown]) -> ActionCard:
    """The card of one action.

    :param runs: newest first.
    """
    person = visitor()
    usual = usual_duration(state.database, record.identifier, spec.name)
    may_launch = record.active and person.may("launch", spec)
    may_schedule = _PLANNER in current_app.view_functions and person.may("schedule", spec)
    return ActionCard(
        name=spec.name,
        title=clean(spec.title),
        help=clean(spec.description),
        last=next((shown for shown in runs if shown.ended), None),
        usual=duration(usual),
        bars=run_bars([_run(shown) for shown in reversed(runs)], RUNS),
        button=action_button(record.identifier, spec) if may_launch else None,
        schedule_url=url_for(_PLANNER, worker=record.identifier, action=spec.name) if may_schedule else "",
    )


def _run(shown: Shown) -> Run:
    """A run as its bar shows it."""
    took = tr("took %(time)s", time=shown.long) if shown.long else ""
    words = ", ".join(part for part in (shown.look.word, took, clock(shown.when)) if part)
    return Run(elapsed(shown.task) or 0.0, shown.look.tone, shown.url, words)


def _newest(state: State, identifier: str) -> list[Task]:
    person = visitor()
    select = person.narrow(sa.select(Task).where(Task.identifier == identifier))
    return recent_tasks(state.database, HISTORY, select)


def _widget(state: State, record: WorkerRecord) -> Widget | None:
    found = widgets(state, [record]) if record.active else []
    return found[0] if found else None
