"""The list of tasks, newest first, in pages by key."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from .. import news
from ..models import Task
from ..queries import page_of_tasks
from ..state import current_state
from ..status import Status
from .page import render
from .shown import show_all
from .visitor import need, partial, tasks_of, visitor, wants_json

SIZE = 25
CHIPS = (
    ("", "All"),
    ("pending", "Waiting"),
    ("running", "Running"),
    ("completed", "Completed"),
    ("failed", "Failed"),
    ("cancelled", "Stopped"),
)


def register(bp: Blueprint) -> None:
    """Add the routes."""
    bp.get("/tasks", endpoint="tasks")(tasks)
    bp.post("/tasks/process", endpoint="process")(process)


def tasks() -> ResponseReturnValue:
    """One page of tasks, filtered by status and worker."""
    need("view")
    state = current_state()
    person = visitor()
    chosen = {name: request.args[name] for name in ("status", "worker") if request.args.get(name)}
    select = person.policy.visible(_selection(chosen), person.user)
    before, after = _key("before"), _key("after")
    rows, more = page_of_tasks(state.database, select, size=SIZE, before=before, after=after)
    shown = show_all(state, rows)
    older = rows[-1].id if rows and (more or after is not None) else None
    newer = rows[0].id if rows and (before is not None or (after is not None and more)) else None
    links = {
        name: _address(chosen, **{key: value})
        for name, key, value in (("older", "before", older), ("newer", "after", newer))
        if value
    }
    if wants_json():
        return jsonify(tasks=[t.json for t in shown], **links)
    first_page = before is None and after is None
    return render(
        "tasks/_list.html" if partial() is not None else "tasks/page.html",
        "tasks",
        tasks=shown,
        links=links,
        chosen=chosen,
        chips=[
            (
                word,
                _address({**chosen, "status": value} if value else _without(chosen, "status")),
                chosen.get("status", "") == value,
            )
            for value, word in CHIPS
        ],
        list_filter=urlencode({**chosen, "limit": SIZE}) if first_page else None,
        digest=news.digest_of(task.id for task in rows),
        list_url=_address(chosen),
        all_url=url_for("stask.tasks"),
    )


def process() -> ResponseReturnValue:
    """Let the worker processes look at the queue now; nothing runs here."""
    need("manage_workers")
    tasks_of(current_state()).wake()
    if wants_json():
        return jsonify(message="The worker processes look at the queue now.")
    return redirect(url_for("stask.tasks"), 303)


def _selection(chosen: dict[str, str]) -> sa.Select[Any]:
    select = sa.select(Task)
    if "status" in chosen:
        status = next((status for status in Status if status.text == chosen["status"]), None)
        if status is None:
            abort(422)
        select = select.where(Task.status == status)
    return select.where(Task.identifier == chosen["worker"]) if "worker" in chosen else select


def _key(name: str) -> int | None:
    text = request.args.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        abort(422)
    return int(text) if text else None


def _without(chosen: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in chosen.items() if key != name}


def _address(chosen: dict[str, str], **more: Any) -> str:
    query = urlencode({**chosen, **more})
    return url_for("stask.tasks") + (f"?{query}" if query else "")
