"""Signals of real worker processes."""

from __future__ import annotations

import os
import signal

import pytest

from stask_web import Status
from stask_web.engines.signals import Signals

from ..faults.site import Site

PROGRAM = "tests.engines.listening_site"


def test_a_real_worker_tells_of_children_starts_and_ends(sqlite_site: Site) -> None:
    site = sqlite_site
    tasks = [site.create("nothing"), site.create("raise", kind="failed")]
    worker = site.start(1, PROGRAM)
    for task in tasks:
        site.wait(task)
    site.until(lambda: len(site.notes("told-ended")) == 2, "both ends are told")
    assert site.notes("told-ended") == [f"{tasks[0]} completed", f"{tasks[1]} failed"]
    (child,) = site.notes("children")
    assert site.notes("told-started") == [f"{task} {child}" for task in tasks], "in the process that runs the action"
    assert int(child) in worker.children()


def test_a_process_that_dies_fails_its_task_and_that_is_told(sqlite_site: Site) -> None:
    site = sqlite_site
    task = site.create("die", lives=9)
    site.start(1, PROGRAM)
    assert site.wait(task).status == Status.FAILED
    site.until(lambda: site.notes("told-ended"), "the end is told")
    assert site.notes("told-ended") == [f"{task} failed"], "once, not for each attempt"
    site.until(lambda: len(set(site.notes("children"))) >= 3, "each new child is told of")


def test_a_stopped_task_whose_worker_was_killed_is_told_by_who_takes_it_back(sqlite_site: Site) -> None:
    site = sqlite_site
    task = site.create("sleep", seconds=60)
    killed = site.start(1)
    site.wait_note("started")
    killed.signal(signal.SIGSTOP)
    site.cancel(task)
    killed.signal(signal.SIGKILL)
    site.start(1, PROGRAM)
    assert site.wait(task).status == Status.CANCELLED
    site.until(lambda: site.notes("told-ended"), "the end is told")
    assert site.notes("told-ended") == [f"{task} cancelled"]


def test_a_stopped_task_is_told(sqlite_site: Site) -> None:
    site = sqlite_site
    task = site.create("sleep", seconds=60)
    site.start(1, PROGRAM)
    site.wait_note("started")
    site.cancel(task)
    site.wait(task)
    site.until(lambda: site.notes("told-ended"), "the end is told")
    assert site.notes("told-ended") == [f"{task} cancelled"]


@pytest.mark.parametrize("ignored", [True, False])
def test_a_hangup_drains_unless_it_was_ignored_from_the_start(ignored: bool) -> None:
    """As by nohup."""
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        before = signal.getsignal(signal.SIGHUP)
        signals = Signals()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stops == (1 if ignored else 2)
        signals.close()
        assert signal.getsignal(signal.SIGHUP) == before
    finally:
        signal.signal(signal.SIGHUP, old)
