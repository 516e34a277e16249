"""One task: its live page, the parts of it that are fetched anew, and what can be done to it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from typing import Any

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..encoding import plain
from ..errors import DatabaseBusy
from ..formatting import priority_word
from ..forms import ASK
from ..language import tr
from ..models import Attempt, Task
from ..queries import attempts
from ..state import State, current_state
from ..status import Status
from .downloads import place_of
from .facts import facts_of, files_of, made_by, options_of, report_of
from .page import render
from .pagelog import page_log
from .shown import Shown, show
from .steps import Step, steps_of, steps_of_attempt, tabs_of
from .visitor import partial, tasks_of, the_task, visitor, wants_json

PARTS = {
    "row": "tasks/_row.html",
    "tray": "_tray_item.html",
    "live": "task/_live.html",
    "progress": "widgets/progress.html",
}


def task(task_id: int) -> ResponseReturnValue:
    """The task's page, or a part of it; opening a failed one takes it from the news."""
    row = the_task(task_id)
    state = current_state()
    part = partial()
    if wants_json():
        return jsonify(_json(state, row))
    shown = show(state, row)
    if part in ("row", "tray", "progress"):
        return render(PARTS[part], "tasks", t=shown)
    if part is None and row.status == Status.FAILED and row.seen_at is None:
        with contextlib.suppress(DatabaseBusy):  # only a mark: the page is worth more
            tasks_of(state).mark_seen(row)
    return render(
        "task/page.html" if part is None else PARTS["live"], "tasks", **_context(state, shown, with_log=part is None)
    )


def cancel(task_id: int) -> ResponseReturnValue:
    """Withdraw a waiting task, or ask a running one to stop."""
    row = the_task(task_id, "cancel")
    waiting = row.status == Status.PENDING
    if row.status == Status.RUNNING and request.form.get(ASK) and not wants_json():
        return render("task/stop.html", "tasks", t=show(current_state(), row))
    fresh = tasks_of(current_state()).cancel(row, by=visitor().name)
    if not wants_json():
        return _back(task_id)
    may_undo = waiting and visitor().may("retry", fresh)
    undo = {"url": url_for("stask.retry", task_id=task_id), "label": tr("Undo")} if may_undo else None
    return _done(fresh, tr("Withdrawn.") if waiting else tr("Stopping…"), undo)


def retry(task_id: int) -> ResponseReturnValue:
    """Start a failed or stopped task again."""
    row = the_task(task_id, "retry")
    fresh = tasks_of(current_state()).retry(row)
    return _done(fresh, tr("Started again.")) if wants_json() else _back(task_id)


def start_now(task_id: int) -> ResponseReturnValue:
    """Let a task that waits for a time, or for its next attempt, start at once."""
    row = the_task(task_id, "retry")
    fresh = tasks_of(current_state()).start_now(row)
    return _done(fresh, tr("It starts now.")) if wants_json() else _back(task_id)


def priority(task_id: int) -> ResponseReturnValue:
    """Let a waiting task start before others, or after them."""
    row = the_task(task_id, "launch")
    sent = request.get_json(silent=True) if request.is_json else request.form
    wanted = sent.get("priority") if isinstance(sent, Mapping) else None
    fresh = tasks_of(current_state()).prioritise(row, str(wanted or ""))
    return (
        _done(fresh, tr("Its priority is %(priority)s now.", priority=priority_word(fresh.priority).lower()))
        if wants_json()
        else _back(task_id)
    )


def _back(task_id: int) -> ResponseReturnValue:
    return redirect(url_for("stask.task", task_id=task_id), 303)


def _done(fresh: Task, message: str, undo: dict[str, str] | None = None) -> ResponseReturnValue:
    answer: dict[str, Any] = {"id": fresh.id, "message": message, "task": show(current_state(), fresh).json}
    return jsonify(answer | ({"undo": undo} if undo else {}))


def _json(state: State, row: Task) -> dict[str, Any]:
    shown = show(state, row)
    files = [{"name": file.name, "size": file.size, "url": file.url, "kind": file.kind} for file in shown.files]
    found = {
        **shown.json,
        "files": files,
        "attempts": row.attempts,
        "max_attempts": row.max_attempts,
        "started_by": row.started_by,
    }
    times = {name: getattr(row, name) for name in ("created_at", "start_at", "started_at", "finished_at")}
    found |= {name: value.isoformat() if value else None for name, value in times.items()}
    if visitor().may("view_options", row):
        found["meta"] = plain(row.meta)
    return found


def _context(state: State, shown: Shown, *, with_log: bool) -> dict[str, Any]:
    person, row = visitor(), shown.task
    tries = attempts(state.database, row.id)
    chosen = _chosen(tries)
    sees_log, sees_options = person.may("view_log", row), person.may("view_options", row)
    gone = {file.number for file in shown.files if place_of(state, row, file.number)[1] is None}
    context: dict[str, Any] = {
        "t": shown,
        "worker": state.registry.get(row.identifier),
        "tabs": tabs_of(shown, tries, chosen),
        "attempt": chosen.number if chosen else None,
        "steps": _steps(shown, tries, chosen, errors=sees_log),
        "facts": facts_of(shown, tries),
        "options": options_of(shown) if sees_options else [],
        "uploads": files_of(state, shown) if sees_options else [],
        "made": made_by(shown),
        "gone": gone,
        "foot_files": [file for file in shown.files if file.number not in gone and file.kind != "file"],
        "sees_log": sees_log,
        "with_log": with_log,
        **_again(shown),
    }
    if sees_log and with_log:
        context["log"] = page_log(state.journals.of(row.id), context["attempt"])
    if shown.failed:
        context["report"] = report_of(state, shown, tries, whole=sees_log)
    return context


def _steps(shown: Shown, tries: list[Attempt], chosen: Attempt | None, *, errors: bool) -> list[Step]:
    return steps_of_attempt(chosen, errors=errors) if chosen else steps_of(shown, tries, errors=errors)


def _chosen(tries: list[Attempt]) -> Attempt | None:
    """The attempt whose tab is open, ``?attempt=2``; None for all."""
    number = request.args.get("attempt", "")
    return next((attempt for attempt in tries if len(tries) > 1 and str(attempt.number) == number), None)


def _again(shown: Shown) -> dict[str, Any]:
    """Where the same action is launched anew: by its form, filled as for this task, or at once when it has none."""
    if not shown.may_repeat or shown.spec is None:
        return {}
    names: dict[str, Any] = {"identifier": shown.task.identifier, "action": shown.task.action}
    if shown.spec.model is None and not shown.spec.confirm:
        return {"launch_url": url_for("stask.launch", **names), "form_key": secrets.token_urlsafe(18)}
    return {"edit_url": f"{url_for('stask.run', **names)}?from={shown.id}"}
