"""New tasks: checked, inserted in a transaction of our own or in the caller's, and told of after the commit."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from .announce import announce
from .columns import to_epoch, to_json, user_key
from .encoding import Writer, parts_of
from .errors import AlreadyRunning, InvalidOptions, TaskNotFound, UnknownWorker, WorkerInactive
from .joining import joined
from .keeping import Kept, keep
from .language import tr
from .models import Task
from .options import ActionSpec
from .pruning import used_files
from .queries import task_or_none
from .rows import Pencil, insert_if_active, insert_tasks, is_active, note_files, pencil_of, snapshot
from .signals import task_created
from .state import State
from .status import PRIORITIES, Status
from .worker import find_spec

#: What every new task is.
_NEW: dict[str, Any] = {
    "status": int(Status.PENDING),
    "message": "",
    **dict.fromkeys(("progress", "attempts", "attempt_no", "crashes", "warnings"), 0),
}
_JOINED = "stask_joined"


#: Later than any task starts: seconds since the epoch that every time zone has a year for (9000).
LATEST = 221_845_392_000.0


class Engine(Protocol):
    """What starts tasks.

    :ivar at_once: whether :meth:`created` has run them when it returns.
    """

    at_once: bool

    def created(self, ids: Sequence[int]) -> None:
        """Tasks were committed: start them, or wake who does."""

    def cancelled(self, task_id: int) -> None:
        """Somebody asked a running task to stop."""


class Order(NamedTuple):
    """What is the same for all tasks of one call; see :meth:`stask_web.tasks.Tasks.create`."""

    identifier: str
    action: str
    priority: str | None = None
    user_id: Any = None
    start_at: datetime | float | None = None
    form_key: str | None = None
    schedule_id: int | None = None


class NewTask(NamedTuple):
    """A new task.

    :param values: the columns as they are stored.
    :param used: tokens of the files that it uses.
    """

    values: dict[str, Any]
    used: set[str]


class Creation:
    """Creates the tasks of one app.

    :param state: the app's state.
    :param engine: what is told of new tasks.
    """

    def __init__(self, state: State, engine: Engine) -> None:
        self._state = state
        self._engine = engine

    def one(self, order: Order, data: Mapping[str, Any] | None, session: Any = None) -> Task:
        """Create a task; see :meth:`stask_web.tasks.Tasks.create`."""
        rows = self._rows(order, [data])
        values = rows[0].values
        try:
            values["id"] = self._insert(rows, session)[0]
        except IntegrityError as error:
            return self.existing(values, error, self._joined(session))
        if session is None:
            self.tell([values["id"]])
            if self._engine.at_once:
                return self._get(values["id"])
        return snapshot(values)

    def many(self, order: Order, items: Iterable[Mapping[str, Any] | None], session: Any = None) -> list[int]:
        """Create several tasks, all or none; see :meth:`stask_web.tasks.Tasks.create_many`."""
        rows = self._rows(order, items)
        if not rows:
            return []
        try:
            ids = self._insert(rows, session)
        except IntegrityError as error:
            self._refuse_duplicates(rows, error, self._joined(session))
        if session is None:
            self.tell(ids)
        return ids

    def prepare(self, order: Order, kept: Kept) -> NewTask:
        """A task to be inserted later, of options that were checked before."""
        spec = self.spec(order.identifier, order.action)
        return self._row(self._same(order, spec), spec, kept)

    def insert(self, connection: sa.Connection, new: NewTask) -> int:
        """Insert a prepared task in a transaction of the caller's, who calls :meth:`tell` after its commit -> its id.

        The transaction is still good when this raises.

        :raises WorkerInactive, AlreadyRunning: nothing was inserted.
        """
        try:
            with _savepoint(connection):
                return self._insert_with(pencil_of(connection), [new])[0]
        except IntegrityError as error:
            return self.existing(new.values, error, connection).id

    def tell(self, ids: Sequence[int]) -> None:
        """Tell of tasks that were committed: whoever listens, and what starts them."""
        announce(self._state, task_created, ids)
        self._engine.created(ids)

    def spec(self, identifier: str, action: str) -> ActionSpec:
        """The spec of an action.

        :raises UnknownWorker, UnknownAction: with what there is.
        """
        registry = self._state.registry
        cls = registry.get(identifier)
        if cls is None:
            near = get_close_matches(identifier, registry.classes(), 1)
            hint = f" Did you mean {near[0]!r}?" if near else " See `flask stask discover`."
            raise UnknownWorker(f"There is no worker {identifier!r}.{hint}")
        return find_spec(cls, action)

    def existing(
        self, values: Mapping[str, Any], error: IntegrityError, connection: sa.Connection | None = None
    ) -> Task:
        """The task that made an insert impossible: the same form sent twice.

        :param values: of the new row: ``form_key`` and ``unique_key``.
        :raises AlreadyRunning: when it is one that must be alone.
        """
        if connection is None:
            with self._state.database.read() as own:
                same_form, same_action = _holders(own, values)
        else:
            same_form, same_action = _holders(connection, values)
        if same_form is not None:
            return self._get(same_form)
        if same_action is not None:
            raise AlreadyRunning(same_action) from None
        raise error

    # -- rows

    def _rows(self, order: Order, items: Iterable[Mapping[str, Any] | None]) -> list[NewTask]:
        spec = self.spec(order.identifier, order.action)
        same = self._same(order, spec)
        return [self._row(same, spec, keep(spec, data or {})) for data in items]

    def _same(self, order: Order, spec: ActionSpec) -> dict[str, Any]:
        """The columns that are the same for all tasks of an order."""
        word = order.priority or spec.priority
        if word not in PRIORITIES:
            raise ValueError(f"priority is {word!r}, but must be one of {', '.join(PRIORITIES)}")
        now = time.time()
        start = None if order.start_at is None else _epoch_of(order.start_at)
        due = None if start is None or start <= now else start
        return {
            **_NEW,
            "identifier": order.identifier,
            "action": spec.name,
            "lane": PRIORITIES[word] if due is None else None,
            "priority": PRIORITIES[word],
            "due_at": due,
            "start_at": start,
            "created_at": now,
            "max_attempts": spec.max_attempts or self._state.settings.max_attempts,
            "started_by": None if order.user_id is None else user_key(order.user_id),
            "form_key": order.form_key,
            "schedule_id": order.schedule_id,
        }

    def _row(self, same: Mapping[str, Any], spec: ActionSpec, kept: Kept) -> NewTask:
        text = to_json(kept.meta)
        own = {
            "meta": text,
            "secrets": self._state.vault.seal(kept.secrets),
            "dry_run": bool(spec.dry_run and getattr(kept.options, spec.dry_run, False)),
            "unique_key": unique_key(same["identifier"], spec, kept.options),
        }
        return NewTask({**same, **own}, used_files(kept.meta, text, self._state.storage.results))

    # -- transactions

    def _insert(self, rows: Sequence[NewTask], session: Any) -> list[int]:
        if session is not None:
            return self._insert_joined(session, rows)
        database = self._state.database
        with database.cursor() as cursor:
            return self._insert_with(Pencil(cursor, database.engine.dialect), rows)

    def _insert_joined(self, session: Any, rows: Sequence[NewTask]) -> list[int]:
        connection = self._joined(session)
        assert connection is not None
        with _savepoint(connection):
            ids = self._insert_with(pencil_of(connection), rows)
        _at_commit(session() if hasattr(session, "registry") else session, self.tell, ids)
        return ids

    def _joined(self, session: Any) -> sa.Connection | None:
        """The connection of a session, which alone sees what it has not committed; None for no session."""
        return None if session is None else joined(session, self._state.database, self._state.host_db)

    def _insert_with(self, pencil: Pencil, rows: Sequence[NewTask]) -> list[int]:
        ids = self._insert_rows(pencil, [row.values for row in rows])
        note_files(pencil, [(id_, token) for id_, row in zip(ids, rows, strict=True) for token in sorted(row.used)])
        return ids

    def _insert_rows(self, pencil: Pencil, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Insert tasks of one worker, if it is turned on."""
        identifier, unregistered = rows[0]["identifier"], self._state.settings.auto_activate
        if len(rows) == 1 and self._state.database.dialect != "mysql":
            ids = insert_if_active(pencil, rows[0], unregistered=unregistered)
        else:
            active = is_active(pencil, identifier)
            ids = insert_tasks(pencil, rows) if active or (active is None and unregistered) else []
        if not ids:
            raise WorkerInactive(
                tr(
                    "The worker '%(worker)s' is turned off. "
                    "Turn it on in the panel or with `flask stask activate %(worker)s`.",
                    worker=identifier,
                )
            )
        return ids

    def _refuse_duplicates(
        self, rows: Sequence[NewTask], error: IntegrityError, connection: sa.Connection | None
    ) -> NoReturn:
        """Say why several could not be created: only a key that must be alone can be the cause."""
        if max(Counter(row.values["unique_key"] for row in rows).values()) > 1:
            raise InvalidOptions(
                {"": tr("Two of these are the same, and only one may wait or run at a time.")}
            ) from None
        for row in rows:
            with suppress(IntegrityError):
                self.existing(row.values, error, connection)
        raise error

    # -- reading

    def _get(self, task_id: int) -> Task:
        task = task_or_none(self._state.database, task_id)
        if task is None:
            raise TaskNotFound(f"There is no task {task_id}.")
        return task


def unique_key(identifier: str, spec: ActionSpec, options: Any) -> str | None:
    """What only one waiting or running task may have, or None when there may be many.

    :param options: as they were checked: what was given may have many forms.
    """
    if not spec.unique:
        return None
    names = spec.unique if isinstance(spec.unique, tuple) else ()
    values = to_json(_open_values(options, names)) if names else ""
    return f"{identifier}.{spec.name}"[:120] + (f":{hashlib.sha256(values.encode()).hexdigest()[:32]}" if names else "")


def _open_values(options: Any, names: Sequence[str]) -> dict[str, Any]:
    parts = parts_of(options)
    return {name: Writer().write({name: parts.get(name)}).get(name) for name in names}


def _holders(connection: sa.Connection, values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The tasks that hold the form key and the unique key of a new row."""
    found = []
    for column, value in ((Task.form_key, values["form_key"]), (Task.unique_key, values["unique_key"])):
        select = sa.select(Task.id).where(column == value)
        found.append(None if value is None else connection.execute(select).scalar())
    return found[0], found[1]


def _at_commit(session: Any, tell: Callable[[Sequence[int]], None], ids: Sequence[int]) -> None:
    """Tell of joined tasks after the session's commit, of all together; after a rollback there is nothing to tell."""
    if _JOINED not in session.info:
        session.info[_JOINED] = {}

        def committed(session: Any) -> None:
            if not session.in_nested_transaction() and session.info[_JOINED]:
                tell(list(session.info[_JOINED]))

        def ended(session: Any, transaction: Any) -> None:
            if transaction.parent is None:
                session.info[_JOINED].clear()

        sa.event.listen(session, "after_commit", committed)
        sa.event.listen(session, "after_transaction_end", ended)
    session.info[_JOINED].update(dict.fromkeys(ids))


def _epoch_of(start_at: datetime | float) -> float:
    """When a task is to start, in seconds since the epoch; a moment that can be shown in every time zone."""
    try:
        epoch = to_epoch(start_at)
    except (OverflowError, ValueError):  # near the first or last year that Python knows
        epoch = math.nan
    if not 0 <= epoch < LATEST:
        raise InvalidOptions({"start_at": tr("Enter a date and a time, for example 2026-12-31 18:30.")})
    return epoch


def _savepoint(connection: sa.Connection) -> AbstractContextManager[Any]:
    """A savepoint, where a failed statement would spoil the caller's transaction.

    On SQLite it does not; and there Python's driver begins no transaction for a savepoint: its release would commit.
    """
    return nullcontext() if connection.dialect.name == "sqlite" else connection.begin_nested()
