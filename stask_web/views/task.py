"""One task: its live page, the parts of it that are fetched anew, and what can be done to it."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any, NamedTuple

from flask import Blueprint, jsonify, redirect, url_for
from flask.typing import ResponseReturnValue

from .. import news
from ..errors import DatabaseBusy
from ..formatting import clock, duration
from ..models import Attempt, Task
from ..queries import attempts
from ..state import State, current_state
from ..status import Status
from .page import render
from .shown import Shown, show
from .visitor import partial, tasks_of, the_task, visitor, wants_json

LINES = 100
PARTS = {
    "row": "tasks/_row.html",
    "tray": "_tray_item.html",
    "live": "task/_live.html",
    "progress": "widgets/progress.html",
}
_STARS = "••••••"
#: How an attempt ended, for people.
ENDINGS = {
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Stopped",
    "error": "Ended with an error",
    "crashed": "The process died",
    "drained": "Given back, because the worker was stopped",
    "lost": "Lost with its machine",
}


class Step(NamedTuple):
    """One step of a task's way."""

    word: str
    icon: str
    tone: str
    time: str
    note: str = ""
    moment: datetime | None = None
    field: str = ""


class Fact(NamedTuple):
    """One line of the details."""

    name: str
    value: str


def register(bp: Blueprint) -> None:
    """Add the routes."""
    bp.get("/tasks/<int:task_id>", endpoint="task")(task)
    bp.post("/tasks/<int:task_id>/cancel", endpoint="cancel")(cancel)
    bp.post("/tasks/<int:task_id>/retry", endpoint="retry")(retry)


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
    fresh = tasks_of(current_state()).cancel(row, by=visitor().name)
    if not wants_json():
        return _back(task_id)
    undo = {"url": url_for("stask.retry", task_id=task_id), "label": "Undo"} if waiting else None
    return _done(fresh, "Withdrawn." if waiting else "Stopping…", undo)


def retry(task_id: int) -> ResponseReturnValue:
    """Start a failed or stopped task again."""
    row = the_task(task_id, "retry")
    fresh = tasks_of(current_state()).retry(row)
    return _done(fresh, "Started again.") if wants_json() else _back(task_id)


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
        found["meta"] = row.meta
    return found


def _context(state: State, shown: Shown, *, with_log: bool) -> dict[str, Any]:
    person = visitor()
    row = shown.task
    sees_log = person.may("view_log", row)
    tries = attempts(state.database, row.id)
    context: dict[str, Any] = {
        "t": shown,
        "worker": state.registry.get(row.identifier),
        "steps": _steps(shown, tries),
        "tries": tries if len(tries) > 1 else [],
        "endings": ENDINGS,
        "facts": _facts(shown, tries),
        "options": _options(shown) if person.may("view_options", row) else [],
        "sees_log": sees_log,
        "with_log": with_log,
        "edit_url": f"{url_for('stask.run', identifier=row.identifier, action=row.action)}?from={row.id}"
        if shown.may_repeat
        else None,
    }
    if sees_log and with_log:
        chunk = state.journals.of(row.id).last(LINES)
        context["log"] = news.piece(chunk)
        context["log_is_whole"] = chunk.first
    if shown.failed and sees_log:
        context["report"] = _report(state, shown)
    return context


def _report(state: State, shown: Shown) -> str:
    """What a developer needs to know of a failure: which task, the error, the last errors of its log."""
    row = shown.task
    lines = state.journals.of(row.id).last(LINES).lines
    errors = [str(record.get("m", "")) for record in lines if record.get("l") == "error"]
    facts = [f"{fact.name}: {fact.value}" for fact in _facts(shown, [])]
    ended = row.finished_at.isoformat(timespec="seconds") if row.finished_at else ""
    return "\n".join([*facts, f"Ended: {ended}", f"Message: {row.message}", row.error or "", *errors[-3:]]).strip()


def _steps(shown: Shown, tries: list[Attempt]) -> list[Step]:
    """The way of a task: waiting, each start, the end."""
    row = shown.task
    steps = [
        Step("Created", "plus", "muted", clock(row.created_at), f"by {shown.who}" if shown.who else "", row.created_at)
    ]
    if shown.pending and not tries:
        return [
            *steps,
            Step(shown.look.word, shown.look.icon, shown.look.tone, "", shown.f["waiting_for"], None, "waiting_for"),
        ]
    if shown.waited:
        steps.append(Step("Waited", "clock", "muted", shown.waited))
    for attempt in tries[:-1] if len(tries) > 1 else []:
        steps.append(_try(attempt, tries))
    if shown.running:
        word = "Running" if len(tries) <= 1 else f"Running, attempt {tries[-1].number}"
        steps.append(Step(word, "running", "running", shown.f["elapsed"], "", None, "elapsed"))
    elif shown.pending:
        steps.append(_try(tries[-1], tries))
        steps.append(
            Step(shown.look.word, shown.look.icon, shown.look.tone, "", shown.f["waiting_for"], None, "waiting_for")
        )
    else:
        if row.started_at is not None:
            steps.append(Step("Ran", "running", "muted", duration(row.duration)))
        by = f"by {row.cancelled_by}" if row.status == Status.CANCELLED and row.cancelled_by else ""
        steps.append(
            Step(shown.look.word, shown.look.icon, shown.look.tone, clock(row.finished_at), by, row.finished_at)
        )
    return steps


def _try(attempt: Attempt, tries: list[Attempt]) -> Step:
    note = attempt.message or ENDINGS.get(attempt.outcome or "", "")
    spent = (attempt.ended_at - attempt.started_at).total_seconds() if attempt.ended_at else None
    return Step(f"Attempt {attempt.number}", "retry", "attention", duration(spent), note, attempt.started_at)


def _facts(shown: Shown, tries: list[Attempt]) -> list[Fact]:
    row = shown.task
    facts = [
        Fact("Task", str(row.id)),
        Fact("Worker", f"{row.identifier} · {row.action}"),
        Fact("Priority", row.priority.capitalize()),
        Fact("Attempts", f"{row.attempts} of {row.max_attempts}"),
    ]
    if row.start_at:
        facts.append(Fact("Start at", clock(row.start_at)))
    if tries and tries[-1].pid:
        facts.append(Fact("Process", str(tries[-1].pid)))
    return facts


def _options(shown: Shown) -> list[Fact]:
    """The options as people know them: by label, a file by its name; a secret only as stars."""
    labels = {}
    secret = set()
    if shown.spec is not None:
        for item in shown.spec.fields():
            labels[item.name] = item.label
            if item.kind == "secret":
                secret.add(item.name)
    meta = shown.task.meta or {}
    facts = [Fact(labels.get(name, name), _STARS if name in secret else _value(value)) for name, value in meta.items()]
    return (
        [*facts, *(Fact(labels[name], _STARS) for name in sorted(secret - meta.keys()))]
        if shown.task.secrets
        else facts
    )


def _value(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"upload", "name"}:
        return str(value["name"])
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if value in (None, "", []):
        return "–"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    return str(value)
