"""The files of deleted tasks: written down before the rows go, removed after, and taken up again when the process died
in between.

A note is a small file in the storage's ``run/`` folder. While it is there, some of its files may still be; once the
tasks that it names are gone, whoever deletes next removes them.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from .fileio import open_bytes
from .models import Task, TaskUpload
from .state import State

#: Before a task's id, what a task that uses the other's result has among its tokens.
RESULT = "result-"
#: Seconds after which a note whose tasks are all there is of a transaction that never came about.
OLD = 3600.0
_log = logging.getLogger(__name__)


class Gone(NamedTuple):
    """What a transaction deletes, and whose files nobody needs any more.

    :param tasks: ids, whose journals go.
    :param results: ids whose results go.
    :param uploads: tokens.
    """

    tasks: list[int]
    results: list[int]
    uploads: list[str]


class Removal:
    """Removes files for one app.

    :param state: the app's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, gone: Gone) -> Path:
        """Write down what will be removed; to be called before the commit.

        A disk that is full must not keep anybody from deleting: without a note, a crash may leave files.
        """
        path = self._state.storage.run / f"deleting-{uuid.uuid4().hex}.json"
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(open_bytes(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w", encoding="ascii") as file:
                json.dump(gone, file)
        return path

    def remove(self, gone: Gone, note: Path) -> None:
        """Remove the files; one that cannot be removed keeps no other one, and is tried again with the next note."""
        journals, storage = self._state.journals, self._state.storage
        removals: list[Callable[[], object]] = [
            *(journals.of(task_id).clear for task_id in gone.tasks),
            *(partial(storage.delete_results, task_id) for task_id in gone.results),
            *(partial(storage.discard, token) for token in gone.uploads),
        ]
        failed = 0
        for remove in removals:
            try:
                remove()
            except OSError:
                failed += 1
                problem = sys.exc_info()
        if failed:
            _log.warning("%d files of deleted tasks could not be removed yet.", failed, exc_info=problem)
            return
        note.unlink(missing_ok=True)

    def resume(self) -> None:
        """Take up the notes of processes that died, and those whose files could not be removed."""
        for note, gone in self._notes():
            with self._state.database.read() as connection:
                alive = _there(connection, Task.id, gone.tasks)
                used = _there(connection, TaskUpload.token, [*(f"{RESULT}{n}" for n in gone.results), *gone.uploads])
            if not alive:
                results = [number for number in gone.results if f"{RESULT}{number}" not in used]
                self.remove(Gone(gone.tasks, results, [token for token in gone.uploads if token not in used]), note)
            elif _age(note) > OLD:
                note.unlink(missing_ok=True)

    def _notes(self) -> Iterator[tuple[Path, Gone]]:
        for path in sorted(self._state.storage.run.glob("deleting-*.json")):
            try:
                yield path, Gone(*json.loads(path.read_bytes()))
            except FileNotFoundError:
                continue  # whoever wrote it has just removed the files
            except (ValueError, TypeError):  # torn: its transaction never came about
                if _age(path) > OLD:
                    path.unlink(missing_ok=True)


def _there(connection: sa.Connection, column: Any, values: Iterable[Any]) -> set[Any]:
    """Those of the values that the column holds."""
    return set(connection.execute(sa.select(column).where(column.in_(list(values)))).scalars())


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
