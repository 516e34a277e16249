"""The filtered list as a file: CSV for spreadsheets, JSON lines for programs. Streamed, so its size costs no memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Response, abort, request, stream_with_context
from flask.typing import ResponseReturnValue

from .. import listing
from ..formatting import look, task_title
from ..models import Task
from ..state import current_state
from ..text import clean
from .task_list import Wish
from .visitor import Visitor, need, visible

MIMETYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
#: What a spreadsheet takes for the begin of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Excel takes a file without it for one of the machine's old code page.
_BOM = "\ufeff"


def export() -> ResponseReturnValue:
    """All tasks of the filter that the visitor may see, newest first."""
    person = need("view")
    form = request.args.get("format", "csv")
    if form not in MIMETYPES:
        abort(422)
    state, wish = current_state(), Wish.read(request.args)
    tasks = _tasks(listing.pages(state.database, wish.select(state, person)))
    rows = (row_of(task, person) for task in tasks)
    lines = _csv(rows) if form == "csv" else _jsonl(rows)
    answer = Response(stream_with_context(lines), content_type=MIMETYPES[form])
    name = f"tasks-{datetime.now().astimezone():%Y-%m-%d-%H%M}.{form}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _tasks(pages: Iterable[list[Task]]) -> Iterator[Task]:
    for page in pages:
        yield from visible(page)


def row_of(task: Task, person: Visitor) -> dict[str, Any]:
    """A task as a row: no options and no files, which have rights of their own."""
    return {
        "id": task.id,
        "title": task_title(task),
        "worker": task.identifier,
        "action": task.action,
        "status": task.status_text,
        "look": look(task).word,
        "message": clean(task.message or ""),
        "priority": task.priority,
        "started_by": person.name_of(task.started_by),
        "created_at": _time(task.created_at),
        "started_at": _time(task.started_at),
        "finished_at": _time(task.finished_at),
        "duration": task.duration,
        "attempts": task.attempts,
        "processed": task.processed,
        "total": task.total,
        "warnings": task.warnings,
        "check_only": bool(task.dry_run),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


def _jsonl(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write(_BOM)
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(_safe(value) for value in row.values())
        if buffer.tell() > _PIECE:
            yield _taken(buffer)
    yield _taken(buffer)


def table_as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], name: str) -> Response:
    """A small table as a file for spreadsheets.

    :param name: of the file, without its ending.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write(_BOM)
    writer.writerow(columns)
    writer.writerows([_safe(value) for value in row] for row in rows)
    answer = Response(buffer.getvalue(), content_type=MIMETYPES["csv"])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


_PIECE = 16 * 1024
_COLUMNS = (
    "id", "title", "worker", "action", "status", "look", "message", "priority", "started_by", "created_at",
    "started_at", "finished_at", "duration", "attempts", "processed", "total", "warnings", "check_only",
)  # fmt: skip


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _safe(value: Any) -> Any:
    """A value that no spreadsheet runs: a text that looks like a formula gets an apostrophe in front."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
