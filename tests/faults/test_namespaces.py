"""Two containers' worth of processes, each with pids of its own, on one database and one folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stask_web import Status

from .site import Site, Worker, children_of

UNSHARE = [shutil.which("unshare") or "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def may_unshare() -> bool:
    """Whether this machine lets us make namespaces."""
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/ns/pid").exists() or not shutil.which("unshare") or not may_unshare(),
    reason="needs unshare --pid and the right to use it",
)


class Container(Worker):
    """A worker in a pid namespace of its own, as process 1 there."""

    @property
    def init(self) -> int:
        """The supervisor's pid as it is seen from outside."""
        (pid,) = children_of(self.process.pid)
        return pid

    def signal(self, number: int) -> None:
        """Send it to the supervisor, as ``docker stop`` and ``docker kill`` do."""
        os.kill(self.init, number)

    def children(self) -> list[int]:
        """All that live in it, as seen from outside."""
        return [*children_of(self.init), self.init] if children_of(self.process.pid) else []


def start(site: Site, concurrency: int = 1) -> Container:
    """Start one, and wait until it can be woken."""
    before = set(site.sockets())
    log = site.folder / f"worker-{len(site.workers)}.log"
    command = [*UNSHARE, sys.executable, "-W", "error", "-m", "tests.faults.apps", str(site.folder), str(concurrency)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=Path(__file__).parents[2])
    container = Container(process, log)
    site.workers.append(container)
    site.until(lambda: set(site.sockets()) - before or process.poll() is not None, "the container's worker starts")
    assert process.poll() is None, container.output()
    return container


def enough(site: Site) -> None:
    """Let what sleeps end."""
    (site.notes_folder / "enough").touch()


@pytest.fixture
def far(make_site: Callable[..., Site]) -> Site:
    """A site whose lease is longer than the patience of a test: only the lock can tell of a death."""
    return make_site(STASK_LEASE=600.0)


def test_a_container_that_is_killed_gives_its_task_to_the_other_by_the_lock(far: Site) -> None:
    first = start(far)
    task = far.create("sleep", seconds=60)
    (line,) = far.wait_note("started")
    second = start(far)
    far.wait(far.create("nothing"))
    inside = first.children()
    first.signal(signal.SIGKILL)
    first.process.wait(30)
    far.wait_dead(*inside, patience=5)
    far.wait_note("started", 2)
    enough(far)
    done = far.wait(task)
    assert (done.status, done.attempts, done.attempt_no) == (Status.COMPLETED, 1, 2)
    attempts = far.attempts(task)
    assert [attempt.outcome for attempt in attempts] == ["lost", "completed"]
    assert attempts[0].owner != attempts[1].owner
    assert int(line.split()[0]) < 20, "its pid is one of a small namespace"
    assert attempts[0].pid is not None
    assert attempts[0].pid < 20
    assert far.notes("finished") == [str(task)]
    assert len(far.processes()) == 1
    assert second.process.poll() is None


def test_one_that_lives_keeps_its_task_though_its_pids_mean_nothing_outside(far: Site) -> None:
    """The same pids are in use in both, and those of one are not there for the other."""
    start(far)
    task = far.create("sleep", seconds=60)
    far.wait_note("started")
    start(far)
    far.start(concurrency=1)  # and a third one, outside of both
    for _ in range(6):
        far.wait(far.create("nothing"))
    far.until(lambda: len(far.processes()) == 3, "all three have given a sign of life")
    beats = sorted(process.beat_at for process in far.processes())
    far.until(lambda: min(process.beat_at for process in far.processes()) > beats[-1], "all three looked around")
    enough(far)
    done = far.wait(task)
    assert (done.status, len(far.attempts(task))) == (Status.COMPLETED, 1)
    assert [process.pid for process in far.processes()].count(1) == 2
    assert {process.lock for process in far.processes()} == {path.name for path in far.state.storage.run.glob("*.lock")}


def test_many_tasks_in_two_containers_none_doubled_none_missing(far: Site) -> None:
    for _ in range(2):
        start(far, concurrency=2)
    tasks = far.create_many("note", 300)
    for task in tasks:
        assert far.wait(task).status == Status.COMPLETED
    assert sorted(far.notes("ran")) == sorted(f"{task} 1" for task in tasks)
    assert far.stats() == {Status.COMPLETED: 300}


def test_a_container_is_stopped_without_losing_its_task(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_LEASE=600.0, STASK_DRAIN=0.3)
    first = start(site)
    task = site.create("sleep", seconds=60)
    site.wait_note("started")
    first.signal(signal.SIGTERM)
    assert first.process.wait(30) == 0
    assert site.task(task).status == Status.PENDING
    start(site)
    enough(site)
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.COMPLETED, 1)
    assert [attempt.outcome for attempt in site.attempts(task)] == ["drained", "completed"]
