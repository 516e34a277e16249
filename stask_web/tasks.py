"""The one door to tasks: pages, commands, workers and the host's code all create, stop, retry and delete through it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from .announce import announce_end
from .creation import Creation, Engine, Order, unique_key
from .errors import IllegalMove, InvalidOptions, STaskError, TaskNotFound
from .keeping import load
from .language import mark, tr
from .models import Task
from .options import ActionSpec
from .pruning import ERASED, Amount, Pruner, Statuses
from .queries import stats, task_or_none
from .rows import count_endings, count_key
from .state import State
from .status import PRIORITIES, Status
from .stored import WITHDRAWN, WITHDRAWN_BY
from .tasklog import TaskLog
from .text import clean

#: What a retried task is again; its attempts and their numbers stay.
_FRESH: dict[str, Any] = {
    "status": Status.PENDING,
    **dict.fromkeys(("attempts", "crashes", "progress", "warnings"), 0),
    "message": "",
    **dict.fromkeys(
        ("due_at", "error", "processed", "total", "eta", "counts", "result", "files", "finished_at", "started_at")
    ),
    **dict.fromkeys(("duration", "cancel_at", "cancelled_by", "seen_at", "claim_token", "owner")),
}


class Tasks:
    """The door of one app.

    :param state: the app's state.
    :param engine: what is told of new and cancelled tasks.
    """

    def __init__(self, state: State, engine: Engine) -> None:
        self.state = state
        self.engine = engine
        self._creation = Creation(state, engine)
        self._pruner = Pruner(state)

    # -- creating

    def create(
        self,
        identifier: str,
        action: str,
        data: Mapping[str, Any] | None = None,
        priority: str | None = None,
        user_id: Any = None,
        *,
        session: Any = None,
        start_at: datetime | float | None = None,
        form_key: str | None = None,
    ) -> Task:
        """Create a task. It is durable when this returns.

        :param identifier: the worker's.
        :param action: the action, in any spelling.
        :param data: its options.
        :param priority: high, normal or low; by default the action's.
        :param user_id: who starts it: int, str, or anything whose text names a user.
        :param session: join this session's transaction: the task is queued at its commit and gone with its rollback.
        :param start_at: not before then; a naive datetime is local time.
        :param form_key: a second call with the same key gives the first call's task.
        :raises UnknownWorker, UnknownAction, WorkerInactive, InvalidOptions, AlreadyRunning, TransactionOpen: each
            says which.
        """
        return self._creation.one(Order(identifier, action, priority, user_id, start_at, form_key), data, session)

    def create_many(
        self,
        identifier: str,
        action: str,
        items: Iterable[Mapping[str, Any] | None],
        priority: str | None = None,
        user_id: Any = None,
        *,
        session: Any = None,
        start_at: datetime | float | None = None,
    ) -> list[int]:
        """Create one task for each item of options, all or none, in one transaction; otherwise as :meth:`create`.

        :returns: the ids, in the items' order.
        """
        return self._creation.many(Order(identifier, action, priority, user_id, start_at), items, session)

    def spec(self, identifier: str, action: str) -> ActionSpec:
        """The spec of an action.

        :raises UnknownWorker, UnknownAction: with what there is.
        """
        return self._creation.spec(identifier, action)

    # -- reading

    def get(self, task_id: int) -> Task:
        """One task.

        :raises TaskNotFound: names the id.
        """
        task = task_or_none(self.state.database, task_id)
        if task is None:
            raise TaskNotFound(f"There is no task {task_id}.")
        return task

    def pending(self, limit: int = 20) -> list[Task]:
        """Waiting tasks in the order in which they start; those that wait for a time come last."""
        select = sa.select(Task).where(Task.status == Status.PENDING)
        order = (Task.lane.is_(None), Task.lane, Task.due_at, Task.id)
        with self.state.database.session() as session:
            return list(session.scalars(select.order_by(*order).limit(limit)))

    def stats(self) -> dict[str, int]:
        """How many tasks there are of each status, and ``total``."""
        return stats(self.state.database)

    # -- moving

    def cancel(self, task: Task | int, by: str | None = None) -> Task:
        """Withdraw a waiting task, or ask a running one to stop.

        :param by: name of who stops it, for the message.
        :raises IllegalMove: when it has ended already.
        """
        task_id = task if isinstance(task, int) else task.id
        if not 0 < task_id < 2**63:
            raise TaskNotFound(f"There is no task {task_id}.")
        now = time.time()
        message = WITHDRAWN_BY % {"name": by} if by else WITHDRAWN
        with self.state.database.write() as connection:
            # Held from here on: between the two questions below an attempt could end, and the task wait once more.
            connection.execute(sa.select(Task.id).where(Task.id == task_id).with_for_update())
            withdrawn = connection.execute(
                sa.update(Task)
                .where(Task.id == task_id, Task.status == Status.PENDING)
                .values(
                    status=Status.CANCELLED, lane=None, due_at=None, finished_at=now, message=message, unique_key=None,
                    cancel_at=now, cancelled_by=by, duration=0.0,
                )
            ).rowcount  # fmt: skip
            if withdrawn:
                self._count_ending(connection, task_id, +1)
            else:
                asked = connection.execute(
                    sa.update(Task)
                    .where(Task.id == task_id, Task.status == Status.RUNNING)
                    .values(
                        cancel_at=sa.func.coalesce(Task.cancel_at, now),
                        cancelled_by=sa.func.coalesce(Task.cancelled_by, by),
                    )
                ).rowcount
        fresh = self.get(task_id)
        if not withdrawn and not asked:
            raise IllegalMove(_said(mark("Task %(task)s is %(state)s already; there is nothing to stop."), fresh))
        if withdrawn:
            announce_end(self.state, Status.CANCELLED, task_id)
        else:
            self.engine.cancelled(task_id)
        return fresh

    def retry(self, task: Task | int) -> Task:
        """Start a failed or cancelled task again, with a new count of attempts; the old attempts are kept.

        One that was withdrawn before its time waits for that time again.

        :raises IllegalMove: when it has not ended, or ended well, or its secrets have been erased.
        """
        task_id = task if isinstance(task, int) else task.id
        old = self.get(task_id)
        if old.secrets == ERASED and old.can_retry():
            raise IllegalMove(tr(_NO_SECRETS, task=task_id))
        key = self._unique_key(old)
        try:
            with self.state.database.write() as connection:
                self._count_ending(connection, task_id, -1, (Status.FAILED, Status.CANCELLED))
                moved = connection.execute(
                    sa.update(Task)
                    .where(Task.id == task_id, Task.status.in_([Status.FAILED, Status.CANCELLED]))
                    .where(sa.or_(Task.secrets.is_(None), sa.func.length(Task.secrets) > 0))
                    .values(**{**_FRESH, **_when(old), "unique_key": key})
                ).rowcount
                if not moved:
                    raise IllegalMove(
                        _said(mark("Task %(task)s is %(state)s; only a failed or stopped task can be retried."), old)
                    )
        except IntegrityError as error:
            self._creation.existing({"form_key": None, "unique_key": key}, error)
        self.engine.created([task_id])
        return self.get(task_id)

    def _unique_key(self, task: Task) -> str | None:
        spec = self.spec(task.identifier, task.action)
        options: Any = task.meta
        if isinstance(spec.unique, tuple):
            with suppress(STaskError):  # they do not fit any more: its run says so
                secrets = self.state.vault.open(task.secrets)
                options = load(spec, task.meta or {}, secrets, self.state.storage.upload_path)
        return unique_key(task.identifier, spec, options)

    def start_now(self, task: Task | int) -> Task:
        """Let a task that waits for a time start at once.

        :raises IllegalMove: when it does not wait for a time.
        """
        task_id = task if isinstance(task, int) else task.id
        with self.state.database.write() as connection:
            moved = connection.execute(
                sa.update(Task)
                .where(Task.id == task_id, Task.status == Status.PENDING, Task.lane.is_(None))
                .values(lane=sa.cast(Task.priority, sa.SmallInteger), due_at=None)
            ).rowcount
        fresh = self.get(task_id)
        if not moved:
            raise IllegalMove(_said(mark("Task %(task)s does not wait for a time; it is %(state)s."), fresh))
        self.engine.created([task_id])
        return fresh

    def prioritise(self, task: Task | int, priority: str) -> Task:
        """Give a waiting task another priority: high, normal or low. Its place inside the priority is by its age.

        :raises InvalidOptions: there is no such priority.
        :raises IllegalMove: when it does not wait any more.
        """
        task_id = task if isinstance(task, int) else task.id
        rank = PRIORITIES.get(priority)
        if rank is None:
            raise InvalidOptions({"priority": tr("Choose a priority: high, normal or low.")})
        lane = sa.case((Task.lane.is_(None), None), else_=rank)
        with self.state.database.write() as connection:
            moved = connection.execute(
                sa.update(Task)
                .where(Task.id == task_id, Task.status == Status.PENDING)
                .values(priority=priority, lane=lane)
            ).rowcount
        fresh = self.get(task_id)
        if not moved:
            raise IllegalMove(_said(mark("Task %(task)s does not wait any more; it is %(state)s."), fresh))
        return fresh

    def wake(self) -> None:
        """Let the workers look at the queue now. Runs nothing here."""
        self.engine.created([])

    def set_message(self, task: Task, message: str) -> None:
        """Change the message that people see."""
        with self.state.database.write() as connection:
            connection.execute(sa.update(Task).where(Task.id == task.id).values(message=clean(message, 2000)))
        task.message = clean(message, 2000)

    def mark_seen(self, task: Task) -> None:
        """Note that somebody opened a failed task, so that it is no longer news."""
        with self.state.database.write() as connection:
            connection.execute(
                sa.update(Task).where(Task.id == task.id, Task.seen_at.is_(None)).values(seen_at=time.time())
            )

    def _count_ending(
        self, connection: sa.Connection, task_id: int, by: int, only: tuple[Status, ...] = (Status.CANCELLED,)
    ) -> None:
        columns = (Task.identifier, Task.action, Task.status, Task.finished_at, Task.duration)
        select = sa.select(*columns).where(Task.id == task_id, Task.status.in_(only))
        row = connection.execute(select.with_for_update()).first()
        if row is not None and row.finished_at is not None:
            count_endings(connection, count_key(row), n=by, seconds=by * (row.duration or 0.0))

    def report(self, task: Task, values: Mapping[str, Any]) -> None:
        """Tell the progress of a task from outside its run: in its journal, and in its row."""
        told = {name: value for name, value in values.items() if value is not None}
        self.state.journals.of(task.id).write(
            [{"t": round(time.time(), 3), "a": max(1, task.attempt_no or 0), "k": "progress", "p": told}]
        )
        columns = {name: told[name] for name in ("progress", "processed", "total", "eta", "message") if name in told}
        if columns:
            with self.state.database.write() as connection:
                connection.execute(sa.update(Task).where(Task.id == task.id).values(**columns))

    # -- the log

    def log(self, task: Task, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to a task's log. Levels: debug, info, warning, error."""
        self.task_log(task).log(level, message, context)

    def task_log(self, task: Task) -> TaskLog:
        """The log of a task."""
        return TaskLog(self.state.journals.of(task.id), task)

    # -- deleting

    def delete(self, select: sa.Select[Any]) -> int:
        """Delete the ended tasks of a selection; see :mod:`stask_web.pruning` -> how many."""
        return self._pruner.delete(select)

    def clean_old_tasks(self, days: float = 30, status: Statuses | None = None) -> int:
        """Delete tasks that ended more than ``days`` days ago -> how many.

        :param status: only these ends; by default all.
        """
        return self._pruner.clean_old_tasks(days, status)

    def clean_some(self, days: float, status: Statuses | None = None, seconds: float = 5.0) -> int:
        """The same for about so many seconds -> how many; whoever waits for it asks again for the rest."""
        return self._pruner.clean_some(days, status, seconds)

    def count_old(self, days: float, status: Statuses | None = None) -> Amount:
        """How many tasks :meth:`clean_old_tasks` would delete."""
        return self._pruner.count_old(days, status)

    def clean_old_logs(self, days: float = 30) -> int:
        """Remove logs of ended tasks that were last written more than ``days`` days ago -> how many."""
        return self._pruner.clean_old_logs(days)

    def erase_secrets(self) -> int:
        """Erase the secrets of tasks that ended a day ago or earlier -> of how many."""
        return self._pruner.erase_secrets()


def _when(task: Task) -> dict[str, Any]:
    """When a retried task starts: at once; one that never ran, not before the time that was chosen for it."""
    if not task.attempt_no and task.start_at is not None and task.start_at.timestamp() > time.time():
        return {"lane": None, "due_at": task.start_at}
    return {"lane": PRIORITIES[task.priority]}


#: What a task is, in the middle of a sentence.
_STATES = {
    Status.PENDING: mark("pending"),
    Status.RUNNING: mark("running"),
    Status.COMPLETED: mark("completed"),
    Status.FAILED: mark("failed"),
    Status.CANCELLED: mark("cancelled"),
}


_NO_SECRETS = mark(
    "The secret options of task %(task)s have been erased since it ended, so it cannot be retried. "
    "Fill in the form again to start it anew."
)


def _said(text: str, task: Task) -> str:
    """A sentence about a task and its state, for the person who asked."""
    return tr(text, task=task.id, state=tr(_STATES[Status(task.status)]))
