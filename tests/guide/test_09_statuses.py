"""Task statuses: constants, questions, texts, queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web import BaseWorker, Status, Task, TaskFailed, stask
from stask_web.errors import IllegalMove
from stask_web.state import state_of
from stask_web.status import MOVES


class ProductWorker(BaseWorker):
    identifier = "product"

    def task_import(self, task, options):
        if options.get("fails"):
            raise TaskFailed("It failed")

    def task_export(self, task, options):
        """Look at ourselves while we run."""
        seen.append((task.is_running(), task.status_text, Task.running().count()))


seen: list[tuple[bool, str, int]] = []


@pytest.fixture
def tasks(app: Flask, use: Callable[..., None]) -> dict[str, Task]:
    """One task of each status but running."""
    use(ProductWorker)
    made = {
        "completed": stask.create("product", "import"),
        "failed": stask.create("product", "import", {"fails": True}),
        "cancelled": stask.create("product", "import"),
    }
    stask.cancel(made["cancelled"])
    stask.process_pending_tasks()
    made["pending"] = stask.create("product", "export")
    return {name: Task.get(task.id) for name, task in made.items()}


def test_the_constants_are_those_of_the_php_system() -> None:
    assert {int(status): status.text for status in Status} == {
        10: "pending",
        20: "running",
        30: "completed",
        40: "failed",
        50: "cancelled",
    }


def test_asking_a_task(tasks: dict[str, Task], capsys: pytest.CaptureFixture[str]) -> None:
    for task in tasks.values():
        if task.is_pending():
            print("Task is waiting to be processed")
        if task.is_running():
            print("Task is currently executing")
        if task.is_finished():
            print("Task is done (completed, failed, or cancelled)")
        print(task.status_text)  # pending, running, completed, failed, cancelled

    said = capsys.readouterr().out.splitlines()
    assert said.count("Task is done (completed, failed, or cancelled)") == 3
    assert said.count("Task is waiting to be processed") == 1
    assert [line for line in said if " " not in line] == ["completed", "failed", "cancelled", "pending"]


def test_a_task_runs_while_its_action_works(app: Flask, tasks: dict[str, Task]) -> None:
    seen.clear()
    stask.process_pending_tasks()
    assert seen == [(True, "running", 1)]


def test_queries_by_status(tasks: dict[str, Task]) -> None:
    pending_tasks = Task.pending().all()
    running_tasks = Task.running().all()
    completed_tasks = Task.completed().all()
    failed_tasks = Task.failed().all()
    cancelled_tasks = Task.cancelled().all()
    incomplete_tasks = Task.incomplete().all()  # neither finished nor failed

    assert [task.id for task in pending_tasks] == [tasks["pending"].id]
    assert running_tasks == []
    assert [task.id for task in completed_tasks] == [tasks["completed"].id]
    assert [task.id for task in failed_tasks] == [tasks["failed"].id]
    assert [task.id for task in cancelled_tasks] == [tasks["cancelled"].id]
    assert [task.id for task in incomplete_tasks] == [tasks["pending"].id]


def test_queries_by_worker_and_action(tasks: dict[str, Task]) -> None:
    product_imports = Task.by_identifier("product").by_action("import").all()

    assert len(product_imports) == 3
    assert Task.by_action("export").by_identifier("product").pending().count() == 1
    assert not Task.by_identifier("nobody").exists()


def test_recent_failures(app: Flask, tasks: dict[str, Task]) -> None:
    older = stask.create("product", "import", {"fails": True})
    stask.execute(older)
    with state_of(app).database.write() as connection:
        eight_days_ago = datetime.now(UTC) - timedelta(days=8)
        connection.execute(sa.update(Task).where(Task.id == older.id).values(created_at=eight_days_ago))

    recent_failures = (
        Task.failed()
        .where(Task.created_at > datetime.now(UTC) - timedelta(days=7))
        .order_by(Task.created_at.desc())
        .all()
    )

    assert [task.id for task in recent_failures] == [tasks["failed"].id]
    assert [task.id for task in Task.failed().order_by(Task.created_at)] == [older.id, tasks["failed"].id]


def test_a_task_outlives_the_session(app: Flask, tasks: dict[str, Task]) -> None:
    from .site import db

    task = Task.failed().first()
    db.session.rollback()
    db.session.remove()
    assert task.message == "It failed" and task.meta == {"fails": True}


def test_only_legal_moves_are_made(tasks: dict[str, Task]) -> None:
    assert (Status.COMPLETED, Status.PENDING) not in MOVES
    for move in (stask.retry, stask.cancel):
        with pytest.raises(IllegalMove):
            move(tasks["completed"])
    for values in ({"status": 30}, {"status": 20}, {"status": 50}, {"progress": 3}):
        with pytest.raises(IllegalMove):
            tasks["pending"].update(values)
    tasks["pending"].update({"message": "Waits for the supplier"})
    assert Task.get(tasks["pending"].id).message == "Waits for the supplier"
