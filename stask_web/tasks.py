"""The one door to tasks: pages, commands, workers and the host's code all create, stop, retry and delete through it."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import IntegrityError

from .database import Database
from .errors import (
    AlreadyRunning,
    ConfigError,
    IllegalMove,
    TaskNotFound,
    TransactionOpen,
    UnknownWorker,
    WorkerInactive,
)
from .models import Attempt, Stat, Task, TaskUpload, Upload, to_epoch, to_json, user_key
from .options import ActionSpec, dump, tokens, validate
from .queries import stats, task_or_none
from .state import State
from .status import PRIORITIES, Status
from .tasklog import TaskLog
from .text import clean
from .worker import find_spec

#: Most rows that one transaction deletes.
BATCH = 1000
_log = logging.getLogger(__name__)
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
_COLUMNS = (
    "identifier", "action", "status", "lane", "priority", "due_at", "start_at", "created_at", "message", "meta",
    "secrets",
    "progress", "attempts", "max_attempts", "attempt_no", "crashes", "warnings", "dry_run", "started_by",
    "unique_key", "form_key",
)  # fmt: skip


class Engine(Protocol):
    """What starts tasks."""

    def created(self, ids: Sequence[int]) -> None:
        """Tasks were committed: start them, or wake who does."""

    def cancelled(self, task_id: int) -> None:
        """Somebody asked a running task to stop."""


class Tasks:
    """The door of one app.

    :param state: the app's state.
    :param engine: what is told of new and cancelled tasks.
    """

    def __init__(self, state: State, engine: Engine) -> None:
        self.state = state
        self.engine = engine

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
        values, used = self._row(identifier, action, data, priority, user_id, start_at, form_key)
        if session is not None:
            return self._create_joined(session, values, used)
        self._refuse_open_transaction()
        try:
            with self.state.database.write() as connection:
                self._require_active(connection, values["identifier"])
                values["id"] = _insert(connection, values)
                _note_uploads(connection, values["id"], used)
        except IntegrityError as error:
            return self._existing(values, error)
        self.engine.created([values["id"]])
        return _task(values)

    def _create_joined(self, session: Any, values: dict[str, Any], used: set[str]) -> Task:
        session = session() if hasattr(session, "registry") else session
        connection = session.connection()
        if not _same_database(connection, self.state.database):
            raise ConfigError(
                "session= needs a session on the database of stask-web, but STASK_DATABASE_URI is another one."
            )
        self._require_active(connection, values["identifier"])
        try:
            with _savepoint(connection):
                values["id"] = _insert(connection, values)
                _note_uploads(connection, values["id"], used)
        except IntegrityError as error:
            return self._existing(values, error, connection)
        sa.event.listen(session, "after_commit", lambda _: self.engine.created([values["id"]]), once=True)
        return _task(values)

    def create_many(
        self,
        identifier: str,
        action: str,
        items: Iterable[Mapping[str, Any] | None],
        priority: str | None = None,
        user_id: Any = None,
    ) -> list[int]:
        """Create one task for each item of options, all in one transaction.

        :returns: the ids, in the items' order.
        """
        rows = [self._row(identifier, action, data, priority, user_id, None, None) for data in items]
        if not rows:
            return []
        self._refuse_open_transaction()
        with self.state.database.write() as connection:
            self._require_active(connection, rows[0][0]["identifier"])
            ids = [_insert(connection, values) for values, _ in rows]
            for task_id, (_, used) in zip(ids, rows, strict=True):
                _note_uploads(connection, task_id, used)
        self.engine.created(ids)
        return ids

    def _row(
        self,
        identifier: str,
        action: str,
        data: Mapping[str, Any] | None,
        priority: str | None,
        user_id: Any,
        start_at: datetime | float | None,
        form_key: str | None,
    ) -> tuple[dict[str, Any], set[str]]:
        """The values of a new row as they are stored, and the tokens of the uploads it uses."""
        spec = self.spec(identifier, action)
        word = priority or spec.priority
        if word not in PRIORITIES:
            raise ValueError(f"priority is {priority!r}, but must be one of {', '.join(PRIORITIES)}")
        options = validate(spec, data or {})
        meta, secret = dump(options)
        now = time.time()
        due = None if start_at is None or to_epoch(start_at) <= now else to_epoch(start_at)
        values = {
            "identifier": identifier,
            "action": spec.name,
            "status": int(Status.PENDING),
            "lane": PRIORITIES[word] if due is None else None,
            "priority": PRIORITIES[word],
            "due_at": due,
            "start_at": None if start_at is None else to_epoch(start_at),
            "created_at": now,
            "message": "",
            "meta": to_json(meta),
            "secrets": self.state.vault.seal(secret),
            "progress": 0,
            "attempts": 0,
            "max_attempts": spec.max_attempts or self.state.settings.max_attempts,
            "attempt_no": 0,
            "crashes": 0,
            "warnings": 0,
            "dry_run": bool(spec.dry_run and getattr(options, spec.dry_run, False)),
            "started_by": None if user_id is None else user_key(user_id),
            "unique_key": unique_key(identifier, spec, meta),
            "form_key": form_key,
        }
        return values, tokens(meta)

    def spec(self, identifier: str, action: str) -> ActionSpec:
        """The spec of an action.

        :raises UnknownWorker, UnknownAction: with what there is.
        """
        cls = self.state.registry.get(identifier)
        if cls is None:
            near = get_close_matches(identifier, self.state.registry.classes(), 1)
            hint = f" Did you mean {near[0]!r}?" if near else " See `flask stask discover`."
            raise UnknownWorker(f"There is no worker {identifier!r}.{hint}")
        return find_spec(cls, action)

    def _require_active(self, connection: sa.Connection, identifier: str) -> None:
        mark = _mark(connection)
        row = connection.exec_driver_sql(
            f"SELECT active FROM s_workers WHERE identifier = {mark}", (identifier,)
        ).first()
        if row is None and self.state.settings.auto_activate:
            return
        if row is None or not row[0]:
            raise WorkerInactive(
                f"The worker {identifier!r} is turned off. "
                f"Turn it on in the panel or with `flask stask activate {identifier}`."
            )

    def _refuse_open_transaction(self) -> None:
        """On SQLite our own transaction would wait for the caller's, which waits for us."""
        host = self.state.host_db
        if host is None or self.state.database.dialect != "sqlite" or not host.session.registry.has():
            return
        session = host.session()
        if not session.in_transaction():
            return
        connection = session.connection()
        if _same_database(connection, self.state.database) and connection.connection.dbapi_connection.in_transaction:
            raise TransactionOpen()

    def _existing(
        self, values: Mapping[str, Any], error: IntegrityError, connection: sa.Connection | None = None
    ) -> Task:
        """The task that made an insert impossible: the same form sent twice, or one that must be alone."""

        def find(connection: sa.Connection, column: Any, value: Any) -> int | None:
            return connection.execute(sa.select(Task.id).where(column == value)).scalar()

        def both(connection: sa.Connection) -> tuple[int | None, int | None]:
            form, unique = values["form_key"], values["unique_key"]
            return (
                find(connection, Task.form_key, form) if form else None,
                find(connection, Task.unique_key, unique) if unique else None,
            )

        if connection is None:
            with self.state.database.read() as own:
                same_form, same_action = both(own)
        else:
            same_form, same_action = both(connection)
        if same_form is not None:
            return self.get(same_form)
        if same_action is not None:
            raise AlreadyRunning(same_action) from None
        raise error

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
        now = time.time()
        message = f"Withdrawn by {by}." if by else "Withdrawn."
        with self.state.database.write() as connection:
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
            raise IllegalMove(f"Task {task_id} is {fresh.status_text} already; there is nothing to stop.")
        if not withdrawn:
            self.engine.cancelled(task_id)
        return fresh

    def retry(self, task: Task | int) -> Task:
        """Start a failed or cancelled task again, with a new count of attempts; the old attempts are kept.

        :raises IllegalMove: when it has not ended, or ended well.
        """
        task_id = task if isinstance(task, int) else task.id
        old = self.get(task_id)
        key = unique_key(old.identifier, self.spec(old.identifier, old.action), old.meta)
        try:
            with self.state.database.write() as connection:
                self._count_ending(connection, task_id, -1, (Status.FAILED, Status.CANCELLED))
                moved = connection.execute(
                    sa.update(Task)
                    .where(Task.id == task_id, Task.status.in_([Status.FAILED, Status.CANCELLED]))
                    .values(**_FRESH, lane=PRIORITIES[old.priority], unique_key=key)
                ).rowcount
                if not moved:
                    raise IllegalMove(
                        f"Task {task_id} is {old.status_text}; only a failed or stopped task can be retried."
                    )
        except IntegrityError as error:
            self._existing({"form_key": None, "unique_key": key}, error)
        self.engine.created([task_id])
        return self.get(task_id)

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
            raise IllegalMove(f"Task {task_id} does not wait for a time; it is {fresh.status_text}.")
        self.engine.created([task_id])
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
        row = connection.execute(sa.select(*columns).where(Task.id == task_id, Task.status.in_(only))).first()
        if row is not None and row.finished_at is not None:
            key = (row.finished_at.strftime("%Y-%m-%d"), row.identifier, row.action, row.status)
            count_endings(connection, key, n=by, seconds=by * (row.duration or 0.0))

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
        """Delete the ended tasks of a selection, with attempts, logs, results and uploads that nobody else uses.

        :returns: how many were deleted.
        """
        deleted = 0
        ids = select.where(Task.status >= Status.COMPLETED).with_only_columns(Task.id)
        if ids._limit_clause is not None:
            with self.state.database.read() as connection:
                chosen = list(connection.execute(ids).scalars())
            for start in range(0, len(chosen), BATCH):
                deleted += self._delete_batch(sa.select(Task.id).where(Task.id.in_(chosen[start : start + BATCH])))
            return deleted
        while batch := self._delete_batch(ids.order_by(None).order_by(Task.id).limit(BATCH)):
            deleted += batch
        return deleted

    def _delete_batch(self, ids: sa.Select[Any]) -> int:
        with self.state.database.write() as connection:
            columns = (Task.id, Task.identifier, Task.action, Task.status, Task.finished_at)
            wanted = list(connection.execute(ids).scalars())
            rows = connection.execute(
                sa.select(*columns).where(Task.id.in_(wanted), Task.status >= Status.COMPLETED)
            ).all()
            gone = [row.id for row in rows]
            used = self._forget_uploads(connection, gone)
            connection.execute(sa.delete(Attempt).where(Attempt.task_id.in_(gone)))
            connection.execute(sa.delete(Task).where(Task.id.in_(gone)))
            for row in rows:
                if row.finished_at is not None:
                    key = (row.finished_at.strftime("%Y-%m-%d"), row.identifier, row.action, row.status)
                    count_endings(connection, key, gone=1)
        for task_id in gone:
            self._delete_files(task_id)
        for token in used:
            self.state.storage.discard(token)
        return len(gone)

    def _forget_uploads(self, connection: sa.Connection, gone: list[int]) -> list[str]:
        candidates = set(connection.execute(sa.select(TaskUpload.token).where(TaskUpload.task_id.in_(gone))).scalars())
        connection.execute(sa.delete(TaskUpload).where(TaskUpload.task_id.in_(gone)))
        kept = set(connection.execute(sa.select(TaskUpload.token).where(TaskUpload.token.in_(candidates))).scalars())
        unused = sorted(candidates - kept)
        connection.execute(sa.delete(Upload).where(Upload.token.in_(unused)))
        return unused

    def _delete_files(self, task_id: int) -> None:
        try:
            self.state.journals.of(task_id).clear()
            shutil.rmtree(self.state.storage.result_dir(task_id), ignore_errors=True)
        except OSError:
            _log.warning("Some files of the deleted task %s could not be removed.", task_id, exc_info=True)

    def clean_old_tasks(self, days: float = 30) -> int:
        """Delete tasks that ended more than ``days`` days ago.

        :returns: how many were deleted.
        """
        before = datetime.fromtimestamp(time.time() - days * 86400, UTC)
        return self.delete(sa.select(Task).where(Task.finished_at < before))

    def clean_old_logs(self, days: float = 30) -> int:
        """Remove logs of ended tasks that were last written more than ``days`` days ago.

        :returns: how many files were removed.
        """
        before = time.time() - days * 86400
        removed = 0
        for path in sorted(self.state.journals.root.glob("*/*.log")):
            if not path.stem.isdecimal() or path.stat().st_mtime >= before:
                continue
            task = task_or_none(self.state.database, int(path.stem))
            if task is None or task.is_finished():
                self.state.journals.of(int(path.stem)).clear()
                removed += 1
        return removed


def unique_key(identifier: str, spec: ActionSpec, meta: Mapping[str, Any]) -> str | None:
    """What only one waiting or running task may have, or None when there may be many."""
    if not spec.unique:
        return None
    names = spec.unique if isinstance(spec.unique, tuple) else ()
    values = to_json({name: meta.get(name) for name in names})
    return f"{identifier}.{spec.name}"[:120] + (f":{hashlib.sha256(values.encode()).hexdigest()[:32]}" if names else "")


def count_endings(
    connection: sa.Connection, key: tuple[str, str, str, int], *, n: int = 0, gone: int = 0, seconds: float = 0.0
) -> None:
    """Add to the daily counts.

    :param key: day (UTC, ``2026-12-31``), identifier, action, status.
    """
    changed = connection.execute(
        sa.update(Stat)
        .where(Stat.day == key[0], Stat.identifier == key[1], Stat.action == key[2], Stat.status == key[3])
        .values(n=Stat.n + n, gone=Stat.gone + gone, seconds=Stat.seconds + seconds)
    ).rowcount
    if not changed:
        row = dict(zip(("day", "identifier", "action", "status"), key, strict=True))
        connection.execute(sa.insert(Stat).values(**row, n=n, gone=gone, seconds=seconds))


def _savepoint(connection: sa.Connection) -> AbstractContextManager[Any]:
    """A savepoint, where a failed statement would spoil the caller's transaction.

    On SQLite it does not; and there Python's driver begins no transaction for a savepoint: its release would commit.
    """
    return nullcontext() if connection.dialect.name == "sqlite" else connection.begin_nested()


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


_statements: dict[tuple[str, str], str] = {}


def _insert(connection: sa.Connection, values: Mapping[str, Any]) -> int:
    """Insert a row by hand: several times as fast as through the ORM, and on any connection."""
    dialect = connection.dialect.name
    key = (dialect, connection.dialect.paramstyle)
    if key not in _statements:
        marks = ", ".join([_mark(connection)] * len(_COLUMNS))
        _statements[key] = f"INSERT INTO s_tasks ({', '.join(_COLUMNS)}) VALUES ({marks}) RETURNING id"
    return int(connection.exec_driver_sql(_statements[key], tuple(values[name] for name in _COLUMNS)).scalar_one())


def _note_uploads(connection: sa.Connection, task_id: int, used: set[str]) -> None:
    for token in sorted(used):
        connection.execute(sa.insert(TaskUpload).values(task_id=task_id, token=token))


def _same_database(connection: sa.Connection, database: Database) -> bool:
    return connection.engine is database.engine or connection.engine.url == database.engine.url


_ANY_DIALECT = DefaultDialect()
_KINDS = {
    name: column.type
    for name, column in Task.__table__.columns.items()
    if isinstance(column.type, sa.types.TypeDecorator)
}


def _task(values: Mapping[str, Any]) -> Task:
    """A snapshot of a row that was just inserted."""
    absent = {column.name: None for column in Task.__table__.columns if column.name not in values}
    return Task(**absent, **{name: _read(name, value) for name, value in values.items()})


def _read(name: str, value: Any) -> Any:
    return _KINDS[name].process_result_value(value, _ANY_DIALECT) if name in _KINDS else value
