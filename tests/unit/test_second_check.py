"""Every way to a run gives an action the values that the check at its start made: by tasks, schedules and commands."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, BeforeValidator, SecretStr

from stask_web import BaseWorker, Status, Task, TaskFailed, Upload, UploadedPath, action, stask
from stask_web.database import upgrade
from stask_web.forms import LaunchForm
from stask_web.models import Schedule, TaskUpload
from stask_web.uploads import Uploads

from .conftest import Host

TOKEN = "0123456789abcdef" * 2
HOURLY = {"type": "periodic", "frequency": "hourly"}


class Size(Enum):
    SMALL = (1, 2)


def without_prefix(value: str) -> str:
    """Refuses what it made itself."""
    assert value.startswith("A-")
    return value.removeprefix("A-")


Number = Annotated[str, BeforeValidator(without_prefix)]


class Order(BaseModel):
    """One field of each kind that is no good as its own input."""

    number: Number
    key: Annotated[SecretStr, BeforeValidator(without_prefix)]
    size: Size = Size.SMALL
    raw: bytes = b"\xff"
    wait: timedelta = timedelta(microseconds=3)
    limit: float = float("inf")
    names: dict[int, str] = {}
    file: Annotated[Path | None, Upload()] = None


class OrderWorker(BaseWorker):
    """Notes what it gets."""

    identifier = "orders"
    seen: ClassVar[list[Any]] = []

    @action(unique=["number"])
    def task_take(self, task: Any, options: Order) -> None:
        """Note the options."""
        self.log(task, "info", f"The key is {options.key.get_secret_value()}.")
        self.seen.append(options)
        if options.number == "bad":
            raise TaskFailed("No.")

    def task_any(self, task: Any, options: dict[str, Any]) -> None:
        self.seen.append(options)


GIVEN = {"number": "A-A-1", "key": "A-geheim", "names": {1: "one"}}
MADE = Order(**GIVEN)  # type: ignore[arg-type]


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[Host]:
    """A host whose tasks run where they are created."""
    host = Host(tmp_path, STASK_ENGINE="inline")
    host.state.registry.add(OrderWorker)
    OrderWorker.seen.clear()
    with host.app.app_context():
        upgrade(host.state.database)
        host.state.roster.set_active("orders", True)
        yield host
        host.state.database.engine.dispose()
        host.db.engine.dispose()


def test_a_task_gets_what_its_creation_made_and_its_secret_is_starred(inline: Host) -> None:
    task = stask.create("orders", "take", GIVEN)
    assert (task.status, task.error) == (Status.COMPLETED, None)
    assert OrderWorker.seen == [MADE]
    lines = inline.state.tasks.task_log(task).lines()
    assert "geheim" not in str(lines) and any("********" in line["message"] for line in lines)


def test_many_tasks_get_the_same(inline: Host) -> None:
    stask.create_many("orders", "take", [GIVEN, {**GIVEN, "number": "A-2"}])
    assert OrderWorker.seen == [MADE, MADE.model_copy(update={"number": "2"})]


def test_a_retried_task_gets_the_same_and_has_the_same_key(inline: Host) -> None:
    task = stask.create("orders", "take", {**GIVEN, "number": "A-bad"}, start_at=time.time() + 3600)
    key = task.unique_key
    stask.execute(task)
    assert task.status == Status.FAILED and task.unique_key is None
    seen = []

    def created(ids: Any) -> None:
        seen.extend(Task.get(task_id).unique_key for task_id in ids)  # type: ignore[union-attr]

    inline.state.tasks.engine.created = created
    stask.retry(task)
    assert seen == [key] and key is not None


def test_a_schedule_keeps_what_was_given_and_its_tasks_get_it(inline: Host) -> None:
    schedule = stask.schedules.create("orders", "take", HOURLY, GIVEN)
    assert stask.schedules.problem(schedule) is None
    stask.schedules.run_now(schedule)
    assert schedule.next_fire_at is not None
    stask.schedules.tick(schedule.next_fire_at.timestamp())
    assert OrderWorker.seen == [MADE, MADE]
    schedule = stask.schedules.update(schedule, data={**GIVEN, "number": "A-3", "key": None})
    stask.schedules.run_now(schedule)
    assert OrderWorker.seen[-1] == MADE.model_copy(update={"number": "3"})


def test_a_workers_own_schedule_takes_the_same(inline: Host) -> None:
    own = {"enabled": True, **HOURLY, "action": "any", "options": {"wait": {"$is": "timedelta", "of": [0, 0, 5]}}}
    inline.state.roster.store_config("orders", {"schedule": own})
    (row,) = stask.schedules.all("orders")
    stask.schedules.run_now(row)
    assert OrderWorker.seen == [{"wait": "0:00:00.000005"}]


def test_a_command_runs_it_here_with_the_same(inline: Host) -> None:
    ran = inline.app.test_cli_runner().invoke(
        args=["stask", "run", "orders", "take", "--here", "--option", "number=A-A-1", "--option", "key=A-geheim"]
    )
    assert ran.exit_code == 0, ran.output
    assert OrderWorker.seen == [MADE.model_copy(update={"names": {}})]


def test_the_form_of_an_older_task_shows_what_makes_the_same_again(inline: Host) -> None:
    task = stask.create("orders", "take", {**GIVEN, "limit": "inf"}, start_at=time.time() + 3600)
    state = inline.state
    form = LaunchForm("orders", state.tasks.spec("orders", "take"), None, Uploads(state.database, state.storage), 1000)
    form.recall(task)
    texts = {item.name: item.text for item in form.fields}
    assert (texts["number"], texts["limit"], texts["wait"]) == ("A-A-1", "inf", "0:00:00.000003")
    assert json.loads(texts["names"]) == {"1": "one"} and texts["key"] == ""


def test_a_file_is_noted_wherever_it_stands(inline: Host) -> None:
    file = UploadedPath.of(f"/uploads/{TOKEN}/a.csv", "a.csv", TOKEN)
    later = time.time() + 3600
    task = stask.create("orders", "take", {**GIVEN, "file": file}, start_at=later)
    other = stask.create("orders", "any", {"deep": [{"upload": TOKEN, "name": "a.csv"}]}, start_at=later)
    with inline.state.database.session() as session:
        rows = session.query(TaskUpload.task_id, TaskUpload.token).order_by(TaskUpload.task_id).all()
    assert [tuple(row) for row in rows] == [(task.id, TOKEN), (other.id, TOKEN)]


def test_a_task_with_a_time_waits_for_it(inline: Host) -> None:
    (first, second) = stask.create_many("orders", "any", [{}, {}], start_at=time.time() + 3600)
    task = stask.create("orders", "any", {}, start_at=time.time() + 3600)
    assert task.status == Status.PENDING and OrderWorker.seen == []
    stask.create("orders", "any", {"now": 1}, start_at=time.time() - 5)
    inline.state.tasks.start_now(first)
    assert OrderWorker.seen == [{"now": 1}, {}]
    assert stask.execute(Task.get(second)), "asked for by hand, it does not wait"  # type: ignore[arg-type]


def test_a_stored_schedule_is_written_as_it_was_before(inline: Host) -> None:
    schedule = stask.schedules.create("orders", "any", HOURLY, {"a": 1, "b": "x"})
    with inline.state.database.session() as session:
        assert session.get_one(Schedule, schedule.id).meta == {"a": 1, "b": "x"}
