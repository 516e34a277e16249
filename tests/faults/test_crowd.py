"""Much of everything: tasks, supervisors, output, memory."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import BaseWorker, Status
from stask_web.models import Attempt, Task

from .apps import make_app
from .site import Site, site_on

MB = 2**20


class Heavy(BaseWorker):
    """Takes much."""

    identifier = "heavy"

    def task_line(self, task: Any, options: Any) -> None:
        """Leave the task's number in a file, in one write."""
        place = os.open(options["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(place, b"%d\n" % task.id)
        os.close(place)

    def task_memory(self, task: Any, options: Any) -> None:
        """Allocate 2 GB under a limit of less."""
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + 300 * MB, resource.RLIM_INFINITY))
        try:
            kept = bytearray(2048 * MB)
            kept[-1] = 1
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def task_eat(self, task: Any, options: Any) -> None:
        """The same in small pieces to the last byte, with the limit still on: then nothing of the process works."""
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + 50 * MB, resource.RLIM_INFINITY))
        pieces, size = [], MB
        while size:
            try:
                pieces.append(bytearray(size))
            except MemoryError:
                size //= 4
        self.fat = pieces
        raise MemoryError

    def task_print(self, task: Any, options: Any) -> None:
        """Print so many MB, in lines of a length; tell how much memory the process took at most."""
        block, left = memoryview(b"x" * 65536), options["mb"] * MB
        while left:
            line = min(left, options["length"]) - 1
            left -= line + 1
            while line:
                line -= os.write(1, block[:line])
            os.write(1, b"\n")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        self.mark_finished(task, message=f"{peak}")

    def task_noise(self, task: Any, options: Any) -> None:
        """Print random bytes."""
        noise = random.Random(7)
        for _ in range(64):
            os.write(options["fd"], noise.randbytes(16384))
        os.write(options["fd"], b"\nthe end\n")


if __name__ == "__main__":
    import sys

    from stask_web.engines.supervisor import Supervisor

    app = make_app(Path(sys.argv[1]))
    app.extensions["stask_state"].registry.add(Heavy)
    raise SystemExit(Supervisor(app, concurrency=int(sys.argv[2])).run())

PROGRAM = "tests.faults.test_crowd"


def prepare(site: Site) -> Site:
    """Let the site know the worker."""
    site.state.registry.add(Heavy)
    with site.app.app_context():
        site.state.roster.set_active("heavy", True)
    return site


@pytest.fixture
def heavy(make_site: Callable[..., Site]) -> Site:
    """A site whose errors are final."""
    return prepare(make_site(STASK_MAX_ATTEMPTS=1))


@pytest.fixture
def heavy_postgresql(tmp_path: Path) -> Iterator[Site]:
    """The same on PostgreSQL."""
    with site_on("postgresql", tmp_path) as site:
        yield prepare(site)


def create(site: Site, action: str, **options: Any) -> int:
    """A task of the worker."""
    with site.app.app_context():
        return int(site.state.tasks.create("heavy", action, options).id)


def run_crowd(site: Site, count: int, patience: float) -> None:
    """So many tasks and four supervisors; then none is missing and none was doubled."""
    place = site.folder / "lines"
    for _ in range(4):
        site.start(concurrency=1, program=PROGRAM)
    with site.app.app_context():
        ids = site.state.tasks.create_many("heavy", "line", [{"file": str(place)}] * count)
    site.until(lambda: site.stats().get(Status.COMPLETED, 0) >= count, "all are completed", patience)
    with site.state.database.read() as connection:
        tasks = connection.execute(sa.select(Task.id, Task.status, Task.attempt_no)).all()
        attempts = connection.execute(sa.select(Attempt.task_id, Attempt.outcome, Attempt.owner)).all()
    assert sorted(tasks) == [(task_id, Status.COMPLETED, 1) for task_id in ids]
    assert sorted(row[:2] for row in attempts) == [(task_id, "completed") for task_id in ids]
    assert sorted(map(int, place.read_text().split())) == ids
    assert site.stats() == {Status.COMPLETED: count}
    assert len({row.owner for row in attempts}) > 1, "several took part"
    for worker in site.workers:
        assert worker.stop() == 0


@pytest.mark.slow
def test_ten_thousand_tasks_and_four_supervisors_none_doubled_none_missing(heavy: Site) -> None:
    run_crowd(heavy, 10_000, patience=100)


@pytest.mark.service
def test_a_thousand_on_postgresql(heavy_postgresql: Site) -> None:
    run_crowd(heavy_postgresql, 1_000, patience=60)


def test_a_task_that_wants_2_gb_under_a_limit_fails_with_a_sentence(heavy: Site) -> None:
    heavy.start(concurrency=1, program=PROGRAM)
    task = create(heavy, "memory")
    done = heavy.wait(task)
    assert (done.status, done.message) == (Status.FAILED, "The memory was not enough")
    assert (done.error or "").startswith("MemoryError")
    assert any("task_memory" in line for line in heavy.log(task))
    assert heavy.wait(heavy.create("nothing")).status == Status.COMPLETED


def test_a_task_that_eats_the_last_byte_harms_itself_alone(heavy: Site) -> None:
    """Whether its process can still tell or dies of it: the task ends, and the next one runs."""
    worker = heavy.start(concurrency=1, program=PROGRAM)
    task = create(heavy, "eat")
    done = heavy.wait(task)
    assert done.status == Status.FAILED
    assert done.message
    later = [heavy.create("nothing") for _ in range(3)]
    heavy.until(lambda: all(heavy.task(one).is_finished() for one in later), "the next ones have ended")
    assert worker.process.poll() is None


@pytest.mark.parametrize("length", [200, 100 * MB], ids=["100 MB of lines", "a line of 100 MB"])
def test_a_hundred_mb_of_output_keep_head_and_tail_in_little_memory(
    make_site: Callable[..., Site], length: int
) -> None:
    site = prepare(make_site(STASK_LOG_CAP=4 * MB))
    site.start(concurrency=1, program=PROGRAM)
    small = site.wait(create(site, "print", mb=0, length=200), patience=60)
    big = site.wait(create(site, "print", mb=100, length=length), patience=90)
    assert (big.status, len(site.attempts(big.id))) == (Status.COMPLETED, 1)
    assert int(big.message) < int(small.message) + 60, "MB at most"
    journal = site.state.journals.of(big.id)
    assert MB < journal.size() <= 4 * MB + 2 * MB
    lines = journal.lines()
    assert sum(line["kind"] == "gap" for line in lines) == 1
    assert set(lines[0]["message"]) == {"x"}
    assert set(lines[-1]["message"]) <= {"x"}, "the last piece of a line may be its end alone"


@pytest.mark.parametrize("fd", [1, 2])
def test_random_bytes_are_a_readable_log(heavy: Site, fd: int) -> None:
    heavy.start(concurrency=1, program=PROGRAM)
    task = create(heavy, "noise", fd=fd)
    assert heavy.wait(task).status == Status.COMPLETED
    log = heavy.log(task)
    assert log[-1] == "the end"
    text = "\n".join(log)
    assert "\x00" not in text
    assert text.encode(), "it can be sent"
    noise = random.Random(7)
    lines = b"".join(noise.randbytes(16384) for _ in range(64)).count(b"\n") + 2
    assert len(log) == lines


def test_a_worker_is_quick_after_a_flood(heavy: Site) -> None:
    """Nothing of it is left to do."""
    heavy.start(concurrency=1, program=PROGRAM)
    heavy.wait(create(heavy, "print", mb=10, length=100), patience=60)
    heavy.wait(heavy.create("nothing"))
    waits = []
    for _ in range(5):
        began = time.monotonic()
        heavy.wait(heavy.create("nothing"))
        waits.append(time.monotonic() - began)
    assert min(waits) < 0.5, waits
