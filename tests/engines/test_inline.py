"""Tasks that run in the calling thread."""

from __future__ import annotations

import logging
import threading
import time

import pytest
import sqlalchemy as sa

from stask_web import Status, stask
from stask_web.engines.inline import process_pending

from ..faults.site import Site
from .contract import QueueContract


class TestInline(QueueContract):
    """The part of the contract that applies."""

    @pytest.fixture
    def site(self, sqlite_site: Site) -> Site:
        """The site of each test."""
        return sqlite_site

    def drain(self, site: Site) -> None:
        """Run them here."""
        process_pending(site.app, 100)


class TestInlineOnPostgresql(TestInline):
    """The same."""

    @pytest.fixture
    def site(self, postgresql_site: Site) -> Site:
        """The site of each test."""
        return postgresql_site


def test_process_pending_runs_so_many_and_counts_what_completed(sqlite_site: Site) -> None:
    for _ in range(4):
        sqlite_site.create("nothing")
    sqlite_site.create("raise", kind="failed", priority="high")
    with sqlite_site.app.app_context():
        assert stask.process_pending_tasks(batch_size=3) == 2
        assert stask.process_pending_tasks() == 2
        assert stask.process_pending_tasks() == 0


def test_execute_brings_the_task_up_to_date(sqlite_site: Site) -> None:
    task = sqlite_site.task(sqlite_site.create("rows", rows=5))
    with sqlite_site.app.app_context():
        assert stask.execute(task) is True
        assert (task.status, task.progress, task.counts, task.warnings) == (Status.COMPLETED, 100, {"done": 5}, 1)
        assert sa.inspect(task).modified is False
        assert stask.execute(task) is False, "it has ended already"


def test_a_stop_reaches_a_task_in_another_thread(sqlite_site: Site) -> None:
    site = sqlite_site
    task = site.create("sleep", seconds=60)
    thread = threading.Thread(target=process_pending, args=(site.app, 1))
    thread.start()
    site.wait_note("started")
    site.cancel(task, by="Ann")
    thread.join(10)
    assert not thread.is_alive()
    assert (site.task(task).status, site.task(task).message) == (Status.CANCELLED, "Stopped by Ann")


def test_a_time_limit_holds_here_too(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    site = Site(tmp_path, STASK_TIMEOUT=0.3)
    task = site.create("sleep", seconds=60)
    began = time.monotonic()
    process_pending(site.app, 1)
    assert time.monotonic() - began < 5
    assert site.task(task).status == Status.FAILED
    site.close()


def test_ctrl_c_stops_the_task_for_good_and_the_program_too(sqlite_site: Site) -> None:
    task, other = sqlite_site.create("raise", kind="keyboard"), sqlite_site.create("note")
    with pytest.raises(KeyboardInterrupt):
        process_pending(sqlite_site.app, 10)
    done = sqlite_site.task(task)
    assert (done.status, done.message) == (Status.CANCELLED, "It was interrupted from the keyboard")
    assert sqlite_site.task(other).is_pending()
    given = sqlite_site.task(sqlite_site.create("raise", kind="keyboard"))
    with sqlite_site.app.app_context(), pytest.raises(KeyboardInterrupt):
        stask.execute(given)
    assert given.status == Status.CANCELLED, "it is brought up to date"
    assert list(sqlite_site.state.storage.run.iterdir()) == []


def test_ctrl_c_after_the_outcome_leaves_it_as_it_is(sqlite_site: Site) -> None:
    task = sqlite_site.create("raise", kind="keyboard", before="Made it.")
    with pytest.raises(KeyboardInterrupt):
        process_pending(sqlite_site.app, 1)
    assert (sqlite_site.task(task).status, sqlite_site.task(task).message) == (Status.COMPLETED, "Made it.")


def test_an_action_that_ends_the_program_ends_only_its_task(sqlite_site: Site) -> None:
    task, other = sqlite_site.create("raise", kind="exit"), sqlite_site.create("note")
    process_pending(sqlite_site.app, 10)
    assert sqlite_site.task(task).message == "Attempt 1 of 3 stopped: The program ended itself (sys.exit)"
    assert sqlite_site.task(other).status == Status.COMPLETED


def test_the_hosts_logging_is_as_before(sqlite_site: Site) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    task = sqlite_site.create("print")
    process_pending(sqlite_site.app, 1)
    assert "from logging" in sqlite_site.log(task)
    assert (root.level, list(root.handlers)) == before


def test_nothing_of_a_run_stays_in_the_run_folder(sqlite_site: Site) -> None:
    sqlite_site.create("nothing")
    process_pending(sqlite_site.app, 1)
    assert list(sqlite_site.state.storage.run.iterdir()) == []
