"""Task management: creating, processing, workers, executing, cleaning up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web import BaseWorker, Status, Task, TaskFailed, UploadedPath, WorkerRecord, stask
from stask_web.state import state_of

from .site import Product, create_app, db


class ProductWorker(BaseWorker):
    identifier = "product"
    scope = "scommerce"
    title = "Product Management"
    description = "Import and export products"
    icon = '<i class="fa fa-cube"></i>'

    def task_import(self, task, options):
        if options.get("file") == "broken.csv":
            raise TaskFailed("Line 3 has no price")
        self.mark_finished(task, message=f"Imported {options['file']}")

    def task_export(self, task, options):
        path = self.result_path(task, "products.csv")
        path.write_text("sku\n")
        self.mark_finished(task, path)


class OldWorker(BaseWorker):
    identifier = "old_worker"
    scope = "legacy"

    def task_nothing(self, task, options): ...


@pytest.fixture(autouse=True)
def workers(use: Callable[..., None]) -> None:
    use(ProductWorker, OldWorker)


# -- creating


def test_creating_a_task(app: Flask) -> None:
    task = stask.create(
        identifier="product",
        action="import",
        data={"file": "/path/to/products.csv"},
        priority="high",
        user_id=7,
    )

    assert task.is_pending() and task.priority == "high" and task.started_by == 7
    assert Task.get(task.id).meta == {"file": "/path/to/products.csv"}


def test_priority_and_options(app: Flask) -> None:
    task = stask.create(
        identifier="product",
        action="export",
        data={"format": "csv", "filters": {"active": True}},
        priority="normal",  # low, normal, high
        user_id="anna",
    )

    assert task.meta == {"format": "csv", "filters": {"active": True}} and task.started_by == "anna"


def test_creating_a_task_from_a_worker(app: Flask) -> None:
    worker = ProductWorker()
    task = worker.create_task("import", {"file": "products.csv"})

    assert (task.identifier, task.action, task.meta) == ("product", "import", {"file": "products.csv"})


def test_creating_many_tasks_in_one_call(app: Flask) -> None:
    files = [f"prices-{number}.csv" for number in range(1000)]
    ids = stask.create_many("product", "import", ({"file": file} for file in files), priority="low")

    assert len(ids) == 1000 and ids == sorted(ids)
    assert [task.meta["file"] for task in Task.pending().order_by(Task.id)] == files


def test_creating_a_task_in_a_transaction_of_yours(app: Flask) -> None:
    db.session.add(Product(sku="A-1", name="Bolt"))
    task = stask.create("product", "export", session=db.session)
    db.session.commit()  # both, or with rollback() neither

    assert Task.get(task.id) and Product.query.count() == 1
    db.session.add(Product(sku="A-2", name="Nut"))
    lost = stask.create("product", "export", session=db.session)
    db.session.rollback()
    assert Task.get(lost.id) is None and Product.query.count() == 1


def test_creating_a_task_for_later(app: Flask) -> None:
    task = stask.create("product", "export", start_at=datetime.now(UTC) + timedelta(hours=2))

    assert stask.process_pending_tasks() == 0 and task.is_pending()


# -- processing


def test_processing_pending_tasks(app: Flask) -> None:
    stask.create_many("product", "import", [{"file": f"{number}.csv"} for number in range(70)])

    processed_count = stask.process_pending_tasks()  # ten at most
    assert processed_count == 10

    processed_count = stask.process_pending_tasks(batch_size=50)
    assert processed_count == 50

    assert stask.process_pending_tasks(batch_size=50) == 10


def test_statistics(app: Flask) -> None:
    stask.create("product", "import", {"file": "good.csv"})
    stask.create("product", "import", {"file": "broken.csv"})
    stask.process_pending_tasks()
    stask.cancel(stask.create("product", "export"))
    stask.create("product", "export")

    stats = stask.get_stats()

    assert stats == {"pending": 1, "running": 0, "completed": 1, "failed": 1, "cancelled": 1, "total": 4}


def test_pending_tasks(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    stask.create("product", "import", {"file": "a.csv"})
    stask.create("product", "export", priority="high")

    for task in stask.get_pending_tasks(limit=20):
        print(f"Task #{task.id}: {task.identifier} -> {task.action}")

    assert capsys.readouterr().out == "Task #2: product -> export\nTask #1: product -> import\n"


# -- workers


def test_discovering_and_cleaning_workers(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    del state_of(app).registry._added["old_worker"]  # its class was deleted

    registered = stask.discover_workers()
    print(f"Registered {len(registered)} new workers")
    updated = stask.rescan_workers()
    print(f"Updated {len(updated)} workers")
    deleted = stask.clean_orphaned_workers()
    print(f"Deleted {deleted} orphaned workers")

    assert capsys.readouterr().out.split() == (
        ["Registered", "0", "new", "workers", "Updated", "0", "workers", "Deleted", "1", "orphaned", "workers"]
    )


def test_listing_workers(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    stask.deactivate_worker("old_worker")

    for worker in stask.get_workers(active_only=False):
        print(f"{worker.identifier} ({worker.scope}) - {'Active' if worker.active else 'Inactive'}")

    assert capsys.readouterr().out == "old_worker (legacy) - Inactive\nproduct (scommerce) - Active\n"
    assert [worker.identifier for worker in stask.get_workers(active_only=True)] == ["product"]


def test_one_worker(app: Flask) -> None:
    worker = stask.get_worker("product")
    if worker:
        print(f"Title: {worker.title}")
        print(f"Description: {worker.description}")
        print(f"Icon: {worker.icon}")

    assert worker is not None and worker.title == "Product Management" and worker.icon.startswith("<i")
    assert stask.get_worker("nobody") is None


def test_turning_workers_on_and_off(app: Flask) -> None:
    stask.activate_worker("product")
    stask.deactivate_worker("old_worker")

    commerce_workers = WorkerRecord.by_scope("scommerce").all()
    assert [worker.identifier for worker in commerce_workers] == ["product"]
    assert [worker.identifier for worker in WorkerRecord.only_active().by_scope("legacy")] == []
    assert [worker.identifier for worker in WorkerRecord.ordered()] == ["old_worker", "product"]


# -- executing


@pytest.mark.parametrize("file", ["good.csv", "broken.csv"])
def test_executing_one_task(app: Flask, capsys: pytest.CaptureFixture[str], file: str) -> None:
    task_id = stask.create("product", "import", {"file": file}).id

    task = Task.get(task_id)
    if stask.execute(task):
        print("Task completed successfully")
    else:
        print(f"Task failed: {task.message}")

    said = capsys.readouterr().out.strip()
    assert (
        said
        == {
            "good.csv": "Task completed successfully",
            "broken.csv": "Task failed: Line 3 has no price",
        }[file]
    )


def test_retrying_a_failed_task(app: Flask) -> None:
    task = stask.create("product", "import", {"file": "broken.csv"})
    stask.execute(task)

    if task.can_retry():
        task = stask.retry(task)

    assert task.is_pending() and task.attempts == 0
    assert [attempt.outcome for attempt in task.get_attempts()] == ["failed"], "old attempts are kept"


def test_the_inline_engine_runs_a_task_where_it_is_created(tmp_path: Path) -> None:
    app = create_app(tmp_path / "inline", STASK_ENGINE="inline", STASK_AUTO_ACTIVATE=True)
    (tmp_path / "inline").mkdir()
    state_of(app).registry.add(ProductWorker)
    with app.app_context():
        from stask_web.database import upgrade

        upgrade(state_of(app).database)
        task = stask.create("product", "import", {"file": "products.csv"})
        assert task.status == Status.COMPLETED and task.message == "Imported products.csv"
        joined = stask.create("product", "export", session=db.session)
        assert Task.get(joined.id) is None, "not before the commit"
        db.session.commit()
        assert Task.get(joined.id).status == Status.COMPLETED
        many = stask.create_many("product", "import", [{"file": "a.csv"}, {"file": "broken.csv"}])
        assert [Task.get(task_id).status_text for task_id in many] == ["completed", "failed"]


# -- cleaning up


def ended(action: str, days: float, options: dict[str, Any] | None = None, *, fails: bool = False) -> Task:
    """A task that ended so many days ago."""
    task = stask.create("product", action, {"file": "broken.csv" if fails else "a.csv", **(options or {})})
    stask.execute(task)
    change = sa.update(Task).where(Task.id == task.id)
    with state_of_current().database.write() as connection:
        connection.execute(change.values(finished_at=datetime.now(UTC) - timedelta(days=days)))
    return Task.get(task.id)


def state_of_current() -> Any:
    from stask_web.state import current_state

    return current_state()


def test_old_tasks_go_with_all_that_belongs_to_them(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    old, young = ended("export", 31), ended("export", 29)
    stask.log(old, "info", "a line")
    waiting = stask.create("product", "export")

    deleted_tasks = stask.clean_old_tasks(days=30)
    print(f"Deleted {deleted_tasks} old tasks")

    assert capsys.readouterr().out == "Deleted 1 old tasks\n"
    assert Task.get(old.id) is None and old.get_attempts() == [] and old.get_logs() == []
    assert not old.result_file.exists() and not old.result_file.parent.exists()
    assert young.result_file.exists() and Task.get(young.id) and Task.get(waiting.id)
    assert stask.get_stats()["completed"] == 1


def test_old_tasks_may_be_cleaned_by_status(app: Flask) -> None:
    done, failed = ended("import", 40), ended("import", 40, fails=True)

    assert stask.clean_old_tasks(days=30, status="failed") == 1
    assert Task.get(failed.id) is None and Task.get(done.id)
    assert stask.clean_old_tasks(days=30, status=[Status.COMPLETED, 40]) == 1
    with pytest.raises(ValueError, match="only those are over"):
        stask.clean_old_tasks(status="running")


def test_a_result_that_a_kept_task_uses_stays_until_that_one_goes(app: Flask) -> None:
    export = ended("export", 40)
    file = export.result_file
    importing = stask.create("product", "import", {"file": str(file)})

    assert stask.clean_old_tasks(days=30) == 1
    assert Task.get(export.id) is None and file.exists()
    stask.cancel(importing)
    assert Task.filter(Task.id == importing.id).delete() == 1
    assert not file.exists()


def test_an_upload_that_a_kept_task_uses_stays_until_that_one_goes(app: Flask, tmp_path: Path) -> None:
    storage = state_of(app).storage
    storage.prepare()
    token = storage.begin("prices.csv", 4, UploadKinds(), 100)
    storage.put(token, 0, b"sku\n", name="prices.csv", size=4)
    path = storage.finish(token, name="prices.csv", size=4).path
    file = UploadedPath.of(path, "prices.csv", token)
    first = ended("import", 40, {"file": file})
    second = stask.create("product", "import", {"file": file})

    stask.clean_old_tasks(days=30)
    assert Task.get(first.id) is None and path.exists()
    stask.cancel(second)
    Task.query().delete()
    assert not path.exists()


class UploadKinds:
    extensions = (".csv",)


def test_old_logs_are_cleaned(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    old, young, running = ended("import", 1), ended("import", 1), stask.create("product", "export")
    for task in (old, young, running):
        stask.log(task, "info", "a line")
    for task in (old, running):
        path = state_of(app).journals.of(task.id).path
        os.utime(path, (time.time() - 31 * 86400,) * 2)

    deleted_logs = stask.clean_old_logs(days=30)
    print(f"Deleted {deleted_logs} old log files")

    assert capsys.readouterr().out == "Deleted 1 old log files\n"
    assert old.get_logs() == [] and len(young.get_logs()) == 1 and len(running.get_logs()) == 1


def test_cleaning_by_a_query_of_your_own(app: Flask) -> None:
    week_old, new, failed = ended("import", 8), ended("import", 6), ended("import", 8, fails=True)

    deleted = (
        Task.where(Task.status == Status.COMPLETED)
        .where(Task.finished_at < datetime.now(UTC) - timedelta(days=7))
        .delete()
    )

    assert deleted == 1
    assert Task.get(week_old.id) is None and Task.get(new.id) and Task.get(failed.id)


def test_a_transaction_deletes_at_most_a_thousand(app: Flask) -> None:
    stask.create_many("product", "export", [None] * 2500)
    with state_of(app).database.write() as connection:
        connection.execute(sa.update(Task).values(status=Status.COMPLETED, lane=None, finished_at=1.0))
    deleted: list[int] = []

    @sa.event.listens_for(state_of(app).database.engine, "after_cursor_execute")
    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if statement.startswith("DELETE FROM s_tasks"):
            deleted.append(cursor.rowcount)

    assert stask.clean_old_tasks(days=30) == 2500
    assert sum(deleted) == 2500 and max(deleted) <= 1000
