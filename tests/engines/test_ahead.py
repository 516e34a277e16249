"""Claims that are made before a child is free: how many, in which order, and how they go back without a trace."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import Status
from stask_web.batches import Batches
from stask_web.claims import Claim, Claims, Outcome
from stask_web.engines.ahead import LATE, MOST, SHORT, Ahead
from stask_web.engines.given import Given, tokens_given
from stask_web.engines.ledger import Ledger, Reported, Settled
from stask_web.models import Task

from ..faults.site import Site
from .test_parts import claim


def short(ahead: Ahead, seconds: float = 0.0003, count: int = 20) -> Ahead:
    """One that has seen short tasks."""
    for _ in range(count):
        ahead.saw(seconds)
    return ahead


def nobody(_: Claim) -> bool:
    """Nothing is held."""
    return False


class TestHowMuch:
    """Little, and only while tasks are short."""

    def test_nothing_is_claimed_ahead_before_several_short_tasks_have_ended(self) -> None:
        ahead = Ahead()
        assert ahead.wanted(2) == 0
        assert short(ahead, count=3).wanted(2) == 0
        assert short(ahead).wanted(2) == 4

    def test_it_grows_by_use_to_a_limit(self) -> None:
        ahead = short(Ahead())
        for _ in range(9):
            ahead.grow()
        assert ahead.wanted(2) == 2 * MOST

    def test_what_takes_longer_is_claimed_ahead_less_and_then_not_at_all(self) -> None:
        ahead = short(Ahead(), 0.002)
        ahead.grow()
        ahead.grow()
        assert 0 < ahead.wanted(1) <= 4, "it is gone within 8 ms"
        assert short(ahead, 2 * SHORT).wanted(1) == 0

    def test_one_long_task_ends_it_for_a_while(self) -> None:
        ahead = short(Ahead())
        ahead.saw(0.05)
        assert ahead.wanted(2) == 0
        assert short(ahead).wanted(2) > 0

    def test_after_something_came_too_late_it_begins_small_again(self) -> None:
        ahead = short(Ahead())
        for _ in range(9):
            ahead.grow()
        ahead.add([claim()], 0.0)
        assert [each.token for each in ahead.take()] == ["token"]
        assert ahead.wanted(2) == 0
        assert short(ahead).wanted(2) == 4


class TestOrder:
    """That of the queue."""

    def test_the_more_urgent_one_is_first_whenever_it_came(self) -> None:
        ahead = Ahead()
        ahead.add([claim(id=1), claim(id=2, priority=3)], 0.0)
        ahead.add([claim(id=9, priority=1), claim(id=3)], 0.001)
        assert ahead.rank == 3
        found = [ahead.next(0.002, nobody) for _ in range(4)]
        assert [each.id for each in found if each] == [9, 1, 3, 2]
        assert ahead.oldest() is None

    def test_one_that_waited_too_long_does_not_begin(self) -> None:
        ahead = Ahead()
        ahead.add([claim()], 1.0)
        assert not ahead.late(1.0 + LATE / 2)
        assert ahead.late(1.1)
        assert ahead.next(1.1, nobody) is None
        assert len(ahead.take()) == 1

    def test_one_that_is_held_lets_nothing_pass_and_has_its_time_from_its_release_on(self) -> None:
        ahead = Ahead()
        ahead.add([claim(id=1, max_attempts=1), claim(id=2)], 1.0)
        assert ahead.next(1.0, lambda each: each.id == 1) is None
        ahead.take({"none of these"})
        ahead.renew(lambda each: each.id == 1, 5.0)
        assert ahead.late(5.0), "the other one"
        first = ahead.next(5.0, nobody)
        assert first is not None
        assert first.id == 1


class TestGiven:
    """What a dead supervisor had given to its children."""

    def test_it_outlives_the_process_and_goes_with_its_end(self, tmp_path: Path) -> None:
        given = Given(tmp_path, "me")
        assert tokens_given(tmp_path, "me") == set()
        given.note(["a", "b"])
        given.note(["c"])
        assert tokens_given(tmp_path, "me") == {"a", "b", "c"}
        given.close()
        assert tokens_given(tmp_path, "me") is None

    def test_a_full_one_keeps_what_is_alive(self, tmp_path: Path) -> None:
        given = Given(tmp_path, "me")
        given.live = lambda: ["alive"]
        given.note(["over", "alive", "x" * (2**20 - 100)])
        given.note(["y" * 100])
        assert tokens_given(tmp_path, "me") == {"alive", "y" * 100}
        given.note(["z"])
        assert tokens_given(tmp_path, "me") == {"alive", "y" * 100, "z"}
        assert [path.name for path in tmp_path.iterdir()] == ["me.given"]
        given.close()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_where_it_cannot_be_written_nothing_is_told(self, tmp_path: Path) -> None:
        given = Given(tmp_path, "me")
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, given.fd)
        given.note(["a"])
        assert tokens_given(tmp_path, "me") is None, "then all count as begun"
        given.note(["b"])
        given.close()
        os.close(full)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def site(request: pytest.FixtureRequest) -> Site:
    """A site on each database."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


class Waiting(Ledger):
    """Waits for the answer to each commit, as others see nothing of it before."""

    def settle(self, *values: Any) -> Settled:
        found = super().settle(*values)
        while (answer := self.answer()) is None:
            time.sleep(0.001)
        assert answer
        return found


@pytest.fixture
def ledger(site: Site) -> Iterator[Ledger]:
    """A supervisor's, without a supervisor."""
    ledger = Waiting(site.state.database, "me")
    yield ledger
    ledger.close()


def rows(site: Site) -> dict[int, dict[str, Any]]:
    """All columns of all tasks."""
    with site.state.database.read() as connection:
        return {row.id: dict(row._mapping) for row in connection.execute(sa.select(Task.__table__))}


def test_more_are_claimed_in_the_order_of_the_queue(site: Site, ledger: Ledger) -> None:
    low, normal, high = (site.create("nothing", priority=priority) for priority in ("low", "normal", "high"))
    later = site.create("nothing")
    claims = ledger.settle([], [71], 2).claims
    assert [each.id for each in claims] == [high, normal, later]
    assert [each.pid for each in claims] == [71, None, None]
    assert len({each.token for each in claims}) == 3
    assert {each.id: each.token for each in claims} == {id_: row["claim_token"] for id_, row in rows(site).items()
                                                         if row["status"] == Status.RUNNING}  # fmt: skip
    (attempt,) = site.attempts(high)
    assert (attempt.number, attempt.token, attempt.owner, attempt.pid) == (1, claims[0].token, "me", 71)
    assert site.attempts(normal)[0].pid is None
    assert [each.id for each in ledger.settle([], [71, 72], 5).claims] == [low]


def test_what_never_began_goes_back_without_a_trace(site: Site, ledger: Ledger) -> None:
    site.create("nothing", priority="high")
    site.create_many("nothing", 3)
    before = rows(site)
    claims = ledger.settle([], [], 4).claims
    assert len(claims) == 4
    assert all(row["status"] == Status.RUNNING for row in rows(site).values())
    assert ledger.settle([], [], 0, claims) == ([], [], [])
    assert rows(site) == before
    assert all(not site.attempts(task) for task in before)
    assert site.stats() == {}
    ledger.settle([], [], 0, claims)
    assert rows(site) == before, "once is enough"


def test_what_was_stopped_before_it_began_is_withdrawn(site: Site, ledger: Ledger) -> None:
    first, second, third = site.create_many("nothing", 3)
    claims = ledger.settle([], [], 3).claims
    site.cancel(first, by="Ann")
    site.cancel(third)
    withdrawn = ledger.settle([], [], 0, claims).withdrawn
    assert {each.id for each in withdrawn} == {first, third}
    found = site.task(first)
    assert (found.status, found.message, found.attempts, found.started_at, found.duration) == (
        Status.CANCELLED, "Withdrawn by Ann.", 0, None, 0.0,
    )  # fmt: skip
    assert site.task(third).message == "Withdrawn."
    assert site.task(second).is_pending()
    assert not site.attempts(first)
    assert site.stats() == {Status.CANCELLED: 2}
    site.retry(first)
    assert site.task(first).is_pending()


def test_a_task_that_has_run_before_is_not_claimed_ahead_nor_is_what_stands_behind_it(
    site: Site, ledger: Ledger
) -> None:
    """Its message tells of the last attempt; that could not be given back."""
    first, second, third = site.create_many("nothing", 3)
    with site.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == second).values(attempts=1, attempt_no=1, message="It fell"))
    assert [each.id for each in ledger.settle([], [], 3).claims] == [first]
    assert ledger.settle([], [], 3).claims == []
    assert [each.id for each in ledger.settle([], [7], 3).claims] == [second], "for a free child it is"
    assert [each.id for each in ledger.settle([], [], 3).claims] == [third]


def test_many_ends_at_once_are_each_what_they_would_be_alone(site: Site, ledger: Ledger) -> None:
    ids = site.create_many("nothing", 8)
    claims = ledger.settle([], list(range(1, 9))).claims
    site.cancel(ids[1], by="Ann")
    ledger.give_back("me", Outcome("lost", "gone"), {claims[2].token})
    done = Outcome("completed", "Dönë \u2028 \"quoted\" 100 %", progress=100, processed=5, total=5, counts={"a": 1},
                   files=[{"name": "x"}], result="/x")  # fmt: skip
    outcomes = [done, done, done, done, Outcome("failed", "No"), Outcome("error", "Oh", delay=60.0), done, done]
    at = time.time()
    begun = at - 2.0
    reported = [
        Reported(each._replace(started_at=begun, pid=99), outcome, at)
        for each, outcome in zip(claims, outcomes, strict=True)
    ]
    ended = ledger.settle(reported, []).ended
    statuses = [end and end.status for end in ended]
    assert statuses == [30, 50, None, 30, 40, 10, 30, 30]
    task = site.task(ids[0])
    assert (task.message, task.result, task.processed, task.counts, task.files) == (
        done.message, "/x", 5, {"a": 1}, [{"name": "x"}],
    )  # fmt: skip
    assert task.duration == pytest.approx(2.0)
    assert task.started_at is not None
    assert task.started_at.timestamp() == pytest.approx(begun)
    (attempt,) = site.attempts(ids[0])
    assert (attempt.outcome, attempt.pid, attempt.message) == ("completed", 99, done.message)
    assert attempt.started_at == task.started_at
    assert attempt.ended_at == task.finished_at
    assert site.task(ids[1]).message == "Stopped by Ann at row 5"
    assert site.stats() == {30: 4, 40: 1, 50: 1}


def test_an_end_that_was_in_doubt_is_known_again(site: Site, ledger: Ledger) -> None:
    ids = site.create_many("nothing", 3)
    claims = ledger.settle([], [1, 2, 3]).claims
    done = [Reported(each, Outcome("completed", "Done"), time.time()) for each in claims[:2]]
    first = ledger.settle(done, []).ended
    again = [each._replace(doubt=True) for each in done]
    again.append(Reported(claims[2]._replace(token="another"), Outcome("completed"), 0.0, True))
    ended = ledger.settle(again, []).ended
    assert ended == [*first, None]
    assert site.stats() == {Status.COMPLETED: 2}
    assert site.task(ids[2]).is_running()


def test_a_dead_supervisor_leaves_no_trace_of_what_it_had_not_given(site: Site, ledger: Ledger) -> None:
    begun, waiting, stopped = site.create_many("nothing", 3)
    claims = ledger.settle([], [1], 2).claims
    site.cancel(stopped)
    gone = ledger.give_back("me", Outcome("lost", "gone"), begun={claims[0].token})
    assert [each.id for each in gone] == [begun]
    assert [attempt.outcome for attempt in site.attempts(begun)] == ["lost"]
    assert (site.task(waiting).attempt_no, site.attempts(waiting)) == (0, [])
    assert site.task(stopped).status == Status.CANCELLED


@pytest.mark.service
def test_postgresql_looks_into_the_queue_by_its_index_however_long_it_is(postgresql_site: Site) -> None:
    """As it is sent: prepared, with a plan for all values."""
    site = postgresql_site
    with site.state.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO s_tasks (identifier, action, status, lane, priority, created_at, message, meta, progress, "
            "attempts, max_attempts, attempt_no, crashes, warnings, dry_run) "
            "SELECT 'faulty', 'nothing', CASE WHEN waits THEN 10 ELSE 30 END, CASE WHEN waits THEN 2 END, 2, 0, "
            "'', '{}', 0, 0, 3, 0, 0, 0, false "
            "FROM (SELECT mod(n, 3) = 0 AS waits FROM generate_series(1, 30000) AS n) AS many"
        )
    with site.state.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE s_tasks")
    claims = Claims("postgresql", "pyformat")
    batches = Batches(claims)
    looked_at = {
        "one": claims._claim,
        **{f"{n} and {more}": batches.claim_sql(n, more) for n, more in ((2, 0), (2, 32))},
    }
    looked_at["above"] = batches._above
    for name, sql in looked_at.items():
        plan = plan_of(site, sql)
        assert "ix_s_tasks_lane" in plan, f"{name}: {plan}"
        assert "Seq Scan on s_tasks" not in plan, f"{name}: {plan}"
        for line in plan.splitlines():
            if "Sort" in line and "rows=" in line:
                assert int(line.split("rows=")[1].split()[0]) <= 100, f"{name} sorts the backlog: {plan}"


def plan_of(site: Site, sql: str) -> str:
    """PostgreSQL's plan of a statement for whatever values."""
    number = 0
    while "%s" in sql:
        number += 1
        sql = sql.replace("%s", f"${number}", 1)
    with site.state.database.read() as connection:
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql("PREPARE looked AS " + sql)
        values = ", ".join(["NULL"] * number)
        found = connection.exec_driver_sql(f"EXPLAIN EXECUTE looked{f'({values})' if number else ''}").scalars()
        plan = "\n".join(found)
        connection.exec_driver_sql("DEALLOCATE looked")
        return plan
