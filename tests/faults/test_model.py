"""Random steps against a simple model of what is promised: legal moves, one live attempt, counts that fit the rows."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from stask_web import Status
from stask_web.batches import Batches
from stask_web.claims import CRASH_LIMIT, Claim, Claims, Outcome
from stask_web.errors import IllegalMove, TaskNotFound
from stask_web.models import Attempt, Stat, Task
from stask_web.status import MOVES, PRIORITIES

from .site import Site

PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = Status
DAY = 86_400.0


@dataclass
class Known:
    """What the model knows of one task."""

    rank: int
    most: int
    due: float | None
    status: Status = PENDING
    attempts: int = 0
    attempt_no: int = 0
    crashes: int = 0
    stopped: bool = False
    ended: float | None = None

    def end(self, status: Status, now: float) -> None:
        """It is over."""
        self.status, self.ended = status, now


class Queue(RuleBasedStateMachine):
    """The queue of a site whose clock stands still until a step moves it; ``site`` is put in by the test."""

    site: Site

    def __init__(self) -> None:
        super().__init__()
        self.now = float(int(time.time()))  # what a double and a datetime hold alike
        self.tasks: dict[int, Known] = {}
        self.live: dict[int, Claim] = {}
        self.stale: list[Claim] = []
        self.shown: dict[int, Status] = {}
        self.state = self.site.state
        self.claims = Claims("sqlite")
        self.batches = Batches(self.claims)
        self.context = ExitStack()
        clock = SimpleNamespace(time=lambda: self.now)
        for module in ("tasks", "creation", "pruning"):
            self.context.enter_context(mock.patch(f"stask_web.{module}.time", clock))
        self.context.enter_context(self.site.app.app_context())
        with self.state.database.write() as connection:
            for table in ("s_tasks", "s_attempts", "s_stats"):
                connection.exec_driver_sql(f"DELETE FROM {table}")

    def teardown(self) -> None:
        """Let the real clock go on."""
        self.context.close()

    # -- steps

    @rule(
        priority=st.sampled_from(sorted(PRIORITIES)),
        delay=st.sampled_from([None, None, None, 30.0, 2 * DAY]),
        most=st.sampled_from([1, 2, 3, 9]),
    )
    def enqueue(self, priority: str, delay: float | None, most: int) -> None:
        self.state.settings = replace(self.state.settings, max_attempts=most)
        due = None if delay is None else self.now + delay
        task = self.state.tasks.create("faulty", "nothing", priority=priority, start_at=due)
        assert task.id not in self.tasks
        self.tasks[task.id] = Known(PRIORITIES[priority], most, due)

    @rule()
    def claim(self) -> None:
        ready = [(known.rank, id_) for id_, known in self.tasks.items() if known.status == PENDING and not known.due]
        with self.state.database.cursor() as cursor:
            claim = self.claims.claim(cursor, owner="me", pid=1, now=self.now)
        assert (claim and claim.id) == (min(ready)[1] if ready else None)
        self._started(claim)

    @rule(stopped=st.booleans())
    def claim_ahead_and_let_go(self, stopped: bool) -> None:
        """Only such as never started, in the order of the queue; what never began leaves no trace."""
        ready = sorted(
            (known.rank, id_) for id_, known in self.tasks.items() if known.status == PENDING and not known.due
        )
        fresh = list(takewhile(lambda id_: not self.tasks[id_].attempt_no, (id_ for _, id_ in ready[:3])))
        stats: dict[Any, list[float]] = {}
        with self.state.database.cursor() as cursor:
            claims = self.batches.claim(cursor, [], 3, owner="me", now=self.now)
        assert [claim.id for claim in claims] == fresh
        if stopped and claims:
            self.state.tasks.cancel(claims[0].id, by="Ann")
            self.tasks[claims[0].id].end(CANCELLED, self.now)
        with self.state.database.cursor() as cursor:
            withdrawn = self.batches.let_go(cursor, claims, now=self.now, stats=stats)
            self.claims.count(cursor, stats)
        assert withdrawn == claims[: stopped and 1]

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def claim_one(self, data: st.DataObject) -> None:
        task_id, known = self._any(data)
        with self.state.database.cursor() as cursor:
            claim = self.claims.claim_id(cursor, task_id, owner="me", pid=1, now=self.now)
        assert bool(claim) == (known.status == PENDING)
        self._started(claim)

    def _started(self, claim: Claim | None) -> None:
        if claim is None:
            return
        known = self.tasks[claim.id]
        known.status, known.due = RUNNING, None
        known.attempts += 1
        known.attempt_no += 1
        assert (claim.attempts, claim.attempt_no, claim.crashes) == (known.attempts, known.attempt_no, known.crashes)
        assert known.attempts <= known.most, "no more starts by itself than promised"
        self.live[claim.id] = claim

    @precondition(lambda self: self.live)
    @rule(data=st.data(), kind=st.sampled_from(["completed", "failed", "error", "crashed", "drained", "lost"]))
    def end(self, data: st.DataObject, kind: str) -> None:
        claim = self.live.pop(data.draw(st.sampled_from(sorted(self.live))))
        known = self.tasks[claim.id]
        assert self._end(claim, kind) is not None, "the live attempt may always end"
        self.stale.append(claim)
        known.crashes += kind == "crashed" and (known.status == RUNNING)
        if known.stopped:
            known.end(CANCELLED, self.now)
        elif kind in ("completed", "failed"):
            known.end(COMPLETED if kind == "completed" else FAILED, self.now)
        elif kind in ("drained", "lost"):
            known.status, known.attempts = PENDING, known.attempts - 1
        elif known.attempts >= known.most or (kind == "crashed" and known.crashes >= CRASH_LIMIT):
            known.end(FAILED, self.now)
        else:
            known.status, known.due = PENDING, self.now + 10.0

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), kind=st.sampled_from(["completed", "error", "lost"]))
    def end_too_late(self, data: st.DataObject, kind: str) -> None:
        """An attempt that is not the live one changes nothing, as every later look confirms."""
        assert self._end(data.draw(st.sampled_from(self.stale)), kind) is None

    def _end(self, claim: Claim, kind: str) -> Any:
        stats: dict[Any, list[float]] = {}
        with self.state.database.cursor() as cursor:
            ended = self.claims.end(cursor, claim, Outcome(kind, "Said", delay=10.0), now=self.now, stats=stats)
            self.claims.count(cursor, stats)
        return ended

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id, known = self._any(data)
        if known.status.ended:
            with pytest.raises(IllegalMove):
                self.state.tasks.cancel(task_id)
            return
        self.state.tasks.cancel(task_id, by="Ann")
        if known.status == PENDING:
            known.due = None
            known.end(CANCELLED, self.now)
        else:
            known.stopped = True

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        task_id, known = self._any(data)
        if known.status not in (FAILED, CANCELLED):
            with pytest.raises(IllegalMove):
                self.state.tasks.retry(task_id)
            return
        fresh = self.state.tasks.retry(task_id)
        known.status, known.attempts, known.crashes, known.stopped, known.ended = PENDING, 0, 0, False, None
        known.due = fresh.due_at.timestamp() if fresh.due_at else None
        assert known.due is None or (known.attempt_no == 0 and known.due > self.now)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def start_now(self, data: st.DataObject) -> None:
        task_id, known = self._any(data)
        if known.status == PENDING and known.due:
            self.state.tasks.start_now(task_id)
            known.due = None
        else:
            with pytest.raises(IllegalMove):
                self.state.tasks.start_now(task_id)

    @rule(seconds=st.sampled_from([1.0, 40.0, 3600.0, 1.3 * DAY]))
    def clock(self, seconds: float) -> None:
        self.now += seconds
        due = [known for known in self.tasks.values() if known.due and known.due <= self.now]
        with self.state.database.cursor() as cursor:
            assert self.claims.promote(cursor, self.now) == len(due)
            later = [known.due for known in self.tasks.values() if known.due and known.due > self.now]
            assert self.claims.next_due(cursor) == (min(later) if later else None)
        for known in due:
            known.due = None

    @rule(days=st.sampled_from([0.0, 1.0, 2.0]))
    def prune(self, days: float) -> None:
        old = [id_ for id_, known in self.tasks.items() if known.ended and known.ended < self.now - days * DAY]
        assert self.state.tasks.clean_old_tasks(days) == len(old)
        self._gone(old)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        task_id, known = self._any(data)
        assert self.state.tasks.delete(sa.select(Task).where(Task.id == task_id)) == known.status.ended
        if known.status.ended:
            self._gone([task_id])

    def _gone(self, ids: list[int]) -> None:
        for task_id in ids:
            del self.tasks[task_id]
            with pytest.raises(TaskNotFound):
                self.state.tasks.cancel(task_id)

    def _any(self, data: st.DataObject) -> tuple[int, Known]:
        task_id = data.draw(st.sampled_from(sorted(self.tasks)))
        return task_id, self.tasks[task_id]

    # -- what holds after each step

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        with self.state.database.session() as session:
            rows = {row.id: row for row in session.scalars(sa.select(Task))}
            attempts = list(session.scalars(sa.select(Attempt)))
            stats = list(session.scalars(sa.select(Stat)))
        assert rows.keys() == self.tasks.keys(), "nothing lost, nothing doubled"
        for task_id, row in rows.items():
            self._check(row, self.tasks[task_id], [one for one in attempts if one.task_id == task_id])
        assert {one.task_id for one in attempts} <= rows.keys()
        left = {(one.day, one.identifier, one.action, one.status): one.n - one.gone for one in stats if one.n}
        ended = [row for row in rows.values() if row.status.ended]
        days = Counter((f"{row.finished_at:%Y-%m-%d}", row.identifier, row.action, int(row.status)) for row in ended)
        assert {key: n for key, n in left.items() if n} == days, "the daily counts are those of the rows"
        statuses = Counter(known.status.text for known in self.tasks.values())
        told = self.state.tasks.stats()
        assert {name: told[name] for name in statuses} == statuses
        assert told["total"] == len(self.tasks)

    def _check(self, row: Task, known: Known, attempts: list[Attempt]) -> None:
        before = self.shown.get(row.id, PENDING)
        assert row.status == before or (before, row.status) in MOVES
        self.shown[row.id] = row.status
        facts = (row.status, row.attempts, row.attempt_no, row.crashes)
        assert facts == (known.status, known.attempts, known.attempt_no, known.crashes)
        waits = known.status == PENDING
        assert row.lane == (known.rank if waits and not known.due else None)
        assert (row.due_at.timestamp() if row.due_at else None) == known.due
        assert (row.finished_at.timestamp() if row.finished_at else None) == known.ended
        assert sorted(one.number for one in attempts) == list(range(1, known.attempt_no + 1)), "every start is kept"
        open_ = [one.token for one in attempts if one.ended_at is None]
        assert open_ == ([self.live[row.id].token] if row.status == RUNNING else []), "one live attempt"
        assert (row.cancel_at is not None) == (known.stopped or (row.status == CANCELLED))


def test_random_steps_keep_every_promise() -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        Queue.site = site
        try:
            run_state_machine_as_test(
                Queue,
                settings=settings(
                    max_examples=60, stateful_step_count=40, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
        finally:
            site.close()
