"""Tasks that are claimed before a child is free: order, stops, drains and deaths are as if they were not."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from stask_web import Status
from stask_web.models import Attempt, Task

from .ahead_site import Brief
from .site import Site, Worker, site_on

PROGRAM = "tests.faults.ahead_site"


def prepare(site: Site) -> Site:
    """Let the site know the worker."""
    site.state.registry.add(Brief)
    with site.app.app_context():
        site.state.roster.set_active("brief", True)
    return site


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each database."""
    with site_on(request.param, tmp_path) as made:
        yield prepare(made)


def create(site: Site, action: str, count: int, priority: str | None = None, **options: object) -> list[int]:
    """So many tasks."""
    data = {"notes": str(site.notes_folder), **options}
    worker = "faulty" if action in ("sleep", "nothing") else "brief"
    with site.app.app_context():
        return list(site.state.tasks.create_many(worker, action, [data] * count, priority))


def running(site: Site) -> int:
    """How many tasks run, as the database says."""
    with site.state.database.read() as connection:
        query = sa.select(sa.func.count()).where(Task.status == Status.RUNNING)
        return int(connection.execute(query).scalar() or 0)


def everything(site: Site) -> tuple[dict[int, Task], dict[int, list[Attempt]]]:
    """All tasks and all attempts."""
    attempts: dict[int, list[Attempt]] = {}
    with site.state.database.session() as session:
        tasks = {task.id: task for task in session.scalars(sa.select(Task))}
        for attempt in session.scalars(sa.select(Attempt).order_by(Attempt.id)):
            attempts.setdefault(attempt.task_id, []).append(attempt)
    return tasks, attempts


def is_untouched(task: Task) -> bool:
    """Whether it looks as if nobody had ever had it in hand."""
    return (task.status, task.attempts, task.attempt_no, task.started_at, task.owner, task.message) == (
        Status.PENDING, 0, 0, None, None, "",
    )  # fmt: skip


def kill_all(worker: Worker) -> None:
    """The supervisor first, then all that it had."""
    pids = [worker.pid, *worker.children()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    worker.process.wait()


def test_very_short_tasks_are_claimed_ahead_and_run_in_order(site: Site) -> None:
    low, high = create(site, "line", 1500, "low"), create(site, "line", 500, "high")
    site.start(concurrency=1, program=PROGRAM)
    site.until(lambda: running(site) > 2, "more are claimed than there are children")
    site.until(lambda: len(site.notes("ran")) == 2000, "all have run", patience=60)
    assert [int(line.split()[0]) for line in site.notes("ran")] == [*high, *low]
    site.until(lambda: site.stats() == {Status.COMPLETED: 2000}, "all is written")
    tasks, attempts = everything(site)
    assert all(task.attempt_no == 1 and task.duration < 5 for task in tasks.values())
    assert all(each.pid and each.started_at >= tasks[each.task_id].created_at for (each,) in attempts.values())
    assert all(each.ended_at >= each.started_at for (each,) in attempts.values())


def test_what_waits_behind_a_long_task_goes_back_without_a_trace_and_an_urgent_one_is_next(site: Site) -> None:
    create(site, "line", 400, "low")
    (long,) = create(site, "sleep", 1, "low", seconds=60)
    behind = create(site, "line", 60, "low")
    site.start(concurrency=1, program=PROGRAM)
    site.wait_note("started")
    site.until(lambda: running(site) == 1, "all others are given back")
    tasks, attempts = everything(site)
    assert all(is_untouched(tasks[task]) for task in behind)
    assert not set(behind) & attempts.keys()
    (attempt,) = site.until(lambda: [one for one in site.attempts(long) if one.pid], "its process is known")
    assert attempt.started_at == site.task(long).started_at
    (urgent,) = create(site, "line", 1, "high")
    (site.notes_folder / "enough").touch()
    site.until(lambda: len(site.notes("ran")) == 461, "all have run")
    ran = [int(line.split()[0]) for line in site.notes("ran")]
    assert ran[400:] == [urgent, *behind]
    assert {line.split()[1] for line in site.notes("ran")} == {"1"}


def test_an_urgent_one_overtakes_what_is_claimed_already(site: Site) -> None:
    """While very short tasks are claimed ahead: it comes before nearly all that wait."""
    create(site, "line", 3000, "low")
    site.start(concurrency=1, program=PROGRAM)
    site.wait_note("ran", 300)
    urgent = create(site, "line", 1, "high")[0]
    before = len(site.notes("ran"))
    site.until(lambda: any(line.split()[0] == str(urgent) for line in site.notes("ran")), "it has run")
    place = [int(line.split()[0]) for line in site.notes("ran")].index(urgent)
    assert place - before < 100, "not behind all of them"


def test_a_high_one_starts_within_one_task_of_50_ms(site: Site) -> None:
    create(site, "alone", 40, seconds=0.05)
    site.start(concurrency=1, program=PROGRAM)
    site.wait_note("ran", 5)
    (urgent,) = create(site, "line", 1, "high")
    before = len(site.notes("ran"))
    site.until(lambda: any(line.split()[0] == str(urgent) for line in site.notes("ran")), "it has run")
    assert [int(line.split()[0]) for line in site.notes("ran")].index(urgent) - before <= 1


def test_nothing_is_hoarded_beside_another_worker_when_tasks_are_long(site: Site) -> None:
    for _ in range(2):
        site.start(concurrency=1, program=PROGRAM)
    create(site, "alone", 24, seconds=0.08)
    most = 0
    until = time.monotonic() + 30
    while len(site.notes("ran")) < 24 and time.monotonic() < until:
        most = max(most, running(site))
    assert most == 2
    site.until(lambda: site.stats() == {Status.COMPLETED: 24}, "all is written")
    _, attempts = everything(site)
    shares = Counter(each.owner for (each,) in attempts.values())
    assert min(shares.values()) >= 8, shares


def test_what_is_stopped_before_it_begins_never_runs(site: Site) -> None:
    tasks = create(site, "line", 1500)
    site.start(concurrency=2, program=PROGRAM)
    stopped = []
    for number in range(60, 1500, 60):
        site.until(lambda number=number: len(site.notes("ran")) > number - 60, "they run")  # type: ignore[misc]
        for task in tasks[number : number + 40 : 4]:
            try:
                site.cancel(task, by="Ann")
            except Exception:
                continue
            stopped.append(task)
    site.until(lambda: sum(site.stats().values()) == 1500, "all have ended")
    rows, attempts = everything(site)
    ran = Counter(int(line.split()[0]) for line in site.notes("ran"))
    assert stopped
    for task in stopped:
        assert rows[task].status == Status.CANCELLED
        if not rows[task].attempt_no:
            assert task not in attempts
            assert not ran[task], "it was withdrawn, and ran nevertheless"
    assert set(ran.values()) == {1}
    assert all(rows[task].status == Status.COMPLETED for task in tasks if task not in stopped)


@pytest.mark.parametrize("most", [3, 1], ids=["several attempts", "a single attempt"])
def test_kill_9_in_the_middle_of_short_tasks_loses_and_doubles_nothing_and_leaves_no_attempt_that_never_ran(
    site: Site, most: int
) -> None:
    tasks = create(site, "line", 2500)
    with site.state.database.write() as connection:
        connection.execute(sa.update(Task).values(max_attempts=most))
    kills = 4
    for number in range(kills):
        worker = site.start(concurrency=2, program=PROGRAM)
        site.wait_note("ran", 300 + 500 * number)
        kill_all(worker)
    site.start(concurrency=2, program=PROGRAM)
    site.until(lambda: site.stats().get(Status.COMPLETED) == 2500, "all are completed", patience=60)
    rows, attempts = everything(site)
    ran = set(site.notes("ran"))
    assert sorted(rows) == tasks
    never = 0
    for task, row in rows.items():
        assert (row.status, row.attempts) == (Status.COMPLETED, 1)
        outcomes = [each.outcome for each in attempts[task]]
        assert outcomes == ["lost"] * (len(outcomes) - 1) + ["completed"]
        assert [each.number for each in attempts[task]] == list(range(1, row.attempt_no + 1))
        never += sum(f"{task} {each.number}" not in ran for each in attempts[task])
    assert never <= 2 * kills, "only what was just on its way to a child"
    again = len(site.notes("ran")) - 2500
    assert again <= kills * (4 if most == 1 else 70), "little of what had ended was not written"


def test_sigterm_in_the_middle_of_short_tasks_gives_back_what_has_not_begun(site: Site) -> None:
    tasks = create(site, "line", 3000)
    worker = site.start(concurrency=2, program=PROGRAM)
    site.wait_note("ran", 400)
    assert worker.stop() == 0
    rows, attempts = everything(site)
    done = {task for task in tasks if rows[task].status == Status.COMPLETED}
    assert len(done) < 3000
    assert all(is_untouched(rows[task]) for task in tasks if task not in done)
    assert attempts.keys() == done
    assert sorted(site.notes("ran")) == sorted(f"{task} 1" for task in done)
    assert not list(site.state.storage.run.glob("*.given"))


def test_a_supervisor_that_was_stopped_for_longer_than_its_lease_begins_nothing_that_it_claimed_before(
    site: Site,
) -> None:
    create(site, "alone", 3000)
    first = site.start(concurrency=1, program=PROGRAM)
    site.wait_note("ran", 300)
    site.until(lambda: first.signal(signal.SIGSTOP) or running(site) > 2 or first.signal(signal.SIGCONT), "it has some")
    for path in site.state.storage.run.glob("*.lock"):
        path.unlink()  # so that nobody sees that it lives
    site.start(concurrency=1, program=PROGRAM)
    site.until(lambda: len({line.split()[0] for line in site.notes("ran")}) == 3000, "all have run", patience=60)
    first.signal(signal.SIGCONT)
    site.until(lambda: site.stats() == {Status.COMPLETED: 3000}, "all are completed")
    assert not site.notes("beside")
    rows, _ = everything(site)
    assert all(row.status == Status.COMPLETED for row in rows.values())
