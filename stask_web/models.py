"""The tables: tasks, their attempts, workers, processes, daily counts, uploads, schedules and standalone accounts.

Times are seconds since the epoch (UTC) in the database and aware datetimes in Python; JSON is text. See
:mod:`stask_web.columns`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .columns import BigId, Instant, JSONText, PriorityType, StatusType, UserKey, to_epoch
from .errors import InvalidSchedule
from .status import Status
from .text import clean

if TYPE_CHECKING:
    from .queries import Query
    from .services import Run

BIND_KEY = "stask"


class Base(DeclarativeBase):
    """Our own base: the host's ``create_all`` and ``drop_all`` never see these tables."""

    metadata = sa.MetaData(
        info={"bind_key": BIND_KEY},
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )


class Task(Base):
    """One run of an action.

    A task that can start now has ``lane`` set to its priority's rank; everything else has NULL there, so that the index
    (lane, id) holds the queue in the order of starting. One that waits for a time has ``due_at``.
    """

    __tablename__ = "s_tasks"
    __table_args__ = (
        sa.Index(None, "lane", "id"),
        sa.Index(None, "status", "id"),
        sa.Index(None, "identifier", "id"),
        sa.Index(None, "finished_at", "status"),
        # Partial: most tasks have none, and need no entry in it. On PostgreSQL, too, by the migration: to say it here
        # would load that dialect wherever we are, 2 MB.
        sa.Index(None, "schedule_id", "id", sqlite_where=sa.text("schedule_id IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    identifier: Mapped[str] = mapped_column(sa.String(100))
    action: Mapped[str] = mapped_column(sa.String(100))
    status: Mapped[Status] = mapped_column(StatusType, default=Status.PENDING)
    lane: Mapped[int | None] = mapped_column(sa.SmallInteger)
    priority: Mapped[str] = mapped_column(PriorityType, default="normal")
    due_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    start_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    duration: Mapped[float | None] = mapped_column(sa.Double)
    message: Mapped[str] = mapped_column(sa.Text, default="")
    error: Mapped[str | None] = mapped_column(sa.String(190))
    meta: Mapped[dict[str, Any]] = mapped_column(JSONText, default=dict)
    secrets: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    result: Mapped[str | None] = mapped_column(sa.Text)
    files: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONText)
    progress: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    processed: Mapped[int | None] = mapped_column(sa.BigInteger)
    total: Mapped[int | None] = mapped_column(sa.BigInteger)
    eta: Mapped[float | None] = mapped_column(sa.Double)
    attempts: Mapped[int] = mapped_column(sa.Integer, default=0)
    max_attempts: Mapped[int] = mapped_column(sa.Integer, default=3)
    attempt_no: Mapped[int] = mapped_column(sa.Integer, default=0)
    crashes: Mapped[int] = mapped_column(sa.Integer, default=0)
    warnings: Mapped[int] = mapped_column(sa.Integer, default=0)
    counts: Mapped[dict[str, int] | None] = mapped_column(JSONText)
    dry_run: Mapped[bool] = mapped_column(sa.Boolean, default=False)
    started_by: Mapped[Any] = mapped_column(UserKey, nullable=True, index=True)
    claim_token: Mapped[str | None] = mapped_column(sa.String(32))
    owner: Mapped[str | None] = mapped_column(sa.String(32))
    cancel_at: Mapped[datetime | None] = mapped_column(Instant)
    cancelled_by: Mapped[str | None] = mapped_column(sa.String(190))
    unique_key: Mapped[str | None] = mapped_column(sa.String(190), unique=True)
    form_key: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    seen_at: Mapped[datetime | None] = mapped_column(Instant)
    #: The schedule that created it; its ``start_at`` is then the instant that it was created for.
    schedule_id: Mapped[int | None] = mapped_column(BigId)

    #: The run this object belongs to while its action works on it; None everywhere else.
    if TYPE_CHECKING:
        _run: Run | None
    else:
        _run = None

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.identifier}.{self.action} {self.status_text}>"

    @property
    def status_text(self) -> str:
        """The status as a word: pending, running, completed, failed, cancelled."""
        return Status(self.status).text

    def is_pending(self) -> bool:
        """Whether it waits to start."""
        return self.status == Status.PENDING

    def is_running(self) -> bool:
        """Whether its action works right now."""
        return self.status == Status.RUNNING

    def is_finished(self) -> bool:
        """Whether it is over: completed, failed or cancelled."""
        return Status(self.status).ended

    def can_retry(self) -> bool:
        """Whether :meth:`STask.retry` would start it again: failed or cancelled."""
        return self.status in (Status.FAILED, Status.CANCELLED)

    def update(self, values: dict[str, Any] | None = None, **changes: Any) -> Task:
        """Change the message, or say the outcome in the guide's way.

        :param values: the changes as one dict, or give them by keyword: ``status`` and ``message``.
        :raises IllegalMove: for a status move that is not the action's to make.
        """
        from .worker import update_task

        return update_task(self, {**(values or {}), **changes})

    def get_logs(self) -> list[dict[str, Any]]:
        """All log lines: dicts of timestamp (ISO 8601), level, message, context, attempt."""
        lines: list[dict[str, Any]] = self.logger().lines()
        return lines

    def get_last_logs(self, n: int = 10) -> list[dict[str, Any]]:
        """The last ``n`` log lines, oldest first."""
        return self.get_logs()[-n:] if n > 0 else []

    def get_error_logs(self) -> list[dict[str, Any]]:
        """The log lines of level error."""
        return [line for line in self.get_logs() if line["level"] == "error"]

    def get_attempts(self) -> list[Attempt]:
        """Each start of the task, oldest first: number, started_at, ended_at, outcome, message."""
        from .queries import attempts
        from .state import current_state

        return attempts(current_state().database, self.id)

    def clear_logs(self) -> None:
        """Remove the task's journal; pages that show it start anew."""
        self.logger().clear()

    def logger(self) -> Any:
        """The task's log: ``lines()``, ``clear()``, ``log(level, message)``, ``download_logs(task)``."""
        from .state import current_state

        return current_state().task_log(self)

    @property
    def result_file(self) -> Path | None:
        """The result as a path, if there is one."""
        return Path(self.result) if self.result else None

    @classmethod
    def get(cls, task_id: int) -> Task | None:
        """The task of that id, or None."""
        return cls._query().filter(cls.id == task_id).first()

    @classmethod
    def query(cls) -> Query[Task]:
        """All tasks, as a chainable query."""
        return cls._query()

    @classmethod
    def filter(cls, *conditions: Any) -> Query[Task]:
        """Tasks for which all conditions hold, e.g. ``Task.filter(Task.status == 30)``; ``where`` is the same."""
        return cls._query().filter(*conditions)

    where = filter

    @classmethod
    def pending(cls) -> Query[Task]:
        """Tasks that wait to start."""
        return cls._query().pending()

    @classmethod
    def running(cls) -> Query[Task]:
        """Tasks whose action works right now."""
        return cls._query().running()

    @classmethod
    def completed(cls) -> Query[Task]:
        """Tasks that ended well."""
        return cls._query().completed()

    @classmethod
    def failed(cls) -> Query[Task]:
        """Tasks that failed."""
        return cls._query().failed()

    @classmethod
    def cancelled(cls) -> Query[Task]:
        """Tasks that were withdrawn or stopped."""
        return cls._query().cancelled()

    @classmethod
    def incomplete(cls) -> Query[Task]:
        """Tasks that wait or run."""
        return cls._query().incomplete()

    @classmethod
    def by_identifier(cls, identifier: str) -> Query[Task]:
        """Tasks of one worker."""
        return cls._query().by_identifier(identifier)

    @classmethod
    def by_action(cls, action: str) -> Query[Task]:
        """Tasks of one action."""
        return cls._query().by_action(action)

    @classmethod
    def _query(cls) -> Query[Task]:
        from .queries import Query

        return Query(cls)


class Attempt(Base):
    """One start of a task."""

    __tablename__ = "s_attempts"
    __table_args__ = (sa.Index(None, "task_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId)
    number: Mapped[int] = mapped_column(sa.Integer)
    token: Mapped[str] = mapped_column(sa.String(32))
    owner: Mapped[str | None] = mapped_column(sa.String(32))
    pid: Mapped[int | None] = mapped_column(sa.Integer)
    started_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    #: completed, failed, cancelled, error (starts again), crashed, drained, lost; NULL while it runs.
    outcome: Mapped[str | None] = mapped_column(sa.String(20))
    message: Mapped[str | None] = mapped_column(sa.Text)


class WorkerRecord(Base):
    """A registered worker class and what an admin decided about it."""

    __tablename__ = "s_workers"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    identifier: Mapped[str] = mapped_column(sa.String(100), unique=True)
    scope: Mapped[str] = mapped_column(sa.String(100), default="")
    class_name: Mapped[str] = mapped_column(sa.String(255))
    active: Mapped[bool] = mapped_column(sa.Boolean, default=False)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONText, default=dict)
    stored_title: Mapped[str] = mapped_column(sa.String(255), default="")
    stored_description: Mapped[str] = mapped_column(sa.Text, default="")
    stored_icon: Mapped[str] = mapped_column(sa.String(255), default="")
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    def __repr__(self) -> str:
        return f"<WorkerRecord {self.identifier} {'active' if self.active else 'inactive'}>"

    @property
    def worker_class(self) -> Any:
        """The class, or None when it is gone."""
        from .state import current_state

        return current_state().registry.get(self.identifier)

    @property
    def title(self) -> str:
        """The title, read from the class at each call so that it may be a lazy string."""
        cls = self.worker_class
        return clean(cls.title) if cls and clean(cls.title) else self.stored_title or self.identifier

    @property
    def description(self) -> str:
        """The description, read from the class at each call."""
        cls = self.worker_class
        return clean(cls.description) if cls else self.stored_description

    @property
    def icon(self) -> str:
        """The icon's HTML."""
        cls = self.worker_class
        return clean(cls.icon) if cls else self.stored_icon

    @classmethod
    def query(cls) -> Query[WorkerRecord]:
        """All workers, as a chainable query."""
        from .queries import Query

        return Query(cls)

    @classmethod
    def only_active(cls) -> Query[WorkerRecord]:
        """Workers that are turned on."""
        return cls.query().only_active()

    @classmethod
    def by_scope(cls, scope: str) -> Query[WorkerRecord]:
        """Workers of one scope."""
        return cls.query().by_scope(scope)

    @classmethod
    def ordered(cls) -> Query[WorkerRecord]:
        """Workers by scope and identifier."""
        return cls.query().ordered()


class Process(Base):
    """A supervisor that is alive, or was until its row is removed."""

    __tablename__ = "s_processes"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    host: Mapped[str] = mapped_column(sa.String(190))
    pid: Mapped[int] = mapped_column(sa.Integer)
    started_at: Mapped[datetime] = mapped_column(Instant)
    beat_at: Mapped[datetime] = mapped_column(Instant)
    concurrency: Mapped[int] = mapped_column(sa.Integer)
    busy: Mapped[int] = mapped_column(sa.Integer, default=0)
    stopping: Mapped[bool] = mapped_column(sa.Boolean, default=False)
    #: File name of the owner lock below the storage's run/ folder.
    lock: Mapped[str] = mapped_column(sa.String(190))
    info: Mapped[dict[str, Any]] = mapped_column(JSONText, default=dict)


class Stat(Base):
    """How often an action ended how on one day (UTC), kept up by every ending.

    ``n`` counts endings, ``gone`` those whose task was deleted since: ``n - gone`` are still in the history.
    """

    __tablename__ = "s_stats"

    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    identifier: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    status: Mapped[Status] = mapped_column(StatusType, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    gone: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    seconds: Mapped[float] = mapped_column(sa.Double, default=0.0)


class Upload(Base):
    """A file that somebody uploaded, finished or not."""

    __tablename__ = "s_uploads"

    token: Mapped[str] = mapped_column(sa.String(43), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    path: Mapped[str] = mapped_column(sa.String(500))
    size: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    expected: Mapped[int | None] = mapped_column(sa.BigInteger)
    sha256: Mapped[str | None] = mapped_column(sa.String(64))
    identifier: Mapped[str] = mapped_column(sa.String(100), default="")
    action: Mapped[str] = mapped_column(sa.String(100), default="")
    field: Mapped[str] = mapped_column(sa.String(100), default="")
    user: Mapped[Any] = mapped_column(UserKey, nullable=True)
    done: Mapped[bool] = mapped_column(sa.Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(Instant)


class TaskUpload(Base):
    """Which uploads a task uses; a file goes when no task does. A schedule stands here as ``-id``."""

    __tablename__ = "s_task_uploads"

    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    token: Mapped[str] = mapped_column(sa.String(43), primary_key=True, index=True)


class Account(Base):
    """A person who may sign in to a standalone panel."""

    __tablename__ = "s_accounts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    role: Mapped[str] = mapped_column(sa.String(20))
    created_at: Mapped[datetime] = mapped_column(Instant)
    signed_in_at: Mapped[datetime | None] = mapped_column(Instant)
    #: Changes with the password, so that older sessions end.
    session_key: Mapped[str] = mapped_column(sa.String(32))


class SignInLink(Base):
    """A one-time link: works once, for an hour; only its hash is stored."""

    __tablename__ = "s_links"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    #: NULL: the link makes the first account.
    account_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class Schedule(Base):
    """When an action starts by itself.

    ``next_fire_at`` is NULL when it will not: turned off, started by hand only, over, or broken. Whoever moves it on
    from an instant has that instant to fire; see :mod:`stask_web.schedules`.
    """

    __tablename__ = "s_schedules"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    identifier: Mapped[str] = mapped_column(sa.String(100), index=True)
    action: Mapped[str] = mapped_column(sa.String(100))
    title: Mapped[str] = mapped_column(sa.String(190), default="")
    rule: Mapped[dict[str, Any]] = mapped_column(JSONText)
    timezone: Mapped[str] = mapped_column(sa.String(64))
    enabled: Mapped[bool] = mapped_column(sa.Boolean, default=True)
    priority: Mapped[str | None] = mapped_column(PriorityType)
    meta: Mapped[dict[str, Any]] = mapped_column(JSONText, default=dict)
    secrets: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    next_fire_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    #: The last instant for which a task was created.
    last_fire_at: Mapped[datetime | None] = mapped_column(Instant)
    last_task_id: Mapped[int | None] = mapped_column(BigId)
    #: Why the last instant brought no task, as a sentence; NULL when it did.
    last_error: Mapped[str | None] = mapped_column(sa.Text)
    #: The worker whose own schedule this is, made from its settings; NULL for all others.
    owner: Mapped[str | None] = mapped_column(sa.String(100), unique=True)
    created_by: Mapped[Any] = mapped_column(UserKey, nullable=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    def __repr__(self) -> str:
        return f"<Schedule {self.id} {self.identifier}.{self.action} {'on' if self.enabled else 'off'}>"

    @property
    def words(self) -> str:
        """The rule and its time zone in words, e.g. ``"every day at 18:00 (Europe/Kyiv)"``."""
        from .rules import describe, read_rule  # only who has a schedule needs them, as everywhere here

        try:
            return describe(read_rule(self.rule, self.timezone), self.timezone)
        except InvalidSchedule as error:
            return f"cannot be read: {error.message}"

    def next_runs(self, n: int = 5, after: datetime | float | None = None) -> list[datetime]:
        """When it fires next, in its own time zone; empty when it is turned off.

        :param n: how many at most.
        :param after: later than then; by default, from now on.
        """
        from .rules import next_instants, read_rule

        if not self.enabled or self.next_fire_at is None:
            return []
        first = to_epoch(self.next_fire_at)
        start = first - 0.001 if after is None else max(to_epoch(after), first - 0.001)
        return next_instants(read_rule(self.rule, self.timezone), self.timezone, start, n)


#: Tasks are also made without the mapper, which would otherwise set itself up at the first query only.
Base.registry.configure()
