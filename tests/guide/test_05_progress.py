"""Progress tracking: percent, time left, several stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web import BaseWorker, Task, nice_eta, stask
from stask_web.models import Stat
from stask_web.news import newest
from stask_web.state import state_of
from stask_web.testing import run_action


class ProgressWorker(BaseWorker):
    identifier = "progress"

    def task_process(self, task, options):
        """Basic progress: say how many of how many; percent and time left are computed."""
        items = range(1, 1001)
        total = len(items)
        for processed, item in enumerate(items, 1):
            process(item)
            self.push_progress(
                task,
                {
                    "progress": int(processed / total * 100),
                    "processed": processed,
                    "total": total,
                    "message": f"Processing item {processed} of {total}",
                },
            )
        self.mark_finished(task)

    def task_process_tracked(self, task, options):
        """The same in one line; a stop is seen at each item."""
        for item in self.track(task, range(1, 1001), message="Processing"):
            process(item)

    def task_long_running(self, task, options):
        """Progress with a time left of your own."""
        total, start = 10_000, time.monotonic()
        for i in range(total):
            process(i)
            if i > 0 and i % 100 == 0:
                rate = i / (time.monotonic() - start)  # items per second
                self.push_progress(
                    task,
                    processed=i,
                    total=total,
                    eta=nice_eta((total - i) / rate),
                    message=f"Processing... {i}/{total}",
                )
        self.mark_finished(task, message=f"Processed {total} items")

    def task_multi_stage(self, task, options):
        """Several stages, each with its share of the whole."""
        # Stage 1: preparation (0-20 %)
        self.push_progress(task, progress=5, message="Preparing data...")
        data = list(range(100))
        self.push_progress(task, progress=20, message="Data prepared")

        # Stage 2: processing (20-80 %)
        total = len(data)
        for i, item in enumerate(data):
            process(item)
            if i % 10 == 0:
                self.push_progress(
                    task,
                    progress=20 + (i + 1) / total * 60,
                    processed=i + 1,
                    total=total,
                    message=f"Processing: {i}/{total}",
                )

        # Stage 3: finalization (80-100 %)
        self.push_progress(task, progress=85, message="Generating report...")
        report = self.result_path(task, "report.txt")
        report.write_text(f"{sum(data)}\n")
        self.push_progress(task, progress=95, message="Saving results...")
        self.mark_finished(task, report, "All stages completed")

    def task_odd_values(self, task, options):
        self.push_progress(task, progress=options["progress"], message="somewhere")

    def task_unknown_total(self, task, options):
        for _ in self.track(task, iter(range(3)), message="Reading"):
            pass


def process(item):
    """The work."""


def test_every_item_may_be_reported(app: Flask) -> None:
    start = time.monotonic()
    run = run_action(app, ProgressWorker, "process")
    assert run.ok and (run.progress, run.task.processed, run.task.total) == (100, 1000, 1000)
    reports = [line for line in state_of(app).journals.of(run.task.id).each() if line["k"] == "progress"]
    assert 2 <= len(reports) <= 3 + (time.monotonic() - start) * 10, "at most ten a second are written, and the last"
    assert reports[-1]["p"]["message"] == "Processing item 1000 of 1000"


def test_tracking_does_the_same(app: Flask) -> None:
    run = run_action(app, ProgressWorker, "process_tracked")
    assert run.ok and (run.progress, run.task.processed, run.task.total) == (100, 1000, 1000)


def test_a_time_left_of_your_own(app: Flask) -> None:
    run = run_action(app, ProgressWorker, "long_running")
    assert run.ok and run.message == "Processed 10000 items"


def test_several_stages(app: Flask) -> None:
    run = run_action(app, ProgressWorker, "multi_stage")
    assert run.ok and run.message == "All stages completed" and run.files["report.txt"].read_text() == "4950\n"


def test_the_shares_of_the_stages_follow_each_other(app: Flask, use: Callable[..., None]) -> None:
    use(ProgressWorker)
    task = stask.create("progress", "multi_stage")
    told: list[dict] = []
    task.__dict__["_loose"] = TellEach(told)
    with pytest.raises(Exception, match="not being run here"):  # only the end needs a run
        ProgressWorker().task_multi_stage(task, {})
    shares = [report["progress"] for report in told]
    assert shares[:2] == [5, 20] and shares[-2:] == [85, 95] and shares == sorted(shares)
    assert {report["message"] for report in told} >= {"Preparing data...", "Data prepared", "Processing: 90/100"}


class TellEach:
    """A report that keeps everything it is told."""

    due = True

    def __init__(self, told: list[dict]) -> None:
        self._told = told

    def flush(self) -> None:
        self._told.append({name: value for name, value in vars(self).items() if not name.startswith("_")})


@pytest.mark.parametrize(
    ("given", "shown"), [(150, 100), (-5, 0), (33.7, 33), (float("nan"), None), (float("inf"), None), ("much", None)]
)
def test_odd_values_do_no_harm(app: Flask, given: object, shown: int | None) -> None:
    run = run_action(app, ProgressWorker, "odd_values", {"progress": given})
    assert run.ok, run.log
    told = state_of(app).journals.of(run.task.id).progress()
    assert told is not None and told["progress"] == shown


def test_nice_eta() -> None:
    assert nice_eta(135) == "2m 15s"
    assert nice_eta(3 * 3600 + 5 * 60) == "3h 5m"
    assert nice_eta(90061) == "1d 1h"
    assert [nice_eta(value) for value in (0, -3, None, float("nan"))] == ["0s", "0s", "", ""]


def test_an_unknown_total_has_the_usual_time_left(app: Flask, use: Callable[..., None]) -> None:
    use(ProgressWorker)
    for _ in range(3):
        assert stask.execute(stask.create("progress", "unknown_total"))
    with state_of(app).database.write() as connection:
        connection.execute(sa.update(Stat).values(seconds=3 * 100.0))  # it usually takes 100 s
    now = datetime.now(UTC)
    running = Task(
        id=99, identifier="progress", action="unknown_total", status=20, started_at=now - timedelta(seconds=40)
    )
    assert newest(state_of(app), running, None).eta == pytest.approx(60, abs=1)
    late = Task(id=99, identifier="progress", action="unknown_total", status=20, started_at=now - timedelta(hours=1))
    assert newest(state_of(app), late, None).eta is None, "it takes longer than usual: nobody knows"
    known = Task(id=99, identifier="progress", action="process", status=20, started_at=now)
    assert newest(state_of(app), known, None).eta is None, "it never ran"
