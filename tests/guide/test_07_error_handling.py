"""Error handling: failing for good, starting again, checking before the work."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
from flask import Flask
from pydantic import BaseModel, Field, model_validator

from stask_web import BaseWorker, Status, Task, TaskFailed, TaskInterrupt, Upload, action, stask
from stask_web.database import upgrade
from stask_web.errors import InvalidOptions
from stask_web.formatting import look, waiting_for
from stask_web.state import state_of
from stask_web.testing import run_action

from .site import create_app


class CarefulWorker(BaseWorker):
    identifier = "careful"

    def task_safe(self, task, options):
        try:
            if not do_something(options):
                raise RuntimeError("Operation failed")
            self.mark_finished(task)
        except Exception as error:
            stask.log(task, "error", str(error), {"exception": type(error).__name__})
            self.mark_failed(task, str(error))

    def task_for_good(self, task, options):
        """Nothing to catch: an exception of this kind is a sentence for people, and final."""
        if not do_something(options):
            raise TaskFailed("The supplier has sent an empty file")

    def task_with_retry(self, task, options):
        max_retries = 3
        try:
            do_unreliable_operation(options, task.attempts)
            self.mark_finished(task)
        except ConnectionError as error:
            if task.attempts < max_retries:
                stask.log(task, "warning", f"Attempt {task.attempts} failed, will retry", {"error": str(error)})
                raise  # it starts again by itself
            stask.log(task, "error", f"All {max_retries} attempts failed", {"last_error": str(error)})
            self.mark_failed(task, f"Failed after {max_retries} attempts: {error}")

    def task_just_raise(self, task, options):
        """The same without a line of its own: any exception starts it again, until no attempt is left."""
        do_unreliable_operation(options, task.attempts)

    @action(max_attempts=1)
    def task_send_mail(self, task, options):
        """What must not happen twice is started once."""
        raise ConnectionError("the mail server is away")

    def task_validated(self, task, options):
        errors = []
        if not options.get("file"):
            errors.append("File path is required")
        elif not Path(options["file"]).exists():
            errors.append(f"File does not exist: {options['file']}")
        if not options.get("user_id"):
            errors.append("User ID is required")
        if errors:
            self.mark_failed(task, "Validation failed: " + "; ".join(errors))
            return
        self.mark_finished(task)

    def task_stopped(self, task, options):
        """``except Exception`` does not catch a stop."""
        try:
            for _ in self.track(task, range(1000)):
                stask.cancel(task.id, by="Ann")
                task._run.report.interrupt("cancel")  # what the engine does when it sees the stop
        except Exception as error:
            self.mark_failed(task, str(error))


class CheckedOptions(BaseModel):
    file: Annotated[Path, Upload(".csv")]
    user_id: int = Field(ge=1, title="User")
    first: int = 1
    last: int = 100

    @model_validator(mode="after")
    def the_range_is_one(self):
        if self.first > self.last:
            raise ValueError("The first row must come before the last.")
        return self


class CheckedWorker(BaseWorker):
    identifier = "checked"

    def task_run(self, task, options: CheckedOptions):
        self.mark_finished(task, message=f"{options.file.name} for user {options.user_id}")


def do_something(options):
    return options.get("works", False)


def do_unreliable_operation(options, attempt):
    if attempt <= options["failures"]:
        raise ConnectionError("no answer")


def test_basic_error_handling(app: Flask) -> None:
    run = run_action(app, CarefulWorker, "safe", {"works": False})
    assert (run.status, run.message) == (Status.FAILED, "Operation failed")
    assert run.log[0]["context"] == {"exception": "RuntimeError"}
    assert run_action(app, CarefulWorker, "safe", {"works": True}).ok


def test_a_failure_for_good_has_no_second_attempt(app: Flask) -> None:
    run = run_action(app, CarefulWorker, "for_good")
    assert (run.status, run.message, run.task.attempts) == (
        Status.FAILED,
        "The supplier has sent an empty file",
        1,
    )
    assert stask.process_pending_tasks() == 0


def drain() -> None:
    """Let the tasks run that may start again."""
    while Task.pending().exists():
        stask.process_pending_tasks()


@pytest.mark.parametrize("name", ["with_retry", "just_raise"])
def test_an_attempt_that_raises_is_followed_by_another(app: Flask, use: Callable[..., None], name: str) -> None:
    use(CarefulWorker)
    task = stask.create("careful", name, {"failures": 2})
    drain()
    done = Task.get(task.id)
    assert (done.status, done.attempts) == (Status.COMPLETED, 3)
    assert [attempt.outcome for attempt in done.get_attempts()] == ["error", "error", "completed"]


def test_the_guides_own_retry_logic_ends_it(app: Flask, use: Callable[..., None]) -> None:
    use(CarefulWorker)
    task = stask.create("careful", "with_retry", {"failures": 9})
    drain()
    done = Task.get(task.id)
    assert (done.status, done.message) == (Status.FAILED, "Failed after 3 attempts: no answer")
    said = [line["message"] for line in done.get_logs() if "Traceback" not in line["message"]]
    assert said[:2] == ["Attempt 1 failed, will retry", "Attempt 2 failed, will retry"]
    assert said[2] == "All 3 attempts failed"


def test_without_a_line_of_its_own_it_ends_when_no_attempt_is_left(app: Flask, use: Callable[..., None]) -> None:
    use(CarefulWorker)
    task = stask.create("careful", "just_raise", {"failures": 9})
    drain()
    done = Task.get(task.id)
    assert (done.status, done.attempts) == (Status.FAILED, 3)
    assert done.error == "ConnectionError: no answer"
    again = stask.retry(done)
    assert again.attempts == 0, "a new count"
    drain()
    assert len(done.get_attempts()) == 6, "the old attempts are kept"


def test_the_wait_between_two_attempts_is_seen(tmp_path: Path) -> None:
    app = create_app(tmp_path, STASK_BACKOFF=20, STASK_AUTO_ACTIVATE=True)
    state_of(app).registry.add(CarefulWorker)
    with app.app_context():
        upgrade(state_of(app).database)
        task = stask.create("careful", "just_raise", {"failures": 2})
        waits = []
        for _ in range(2):
            stask.execute(task)
            waits.append(task.due_at.timestamp() - time.time())
            assert task.is_pending() and look(task).word == "Starts again"
            assert waiting_for(task).startswith("Starts again in ")
            assert stask.process_pending_tasks() == 0, "not before its time"
        assert 15 < waits[0] <= 24 and 31 < waits[1] <= 48, "doubled, with a jitter of 20 %"
        assert stask.execute(task), "by hand, at once"


def test_what_must_not_happen_twice_is_started_once(app: Flask) -> None:
    run = run_action(app, CarefulWorker, "send_mail")
    assert (run.status, run.task.attempts, run.task.max_attempts) == (Status.FAILED, 1, 1)


def test_validation_by_hand(app: Flask, products_csv: Path) -> None:
    run = run_action(app, CarefulWorker, "validated", {"file": "/no/such.csv"})
    assert run.message == "Validation failed: File does not exist: /no/such.csv; User ID is required"
    assert run.status == Status.FAILED
    assert run_action(app, CarefulWorker, "validated", {"file": str(products_csv), "user_id": 1}).ok


def test_validation_by_a_model(app: Flask, use: Callable[..., None], products_csv: Path) -> None:
    use(CheckedWorker)
    with pytest.raises(InvalidOptions) as caught:
        stask.create("checked", "run", {"user_id": 0})
    assert caught.value.errors == {"file": "Fill this in.", "user_id": "Enter 1 or more."}
    with pytest.raises(InvalidOptions, match="The first row must come before the last"):
        stask.create("checked", "run", {"file": products_csv, "user_id": 1, "first": 5, "last": 2})
    assert Task.query().count() == 0
    assert run_action(app, CheckedWorker, "run", {"file": products_csv, "user_id": 1}).message == (
        "products.csv for user 1"
    )


def test_a_stop_is_no_error(app: Flask) -> None:
    run = run_action(app, CarefulWorker, "stopped")
    assert run.status == Status.CANCELLED and run.message.startswith("Stopped by Ann")
    assert not issubclass(TaskInterrupt, Exception)
