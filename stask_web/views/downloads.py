"""Downloads: results, further files, logs. Streamed, as attachments only, and only files that the task recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Response, abort, request, send_file
from flask.typing import ResponseReturnValue

from ..models import Task
from ..state import State, current_state
from ..tasklog import log_response
from .visitor import the_task

FORMATS = ("text", "jsonl")
#: What was made by an action is data: a browser neither guesses what it is nor runs it nor keeps it.
SEALED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


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
    return _send(current_state(), task, _record(task, number))


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
    path = _place(state, task, record)
    if path is None:
        abort(410)
    answer = send_file(
        path, mimetype="application/octet-stream", as_attachment=True, download_name=record["name"], max_age=0
    )
    answer.headers.update(SEALED)
    return answer


def place_of(state: State, task: Task, number: int) -> tuple[dict[str, Any] | None, Path | None]:
    """What the task recorded of a file, and where it is; None for what there is not, or not any more."""
    record = _record(task, number)
    return record, None if record is None else _place(state, task, record)


def _record(task: Task, number: int) -> dict[str, Any] | None:
    files = task.files or []
    return files[number] if number < len(files) else None


def _place(state: State, task: Task, record: dict[str, Any]) -> Path | None:
    path = _inside(state, task, Path(record["path"]))
    return path if path is not None and path.is_file() else None


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
