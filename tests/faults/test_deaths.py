"""Processes that die: nothing is lost, nothing is doubled, nothing stays behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from stask_web import Status

from .site import Site, children_of, is_alive


def test_a_killed_child_is_seen_at_once_and_its_task_starts_again(site: Site) -> None:
    site.start()
    task = site.create("die", lives=2)
    done = site.wait(task)
    assert (done.status, done.attempts, done.attempt_no, done.crashes) == (Status.COMPLETED, 2, 2, 1)
    first, second = site.attempts(task)
    assert (first.outcome, second.outcome) == ("crashed", "completed")
    assert first.ended_at is not None
    assert (first.ended_at - first.started_at).total_seconds() < 2
    assert "last words" in site.log(task)
    assert any("killed by SIGKILL" in line for line in site.log(task))


def test_three_deaths_of_its_process_end_a_task(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_MAX_ATTEMPTS=9)
    site.start()
    task = site.create("die", lives=99)
    done = site.wait(task)
    assert (done.status, done.crashes, done.attempts) == (Status.FAILED, 3, 3)
    assert "ended unexpectedly" in done.message
    assert len(site.notes("ran")) == 3


def test_leaving_with_exit_code_0_is_a_crash(site: Site) -> None:
    site.start()
    done = site.wait(site.create("exit"))
    assert done.status == Status.FAILED
    assert done.crashes == 3
    assert "exit code 0" in (done.error or "")


def test_the_traceback_of_a_segfault_is_in_the_log(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_MAX_ATTEMPTS=1)
    site.start()
    task = site.create("segfault")
    assert site.wait(task).status == Status.FAILED
    text = "\n".join(site.log(task))
    assert "Segmentation fault" in text
    assert "task_segfault" in text


def test_a_task_of_another_child_is_not_touched_by_a_death(site: Site) -> None:
    site.start(concurrency=2)
    long = site.create("sleep", seconds=1.5)
    site.wait_note("started")
    dying = site.create("die", lives=2)
    assert site.wait(dying).status == Status.COMPLETED
    assert site.wait(long).status == Status.COMPLETED
    assert len(site.attempts(long)) == 1


def test_a_killed_supervisor_takes_its_children_with_it_and_a_new_one_takes_the_tasks_back(
    make_site: Callable[..., Site],
) -> None:
    """At once: the lease is longer than the test's patience, so only the free lock can tell."""
    site = make_site(STASK_LEASE=600.0)
    first = site.start(concurrency=2)
    tasks = [site.create("sleep", seconds=2.0) for _ in range(2)]
    site.wait_note("started", 2)
    below = first.children()
    first.signal(signal.SIGKILL)
    first.process.wait()
    site.wait_dead(*below, patience=5)
    site.start(concurrency=2)
    site.wait_note("started", 4)
    for task in tasks:
        done = site.wait(task)
        assert done.status == Status.COMPLETED
        assert (done.attempts, done.attempt_no) == (1, 2), "an attempt whose supervisor died does not count"
        assert [attempt.outcome for attempt in site.attempts(task)] == ["lost", "completed"]
    assert sorted(site.notes("finished")) == sorted(map(str, tasks))


def test_another_supervisor_that_lives_takes_over(site: Site) -> None:
    first = site.start(concurrency=1)
    task = site.create("sleep", seconds=5.0)
    site.wait_note("started")
    site.start(concurrency=1)
    first.signal(signal.SIGKILL)
    first.process.wait()
    assert site.wait(task).status == Status.COMPLETED
    assert [attempt.outcome for attempt in site.attempts(task)] == ["lost", "completed"]
    assert len(site.processes()) == 1


def test_everything_killed_at_once_loses_nothing(site: Site) -> None:
    first = site.start(concurrency=2)
    tasks = [site.create("sleep", seconds=0.5) for _ in range(4)]
    site.wait_note("started", 2)
    for pid in [first.pid, *first.children()]:
        os.kill(pid, signal.SIGKILL)
    first.process.wait()
    site.start(concurrency=2)
    assert [site.wait(task).status for task in tasks] == [Status.COMPLETED] * 4


def test_a_killed_guard_is_replaced(site: Site) -> None:
    worker = site.start(concurrency=1)
    site.wait(site.create("nothing"))
    guard = next(pid for pid in worker.children() if comm(pid) == "stask-guard")
    os.kill(guard, signal.SIGKILL)
    fresh = site.until(
        lambda: [pid for pid in worker.children() if comm(pid) == "stask-guard" and pid != guard], "a new guard"
    )
    site.create("sleep", seconds=60)
    site.wait_note("started")
    below = worker.children()
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    site.wait_dead(*below, *fresh, patience=5)


def test_what_a_task_leaves_running_is_ended_with_it(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("family")
    assert site.wait(task).status == Status.COMPLETED
    daemon = int(site.notes("daemon")[0])
    site.wait_dead(daemon, patience=5)
    assert site.wait(site.create("nothing")).status == Status.COMPLETED


def test_a_daemon_of_a_killed_child_is_ended(site: Site) -> None:
    site.start(concurrency=1)
    site.create("family", seconds=60)
    child = int(site.wait_note("started")[0])
    daemon = int(site.notes("daemon")[0])
    assert is_alive(daemon)
    os.kill(child, signal.SIGKILL)
    site.wait_dead(daemon, patience=5)


def test_a_daemon_of_a_killed_supervisor_is_ended(site: Site) -> None:
    worker = site.start(concurrency=1)
    site.create("family", seconds=60)
    site.wait_note("started")
    daemon = int(site.notes("daemon")[0])
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    site.wait_dead(daemon, patience=5)


def test_an_idle_child_that_dies_is_replaced(site: Site) -> None:
    worker = site.start(concurrency=1)
    site.wait(site.create("nothing"))
    child = next(pid for pid in worker.children() if comm(pid) == "stask-child")
    os.kill(child, signal.SIGKILL)
    assert site.wait(site.create("nothing")).status == Status.COMPLETED
    assert not children_of(child)


def comm(pid: int) -> str:
    """The name that a process gave itself."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def test_a_supervisor_that_only_sleeps_keeps_its_tasks(make_site: Callable[..., Site]) -> None:
    """SIGSTOP for longer than the lease: its lock is held, so nobody takes anything; after SIGCONT all goes on."""
    site = make_site(STASK_LEASE=0.5, STASK_HEARTBEAT=0.1)
    first = site.start(concurrency=1)
    task = site.create("sleep", seconds=1.0)
    site.wait_note("started")
    first.signal(signal.SIGSTOP)
    second = site.start(concurrency=1)
    site.wait_note("finished")
    site.until(site.processes, "a sign of life")
    for _ in range(3):  # the other one works, and looks for dead ones all the time
        beat = site.processes()[-1].beat_at
        site.until(lambda beat=beat: max(row.beat_at for row in site.processes()) > beat, "the other one lives")
        site.wait(site.create("nothing"))
    time.sleep(1.0)  # two leases: it is the point that time passes
    assert site.task(task).status == Status.RUNNING
    first.signal(signal.SIGCONT)
    done = site.wait(task)
    assert (done.status, len(site.attempts(task))) == (Status.COMPLETED, 1)
    assert second.stop() == 0


def test_many_short_tasks_leave_no_zombie_no_open_file_and_no_memory(make_site: Callable[..., Site]) -> None:
    """Children are replaced after some tasks, and nothing adds up over a thousand of them."""
    site = make_site(STASK_RECYCLE=50)
    worker = site.start(concurrency=2)

    def tasks(count: int) -> tuple[int, int]:
        site.wait(site.create_many("nothing", count)[-1])
        site.until(lambda: not site.state.tasks.pending(1), "all have begun")
        site.until(lambda: len(worker.children()) == 3, "two children and the guard")
        return len(os.listdir(f"/proc/{worker.pid}/fd")), len(worker.children())

    first = {pid for pid in worker.children() if comm(pid) == "stask-child"}
    before, memory = tasks(200), resident(worker.pid)
    files, children = tasks(1000)
    # A connection that is open just now has three; one file left by each replaced child would make twenty.
    assert files <= before[0] + 5
    assert children == before[1]
    assert resident(worker.pid) <= 1.1 * memory
    assert not first & set(worker.children()), "children are replaced"


def resident(pid: int) -> int:
    """Pages of memory that a process has."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1])
