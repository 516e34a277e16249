"""Schedules in real worker processes: several of them, killed ones, clocks that are set, a locked database."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import BaseWorker, Status, action
from stask_web.models import Schedule, Task

from .clocked import clock, set_clock
from .site import Site, site_on

CLOCKED = "tests.faults.clocked"
MINUTELY = {"type": "periodic", "frequency": "minutely"}
HOUR = 3600.0
#: Half past some minute, far from any change of a clock.
BEGIN = datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC).timestamp()
#: A clock that runs fast needs patience with signs of life, and quick looks.
FAST = {"STASK_POLL": 0.05, "STASK_LEASE": 100_000.0, "STASK_HEARTBEAT": 0.3}


@pytest.fixture
def postgresql_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a new database of a real PostgreSQL server."""
    with site_on("postgresql", tmp_path, STASK_POLL=0.1) as site:
        yield site


def schedule(site: Site, rule: dict[str, Any], *, at: float | None = None) -> int:
    """A schedule that leaves a line in ``ran``.

    :param at: fires first then, by a clock that is not ours.
    """
    with site.app.app_context():
        made = site.state.schedules.create("faulty", "note", rule, {"notes": str(site.notes_folder)}, timezone="UTC")
    if at is not None:
        with site.state.database.write() as connection:
            change = sa.update(Schedule).where(Schedule.id == made.id)
            connection.execute(change.values(next_fire_at=at))
    return int(made.id)


def instants(site: Site) -> list[float]:
    """The instants for which there are tasks, in the order in which these were created."""
    select = sa.select(Task.start_at).where(Task.schedule_id.is_not(None)).order_by(Task.id)
    with site.state.database.read() as connection:
        return [moment.timestamp() for moment in connection.scalars(select) if moment is not None]


def wait_for(site: Site, count: int) -> list[float]:
    """Wait until that many instants were fired."""
    return site.until(lambda: len(instants(site)) >= count and instants(site), f"{count} instants have fired")


def soon(site: Site, seconds: float) -> float:
    """Put a single moment into the schedules, on the real clock; gives the moment."""
    moment = int(time.time() + seconds) + 1
    schedule(site, {"type": "once", "datetime": datetime.fromtimestamp(moment, UTC).isoformat()})
    return float(moment)


def test_a_schedule_fires_on_its_second_and_its_task_runs(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_POLL=30.0)
    moment = soon(site, 2.0)
    site.start(concurrency=1)
    assert wait_for(site, 1) == [moment]
    (line,) = site.wait_note("ran")
    done = site.wait(int(line.split()[0]))
    assert done.status == Status.COMPLETED
    assert moment <= done.created_at.timestamp() < moment + 0.4  # much sooner than the poll would find it
    assert done.started_at is not None
    assert (done.started_at - done.created_at).total_seconds() < 0.4


def test_a_schedule_that_is_made_while_a_worker_runs_fires_too(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_POLL=0.2)
    site.start(concurrency=1)
    moment = soon(site, 0.5)
    assert wait_for(site, 1) == [moment]


def test_of_two_workers_one_is_killed_and_each_instant_fires_once(make_site: Callable[..., Site]) -> None:
    site = make_site(**FAST)
    set_clock(site.folder, BEGIN, speed=0.001)
    schedule(site, MINUTELY, at=BEGIN + 30)
    first, _ = site.start(1, CLOCKED), site.start(1, CLOCKED)
    set_clock(site.folder, BEGIN, speed=40.0)
    wait_for(site, 3)
    first.signal(signal.SIGKILL)
    found = wait_for(site, 7)
    assert found == [BEGIN + 30 + 60 * number for number in range(len(found))]
    site.until(lambda: len(site.notes("ran")) >= 7, "the tasks have run")


def test_a_clock_that_jumps_two_hours_both_ways_fires_nothing_twice_and_no_storm(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(**FAST)
    set_clock(site.folder, BEGIN + 29)
    schedule(site, MINUTELY, at=BEGIN + 30)
    worker = site.start(1, CLOCKED)
    assert wait_for(site, 1) == [BEGIN + 30]
    set_clock(site.folder, BEGIN + 2 * HOUR)  # half a minute late for the newest of 119 that were missed
    assert wait_for(site, 2) == [BEGIN + 30, BEGIN + 2 * HOUR - 30]
    site.until(lambda: "clock was set by +" in worker.output(), "the worker sees it")
    set_clock(site.folder, BEGIN + 31)
    site.until(lambda: "clock was set by -" in worker.output(), "the worker sees that, too")
    set_clock(site.folder, BEGIN + 2 * HOUR - 31)  # and once more through what was fired
    soon_after = BEGIN + 2 * HOUR + 30
    set_clock(site.folder, soon_after - 1)
    assert wait_for(site, 3) == [BEGIN + 30, BEGIN + 2 * HOUR - 30, soon_after]
    site.until(lambda: len(site.notes("ran")) == 3, "all have run")
    assert worker.stop() == 0


def test_a_clock_that_was_wrong_for_a_while_silences_nothing(make_site: Callable[..., Site]) -> None:
    """It ran two hours ahead, too late to catch anything up; back in time, the instants in between are fired."""
    site = make_site(**FAST)
    hourly = {"type": "cron", "cron": "15 * * * *"}
    set_clock(site.folder, BEGIN)
    identifier = schedule(site, hourly, at=BEGIN - 30 + 900)
    site.start(1, CLOCKED)
    set_clock(site.folder, BEGIN + 1.5 * HOUR)
    site.until(lambda: next_of(site, identifier) > BEGIN + 2 * HOUR, "it has moved on")
    set_clock(site.folder, BEGIN + 868)
    assert wait_for(site, 1) == [BEGIN - 30 + 900]


def next_of(site: Site, identifier: int) -> float:
    """When a schedule fires next."""
    with site.app.app_context():
        moment = site.state.schedules.get(identifier).next_fire_at
    assert moment is not None
    return float(moment.timestamp())


def test_what_was_missed_while_no_worker_ran_is_caught_up_with_once(make_site: Callable[..., Site]) -> None:
    site = make_site(**FAST)
    schedule(site, MINUTELY, at=BEGIN - 30 - 50 * 60)
    daily = schedule(site, {"type": "periodic", "frequency": "daily", "time": "11:40"}, at=BEGIN - 30 - 1200)
    set_clock(site.folder, BEGIN)
    site.start(1, CLOCKED)
    assert wait_for(site, 1) == [BEGIN - 30]
    site.until(lambda: next_of(site, daily) > BEGIN, "the other one has moved on")
    with site.app.app_context():
        assert "Missed at 2026-06-03 11:40" in site.state.schedules.get(daily).last_error
    set_clock(site.folder, BEGIN + 29)
    assert wait_for(site, 2) == [BEGIN - 30, BEGIN + 30]


def test_a_locked_database_delays_a_schedule_and_doubles_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_POLL=0.1)
    worker = site.start(concurrency=1)
    moment = soon(site, 0.5)
    other = sqlite3.connect(site.folder / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    site.until(lambda: time.time() > moment + 0.5, "it is overdue")
    assert instants(site) == []
    other.execute("COMMIT")
    other.close()
    assert wait_for(site, 1) == [moment]
    assert site.wait_note("ran")
    assert "failed; it goes on" not in worker.output()
    assert len(instants(site)) == 1


def test_a_broken_schedule_of_a_worker_process_stops_no_other(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_POLL=0.1)
    broken = schedule(site, MINUTELY, at=time.time() - 5)
    with site.state.database.write() as connection:
        change = sa.update(Schedule).where(Schedule.id == broken)
        connection.execute(change.values(identifier="gone"))
        connection.exec_driver_sql(
            "INSERT INTO s_workers (identifier, scope, class_name, active, settings, stored_title, stored_description, "
            "stored_icon, created_at, updated_at) VALUES ('gone', '', '', 1, '{}', '', '', '', 0, 0)"
        )
    worker = site.start(concurrency=1)
    moment = soon(site, 0.2)
    assert wait_for(site, 1) == [moment]
    with site.app.app_context():
        assert "no worker 'gone'" in site.state.schedules.get(broken).last_error
    assert "no worker 'gone'" in worker.output()


def test_an_own_schedule_in_the_settings_fires_after_a_start(make_site: Callable[..., Site]) -> None:
    """Stored by hand, so that only the start of a worker process can find it."""
    site = make_site(**FAST)
    config = {"enabled": True, **MINUTELY, "action": "note", "options": {"notes": str(site.notes_folder)}}
    from stask_web.models import WorkerRecord

    with site.state.database.write() as connection:
        change = sa.update(WorkerRecord).where(WorkerRecord.identifier == "faulty")
        connection.execute(change.values(settings={"schedule": config}))
    set_clock(site.folder, BEGIN + 29)
    site.start(1, CLOCKED)
    assert wait_for(site, 1) == [BEGIN + 30]


def race(site: Site, clocks: int = 3, seconds: float = 2.5) -> list[float]:
    """Let several processes' worth of threads tick as fast as they can, on one fast clock."""
    set_clock(site.folder, BEGIN, speed=200.0)
    end, failures = time.monotonic() + seconds, []

    def tick() -> None:
        now = clock(site.folder)
        try:
            with site.app.app_context():
                while time.monotonic() < end:
                    site.state.schedules.tick(now())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=tick) for _ in range(clocks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return instants(site)


def assert_each_once(found: list[float]) -> None:
    """No instant twice, and hardly one left out: only a thread that slept for a whole minute of that clock does so."""
    assert len(found) == len(set(found))
    assert len(found) >= 4
    assert all(later - earlier <= 240 for earlier, later in itertools.pairwise(sorted(found)))


def test_processes_that_race_fire_each_instant_once_on_sqlite(site: Site) -> None:
    schedule(site, MINUTELY, at=BEGIN + 30)
    assert_each_once(race(site))


@pytest.mark.service
def test_processes_that_race_fire_each_instant_once_on_postgresql(postgresql_site: Site) -> None:
    schedule(postgresql_site, MINUTELY, at=BEGIN + 30)
    assert_each_once(race(postgresql_site))


class Alone(BaseWorker):
    """Has an action that may not be stacked."""

    identifier = "alone"

    @action(unique=True)
    def task_run(self, task: Any, options: Any) -> None: ...


@pytest.mark.service
def test_an_action_that_must_be_alone_spoils_no_transaction_of_postgresql(postgresql_site: Site) -> None:
    site = postgresql_site
    site.state.registry.add(Alone)
    with site.app.app_context():
        site.state.roster.set_active("alone", True)
        door = site.state.schedules
        made = door.create("alone", "run", MINUTELY)
        due = made.next_fire_at.timestamp()
        assert [len(door.tick(due)), len(door.tick(due + 60))] == [1, 0]
        after = door.get(made.id)
        assert "waiting or running" in after.last_error
        assert after.next_fire_at.timestamp() == due + 120


@pytest.mark.service
def test_a_worker_fires_schedules_on_postgresql(postgresql_site: Site) -> None:
    site = postgresql_site
    site.start(concurrency=1)
    moment = soon(site, 0.5)
    assert wait_for(site, 1) == [moment]
    assert site.wait_note("ran")
