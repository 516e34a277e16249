"""Workers: the list for admins, one worker's page, turning on and off, discovery."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from .. import news
from ..formatting import action_specs_of
from ..models import Task, WorkerRecord
from ..queries import last_tasks, recent_tasks, worker_records
from ..state import State, current_state
from .page import render
from .shown import Shown, show_all
from .visitor import need, partial, the_worker, visitor, wants_json
from .widgets import Widget, widgets

HISTORY = 25


def register(bp: Blueprint) -> None:
    """Add the routes."""
    bp.get("/workers", endpoint="workers")(workers)
    bp.get("/workers/<identifier>", endpoint="worker")(worker)
    bp.post("/workers/<identifier>/activate", endpoint="activate")(activate)
    bp.post("/workers/<identifier>/deactivate", endpoint="deactivate")(deactivate)
    bp.post("/workers/discover", endpoint="discover")(discover)


def workers() -> ResponseReturnValue:
    """Every registered worker, and the modules that could not be loaded."""
    person = need("view")
    state = current_state()
    records = [record for record in worker_records(state.database) if person.may("view", _target(state, record))]
    if wants_json():
        return jsonify(workers=[_json(record) for record in records])
    rows = _rows(state, records)
    broken = state.registry.broken if person.may("manage_workers") else []
    return render("workers/page.html", "workers", rows=rows, broken=broken, unregistered=_unregistered(state, records))


def worker(identifier: str) -> ResponseReturnValue:
    """One worker: its actions and its history; or its widget alone."""
    record = the_worker(identifier)
    state = current_state()
    if partial() == "widget":
        drawn = _widget(state, record)
        template = "widgets/_slot.html" if drawn else "widgets/_absent.html"
        return render(template, "dashboard", widget=drawn, identifier=identifier)
    if partial() == "row":
        [(_, icon, last, cls)] = _rows(state, [record])
        return render("workers/_row.html", "workers", record=record, icon=icon, last=last, cls=cls)
    if wants_json():
        return jsonify(_json(record))
    person = visitor()
    rows = recent_tasks(
        state.database,
        HISTORY,
        person.policy.visible(sa.select(Task).where(Task.identifier == identifier), person.user),
    )
    return render(
        "workers/worker.html",
        "workers",
        record=record,
        icon=Markup(record.icon),
        widget=_widget(state, record),
        cls=state.registry.get(identifier),
        tasks=show_all(state, rows),
        list_filter=f"worker={identifier}&limit={HISTORY}",
        digest=news.digest_of(task.id for task in rows),
    )


def activate(identifier: str) -> ResponseReturnValue:
    """Turn a worker on."""
    return _switch(identifier, True)


def deactivate(identifier: str) -> ResponseReturnValue:
    """Turn a worker off: it gets no new tasks."""
    return _switch(identifier, False)


def discover() -> ResponseReturnValue:
    """Look for worker classes that are new, and register them."""
    need("manage_workers")
    found = current_state().roster.discover()
    if wants_json():
        words = "No new workers." if not found else f"Found {', '.join(record.title for record in found)}."
        return jsonify(message=words, workers=[_json(record) for record in found])
    return redirect(url_for("stask.workers"), 303)


def _switch(identifier: str, active: bool) -> ResponseReturnValue:
    the_worker(identifier, "manage_workers")
    record = current_state().roster.set_active(identifier, active)
    if wants_json():
        undo = {
            "url": url_for("stask.deactivate" if active else "stask.activate", identifier=identifier),
            "label": "Undo",
        }
        return jsonify(_json(record) | {"message": f"{record.title} is {'on' if active else 'off'}.", "undo": undo})
    back = request.form.get("_back") == "worker"
    return redirect(url_for("stask.worker", identifier=identifier) if back else url_for("stask.workers"), 303)


def _widget(state: State, record: WorkerRecord) -> Widget | None:
    found = widgets(state, [record]) if record.active else []
    return found[0] if found else None


def _target(state: State, record: WorkerRecord) -> Any:
    return state.registry.get(record.identifier) or record


def _rows(state: State, records: list[WorkerRecord]) -> list[tuple[WorkerRecord, Markup, Shown | None, Any]]:
    """What the list shows of each worker: its row, icon, last task and class."""
    last = _last(state, records)
    return [
        (record, Markup(record.icon), last.get(record.identifier), state.registry.get(record.identifier))
        for record in records
    ]


def _last(state: State, records: list[WorkerRecord]) -> dict[str, Shown]:
    tasks = last_tasks(state.database, [record.identifier for record in records])
    return {shown.task.identifier: shown for shown in show_all(state, tasks.values())}


def _unregistered(state: State, records: list[WorkerRecord]) -> int:
    """How many worker classes were found and are not registered yet."""
    return len(state.registry.classes().keys() - {record.identifier for record in records})


def _json(record: WorkerRecord) -> dict[str, Any]:
    cls = record.worker_class
    specs = action_specs_of(cls) if cls is not None else {}
    return {
        "identifier": record.identifier,
        "scope": record.scope,
        "title": record.title,
        "description": record.description,
        "active": record.active,
        "actions": [{"name": spec.name, "title": str(spec.title)} for spec in specs.values()],
    }
