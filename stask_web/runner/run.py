"""One run of one task, as its action and its engine see it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy.orm

from .. import stored
from ..claims import Claim, Outcome
from ..errors import ResultRefused
from ..models import Task
from ..progress import Report
from ..state import State
from ..status import PRIORITY_WORDS, Status
from ..text import clean
from .pen import LONGEST, Pen

REFUSED = "refused.csv"
#: Bytes of a file up to which its checksum is worth the time.
DIGEST_LIMIT = 1024**3
#: Characters of a message, or of an exception's text.
_MESSAGE = 4000
Tell = Callable[[Claim, dict[str, Any]], None]
#: Columns of ours in it; a mended one that is imported again has them already.
ADDED = ("reason", "line")


class TaskRun:
    """What an action's reports, log lines, refused rows, counters and outcome are kept in.

    Nothing of it is written to the database: that is the engine's, and only after the action.

    :param tell: called with each report that is worth telling, in the action's thread or the timer's.
    :param alone: whether its process runs tasks and nothing else.
    """

    def __init__(self, state: State, claim: Claim, tell: Tell | None = None, *, alone: bool = False) -> None:
        self.state = state
        self.claim = claim
        self.pen = Pen(partial(state.journals.of, claim.id), claim.attempt_no)
        self.report = Report(self._emit, text=self.pen.text)
        self.outcome: tuple[int, str | None, Any] | None = None
        #: Whether Ctrl-C ended it in a process that is not ours: it is meant for the program, too.
        self.keyboard = False
        self.alone = alone
        self.warnings = 0
        self.counts: dict[str, int] = {}
        self.task = _snapshot(claim, self)
        self._tell = tell
        self._refused: Any = None
        self._columns: list[str] | None = None
        self._has_files = False

    # -- what an action calls, see services.Run

    def mark(self, status: int, message: str | None, result: Any = None) -> None:
        """Record the outcome; the first one wins. A failure that comes from being interrupted is none of its own."""
        if self.outcome is not None or (self.report.interrupted and status == Status.FAILED):
            return
        path = None if result is None else self._check_result(result)
        self.outcome = (int(status), None if message is None else self.pen.text(message, _MESSAGE), path)

    def log(self, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to the journal."""
        self.pen.log(level if level in ("debug", "info", "warning", "error") else "info", message, context)

    def reject(self, reason: str, row: Any = None, line: int | None = None) -> None:
        """Note one refused input: a warning line, one more warning, a row of ``refused.csv``."""
        self.warnings += 1
        self.task.warnings = self.warnings
        self.pen.log("warning", reason if line is None else f"Line {line:,}: {clean(reason)}")
        if row is not None:
            self._write_refused(row, reason, line)

    def count(self, **amounts: int) -> None:
        """Add to named counters."""
        for name, amount in amounts.items():
            self.counts[name] = self.counts.get(name, 0) + int(amount)

    def result_path(self, name: str) -> Path:
        """Where a result of that name is to be written; its folder exists."""
        self._has_files = True
        return self.state.storage.result_path(self.claim.id, name)

    # -- what the runner calls

    def note(self, error: BaseException) -> None:
        """Note what an exception means for others than the task."""
        self.keyboard |= isinstance(error, KeyboardInterrupt) and not self.alone

    def values(self, snapshot: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All that is told of the progress."""
        shown = dict(self.report.snapshot() if snapshot is None else snapshot)
        return {**shown, "warnings": self.warnings, "counts": dict(self.counts) or None}

    def finish(
        self, kind: str, message: str | None = None, *, error: str | None = None, result: str | None = None
    ) -> Outcome:
        """The outcome with everything that was gathered.

        :param kind: see :class:`stask_web.claims.Outcome`.
        """
        self.report.tick()
        self._close_refused()
        shown = self.report.snapshot()
        progress = 100 if kind == "completed" else shown["progress"]
        files = self._files(result)
        is_there = any(file["kind"] == "result" for file in files)
        return Outcome(
            kind,
            self.pen.text(message or "", _MESSAGE),
            None if error is None else self.pen.text(error, _MESSAGE),
            result if is_there else None,
            files or None,
            progress,
            shown["processed"],
            shown["total"],
            self.warnings,
            dict(self.counts) or None,
        )

    def where(self) -> str:
        """How far the action came, e.g. ``", at row 1,205 of 3,201"``; empty when it never said."""
        shown = self.report.snapshot()
        return at_row(shown["processed"], shown["total"])

    def clear_old_files(self) -> None:
        """Remove the refused rows of an earlier attempt: this one begins anew."""
        if self.claim.attempt_no > 1:
            (self.state.storage.result_dir(self.claim.id) / REFUSED).unlink(missing_ok=True)

    # -- inside

    def _emit(self, snapshot: dict[str, Any]) -> None:
        values = self.values(snapshot)
        self.pen.progress(values)
        if self._tell is not None:
            self._tell(self.claim, values)

    def _check_result(self, result: Any) -> str:
        if not isinstance(result, str | os.PathLike):
            raise ResultRefused(f"The result is a {type(result).__name__}, but must be the path of a file.")
        folder = self.state.storage.result_dir(self.claim.id)
        path = Path(result) if Path(result).is_absolute() else folder / result
        path = path.resolve()
        roots = [folder.resolve(), *self.state.settings.result_roots]
        if not any(path.is_relative_to(root) for root in roots):
            raise ResultRefused(
                f"The result {path.name!r} lies outside of the results. "
                f"Write it to self.result_path(task, {path.name!r}), or name its folder in STASK_RESULT_ROOTS."
            )
        if clean(path) != str(path):
            raise ResultRefused(f"The name of the result {clean(path.name)!r} is not UTF-8, so it cannot be stored.")
        if not path.is_file():
            raise ResultRefused(f"The result {path.name!r} was not written.")
        return str(path)

    def _write_refused(self, row: Any, reason: str, line: int | None) -> None:
        values = _columns_of(row)
        if self._refused is None:
            self._has_files = True
            path = self.state.storage.result_path(self.claim.id, REFUSED)
            self._refused = path.open("w", newline="", encoding="utf-8-sig")
            self._columns = [*(name for name in values if name not in ADDED), *ADDED]
            csv.writer(self._refused).writerow(self._columns)
        assert self._columns is not None
        known = {**values, "reason": self.pen.text(reason, LONGEST), "line": "" if line is None else line}
        more = [value for column, value in known.items() if column not in self._columns]
        csv.writer(self._refused).writerow(
            [*(clean(known.get(column, "")) for column in self._columns), *map(clean, more)]
        )

    def _close_refused(self) -> None:
        if self._refused is not None:
            try:
                self._refused.close()
            except OSError as error:
                self.pen.log("warning", f"The last refused rows could not be written: {error.strerror or error}")

    def _files(self, result: str | None) -> list[dict[str, Any]]:
        """What was made, as far as it is still there: an action may have removed its result after it named it."""
        found: dict[str, str] = {}
        if result is not None:
            found[result] = "result"
        if self._has_files:
            folder = self.state.storage.result_dir(self.claim.id).resolve()
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.is_file() and not path.name.startswith("."):
                    found.setdefault(str(path), "refused" if self._refused and path.name == REFUSED else "file")
        files = []
        for path_text, kind in found.items():
            path = Path(path_text)
            if clean(path_text) != path_text:
                self.pen.log("warning", f"The file {clean(path.name)!r} is not kept: its name is not UTF-8.")
                continue
            try:
                size = path.stat().st_size
                digest = {"sha256": _digest(path)} if size <= DIGEST_LIMIT else {}
            except OSError as error:
                self.pen.log("warning", f"The file {path.name!r} cannot be read any more: {error.strerror or error}")
                continue
            files.append({"name": path.name, "path": path_text, "size": size, "kind": kind, **digest})
        return files


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def at_row(processed: int | None, total: int | None) -> str:
    """Where in its input a run was, as the end of a sentence."""
    if not processed:
        return ""
    if not total:
        return stored.AT_ROW % {"row": f"{processed:,}"}
    return stored.AT_ROW_OF % {"row": f"{processed:,}", "total": f"{total:,}"}


def _columns_of(row: Any) -> dict[str, Any]:
    if hasattr(row, "values") and isinstance(row.values, Mapping):  # a tables.Row
        return {clean(key): value for key, value in row.values.items()}
    if isinstance(row, Mapping):
        return {clean(key): value for key, value in row.items()}
    if isinstance(row, list | tuple):
        return {f"column {number}": value for number, value in enumerate(row, 1)}
    return {"value": row}


Task.registry.configure()
#: Makes tasks without telling the mapper of each value: a fifth of the cost, and no history to keep.
_tasks: Any = sa.orm.attributes.manager_of_class(Task)


def _snapshot(claim: Claim, run: TaskRun) -> Task:
    task: Task = _tasks.new_instance()
    task.__dict__.update(
        id=claim.id,
        identifier=claim.identifier,
        action=claim.action,
        status=Status.RUNNING,
        priority=PRIORITY_WORDS[claim.priority],
        attempts=claim.attempts,
        max_attempts=claim.max_attempts,
        attempt_no=claim.attempt_no,
        crashes=claim.crashes,
        dry_run=bool(claim.dry_run),
        meta=json.loads(claim.meta) if claim.meta else {},
        started_by=json.loads(claim.started_by) if claim.started_by else None,
        created_at=datetime.fromtimestamp(claim.created_at, UTC),
        start_at=None if claim.start_at is None else datetime.fromtimestamp(claim.start_at, UTC),
        started_at=datetime.fromtimestamp(claim.started_at, UTC),
        message="",
        progress=0,
        warnings=0,
    )
    task._run = run  # a class attribute for everybody else
    return task
