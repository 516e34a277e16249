"""Two at the same instant: each time exactly one outcome, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import BaseWorker, Status, action
from stask_web.claims import Claim, Claims, Ended, Outcome
from stask_web.errors import AlreadyRunning, IllegalMove, STaskError, TaskNotFound
from stask_web.models import Attempt, Stat, Task

from .apps import OnePerson, db
from .site import Site, site_on

ROUNDS = 500


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each database."""
    with site_on(request.param, tmp_path) as site:
        yield site


class Race:
    """Several threads that do one thing each at the same instant, round by round; gives what they did or raised."""

    def __init__(self, site: Site, *contenders: Callable[[Any], Any]) -> None:
        self._site, self._contenders = site, contenders

    def run(self, rounds: list[Any]) -> list[list[Any]]:
        """For each round, what each contender gave or the error that it raised."""
        barrier = threading.Barrier(len(self._contenders))

        def contend(contender: Callable[[Any], Any]) -> list[Any]:
            results = []
            with self._site.app.app_context():
                for item in rounds:
                    barrier.wait(60)
                    try:
                        results.append(contender(item))
                    except STaskError as error:
                        results.append(error)
                    except BaseException:
                        barrier.abort()
                        raise
            return results

        with ThreadPoolExecutor(len(self._contenders)) as pool:
            return [list(each) for each in zip(*pool.map(contend, self._contenders), strict=True)]


class Engine:
    """What an engine does to the queue, without processes."""

    def __init__(self, site: Site) -> None:
        self.database = site.state.database
        self.claims = Claims(self.database.dialect, self.database.engine.dialect.paramstyle)

    def claim(self, count: int) -> list[Claim]:
        """Claim so many."""
        with self.database.cursor() as cursor:
            found = [self.claims.claim(cursor, owner="me", pid=1, now=time.time()) for _ in range(count)]
        assert all(found)
        return [claim for claim in found if claim]

    def end(self, claim: Claim, outcome: Outcome) -> Ended | None:
        """End an attempt."""
        stats: dict[Any, list[float]] = {}
        with self.database.cursor() as cursor:
            ended = self.claims.end(cursor, claim, outcome, now=time.time(), stats=stats)
            self.claims.count(cursor, stats)
        return ended


def assert_counts_fit(site: Site) -> None:
    """The daily counts tell what the rows tell."""
    ended = sa.select(Task.status, sa.func.count()).where(Task.status >= Status.COMPLETED).group_by(Task.status)
    left = sa.select(Stat.status, sa.func.sum(Stat.n - Stat.gone)).group_by(Stat.status)
    with site.state.database.read() as connection:
        rows = {int(status): int(n) for status, n in connection.execute(ended)}
        counts = {int(status): int(n) for status, n in connection.execute(left) if n}
    assert counts == rows


def everything(site: Site) -> tuple[dict[int, Task], dict[int, list[Attempt]]]:
    """All tasks and all attempts, by the task's id."""
    attempts: dict[int, list[Attempt]] = {}
    with site.state.database.session() as session:
        tasks = {task.id: task for task in session.scalars(sa.select(Task))}
        for attempt in session.scalars(sa.select(Attempt)):
            attempts.setdefault(attempt.task_id, []).append(attempt)
    return tasks, attempts


def test_a_stop_and_an_end_at_the_same_instant_are_one_outcome(either: Site) -> None:
    site, engine = either, Engine(either)
    site.create_many("nothing", ROUNDS)
    outcomes = [Outcome(kind, "Said", delay=60.0) for kind in ("completed", "failed", "error", "crashed", "drained")]
    rounds = [(claim, outcomes[number % 5]) for number, claim in enumerate(engine.claim(ROUNDS))]
    race = Race(site, lambda each: engine.end(*each), lambda each: site.state.tasks.cancel(each[0].id, by="Ann"))
    winners: Counter[str] = Counter()
    results = race.run(rounds)
    tasks, attempts = everything(site)
    for (claim, outcome), (ended, stopped) in zip(rounds, results, strict=True):
        task, (attempt,) = tasks[claim.id], attempts[claim.id]
        assert attempt.ended_at is not None
        assert isinstance(ended, Ended), "the live attempt ends in any case"
        if outcome.kind in ("completed", "failed"):
            assert (task.status == Status.CANCELLED) != isinstance(stopped, IllegalMove)
            assert attempt.outcome == ("cancelled" if task.status == Status.CANCELLED else outcome.kind)
        else:
            assert task.status == Status.CANCELLED, (outcome.kind, stopped)
            assert not isinstance(stopped, IllegalMove), "it had not ended, so it could be stopped"
            assert attempt.outcome in ("cancelled", outcome.kind)
        assert task.finished_at is not None
        winners[f"{outcome.kind}: {attempt.outcome}"] += 1
    assert sum(winners.values()) == ROUNDS
    assert_counts_fit(site)


def test_of_two_who_end_an_attempt_one_does(either: Site) -> None:
    """Its own engine, and one that took it for dead."""
    site, engine = either, Engine(either)
    site.create_many("nothing", 100)
    claims = engine.claim(100)
    done, lost = Outcome("completed", "Done"), Outcome("lost", "Gone")
    race = Race(site, lambda claim: engine.end(claim, done), lambda claim: engine.end(claim, lost))
    for claim, ends in zip(claims, race.run(claims), strict=True):
        assert sum(end is not None for end in ends) == 1
        expected = Status.COMPLETED if ends[0] else Status.PENDING
        assert site.task(claim.id).status == expected
    assert_counts_fit(site)


def test_of_two_retries_one_counts(either: Site) -> None:
    site, engine = either, Engine(either)
    ids = site.create_many("nothing", 60)
    for claim in engine.claim(60):
        engine.end(claim, Outcome("failed", "No"))
    retry = site.state.tasks.retry
    for both in Race(site, retry, retry).run(ids):
        assert sum(isinstance(one, IllegalMove) for one in both) == 1
    assert_counts_fit(site)
    assert {site.task(task_id).status for task_id in ids} == {Status.PENDING}


def test_a_task_that_is_retried_while_it_is_deleted_is_either_gone_or_waits(either: Site) -> None:
    site, engine = either, Engine(either)
    ids = site.create_many("nothing", 150)
    for claim in engine.claim(150):
        engine.end(claim, Outcome("failed", "No"))
    tasks = site.state.tasks
    race = Race(site, tasks.retry, lambda task_id: tasks.delete(sa.select(Task).where(Task.id == task_id)))
    for task_id, (retried, deleted) in zip(ids, race.run(ids), strict=True):
        if deleted:
            assert isinstance(retried, TaskNotFound | IllegalMove)
            with pytest.raises(TaskNotFound):
                site.task(task_id)
        else:
            assert site.task(task_id).status == Status.PENDING
            assert len(site.attempts(task_id)) == 1, "what is kept keeps its attempts"
    assert_counts_fit(site)


def test_the_first_ends_of_a_day_may_come_at_once(either: Site) -> None:
    """Each makes the same line of the daily counts."""
    site = either
    for _ in range(25):
        ids = site.create_many("nothing", 3)
        with site.state.database.write() as connection:
            connection.execute(sa.delete(Stat))
        cancels = [lambda all_ids, at=at: site.state.tasks.cancel(all_ids[at]) for at in range(3)]
        Race(site, *cancels).run([ids])
        assert site.stats() == {Status.CANCELLED: 3}


def test_the_same_form_sent_twice_within_5_ms_starts_one_task(either: Site) -> None:
    site = either
    site.state.policy = OnePerson()
    site.app.config["WTF_CSRF_ENABLED"] = False

    def send(key: str) -> tuple[int, str, float]:
        began = time.monotonic()
        answer = site.app.test_client().post("/stask/workers/faulty/run/nothing", data={"_form_key": key})
        return answer.status_code, answer.headers.get("Location", ""), began

    keys = [f"key-{number}" for number in range(12)]
    gaps = []
    for first, second in Race(site, send, send).run(keys):
        assert (first[0], second[0]) == (303, 303)
        assert first[1] == second[1]
        gaps.append(abs(first[2] - second[2]))
    assert min(gaps) < 0.005
    with site.state.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count(Task.id))).scalar() == len(keys)


class Single(BaseWorker):
    """Has an action that only waits or runs once at a time."""

    identifier = "single"

    @action(unique=True)
    def task_run(self, task: Any, options: Any) -> None:
        """Never run here."""


def test_what_must_be_alone_is_created_once_however_many_ask(either: Site) -> None:
    site = either
    site.state.registry.add(Single)
    with site.app.app_context():
        site.state.roster.set_active("single", True)

    def create(_: int) -> int:
        return int(site.state.tasks.create("single", "run").id)

    for each in range(10):
        (results,) = Race(site, create, create, create).run([each])
        (made,) = [one for one in results if isinstance(one, int)]
        assert {one.task_id for one in results if isinstance(one, AlreadyRunning)} == {made}
        site.cancel(made)


def test_what_is_rolled_back_never_runs_and_what_is_committed_does(either: Site) -> None:
    site = either
    site.start(concurrency=2)
    kept, dropped = [], []
    with site.app.app_context():
        for number in range(40):
            options = {"notes": str(site.notes_folder)}
            task = site.state.tasks.create("faulty", "note", options, session=db.session)
            if number % 2:
                db.session.commit()
                kept.append(task.id)
            else:
                site.wake()
                db.session.rollback()
                dropped.append(task.id)
    for task_id in kept:
        assert site.wait(task_id).status == Status.COMPLETED
    assert sorted(site.notes("ran")) == sorted(f"{task_id} 1" for task_id in kept)
    with site.state.database.read() as connection:
        assert sorted(connection.scalars(sa.select(Task.id))) == sorted(kept)


def test_a_running_task_cannot_be_deleted_nor_its_log(either: Site) -> None:
    site = either
    site.start(concurrency=1)
    over = site.wait(site.create("print"))
    task = site.create("sleep", seconds=1.5)
    waiting = site.create("nothing")
    site.wait_note("started")
    site.until(lambda: site.state.journals.of(task).size(), "it has a log")
    with site.app.app_context():
        assert site.state.tasks.delete(sa.select(Task)) == 1
        assert site.state.tasks.clean_old_tasks(-1) == 0
        assert site.state.tasks.clean_old_logs(-1) == 0
    with pytest.raises(TaskNotFound):
        site.task(over.id)
    assert site.state.journals.of(over.id).size() == 0
    assert site.state.journals.of(task).size() > 0
    assert site.task(task).is_running()
    for task_id in (task, waiting):
        done = site.wait(task_id)
        assert (done.status, len(site.attempts(task_id))) == (Status.COMPLETED, 1)
    assert_counts_fit(site)
