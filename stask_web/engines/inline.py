"""Runs tasks in the calling thread: for tests, scripts and ``STASK_ENGINE=inline``. Stops only cooperate here."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask import Flask

from ..announce import announce_end
from ..claims import Claim, Claims, Cursor, Ended, Outcome, Stat, backoff
from ..errors import DatabaseBusy
from ..models import Task
from ..progress import INTERVAL
from ..queries import task_or_none
from ..runner import TaskRun, Watcher, run_claimed
from ..state import State, state_of
from .ledger import Away, Ledger
from .owner import OwnerLock
from .reaper import Reaper

#: Seconds between two looks whether somebody stopped the task.
_STOP_EVERY = 0.5
_TRIES = 4
_log = logging.getLogger(__name__)


def process_pending(app: Flask, batch_size: int = 10) -> int:
    """Run waiting tasks here and now, in the order of priority.

    :param batch_size: how many at most.
    :returns: how many completed.
    :raises KeyboardInterrupt: Ctrl-C, after the task that it stopped is written down.
    """
    completed = 0
    with _here(app) as here:
        here.prepare()
        for _ in range(batch_size):
            outcome = here.run_next()
            if outcome is None:
                break
            completed += outcome.ok
    return completed


def execute(app: Flask, task: Task) -> bool:
    """Run one waiting task here and now.

    :param task: brought up to date afterwards.
    :returns: whether it completed.
    """
    try:
        return execute_id(app, task.id)
    finally:
        fresh = task_or_none(state_of(app).database, task.id)
        if fresh is not None:
            for column in sa.inspect(Task).column_attrs:
                sa.orm.attributes.set_committed_value(task, column.key, getattr(fresh, column.key))


def execute_id(app: Flask, task_id: int, *, early: bool = True) -> bool:
    """Run one waiting task here and now; whether it completed. One that is not waiting is left alone.

    :param early: also one that waits for a time to come.
    """
    with _here(app) as here:
        outcome = here.run_one(task_id, early=early)
    return outcome is not None and outcome.ok


class _Here:
    """This thread as an engine, as long as it runs tasks."""

    def __init__(self, app: Flask, state: State, owner: str) -> None:
        self._app = app
        self._state = state
        self._owner = owner
        self._claims = Claims(state.database.dialect, state.database.engine.dialect.paramstyle)

    def prepare(self) -> None:
        """Let in what is due, and take back what a dead process had in hand."""
        state = self._state
        with _cursor(state) as cursor:
            self._claims.promote(cursor, time.time())
        if state.database.shared:
            return
        ledger = Ledger(state.database, self._owner, partial(announce_end, state))
        with suppress(Away):
            Reaper(ledger, state.storage.run, state.journals, state.settings.lease).look()
        ledger.close()

    def run_next(self) -> Outcome | None:
        """Run the next task of the queue; None when it is empty."""
        return self._run(self._claims.claim)

    def run_one(self, task_id: int, *, early: bool) -> Outcome | None:
        """Run this task; None when it does not wait, or waits for a time to come and is not to start before it."""

        def take(cursor: Cursor, **by: Any) -> Claim | None:
            may = early or self._is_due(cursor, task_id)
            return self._claims.claim_id(cursor, task_id, **by) if may else None

        return self._run(take)

    def _is_due(self, cursor: Cursor, task_id: int) -> bool:
        cursor.execute(self._claims.sql("SELECT 1 FROM s_tasks WHERE id = ? AND lane > 0"), (task_id,))
        return cursor.fetchone() is not None

    def _run(self, take: Callable[..., Claim | None]) -> Outcome | None:
        with _cursor(self._state) as cursor:
            claim = take(cursor, owner=self._owner, pid=os.getpid(), now=time.time())
        if claim is None:
            return None
        with _Attendant(self._state, self._claims, claim) as attendant:
            outcome = run_claimed(self._app, claim, attendant)
        ended = self._end(claim, self._with_delay(claim, outcome))
        if ended is None:
            _log.warning("Task %d: the outcome %r came too late, so it was dropped.", claim.id, outcome.kind)
        else:
            announce_end(self._state, ended.status, claim.id)
        if attendant.keyboard:
            raise KeyboardInterrupt
        return outcome

    def _with_delay(self, claim: Claim, outcome: Outcome) -> Outcome:
        if outcome.kind != "error":
            return outcome
        return replace(outcome, delay=backoff(claim.attempts, self._state.settings.backoff))

    def _end(self, claim: Claim, outcome: Outcome) -> Ended | None:
        for left in range(_TRIES, 0, -1):
            try:
                stats: dict[Stat, list[float]] = {}
                with _cursor(self._state) as cursor:
                    ended = self._claims.end(cursor, claim, outcome, now=time.time(), stats=stats)
                    self._claims.count(cursor, stats)
                return ended
            except DatabaseBusy:
                if left == 1:
                    raise
        raise AssertionError


class _Attendant(Watcher):
    """A thread beside the action: tells its newest progress, and whether somebody stopped it.

    ``keyboard`` says at the end whether it was Ctrl-C.
    """

    def __init__(self, state: State, claims: Claims, claim: Claim) -> None:
        self._state = state
        self._claims = claims
        self._claim = claim
        self.keyboard = False
        self._run: TaskRun | None = None
        self._until: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="stask-attendant", daemon=True)

    def __enter__(self) -> _Attendant:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def begin(self, run: TaskRun) -> None:
        """Begin to look after a run."""
        self._run = run
        self._thread.start()

    def limit(self, claim: Claim, seconds: float) -> None:
        """Interrupt it after that time."""
        self._until = time.monotonic() + seconds

    def end(self, run: TaskRun) -> None:
        """Nothing more to look after."""
        self.keyboard = run.keyboard
        self._run = None
        self._over.set()

    def _attend(self) -> None:
        stop_at = time.monotonic() + _STOP_EVERY
        while not self._over.wait(INTERVAL):
            run, now = self._run, time.monotonic()
            if run is None:
                return
            with suppress(Exception):  # whatever is wrong with one look, the next comes
                run.report.tick()
                if self._until is not None and now >= self._until:
                    run.report.interrupt("timeout")
                if now >= stop_at and not self._state.database.shared:
                    stop_at = now + _STOP_EVERY
                    if self._stopped():
                        run.report.interrupt("cancel")

    def _stopped(self) -> bool:
        query = self._claims.sql("SELECT cancel_at FROM s_tasks WHERE id = ?")
        with self._state.database.read() as connection:
            cursor: Any = connection.connection.cursor()
            cursor.execute(query, (self._claim.id,))
            row = cursor.fetchone()
        return row is not None and row[0] is not None


@contextmanager
def _here(app: Flask) -> Iterator[_Here]:
    """An owner lock for as long as tasks run here: should this process die, a worker takes them back."""
    state = state_of(app)
    state.storage.prepare()
    lock = OwnerLock(state.storage.run)
    try:
        yield _Here(app, state, lock.id)
    finally:
        lock.release()


@contextmanager
def _cursor(state: State) -> Iterator[Cursor]:
    with state.database.write() as connection:
        cursor: Any = connection.connection.cursor()
        yield cursor
