"""`run_action`, for users' own tests."""

from __future__ import annotations

import logging
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from stask_web import BaseWorker, Status, Task
from stask_web.errors import InvalidOptions
from stask_web.signals import task_created
from stask_web.state import state_of
from stask_web.testing import run_action, stask_run

from .conftest import Host, ProductWorker

__all__ = ["stask_run"]


class Export(BaseWorker):
    identifier = "export"

    def task_all(self, task: Any, options: dict[str, Any]) -> None:
        for number in self.track(task, range(4)):
            if number == 2:
                self.reject(task, "no price", {"sku": "A1", "price": ""}, line=4)
        logging.getLogger("shop").warning("from logging")
        path = self.result_path(task, "products.csv")
        path.write_text("sku\n")
        self.count(task, exported=3)
        self.mark_finished(task, path, "3 exported")

    def task_explode(self, task: Any, options: dict[str, Any]) -> None:
        raise RuntimeError("boom")


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return Host(tmp_path).app


def test_a_run_needs_no_tables_no_activation_and_no_worker_process(app: Flask) -> None:
    run = run_action(app, Export, "all")
    assert run.ok and run.message == "3 exported"
    assert (run.warnings, run.counts, run.progress) == (1, {"exported": 3}, 100)
    assert run.files["products.csv"].read_text() == "sku\n"
    assert [file["sha256"] for file in run.task.files if file["kind"] == "result"] == [sha256(b"sku\n").hexdigest()]
    assert run.files["refused.csv"].read_text("utf-8-sig").splitlines() == ["sku,price,reason,line", "A1,,no price,4"]
    assert [line["message"] for line in run.log if line["level"] == "warning"] == ["Line 4: no price", "from logging"]


def test_an_error_is_a_waiting_second_attempt_with_its_traceback_in_the_log(app: Flask) -> None:
    run = run_action(app, Export, "explode")
    assert not run.ok and run.status == Status.PENDING
    assert run.error == "RuntimeError: boom"
    assert any("Traceback" in line["message"] for line in run.log if line["level"] == "error")


def test_options_are_checked_as_by_a_form(app: Flask) -> None:
    with pytest.raises(InvalidOptions):
        run_action(app, ProductWorker, "import", {"batch": 0})


def test_the_fixture_does_the_same(stask_run: Any) -> None:
    assert stask_run(Export, "all").ok


def test_no_worker_process_is_faster_than_run_action(app: Flask) -> None:
    """The task is not due, so that whoever runs tasks on the same database does not take it."""
    seen: list[Any] = []

    class Watched(BaseWorker):
        identifier = "watched"

        def task_go(self, task: Any, options: Any) -> None: ...

    @task_created.connect_via(app)
    def note(sender: Any, task: Task, **more: Any) -> None:
        seen.append(state_of(app).tasks.get(task.id).due_at)

    assert run_action(app, Watched, "go").ok
    assert len(seen) == 1 and seen[0] is not None
