"""The details of a task: what it was started with, its files and numbers, and the report for a developer."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from ..encoding import plain as plain_options
from ..encoding import tokens
from ..formatting import amount, priority_word
from ..language import Reader, reading, tr
from ..models import Attempt
from ..numbers import human_size
from ..queries import uploads_by_token
from ..state import State
from ..text import plain
from ..times import clock
from .shown import Shown

STARS = "••••••"
#: How many of the last lines of the log are looked through for errors, and how many errors a report holds.
LINES, ERRORS = 100, 3


class Fact(NamedTuple):
    """One line of the details; ``code`` for what machines read."""

    name: str
    value: str
    code: bool = False


def facts_of(shown: Shown, tries: Sequence[Attempt]) -> list[Fact]:
    """Numbers and names for whoever looks closer."""
    row = shown.task
    facts = [
        Fact(tr("Task"), str(row.id), True),
        Fact(tr("Worker"), row.identifier, True),
        Fact(tr("Action"), row.action, True),
        Fact(tr("Priority"), priority_word(row.priority)),
        Fact(tr("Attempts"), tr("%(done)s of %(total)s", done=row.attempts, total=row.max_attempts)),
    ]
    if row.start_at:
        facts.append(Fact(tr("Start at"), clock(row.start_at)))
    if tries and tries[-1].pid:
        facts.append(Fact(tr("Process"), str(tries[-1].pid), True))
    return facts


def files_of(state: State, shown: Shown) -> list[list[Fact]]:
    """What is known of each uploaded file that it was started with."""
    uploads = uploads_by_token(state.database, tokens(shown.task.meta))
    return [_of_file(upload.name, human_size(upload.size), upload.sha256) for upload in uploads]


def made_by(shown: Shown) -> list[list[Fact]]:
    """What is known of each file that the task made, where that is more than stands in the list of files."""
    return [_of_file(file.name, file.size, file.sha256) for file in shown.files if file.sha256]


def _of_file(name: str, size: str, sha256: str | None) -> list[Fact]:
    facts = [Fact(tr("File"), name), Fact(tr("Size"), size)]
    return [*facts, Fact("SHA-256", sha256, True)] if sha256 else facts


def options_of(shown: Shown) -> list[Fact]:
    """The options as people know them: by label, a file by its name; a secret only as stars."""
    fields = shown.spec.fields() if shown.spec is not None else []
    labels = {item.name: item.label for item in fields}
    secret = {item.name for item in fields if item.kind == "secret"}
    meta = plain_options(shown.task.meta or {})
    facts = [
        Fact(labels.get(name) or plain(name), STARS if name in secret else words(value)) for name, value in meta.items()
    ]
    hidden = sorted(secret - meta.keys()) if shown.task.secrets else []
    return [*facts, *(Fact(labels[name], STARS) for name in hidden)]


def words(value: Any) -> str:
    """An option's value for people."""
    if isinstance(value, dict) and value.keys() == {"upload", "name"}:
        return str(value["name"])
    if isinstance(value, bool):
        return tr("Yes") if value else tr("No")
    if value in (None, "", [], {}):
        return "–"
    return ", ".join(words(item) for item in value) if isinstance(value, list) else plain(value)


def report_of(state: State, shown: Shown, tries: Sequence[Attempt], *, whole: bool) -> str:
    """What a developer needs to know of a failure.

    :param whole: with the error and the last errors of the log, for those who may see it.
    """
    with reading(Reader()):  # whoever reads it mends the program, and its logs are in English, too
        return _report(state, shown, tries, whole)


def _report(state: State, shown: Shown, tries: Sequence[Attempt], whole: bool) -> str:
    row = shown.task
    ended = row.finished_at.isoformat(timespec="seconds") if row.finished_at else ""
    lines = [f"{shown.title}: {row.status_text}", *(f"{fact.name}: {fact.value}" for fact in facts_of(shown, tries))]
    lines += [
        f"Ended: {ended}",
        f"Reached: {amount(row.processed, row.total) or 'not known'}",
        f"Message: {row.message}",
    ]
    lines += [f"Versions: stask-web {_own_version()}, Python {platform.python_version()}"]
    if whole:
        records = state.journals.of(row.id).last(LINES).lines
        errors = [str(record.get("m", "")) for record in records if record.get("l") == "error"]
        lines += ["", row.error or "", *errors[-ERRORS:]]
    return plain("\n".join(lines)).strip()


def _own_version() -> str:
    try:
        return version("stask-web")
    except PackageNotFoundError:
        return "of a checkout"
