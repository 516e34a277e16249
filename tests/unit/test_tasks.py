"""The door: creating is durable, joining is all or nothing, moves are legal or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import BaseWorker, Status, Task, stask
from stask_web.errors import (
    AlreadyRunning,
    ConfigError,
    IllegalMove,
    InvalidOptions,
    STaskError,
    TaskNotFound,
    TransactionOpen,
    UnknownAction,
    UnknownWorker,
    WorkerInactive,
)  # fmt: skip
from stask_web.models import Base

from .conftest import Host


def host_table(host: Host) -> sa.Table:
    table = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    table.create(host.db.engine, checkfirst=True)
    return table


def test_a_task_is_durable_when_create_returns(host: Host) -> None:
    task = stask.create("product", "import", {"file": "/tmp/x.csv", "token": "geheim"}, user_id=7)
    with sa.create_engine(host.db.engine.url).connect() as other:
        row = other.execute(
            sa.text("SELECT status, meta, started_by FROM s_tasks WHERE id = :id"), {"id": task.id}
        ).one()
    assert row.status == 10 and row.started_by == "7"
    assert "geheim" not in row.meta
    assert (task.status_text, task.priority, task.max_attempts) == ("pending", "high", 2)
    assert task.meta["file"] == "/tmp/x.csv"


@pytest.mark.parametrize("spelling", ["sync_stock", "sync-stock", "Sync_Stock"])
def test_an_action_may_be_spelled_in_several_ways(host: Host, spelling: str) -> None:
    assert stask.create("product", spelling).action == "sync_stock"


@pytest.mark.parametrize("user", [7, "7", "anna"])
def test_who_started_it_keeps_its_type(host: Host, user: Any) -> None:
    task = stask.create("product", "sync_stock", user_id=user)
    again = Task.get(task.id)
    assert again is not None and again.started_by == user and type(again.started_by) is type(user)


def test_what_does_not_exist_is_named_with_what_does(host: Host) -> None:
    with pytest.raises(UnknownWorker, match=r"'prodct'.*Did you mean 'product'"):
        stask.create("prodct", "import")
    with pytest.raises(UnknownAction, match=r"'imp'.*'import'"):
        stask.create("product", "imp")
    with pytest.raises(UnknownAction):
        stask.create("product", "__init__")
    with pytest.raises(InvalidOptions, match="file: Fill this in"):
        stask.create("product", "import")
    with pytest.raises(ValueError, match="high, normal, low"):
        stask.create("product", "sync_stock", priority="urgent")


def test_a_worker_that_is_turned_off_gets_no_task(host: Host) -> None:
    stask.deactivate_worker("product")
    with pytest.raises(WorkerInactive, match="flask stask activate product"):
        stask.create("product", "sync_stock")


def test_create_in_an_open_write_transaction_raises_at_once_and_says_what_to_do(host: Host) -> None:
    table = host_table(host)
    host.db.session.execute(table.insert())
    with pytest.raises(TransactionOpen, match=r"session=db\.session"):
        stask.create("product", "sync_stock")
    host.db.session.rollback()
    stask.create("product", "sync_stock")


def test_an_open_reading_transaction_does_not_matter(host: Host) -> None:
    table = host_table(host)
    host.db.session.execute(table.select()).all()
    stask.create("product", "sync_stock")


def test_a_joined_task_is_queued_at_the_commit_and_not_before(host: Host) -> None:
    table = host_table(host)
    host.db.session.execute(table.insert())
    task = stask.create("product", "sync_stock", session=host.db.session)
    assert Task.get(task.id) is None
    host.db.session.commit()
    assert Task.get(task.id) is not None


def test_a_joined_task_is_gone_with_the_rollback(host: Host) -> None:
    task = stask.create("product", "sync_stock", session=host.db.session)
    host.db.session.rollback()
    assert Task.get(task.id) is None
    assert stask.get_stats()["total"] == 0


def test_the_workers_are_woken_after_the_commit_of_a_joined_task(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[Any] = []
    monkeypatch.setattr(host.state.tasks.engine, "created", woken.append)
    task = stask.create("product", "sync_stock", session=host.db.session)
    assert woken == []
    host.db.session.commit()
    assert woken == [[task.id]]


def test_joining_a_session_on_another_database_is_refused(tmp_path: Path) -> None:
    from .conftest import ProductWorker

    host = Host(tmp_path, STASK_DATABASE_URI=f"sqlite:///{tmp_path / 'own.db'}")
    host.state.registry.add(ProductWorker)
    with host.app.app_context(), pytest.raises(ConfigError, match="STASK_DATABASE_URI"):
        stask.create("product", "sync_stock", session=host.db.session)


def test_a_unique_action_waits_or_runs_once(host: Host) -> None:
    first = stask.create("product", "rebuild")
    with pytest.raises(AlreadyRunning) as caught:
        stask.create("product", "rebuild")
    assert caught.value.task_id == first.id
    stask.cancel(first)
    stask.create("product", "rebuild")


def test_a_unique_action_may_be_so_for_each_value(host: Host) -> None:
    stask.create("product", "report", {"shop": "kyiv"})
    stask.create("product", "report", {"shop": "lviv"})
    with pytest.raises(AlreadyRunning):
        stask.create("product", "report", {"shop": "kyiv"})


def test_the_same_form_key_gives_the_same_task(host: Host) -> None:
    first = host.state.tasks.create("product", "sync_stock", form_key="k1")
    assert host.state.tasks.create("product", "sync_stock", form_key="k1").id == first.id
    assert Task.pending().count() == 1


def test_tasks_wait_in_the_order_of_priority_then_age_and_those_for_a_time_last(host: Host) -> None:
    later = stask.create("product", "sync_stock", priority="high", start_at=datetime.now(UTC) + timedelta(hours=1))
    low = stask.create("product", "sync_stock", priority="low")
    normal = stask.create("product", "sync_stock")
    high = stask.create("product", "sync_stock", priority="high")
    assert [task.id for task in stask.get_pending_tasks()] == [high.id, normal.id, low.id, later.id]
    assert Task.get(later.id).lane is None  # type: ignore[union-attr]


def test_a_withdrawn_task_is_counted_and_can_be_retried(host: Host) -> None:
    task = stask.cancel(stask.create("product", "sync_stock"), by="Ann")
    assert (task.status, task.message) == (Status.CANCELLED, "Withdrawn by Ann.")
    assert stask.get_stats()["cancelled"] == 1
    again = stask.retry(task)
    assert again.is_pending() and again.lane == 2
    assert stask.get_stats() == {"pending": 1, "running": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 1}


def test_moves_that_are_not_legal_are_refused(host: Host) -> None:
    task = stask.create("product", "sync_stock")
    with pytest.raises(IllegalMove, match="only a failed or stopped task"):
        stask.retry(task)
    stask.cancel(task)
    with pytest.raises(IllegalMove, match="cancelled already"):
        stask.cancel(task)
    with pytest.raises(IllegalMove):
        task.update(status=30)
    with pytest.raises(IllegalMove, match="'progress'"):
        task.update({"progress": 5})
    with pytest.raises(TaskNotFound, match="12345"):
        host.state.tasks.get(12345)


def test_the_message_may_be_changed_by_hand(host: Host) -> None:
    task = stask.create("product", "sync_stock")
    task.update(message="Wait for it")
    assert Task.get(task.id).message == "Wait for it"  # type: ignore[union-attr]


def test_queries_chain(host: Host) -> None:
    ids = [stask.create("product", "sync_stock").id for _ in range(5)]
    query = Task.by_identifier("product").by_action("sync-stock").filter(Task.id > ids[0]).order_by(Task.id.desc())
    assert [task.id for task in query.limit(2).all()] == [ids[4], ids[3]]
    assert query.count() == 4 and query.first().id == ids[4]  # type: ignore[union-attr]
    assert Task.incomplete().count() == 5 and Task.failed().count() == 0
    week_ago = datetime.now(UTC) - timedelta(days=7)
    assert Task.pending().where(Task.created_at > week_ago).count() == 5


def test_delete_takes_ended_tasks_with_their_files_and_leaves_the_others(host: Host) -> None:
    waiting, ended = stask.create("product", "sync_stock"), stask.create("product", "sync_stock")
    stask.log(ended, "info", "something")
    stask.cancel(ended)
    result = host.state.storage.result_path(ended.id, "x.csv")
    result.write_text("x")
    assert Task.query().delete() == 1
    assert Task.get(ended.id) is None and Task.get(waiting.id) is not None
    assert not result.exists() and ended.get_logs() == []
    assert stask.get_stats()["cancelled"] == 0
    with pytest.raises(STaskError):
        stask.get_worker("product").query().delete()  # type: ignore[union-attr]


def test_old_tasks_are_cleaned_and_young_ones_stay(host: Host) -> None:
    old, young = stask.create("product", "sync_stock"), stask.create("product", "sync_stock")
    stask.cancel(old)
    stask.cancel(young)
    with host.state.database.write() as connection:
        connection.execute(
            sa.update(Task).where(Task.id == old.id).values(finished_at=datetime.now(UTC) - timedelta(days=31))
        )
    assert stask.clean_old_tasks(days=30) == 1
    assert Task.get(old.id) is None and Task.get(young.id) is not None


def test_the_log_is_written_read_and_cleared(host: Host) -> None:
    task = stask.create("product", "sync_stock")
    stask.log(task, "warning", "Skipped item 5", {"reason": "no price"})
    stask.log(task, "error", "Broken")
    assert [line["level"] for line in task.get_logs()] == ["warning", "error"]
    assert task.get_last_logs(1)[0]["message"] == "Broken" and len(task.get_error_logs()) == 1
    with host.app.test_request_context():
        response = task.logger().download_logs(task)
        assert b"WARNING Skipped item 5" in response.get_data()
    task.clear_logs()
    assert task.get_logs() == []
    with pytest.raises(STaskError, match="no log level 'loud'"):
        stask.log(task, "loud", "x")


def test_many_tasks_are_created_in_one_go(host: Host) -> None:
    ids = stask.create_many("product", "sync_stock", [{"n": number} for number in range(50)])
    assert len(set(ids)) == 50
    assert [Task.get(task_id).meta["n"] for task_id in ids] == list(range(50))  # type: ignore[union-attr]


def test_the_hosts_create_all_and_drop_all_leave_our_tables_alone(host: Host) -> None:
    host.db.create_all()
    host.db.drop_all()
    names = set(sa.inspect(host.db.engine).get_table_names())
    assert set(Base.metadata.tables) <= names


class CapitalWorker(BaseWorker):
    """Names that differ in nothing but capitals, and some that only one spelling has."""

    identifier = "capital"

    def task_export(self, task: Any, options: Any) -> None: ...

    def task_Export(self, task: Any, options: Any) -> None: ...

    def task_Sync_Stock(self, task: Any, options: Any) -> None: ...

    def task_Імпорт(self, task: Any, options: Any) -> None: ...  # noqa: PLC2401


@pytest.mark.parametrize(
    ("spelling", "found"),
    [
        ("export", ["export"]),
        ("Export", ["Export"]),
        ("EXPORT", ["export"]),
        ("sync-stock", ["Sync_Stock", "sync_stock"]),
        ("Sync_Stock", ["Sync_Stock", "sync_stock"]),
        ("імпорт", ["Імпорт"]),
        ("Gone", ["Gone"]),
        ("gone", ["Gone"]),
    ],
)
def test_the_tasks_of_an_action_are_found_by_any_spelling_that_means_it(
    host: Host, spelling: str, found: list[str]
) -> None:
    host.state.registry.add(CapitalWorker)
    host.state.roster.set_active("capital", True)
    for name in ("export", "Export", "Sync_Stock", "Імпорт"):
        stask.create("capital", name)
    stask.create("product", "sync_stock")
    with host.state.database.write() as connection:
        row = {"identifier": "old", "action": "Gone", "status": Status.COMPLETED, "meta": {}, "created_at": 1.0}
        connection.execute(sa.insert(Task).values(**row, message="", priority="normal", max_attempts=1))
    assert [task.action for task in Task.by_action(spelling).order_by(Task.action)] == found
