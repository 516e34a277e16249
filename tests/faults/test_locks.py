"""A database that is locked for longer than any patience."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator

import pytest

from stask_web import Status
from stask_web.errors import DatabaseBusy

from .site import Site


@contextlib.contextmanager
def locked(site: Site) -> Iterator[None]:
    """Hold SQLite's write lock."""
    connection = sqlite3.connect(site.folder / "test.db", isolation_level=None, timeout=10)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_an_import_that_holds_the_write_lock_runs_once_and_stays_live(make_site: Callable[..., Site]) -> None:
    """Longer than lease, heartbeat and busy timeout together; nobody says "locked", nobody starts it twice."""
    site = make_site(STASK_LEASE=1.0, STASK_HEARTBEAT=0.2)
    worker, other = site.start(concurrency=1), site.start(concurrency=1)
    task = site.create("hog", seconds=4.0)
    site.wait_note("started")
    seen: set[int] = set()
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        progress = site.state.journals.of(task).progress()
        if progress:
            assert time.time() - progress["t"] < 1.0, "progress is live"
            seen.add(progress["processed"])
        time.sleep(0.05)
    assert len(seen) > 15
    assert site.task(task).status == Status.RUNNING
    done = site.wait(task)
    assert done.status == Status.COMPLETED
    assert len(site.attempts(task)) == 1
    assert not any("locked" in text for text in (done.message, *site.log(task), worker.output(), other.output()))


def test_outcomes_wait_for_a_locked_database(site: Site) -> None:
    site.start(concurrency=2)
    tasks = [site.create("sleep", seconds=0.3), site.create("rows", rows=10)]
    site.wait_note("started", 2)
    with locked(site):
        site.wait_note("finished")
        time.sleep(2.0)  # longer than each time-out of the site's settings: the point is that it lasts
        assert site.task(tasks[0]).status == Status.RUNNING
    for task in tasks:
        assert site.wait(task).status == Status.COMPLETED
        assert len(site.attempts(task)) == 1


def test_a_stop_is_seen_while_the_database_is_locked(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("busy")
    site.wait_note("started")
    site.cancel(task)
    with locked(site):
        site.wait_note("cleaned")
    assert site.wait(task).status == Status.CANCELLED


def test_a_drain_waits_for_a_locked_database(site: Site) -> None:
    import signal

    worker = site.start(concurrency=1)
    task = site.create("sleep", seconds=0.2)
    site.wait_note("started")
    with locked(site):
        worker.signal(signal.SIGTERM)
        site.wait_note("finished")
        time.sleep(0.5)
        assert worker.process.poll() is None, "it does not leave with an outcome in its pocket"
    assert worker.process.wait(10) == 0
    assert site.task(task).status == Status.COMPLETED


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seconds", [10, 60])
def test_a_long_lock_with_the_settings_as_they_come(make_site: Callable[..., Site], seconds: int) -> None:
    """10 s is shorter than the busy timeout, 60 s longer than the lease: nobody takes the task, nothing is lost."""
    site = make_site(STASK_LEASE=30, STASK_HEARTBEAT=5)
    worker, other = site.start(concurrency=1), site.start(concurrency=1)
    tasks = [site.create("sleep", seconds=2.0) for _ in range(2)]
    site.wait_note("started", 2)
    begin = time.monotonic()
    with locked(site):
        site.wait_note("finished", 2)
        if seconds > 15:
            with pytest.raises(DatabaseBusy):
                site.create("nothing")
        time.sleep(max(0.0, begin + seconds - time.monotonic()))  # it is the point that it lasts so long
    for task in tasks:
        assert site.wait(task).status == Status.COMPLETED
        assert [attempt.outcome for attempt in site.attempts(task)] == ["completed"]
    assert site.wait(site.create("nothing")).status == Status.COMPLETED
    assert worker.process.poll() is None and other.process.poll() is None
