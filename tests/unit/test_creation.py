"""Creating many tasks at once, on each way that can go wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import Task, stask
from stask_web.errors import AlreadyRunning, InvalidOptions, TablesMissing, TransactionOpen, WorkerInactive
from stask_web.rows import AT_ONCE

from .conftest import Host


def test_the_ids_are_in_the_order_of_the_items_over_several_statements(host: Host) -> None:
    first = stask.create("product", "sync_stock")
    ids = stask.create_many("product", "sync_stock", ({"n": number} for number in range(AT_ONCE * 2 + 3)))
    assert ids == list(range(first.id + 1, first.id + 1 + AT_ONCE * 2 + 3))
    assert [task.meta["n"] for task in Task.where(Task.id > first.id).order_by(Task.id)] == list(range(len(ids)))


def test_none_is_created_when_one_is_wrong(host: Host) -> None:
    good = {"file": "/tmp/a.csv"}
    with pytest.raises(InvalidOptions, match="batch"):
        stask.create_many("product", "import", [good, {**good, "batch": 0}])
    assert Task.query().count() == 0


def test_none_is_created_when_two_must_be_alone(host: Host) -> None:
    with pytest.raises(InvalidOptions, match="only one may wait or run"):
        stask.create_many("product", "report", [{"shop": "kyiv"}, {"shop": "lviv"}, {"shop": "kyiv"}])
    waiting = stask.create("product", "report", {"shop": "lviv"})
    with pytest.raises(AlreadyRunning) as caught:
        stask.create_many("product", "report", [{"shop": "kyiv"}, {"shop": "lviv"}])
    assert caught.value.task_id == waiting.id
    assert Task.query().count() == 1


def test_nothing_is_no_task(host: Host) -> None:
    assert stask.create_many("product", "sync_stock", []) == []


def test_many_tasks_may_wait_for_a_time_and_have_one_priority(host: Host) -> None:
    ids = stask.create_many("product", "sync_stock", [None, None], "high", 7, start_at=2e9)
    for task in Task.where(Task.id.in_(ids)):
        assert (task.lane, task.priority, task.started_by, task.due_at.timestamp()) == (None, "high", 7, 2e9)


def test_many_tasks_join_a_transaction(host: Host) -> None:
    stask.create_many("product", "sync_stock", [None] * 3, session=host.db.session)
    host.db.session.rollback()
    assert Task.query().count() == 0
    ids = stask.create_many("product", "sync_stock", [None] * 3, session=host.db.session)
    host.db.session.commit()
    assert [task.id for task in Task.query().order_by(Task.id)] == ids


def test_the_worker_must_be_on_and_no_transaction_open(host: Host) -> None:
    host.db.session.execute(sa.text("CREATE TABLE things (id INTEGER)"))
    host.db.session.execute(sa.text("INSERT INTO things VALUES (1)"))
    with pytest.raises(TransactionOpen):
        stask.create_many("product", "sync_stock", [None])
    host.db.session.rollback()
    stask.deactivate_worker("product")
    with pytest.raises(WorkerInactive):
        stask.create_many("product", "sync_stock", [None])


def test_what_create_gives_is_what_the_database_has(host: Host) -> None:
    options = {"file": "/tmp/x.csv", "token": "geheim", "dry_run": True}
    made = stask.create("product", "import", options, "low", "anna", start_at=2e9)
    stored = Task.get(made.id)
    assert stored is not None
    for column in sa.inspect(Task).column_attrs:
        assert getattr(made, column.key) == getattr(stored, column.key), column.key
    assert made.dry_run and made.priority == "low" and "geheim" not in str(made.meta)


def test_missing_tables_are_said_by_every_call(host: Host) -> None:
    with host.state.database.engine.begin() as connection:
        for table in ("s_tasks", "s_workers"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    with pytest.raises(TablesMissing):
        stask.create("product", "sync_stock")
    with pytest.raises(TablesMissing):
        stask.get_stats()


@pytest.mark.parametrize("start", [1e15, float("nan"), float("inf"), -1.0, datetime(9999, 12, 31, 23, 30, tzinfo=UTC)])
def test_a_start_that_no_clock_shows_is_refused_before_anything_is_written(host: Host, start: Any) -> None:
    with pytest.raises(InvalidOptions):
        stask.create("product", "sync_stock", start_at=start)
    assert Task.query().count() == 0
