"""Schedules: the list of all and of one worker, turning on and off, starting one now, deleting."""

from __future__ import annotations

from typing import Any

from flask import abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from .. import news
from ..formatting import action_specs_of
from ..forms import ASK
from ..language import tr, trn
from ..models import Schedule, WorkerRecord
from ..queries import worker_record, worker_records
from ..schedules import Schedules
from ..state import State, current_state
from ..text import clean
from .notices import leave_notice, take_notice
from .page import render
from .schedule_rows import ScheduleRow, add_tasks, rows_of
from .visitor import Visitor, need, partial, the_worker, visitor, wants_json
from .worker_frame import frame

#: Rows on one page.
SIZE = 25
#: What a page of schedules hears of: something was started by one of them.
LIVE = "schedule=any&limit=25"
_LONGEST = 200


# -- pages


def schedules() -> ResponseReturnValue:
    """All schedules, those that start next first; or one row of the list."""
    person = need("schedule")
    state = current_state()
    if partial() == "row":
        return render("schedules/_row.html", "schedules", row=_row_of_address())
    rows = _sorted(rows_of(state, person, door().all(), _records(state)))
    context = _list(state, person, rows, "")
    if wants_json():
        return jsonify(schedules=[row.json for row in context["rows"]], **_ways(context))
    if partial() is not None:
        return render("schedules/_list.html", "schedules", **context)
    context["notice"] = take_notice()
    return render("schedules/page.html", "schedules", **context)


def worker_schedules(identifier: str) -> ResponseReturnValue:
    """The schedules of one worker, and a way to a new one for each of its actions."""
    need("schedule")
    record = the_worker(identifier, "schedule")
    person, state = visitor(), current_state()
    rows = _sorted(rows_of(state, person, door().all(identifier), {identifier: record}))
    context = _list(state, person, rows, identifier)
    if wants_json():
        return jsonify(schedules=[row.json for row in context["rows"]], **_ways(context))
    if partial() is not None:
        return render("schedules/_list.html", "workers", **context)
    return render("workers/schedules.html", "workers", **context | frame(record, "schedules"))


def _list(state: State, person: Visitor, rows: list[ScheduleRow], identifier: str) -> dict[str, Any]:
    """What ``schedules/_list.html`` needs.

    :param rows: all that there are, sorted.
    :param identifier: the worker whose page it is; "" for the page of all.
    """
    args = request.args
    q, worker = args.get("q", "").strip()[:_LONGEST], "" if identifier else args.get("worker", "")[:_LONGEST]
    only_problems = args.get("show") == "problems"
    troubled = [row for row in rows if row.problem]
    found = [row for row in (troubled if only_problems else rows) if worker in ("", row.schedule.identifier)]
    found = [row for row in found if row.found_by(q)] if q else found
    number, last = _page_number(), max(1, -(-len(found) // SIZE))
    shown = found[(number - 1) * SIZE : number * SIZE]
    add_tasks(state, shown)
    params = {name: value for name, value in (("q", q), ("worker", worker), ("show", args.get("show"))) if value}

    live = news.list_filter(worker=identifier, limit=SIZE) if identifier else LIVE

    def address(**changes: Any) -> str:
        return _address(identifier, **{**params, **changes})

    return {
        "rows": shown,
        "is_new": not rows,
        "identifier": identifier,
        "q": q,
        "worker": worker,
        "only_problems": only_problems,
        "is_filtered": bool(params),
        "troubled": len(troubled),
        "trouble": _trouble(troubled),
        "problems_url": _address(identifier, show="problems"),
        "all_url": _address(identifier),
        "workers": sorted({(row.worker, row.schedule.identifier) for row in rows}),
        "newer": address(page=number - 1) if 1 < number else None,
        "older": address(page=number + 1) if number < last else None,
        "list_filter": live,
        "digest": news.list_news(state, live)["digest"],
        "list_url": address(page=number),
        "offers": offers(state, person, identifier) if identifier or not rows else [],
    }


def offers(state: State, person: Visitor, identifier: str = "") -> list[dict[str, Any]]:
    """The workers whose actions the visitor may let start by themselves, each with its actions.

    :param identifier: only this worker.
    """
    found = []
    for record in worker_records(state.database, active_only=not identifier):
        cls = state.registry.get(record.identifier)
        if cls is None or identifier not in ("", record.identifier) or not person.may("view", cls):
            continue
        actions = [
            {
                "title": clean(spec.title),
                "help": clean(spec.description),
                "file": needed_file(spec),
                "url": url_for("stask.schedule_new", worker=record.identifier, action=spec.name),
            }
            for spec in action_specs_of(cls).values()
            if person.may("schedule", spec)
        ]
        if actions:
            title = clean(cls.title) or record.identifier
            found.append({"title": title, "icon": Markup(clean(cls.icon)), "actions": actions})
    return found


def needed_file(spec: Any) -> str:
    """The label of a file that an action cannot do without, so that it cannot start by itself; "" for none."""
    return next((item.label for item in spec.fields() if item.kind in ("file", "files") and item.required), "")


# -- acts


def enable(schedule_id: int) -> ResponseReturnValue:
    """Turn a schedule on."""
    return _switch(schedule_id, True)


def disable(schedule_id: int) -> ResponseReturnValue:
    """Turn a schedule off; it stays in the list."""
    return _switch(schedule_id, False)


def run(schedule_id: int) -> ResponseReturnValue:
    """Start what a schedule starts, now; its next runs stay as they are."""
    row = the_schedule(schedule_id)
    if row.asks and request.form.get(ASK) and not wants_json():
        return render("schedules/ask.html", "schedules", row=row, act="run", back=_way_back(row))
    task = door().run_now(row.schedule, visitor().id)
    address = url_for("stask.task", task_id=task.id)
    if wants_json():
        return jsonify(id=task.id, url=address, message=tr("“%(title)s” is started.", title=row.title), schedule=row.id)
    return redirect(address, 303)


def delete(schedule_id: int) -> ResponseReturnValue:
    """Delete a schedule; what it started stays in the history."""
    row = the_schedule(schedule_id)
    if row.own:
        raise_own()
    if request.form.get(ASK) and not wants_json():
        return render("schedules/ask.html", "schedules", row=row, act="delete", back=_way_back(row))
    door().remove(row.schedule)
    message = tr("The schedule of “%(title)s” is deleted. What it started stays in the history.", title=row.title)
    if wants_json():
        return jsonify(message=message, removed=row.id)
    leave_notice(message)
    return redirect(_way_back(row), 303)


def _switch(schedule_id: int, enabled: bool) -> ResponseReturnValue:
    row = the_schedule(schedule_id)
    changed = door().enable(row.schedule) if enabled else door().disable(row.schedule)
    if not wants_json():
        return redirect(f"{_way_back(row)}#schedule-{row.id}", 303)
    if enabled:
        message = tr("The schedule of “%(title)s” is on.", title=row.title)
    else:
        message = tr("The schedule of “%(title)s” is off.", title=row.title)
    back = url_for("stask.schedule_disable" if enabled else "stask.schedule_enable", schedule_id=row.id)
    undo = {"url": back, "label": tr("Undo")}
    return jsonify(id=row.id, enabled=changed.enabled, message=message, undo=undo, schedule=row.id)


# -- finding


def door() -> Schedules:
    """The door to schedules."""
    found: Schedules = current_state().schedules
    return found


def the_schedule(schedule_id: int) -> ScheduleRow:
    """The schedule of that number, if the visitor may change it.

    :raises Forbidden: he may see its worker, but not do that; or may change no schedule.
    :raises NotFound: there is none, or its worker is not for him.
    """
    person, state = need("schedule"), current_state()
    schedule: Schedule = door().get(schedule_id)
    record = worker_record(state.database, schedule.identifier)
    rows = rows_of(state, person, [schedule], {schedule.identifier: record} if record else {})
    if not rows:
        abort(404)
    if not rows[0].may:
        abort(403)
    return rows[0]


def raise_own() -> None:
    """Refuse to change what a worker says in its settings.

    :raises Conflict: always.
    """
    abort(409)


def _row_of_address() -> ScheduleRow:
    number = request.args.get("id", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        abort(422)
    state, person = current_state(), visitor()
    schedule = door().get(int(number))
    record = worker_record(state.database, schedule.identifier)
    rows = rows_of(state, person, [schedule], {schedule.identifier: record} if record else {})
    if not rows:
        abort(404)
    add_tasks(state, rows)
    return rows[0]


def _records(state: State) -> dict[str, WorkerRecord]:
    return {str(record.identifier): record for record in worker_records(state.database)}


def _sorted(rows: list[ScheduleRow]) -> list[ScheduleRow]:
    """Those that start next first; those that do not start by themselves last."""

    def order(row: ScheduleRow) -> tuple[bool, float, str, int]:
        at = row.schedule.next_fire_at
        starts = row.schedule.enabled and at is not None
        return (not starts, at.timestamp() if starts and at is not None else 0.0, row.title.casefold(), row.id)

    return sorted(rows, key=order)


def _trouble(troubled: list[ScheduleRow]) -> str:
    return trn("%(num)s schedule needs a look", "%(num)s schedules need a look", len(troubled)) if troubled else ""


def _page_number() -> int:
    text = request.args.get("page", "1")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 100_000):
        abort(422)
    return int(text[:9])


def _address(identifier: str, **params: Any) -> str:
    values = {name: value for name, value in params.items() if value not in ("", None) and (name, value) != ("page", 1)}
    if identifier:
        return url_for("stask.worker_schedules", identifier=identifier, **values)
    return url_for("stask.schedules", **values)


def _ways(context: dict[str, Any]) -> dict[str, str]:
    return {name: context[name] for name in ("newer", "older") if context[name]}


def _way_back(row: ScheduleRow) -> str:
    """The list that a form was sent from."""
    if request.form.get("_back") == "worker":
        return url_for("stask.worker_schedules", identifier=row.schedule.identifier)
    return url_for("stask.schedules")
