"""PostgreSQL does not answer to a commit, whose tasks have begun already: a crash, a cut connection, a long wait."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import Status
from stask_web.engines import line
from stask_web.engines.ledger import Away, Ledger
from stask_web.models import Task

from .ahead_site import Brief
from .site import Site
from .test_postgres_restart import Cluster, cluster

__all__ = ["cluster"]
pytestmark = pytest.mark.service
PROGRAM = "tests.faults.ahead_site"
#: Lets the commit of each claim take its time: it is not on the disk before.
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON s_attempts DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION slow();
"""


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    """A site in an empty schema; its own commits wait for no standby."""
    run(cluster, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    site = Site(tmp_path, f"{cluster.uri}?options=-c%20synchronous_commit%3Dlocal")
    path = site.folder / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "SQLALCHEMY_DATABASE_URI": cluster.uri}))
    site.state.registry.add(Brief)
    with site.app.app_context():
        site.state.roster.set_active("brief", True)
    yield site
    site.close()
    run(cluster, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def run(cluster: Cluster, *statements: str) -> None:
    """Run statements on the server, each for itself."""
    engine = sa.create_engine(cluster.uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def wait_for_nobody(cluster: Cluster) -> None:
    """From now on a durable commit is written, and not answered: it waits for a standby that does not exist."""
    run(cluster, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")


def answer_again(cluster: Cluster) -> None:
    """Those that wait have their answer."""
    run(
        cluster,
        "SET synchronous_commit = local",
        "ALTER SYSTEM RESET synchronous_standby_names",
        "SELECT pg_reload_conf()",
    )


def brief(site: Site, count: int, **options: Any) -> list[int]:
    """Tasks that tell when one lives beside itself."""
    with site.app.app_context():
        data = {"notes": str(site.notes_folder), **options}
        return list(site.state.tasks.create_many("brief", "alone", [data] * count))


def single(site: Site, task: int) -> None:
    """It must not happen twice."""
    with site.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == task).values(max_attempts=1))


def pid_of(site: Site) -> int:
    """The process of the first task that has started."""
    return int(site.wait_note("started")[0].split()[0])


def idle(site: Site) -> None:
    """Let the worker have done something: then it is there, and rests."""
    site.wait(site.create("nothing"))
    site.until(site.stats, "it is written")


def test_a_task_begins_while_its_claim_is_being_written_and_is_killed_at_once_if_the_server_crashes(
    cluster: Cluster, site: Site
) -> None:
    """What the crash has undone runs once more, alone, and the attempt that was killed leaves no row."""
    worker = site.start(concurrency=1, program=PROGRAM)
    idle(site)
    run(cluster, SLOW.format(seconds=1.5))
    task = site.create("sleep", seconds=60)
    pid = pid_of(site)
    assert site.task(task).is_pending(), "its claim is not written"
    cluster.crash()
    site.wait_dead(pid, patience=1.0)
    cluster.start()
    run(cluster, "DROP FUNCTION slow CASCADE")
    site.wait_note("started", 2)
    (site.notes_folder / "enough").touch()
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.COMPLETED, 1)
    assert [attempt.outcome for attempt in site.attempts(task)] == ["completed"]
    assert "came too late" not in worker.output()


def test_what_must_not_happen_twice_begins_only_when_its_claim_is_written(cluster: Cluster, site: Site) -> None:
    site.start(concurrency=1, program=PROGRAM)
    idle(site)
    run(cluster, SLOW.format(seconds=0.6))
    with site.state.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE s_tasks ALTER max_attempts SET DEFAULT 1")
    site.state.settings = site.state.settings.__class__(**{**vars(site.state.settings), "max_attempts": 1})
    began = time.monotonic()
    task = site.create("sleep", seconds=60)
    site.wait_note("started")
    assert time.monotonic() - began >= 0.6
    assert site.task(task).is_running()
    (site.notes_folder / "enough").touch()
    assert site.wait(task).status == Status.COMPLETED


def test_an_end_that_came_before_its_claim_was_undone_is_dropped_quietly(cluster: Cluster, site: Site) -> None:
    worker = site.start(concurrency=1, program=PROGRAM)
    idle(site)
    run(cluster, SLOW.format(seconds=1.5))
    (task,) = brief(site, 1)
    site.wait_note("ran")
    cluster.crash()
    cluster.start()
    run(cluster, "DROP FUNCTION slow CASCADE")
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.COMPLETED, 1)
    assert site.notes("ran") == [f"{task} 1", f"{task} 1"]
    assert not site.notes("beside")
    assert site.stats() == {Status.COMPLETED: 2}
    assert "came too late" not in worker.output()


def test_no_answer_within_two_seconds_ends_the_task_which_starts_again_when_there_is_one(
    cluster: Cluster, site: Site
) -> None:
    """The claim stands, as it turns out: that attempt is lost, which does not count."""
    worker = site.start(concurrency=1, program=PROGRAM)
    idle(site)
    wait_for_nobody(cluster)
    task = site.create("sleep", seconds=60)
    pid = pid_of(site)
    began = time.monotonic()
    site.wait_dead(pid, patience=line.PATIENCE + 2)
    assert time.monotonic() - began > line.PATIENCE / 2
    assert "nobody knows whether its start was written" in worker.output()
    answer_again(cluster)
    site.wait_note("started", 2)
    (site.notes_folder / "enough").touch()
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.COMPLETED, 1)
    assert [attempt.outcome for attempt in site.attempts(task)] == ["lost", "completed"]
    assert worker.process.poll() is None


def test_an_end_that_was_written_without_an_answer_is_known_again(cluster: Cluster, site: Site) -> None:
    worker = site.start(concurrency=1, program=PROGRAM)
    task = site.create("sleep", seconds=60)
    site.wait_note("started")
    site.until(lambda: site.task(task).is_running(), "its claim is written")
    wait_for_nobody(cluster)
    (site.notes_folder / "enough").touch()
    site.until(lambda: waiters(site), "its end waits for an answer")
    run(cluster, f"SELECT pg_terminate_backend({waiters(site)[0]})")
    answer_again(cluster)
    assert site.wait(task).status == Status.COMPLETED
    assert site.wait(site.create("nothing")).status == Status.COMPLETED
    assert site.stats() == {Status.COMPLETED: 2}
    assert [attempt.outcome for attempt in site.attempts(task)] == ["completed"]
    assert "came too late" not in worker.output()
    assert site.notes("finished") == [str(task)]


def waiters(site: Site) -> list[int]:
    """The server's processes that wait for a standby."""
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with site.state.database.read() as connection:
        return list(connection.exec_driver_sql(query).scalars())


def test_crashes_at_any_moment_of_a_drain_bear_no_task_beside_itself(cluster: Cluster, site: Site) -> None:
    """Short ones and some that take a while, claimed by two workers, and six crashes."""
    dice = random.Random(int(os.environ.get("STASK_TEST_SEED", "7")))
    tasks = []
    for _ in range(60):
        tasks += brief(site, 40)
        tasks += brief(site, 1, seconds=0.15)
    for task in tasks[::97]:
        single(site, task)
    workers = [site.start(concurrency=2, program=PROGRAM) for _ in range(2)]
    for number in range(6):
        site.wait_note("ran", 100 + 300 * number + dice.randrange(100))
        cluster.crash()
        cluster.start()
    for task in tasks:
        assert site.wait(task, patience=60).status == Status.COMPLETED
    assert not site.notes("beside")
    assert {int(each.split()[0]) for each in site.notes("ran")} == set(tasks)
    assert site.stats() == {Status.COMPLETED: len(tasks)}
    with site.state.database.read() as connection:
        query = "SELECT task_id FROM s_attempts WHERE outcome = 'completed'"
        assert sorted(connection.exec_driver_sql(query).scalars()) == sorted(tasks)
        assert connection.exec_driver_sql("SELECT count(*) FROM s_attempts WHERE outcome IS NULL").scalar() == 0
        odd = "SELECT count(*) FROM s_tasks t WHERE attempts <> 1 OR attempt_no <> "
        odd += "(SELECT count(*) FROM s_attempts a WHERE a.task_id = t.id)"
        assert connection.exec_driver_sql(odd).scalar() == 0
    assert all("came too late" not in worker.output() for worker in workers)
    for worker in workers:
        assert worker.stop() == 0


class TestLine:
    """The connection itself."""

    def test_an_answer_is_told_once(self, site: Site) -> None:
        ledger = Ledger(site.state.database, "me")
        site.create("nothing")
        ledger.settle([], [1])
        site.until(lambda: ledger.answer() is True, "it stands")
        assert ledger.answer() is None
        ledger.close()

    def test_a_server_that_is_stopped_counts_as_lost_after_a_while(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(line, "PATIENCE", 0.3)
        ledger = Ledger(site.state.database, "me")
        site.create("nothing")
        backend = ledger_backend(ledger)
        claim = ledger.batches.claim

        def stop(*values: Any, **more: Any) -> Any:
            found = claim(*values, **more)
            os.kill(backend, signal.SIGSTOP)
            return found

        monkeypatch.setattr(ledger.batches, "claim", stop)
        try:
            assert len(ledger.settle([], [1]).claims) == 1
            assert ledger.answer() is None
            assert ledger.waits is not None
            with pytest.raises(Away):
                ledger.running()
            assert ledger.waits is None
            assert ledger.answer() is False
        finally:
            os.kill(backend, signal.SIGCONT)
        assert ledger.answer() is None
        ledger.close()

    def test_a_commit_that_the_server_refuses_does_not_stand(self, site: Site) -> None:
        ledger = Ledger(site.state.database, "me")
        site.create("nothing")
        with ledger.transaction(wait=False) as cursor, pytest.raises(Exception, match="division"):
            cursor.execute("SELECT 1 / 0")
        site.until(lambda: ledger.answer() is False, "it was rolled back")
        ledger.close()


def ledger_backend(ledger: Ledger) -> int:
    """The server's process behind it."""
    with ledger.reading() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
