"""A look at a file of a task without saving it: a table, text, a picture. What could run is shown as text."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, jsonify, send_file, url_for
from flask.typing import ResponseReturnValue

from ..previews import FilePreview, look_at
from ..state import current_state
from .downloads import SEALED, place_of
from .page import render
from .shown import show
from .visitor import partial, the_task, wants_json


def preview(task_id: int, number: int) -> ResponseReturnValue:
    """The beginning of one of the files that the task made."""
    task = the_task(task_id, "download")
    record, found = _look(task, number)
    if wants_json():
        facts = {"name": record["name"], "size": record["size"], "kind": found.kind, "more": found.more}
        return jsonify(**facts, header=found.header, rows=found.rows, text=found.text)
    shown = show(current_state(), task)
    file = next(each for each in shown.files if each.number == number)
    in_dialog = partial() is not None
    template = "task/_preview.html" if in_dialog else "task/preview.html"
    picture_url = url_for("stask.picture", task_id=task_id, number=number)
    return render(template, "tasks", t=shown, file=file, preview=found, picture_url=picture_url, in_dialog=in_dialog)


def picture(task_id: int, number: int) -> ResponseReturnValue:
    """The bytes of a file that is a picture by its content, for the page of its preview; of nothing else."""
    task = the_task(task_id, "download")
    _, found = _look(task, number)
    path = place_of(current_state(), task, number)[1]
    if found.kind != "picture" or path is None:
        abort(404)
    answer: Response = send_file(path, mimetype=found.mimetype, max_age=0)
    answer.headers.update(SEALED)
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return answer


def _look(task: Any, number: int) -> tuple[dict[str, Any], FilePreview]:
    """A file of the task and its beginning; 404 when there is none of that number, 410 when it is gone."""
    record, path = place_of(current_state(), task, number)
    if record is None:
        abort(404)
    try:
        found = None if path is None else look_at(path, record["name"])
    except OSError:  # cleaned away just now, or not ours to read
        found = None
    return (record, found) if found is not None else abort(410)
