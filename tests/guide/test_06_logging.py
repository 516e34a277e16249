"""Logging: what is logged by itself, lines of your own, reading and clearing them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from flask import Flask

from stask_web import BaseWorker, Task, TaskFailed, stask
from stask_web.errors import STaskError
from stask_web.testing import run_action


class LoggingWorker(BaseWorker):
    identifier = "logging"

    def task_with_logging(self, task, options):
        items = options["items"]
        stask.log(task, "info", "Starting import process", {"file": options["file"], "user_id": task.started_by})
        for item in items:
            try:
                process(item)
            except ValueError as error:
                # a warning for what is not critical
                stask.log(task, "warning", f"Skipped item {item['id']}", {"reason": str(error), "item": item})
        stask.log(task, "info", "Import completed successfully", {"total_processed": len(items)})
        self.mark_finished(task)

    def task_python_logging(self, task, options):
        """What Python's logging says, at INFO and above, stands in the log too."""
        logging.getLogger("shop.import").info("read %d rows", 12)
        logging.getLogger("shop.import").debug("not this")

    def task_fail(self, task, options):
        if options.get("how") == "for good":
            raise TaskFailed("The supplier is closed")
        if options.get("how") == "marked":
            return self.mark_failed(task, "The supplier is closed")
        raise ConnectionError("no route to the supplier")


def process(item):
    if item["price"] is None:
        raise ValueError("no price")


ITEMS = [{"id": 4, "price": 10}, {"id": 5, "price": None}]


@pytest.fixture
def task(app: Flask, use: Callable[..., None]) -> Task:
    """A task that has run."""
    use(LoggingWorker)
    task = stask.create("logging", "with_logging", {"file": "products.csv", "items": ITEMS}, user_id=7)
    assert stask.execute(task)
    return task


# -- writing


def test_lines_of_your_own(task: Task) -> None:
    assert [(line["level"], line["message"]) for line in task.get_logs()] == [
        ("info", "Starting import process"),
        ("warning", "Skipped item 5"),
        ("info", "Import completed successfully"),
    ]
    assert task.get_logs()[0]["context"] == {"file": "products.csv", "user_id": 7}
    assert task.get_logs()[1]["context"] == {"reason": "no price", "item": {"id": 5, "price": None}}


def test_python_logging_goes_to_the_log(app: Flask) -> None:
    run = run_action(app, LoggingWorker, "python_logging")
    assert [line["message"] for line in run.log] == ["read 12 rows"]


def test_start_and_end_are_kept_by_themselves(task: Task) -> None:
    (attempt,) = task.get_attempts()
    assert attempt.number == 1 and attempt.outcome == "completed"
    assert task.started_at == attempt.started_at <= attempt.ended_at == task.finished_at


@pytest.mark.parametrize("how", ["for good", "marked"])
def test_a_failure_is_logged_by_itself(app: Flask, how: str) -> None:
    run = run_action(app, LoggingWorker, "fail", {"how": how})
    assert run.task.status_text == "failed"
    assert [line["message"] for line in run.task.get_error_logs()] == ["The supplier is closed"]


def test_an_exception_is_logged_with_its_traceback(app: Flask) -> None:
    run = run_action(app, LoggingWorker, "fail")
    (line,) = run.task.get_error_logs()
    assert "Traceback" in line["message"] and "ConnectionError: no route to the supplier" in line["message"]


def test_an_unknown_level_is_refused(task: Task) -> None:
    with pytest.raises(STaskError, match="There is no log level 'loud'"):
        stask.log(task, "loud", "x")


# -- reading


def test_reading_logs(task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    task = Task.get(task.id)

    for log in task.get_logs():
        print(f"[{log['timestamp']}] {log['level']}: {log['message']}")
        if log["context"]:
            print(log["context"])

    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("] info: Starting import process") and said[0].startswith("[20")
    assert said[1] == "{'file': 'products.csv', 'user_id': 7}"


def test_reading_some_of_them(task: Task) -> None:
    stask.log(task, "error", "It broke")
    recent_logs = task.get_last_logs(2)
    error_logs = task.get_error_logs()

    assert [line["message"] for line in recent_logs] == ["Import completed successfully", "It broke"]
    assert [line["message"] for line in error_logs] == ["It broke"]


def test_clearing_logs(task: Task) -> None:
    task.clear_logs()

    assert task.get_logs() == [] and Task.get(task.id).get_last_logs(10) == []


def test_downloading_logs(app: Flask, task: Task) -> None:
    @app.get("/my-log/<int:task_id>")
    def my_log(task_id):
        task = Task.get(task_id)
        return task.logger().download_logs(task)

    answer = app.test_client().get(f"/my-log/{task.id}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="task-{task.id}.log"'
    assert b"WARNING Skipped item 5" in answer.data
