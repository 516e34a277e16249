"""Downloads: results, further files, logs. Streamed, as attachments only, and only files that the task recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, request, send_file
from flask.typing import ResponseReturnValue

from ..models import Task
from ..state import State, current_state
from ..tasklog import log_response
from .visitor import the_task

FORMATS = ("text", "jsonl")


def register(bp: Blueprint) -> None:
    """Add the routes."""
    bp.get("/tasks/<int:task_id>/result", endpoint="result")(result)
    bp.get("/tasks/<int:task_id>/files/<int:number>", endpoint="file")(file)
    bp.get("/tasks/<int:task_id>/log/download", endpoint="log_download")(log_download)


def result(task_id: int) -> ResponseReturnValue:
    """The task's result."""
    task = the_task(task_id, "download")
    record = next((entry for entry in task.files or () if entry["kind"] == "result"), None)
    if record is None and task.result:
        record = {"name": Path(task.result).name, "path": task.result}
    return _send(current_state(), task, record)


def file(task_id: int, number: int) -> ResponseReturnValue:
    """One of the files that the task made, by its number."""
    task = the_task(task_id, "download")
    files = task.files or []
    return _send(current_state(), task, files[number] if number < len(files) else None)


def log_download(task_id: int) -> ResponseReturnValue:
    """The whole log, as text or as JSON lines."""
    task = the_task(task_id, "view_log")
    wanted = request.args.get("format", "text")
    if wanted not in FORMATS:
        abort(422)
    return log_response(current_state().journals.of(task.id), task.id, wanted)


def _send(state: State, task: Task, record: dict[str, Any] | None) -> Response:
    if record is None:
        abort(404)
    path = _inside(state, task, Path(record["path"]))
    if path is None or not path.is_file():
        abort(410)
    answer = send_file(
        path, mimetype="application/octet-stream", as_attachment=True, download_name=record["name"], max_age=0
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _inside(state: State, task: Task, path: Path) -> Path | None:
    """The path, links followed, when it lies where results may lie; None otherwise.

    The row is no proof: it may be old, or somebody else may have changed it.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    roots = [state.storage.result_dir(task.id).resolve(), *state.settings.result_roots]
    return real if any(real.is_relative_to(root) for root in roots) else None
