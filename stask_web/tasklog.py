"""The log of one task, as users' code reads and writes it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Response

from . import logfile
from .errors import STaskError
from .journal import Journal
from .models import Task

LEVELS = ("debug", "info", "warning", "error")
_NAMES = {"warn": "warning", "critical": "error", "fatal": "error", "notice": "info", "success": "info"}
_log = logging.getLogger(__name__)


class TaskLog:
    """Lines of one task.

    :param journal: where they are kept.
    :param task: whose they are.
    """

    def __init__(self, journal: Journal, task: Task) -> None:
        self._journal = journal
        self._task = task

    def log(self, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line. A full disk does not stop the caller: the line goes to Python's logging instead."""
        level = read_level(level)
        if self._task._run is not None:
            self._task._run.log(level, message, context)
            return
        try:
            self._journal.log(level, message, context, attempt=max(1, self._task.attempt_no or 0))
            self._journal.close()
        except OSError as error:
            _log.error("A log line of task %s could not be written (%s): %s", self._task.id, error, message)

    def lines(self) -> list[dict[str, Any]]:
        """All lines: dicts of timestamp (ISO 8601, UTC), level, message, context, attempt, kind."""
        return self._journal.lines()

    def clear(self) -> None:
        """Remove all lines."""
        self._journal.clear()

    def download_logs(self, task: Task | None = None, format: str = "text") -> Response:
        """A response with the whole log as a file, streamed.

        :param task: as in the guide; this log's own task by default.
        :param format: ``"text"`` or ``"jsonl"``.
        """
        return log_response(self._journal, (task or self._task).id, format)


def read_level(level: str) -> str:
    """One of :data:`LEVELS`.

    :raises STaskError: when it is no level.
    """
    word = _NAMES.get(str(level).lower(), str(level).lower())
    if word not in LEVELS:
        raise STaskError(f"There is no log level {level!r}. Use one of {', '.join(LEVELS)}.")
    return word


def log_response(journal: Journal, task_id: int, format: str) -> Response:
    """A journal as a file to download, streamed in constant memory."""
    if format == "jsonl":
        body, kind, ending = logfile.jsonl(journal), "application/x-ndjson", "jsonl"
    else:
        body, kind, ending = logfile.text(journal), "text/plain", "log"
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="task-{task_id}.{ending}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
