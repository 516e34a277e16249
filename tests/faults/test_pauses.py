"""SIGSTOP for longer than the lease where no lock is in sight: another takes over; after SIGCONT one finish counts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from stask_web import Status

from .site import Site, Worker, children_of, is_alive


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *(below for child in children_of(pid) for below in tree(child))]


def pause(worker: Worker) -> list[int]:
    """Stop it with all below, as ``docker pause`` or a machine that sleeps do."""
    pids = tree(worker.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def go_on(pids: list[int]) -> None:
    """Let them go on."""
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def hosts(make_site: Callable[..., Site]) -> Site:
    """A site whose workers cannot see each other's locks, like those of two hosts."""
    return make_site(STASK_LEASE=1.0, STASK_HEARTBEAT=0.1, STASK_POLL=0.1)


def start_unseen(site: Site) -> Worker:
    """A worker whose lock nobody finds."""
    worker = site.start(concurrency=1)
    site.until(lambda: [path.unlink() for path in site.state.storage.run.glob("*.lock")], "its lock")
    site.until(site.processes, "it gives signs of life")
    return worker


def test_a_paused_one_that_comes_back_while_another_runs_its_task_lets_go_of_it(hosts: Site) -> None:
    first = start_unseen(hosts)
    task = hosts.create("sleep", seconds=60)
    hosts.wait_note("started")
    paused = pause(first)
    hosts.start(concurrency=1)
    hosts.wait_note("started", 2)
    go_on(paused)
    child = int(hosts.notes("started")[0].split()[0])
    hosts.wait_dead(child)
    assert hosts.task(task).is_running(), "for the other one has it"
    (hosts.notes_folder / "enough").touch()
    done = hosts.wait(task)
    assert (done.status, done.attempts) == (Status.COMPLETED, 1)
    assert [attempt.outcome for attempt in hosts.attempts(task)] == ["lost", "completed"]
    assert hosts.notes("finished") == [str(task)]
    assert hosts.stats() == {Status.COMPLETED: 1}
    hosts.until(lambda: len(hosts.processes()) == 2, "both are at work")
    assert hosts.wait(hosts.create("note")).status == Status.COMPLETED


def test_what_a_paused_one_has_finished_meanwhile_is_dropped(hosts: Site) -> None:
    """Only its supervisor sleeps: the action goes on to its end, but its word comes too late."""
    first = start_unseen(hosts)
    task = hosts.create("sleep", seconds=60)
    hosts.wait_note("started")
    first.signal(signal.SIGSTOP)
    hosts.start(concurrency=1)
    hosts.wait_note("started", 2)
    (hosts.notes_folder / "enough").touch()
    hosts.wait_note("finished", 2)
    done = hosts.wait(task)
    first.signal(signal.SIGCONT)
    hosts.until(lambda: "too late" in first.output() or "not ours" in first.output(), "its word is dropped")
    again = hosts.task(task)
    assert (again.status, again.finished_at, again.attempts) == (Status.COMPLETED, done.finished_at, 1)
    assert [attempt.outcome for attempt in hosts.attempts(task)] == ["lost", "completed"]
    assert hosts.stats() == {Status.COMPLETED: 1}
