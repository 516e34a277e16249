"""Signals: each tells what is a fact, where it happens, and no receiver can break anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import current_app

from stask_web import BaseWorker, Task, TaskFailed, signals, stask

from .conftest import Host


class Noisy(BaseWorker):
    identifier = "noisy"

    def task_run(self, task: Any, options: dict[str, Any]) -> None:
        if options.get("fail") == "good":
            raise TaskFailed("no")
        if options.get("fail"):
            raise ValueError("no")


@pytest.fixture
def heard(host: Host) -> Iterator[list[tuple[str, int, str]]]:
    """What was told: the signal, the task's id and how it stood."""
    host.state.registry.add(Noisy)
    host.state.roster.set_active("noisy", True)
    told: list[tuple[str, int, str]] = []

    def listen(name: str) -> Any:
        def receiver(app: Any, task: Task) -> None:
            assert app is current_app._get_current_object()  # type: ignore[attr-defined]
            told.append((name, task.id, task.status_text))

        return getattr(signals, f"task_{name}").connected_to(receiver, host.app)

    with ExitStack() as stack:
        for name in ("created", "started", "finished", "failed", "cancelled"):
            stack.enter_context(listen(name))
        yield told


def test_a_task_that_completes(host: Host, heard: list[Any]) -> None:
    task = stask.create("noisy", "run")
    assert heard == [("created", task.id, "pending")]
    stask.process_pending_tasks()
    assert heard[1:] == [("started", task.id, "running"), ("finished", task.id, "completed")]


def test_a_task_that_fails_for_good(host: Host, heard: list[Any]) -> None:
    task = stask.create("noisy", "run", {"fail": "good"})
    stask.execute(task)
    assert [name for name, *_ in heard] == ["created", "started", "failed"]
    assert heard[-1] == ("failed", task.id, "failed")


def test_an_attempt_that_starts_again_is_no_end(host: Host, heard: list[Any]) -> None:
    task = stask.create("noisy", "run", {"fail": True})
    while not task.is_finished():
        stask.execute(task)
    assert [name for name, *_ in heard] == ["created", "started", "started", "started", "failed"]


def test_a_task_that_is_withdrawn(host: Host, heard: list[Any]) -> None:
    task = stask.create("noisy", "run")
    stask.cancel(task)
    assert heard[-1] == ("cancelled", task.id, "cancelled")


def test_many_tasks_are_told_one_by_one(host: Host, heard: list[Any]) -> None:
    ids = stask.create_many("noisy", "run", [{}, {}, {}])
    assert [task_id for _, task_id, _ in heard] == ids


def test_a_joined_task_is_told_after_the_commit_and_not_after_a_rollback(host: Host, heard: list[Any]) -> None:
    stask.create("noisy", "run", session=host.db.session)
    host.db.session.rollback()
    assert heard == []
    first = stask.create("noisy", "run", session=host.db.session)
    (second,) = stask.create_many("noisy", "run", [{}], session=host.db.session)
    assert heard == []
    host.db.session.commit()
    assert heard == [("created", first.id, "pending"), ("created", second, "pending")]
    host.db.session.execute(host.db.text("SELECT 1"))
    host.db.session.commit()
    assert len(heard) == 2, "told once"


def test_a_joined_task_is_not_told_when_a_savepoint_ends(host: Host, heard: list[Any]) -> None:
    with host.db.session.begin_nested():
        stask.create("noisy", "run", session=host.db.session)
    assert heard == []
    host.db.session.commit()
    assert len(heard) == 1


def test_a_receiver_that_raises_is_logged_and_stops_nothing(
    host: Host, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(app: Any, task: Task) -> None:
        raise RuntimeError("the mail server is away")

    with ExitStack() as stack:
        for signal in (signals.task_created, signals.task_started, signals.task_finished):
            stack.enter_context(signal.connected_to(broken))
        task = stask.create("noisy", "run")
        assert stask.execute(task)
    assert [name for name, *_ in heard] == ["created", "started", "finished"]
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert messages == [
        f"A receiver of the signal stask-task-{name} failed." for name in ("created", "started", "finished")
    ]


def test_nothing_is_read_while_nobody_listens(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from stask_web import announce

    monkeypatch.setattr(announce, "tasks_by_id", pytest.fail)
    stask.execute(stask.create("product", "sync_stock"))
