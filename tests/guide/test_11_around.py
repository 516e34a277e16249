"""Around the tasks: signals, and tests of your own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from stask_web import BaseWorker, Status, Task, TaskFailed, stask
from stask_web.database import upgrade
from stask_web.signals import task_failed, task_finished
from stask_web.state import state_of
from stask_web.testing import run_action, stask_run

from .site import create_app

__all__ = ["stask_run"]  # a pytest fixture


class PriceWorker(BaseWorker):
    identifier = "prices"

    def task_update(self, task, options):
        for row in self.track(task, options["rows"], message="Updating prices"):
            if row["price"] < 0:
                self.reject(task, "the price is negative", row=row)
            else:
                self.count(task, updated=1)
        if task.warnings == len(options["rows"]):
            raise TaskFailed("Not one row was good")


ROWS = [{"sku": "A", "price": 5}, {"sku": "B", "price": -1}]


def test_prices_are_updated(app: Flask) -> None:
    run = run_action(app, PriceWorker, "update", {"rows": ROWS})

    assert run.ok
    assert run.counts == {"updated": 1} and run.warnings == 1
    assert run.log[0]["message"] == "the price is negative"
    assert "B,-1,the price is negative" in run.files["refused.csv"].read_text("utf-8-sig")


def test_the_same_by_a_fixture(stask_run) -> None:
    run = stask_run(PriceWorker, "update", {"rows": ROWS[1:]})

    assert run.status == Status.FAILED and run.message == "Not one row was good"


def test_a_whole_site_with_the_inline_engine(tmp_path: Path) -> None:
    app = create_app(tmp_path, STASK_ENGINE="inline", STASK_AUTO_ACTIVATE=True)
    state_of(app).registry.add(PriceWorker)
    with app.app_context():
        upgrade(state_of(app).database)
        task = stask.create("prices", "update", {"rows": ROWS})

        assert task.status == Status.COMPLETED  # it ran before create returned


def test_signals(app: Flask, use: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    use(PriceWorker)

    @task_finished.connect
    @task_failed.connect
    def tell_the_team(app, task):
        print(f"{task.identifier} {task.action} {task.status_text}: {task.message}")

    stask.create_many("prices", "update", [{"rows": ROWS}, {"rows": ROWS[1:]}])
    stask.process_pending_tasks()

    assert capsys.readouterr().out.splitlines() == [
        "prices update completed: ",
        "prices update failed: Not one row was good",
    ]
    assert Task.failed().count() == 1
