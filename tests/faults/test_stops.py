"""Stopping tasks and stopping workers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stask_web import Status

from .site import PATIENCE, Site


def test_a_waiting_task_is_withdrawn_at_once(site: Site) -> None:
    task = site.create("nothing")
    site.cancel(task, by="Ann")
    assert site.task(task).status == Status.CANCELLED
    site.start()
    assert site.wait(site.create("nothing")).status == Status.COMPLETED
    assert site.attempts(task) == []


def test_a_running_task_stops_at_its_next_step_and_says_by_whom_and_where(site: Site) -> None:
    site.start()
    task = site.create("rows", rows=100_000, pause=0.001)
    site.until(lambda: (site.task(task).processed or 0) > 5, "some rows are done")
    site.cancel(task, by="Ann")
    done = site.wait(task)
    assert done.status == Status.CANCELLED
    assert done.message == f"Stopped by Ann at row {done.processed:,}"
    assert done.counts is not None
    assert done.counts["done"] >= 5
    assert site.attempts(task)[0].outcome == "cancelled"
    assert site.stats()[Status.CANCELLED] == 1


def test_a_stop_holds_against_what_the_action_marks_after_it(site: Site) -> None:
    """The guide's ``except Exception: mark_failed`` neither swallows it nor undoes it."""
    site.start()
    task = site.create("swallow")
    site.wait_note("started")
    site.cancel(task)
    assert site.wait(task).status == Status.CANCELLED


def test_a_stop_that_comes_before_its_task_has_begun_holds(site: Site) -> None:
    """The word to stop and the task come through two pipes, so either may be the first."""
    command = [sys.executable, "-m", "tests.faults.early", str(site.folder)]
    top = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=top, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("cancelled\n", "")
    assert site.notes("started")
    assert not site.notes("finished")


def test_a_stop_is_found_without_a_wake_up(site: Site) -> None:
    site.start()
    task = site.create("sleep", seconds=60)
    site.wait_note("started")
    with site.state.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE s_tasks SET cancel_at = {time.time()} WHERE id = {task}")
    assert site.wait(task, patience=10).status == Status.CANCELLED


def test_a_task_that_never_tells_anything_is_ended_by_a_signal_and_may_clean_up(site: Site) -> None:
    site.start()
    task = site.create("busy")
    site.wait_note("started")
    site.cancel(task)
    assert site.wait(task).status == Status.CANCELLED
    assert site.notes("cleaned"), "finally blocks run"


def test_a_task_that_is_deaf_to_signals_is_killed(site: Site) -> None:
    site.start()
    task = site.create("deaf")
    pid = int(site.wait_note("started")[0])
    site.cancel(task)
    assert site.wait(task).status == Status.CANCELLED
    site.wait_dead(pid)
    assert site.wait(site.create("nothing")).status == Status.COMPLETED


def test_a_task_that_floods_its_output_can_be_stopped(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_LOG_CAP=1_000_000)
    site.start(concurrency=1)
    task = site.create("endless")
    site.wait_note("started")
    site.cancel(task)
    assert site.wait(task).status == Status.CANCELLED
    assert site.state.journals.of(task).size() < 2_000_000


def test_a_signal_that_nobody_announced_does_not_interrupt_a_task(site: Site) -> None:
    """A service manager signals every process of a service; the drain must hold all the same."""
    worker = site.start(concurrency=1)
    task = site.create("sleep", seconds=1.5)
    pid = int(site.wait_note("started")[0].split()[0])
    import os

    os.kill(pid, signal.SIGTERM)
    assert worker.stop() == 0
    assert site.task(task).status == Status.COMPLETED


def test_a_time_limit_ends_a_task_with_a_sentence(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_TIMEOUT=0.5)
    site.start()
    soft, hard = site.create("sleep", seconds=60), site.create("deaf")
    for task in (soft, hard):
        done = site.wait(task)
        assert done.status == Status.FAILED
        assert "longer than it may" in done.message
        assert len(site.attempts(task)) == 1


def test_sigterm_lets_short_tasks_end(site: Site) -> None:
    worker = site.start(concurrency=1)
    running, waiting = site.create("sleep", seconds=1.0), site.create("nothing")
    site.wait_note("started")
    assert worker.stop() == 0
    assert site.task(running).status == Status.COMPLETED
    assert site.task(waiting).status == Status.PENDING
    assert site.processes() == []
    assert site.sockets() == []
    assert not [path for path in site.state.storage.run.iterdir() if path.suffix in (".lock", ".sock", ".at")]


def test_sigterm_gives_long_tasks_back_without_counting(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_DRAIN=0.3)
    worker = site.start(concurrency=2)
    polite, deaf = site.create("sleep", seconds=60), site.create("deaf")
    site.wait_note("started", 2)
    assert worker.stop() == 0
    for task in (polite, deaf):
        fresh = site.task(task)
        assert (fresh.status, fresh.attempts, fresh.lane) == (Status.PENDING, 0, 2)
        assert [attempt.outcome for attempt in site.attempts(task)] == ["drained"]


def test_a_second_signal_ends_at_once_and_gives_back(site: Site) -> None:
    worker = site.start(concurrency=2)
    tasks = [site.create("sleep", seconds=60), site.create("deaf")]
    site.wait_note("started", 2)
    below = worker.children()
    worker.signal(signal.SIGTERM)
    site.until(lambda: "stops" in worker.output() or any(p.stopping for p in site.processes()), "it drains")
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(10) == 1
    assert time.monotonic() - began < 2
    site.wait_dead(*below)
    assert [site.task(task).status for task in tasks] == [Status.PENDING] * 2
    assert [site.task(task).attempts for task in tasks] == [0, 0]


def test_an_idle_worker_ends_at_once(site: Site) -> None:
    worker = site.start(concurrency=4)
    site.wait(site.create("nothing"))
    below = worker.children()
    began = time.monotonic()
    worker.signal(signal.SIGINT)
    assert worker.process.wait(10) == 0
    assert time.monotonic() - began < 1
    site.wait_dead(*below)
