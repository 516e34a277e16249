"""For users' own tests: run one action of a worker as a task, in this thread, and look at what came of it.

For pytest there is the fixture ``stask_run``: import it in your ``conftest.py``, beside a fixture ``app``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from .database import upgrade
from .engines.inline import execute_id
from .models import Task
from .state import state_of
from .status import Status


@dataclass(frozen=True)
class ActionRun:
    """What came of one run.

    :param task: the task as it stands in the database afterwards.
    :param log: the log lines, dicts of timestamp, level, message, context, attempt, kind.
    :param files: name -> path of each file that was made.
    """

    task: Task
    log: list[dict[str, Any]]
    files: dict[str, Path]

    @property
    def ok(self) -> bool:
        """Whether the action completed."""
        return self.task.status == Status.COMPLETED

    @property
    def status(self) -> Status:
        """The status: PENDING when another attempt would follow."""
        return self.task.status

    @property
    def message(self) -> str:
        """The sentence for people."""
        return self.task.message

    @property
    def error(self) -> str | None:
        """Type and text of the exception that ended the attempt, if one did."""
        return self.task.error

    @property
    def warnings(self) -> int:
        """How many inputs were refused."""
        return self.task.warnings

    @property
    def counts(self) -> dict[str, int]:
        """The named counters."""
        return self.task.counts or {}

    @property
    def progress(self) -> int:
        """0 to 100."""
        return self.task.progress


def run_action(
    app: Flask, worker: type[Any], action: str, options: Mapping[str, Any] | None = None, *, user_id: Any = None
) -> ActionRun:
    """Run one action here and now: no worker process, no activation, no tables needed before.

    :param app: an app with the extension; its database gets the task, so give it one for tests.
    :param worker: the worker class, found by discovery or not.
    :param action: the action's name.
    :param options: its options; a file field takes any path.
    :param user_id: who starts it.
    :raises InvalidOptions: as a form would show them.
    """
    state = state_of(app)
    with app.app_context():
        upgrade(state.database)
        state.registry.add(worker)
        state.roster.set_active(worker.identifier, True)
        # Not due for an hour: a worker process on the same database must not be faster than we are.
        start_at = time.time() + 3600
        task = state.tasks.create(worker.identifier, action, options, user_id=user_id, start_at=start_at)
        execute_id(app, task.id)
        done = state.tasks.get(task.id)
        return ActionRun(
            done, state.tasks.task_log(done).lines(), {file["name"]: Path(file["path"]) for file in done.files or ()}
        )


@pytest.fixture
def stask_run(app: Flask) -> Callable[..., ActionRun]:
    """:func:`run_action` on the fixture ``app``: ``stask_run(ProductWorker, "import", {"file": path})``."""
    return partial(run_action, app)
