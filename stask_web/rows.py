"""Rows that are written by hand: new tasks and the daily counts. No ORM: its objects cost five times the statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from .models import Stat, Task

#: Rows of one INSERT at most; SQLite takes 32,766 values in a statement.
AT_ONCE = 500
COLUMNS = (
    "identifier", "action", "status", "lane", "priority", "due_at", "start_at", "created_at", "message", "meta",
    "secrets", "progress", "attempts", "max_attempts", "attempt_no", "crashes", "warnings", "dry_run", "started_by",
    "unique_key", "form_key", "schedule_id",
)  # fmt: skip

#: Day (UTC, ``2026-12-31``), identifier, action, status.
CountKey = tuple[str, str, str, int]

_ANY_DIALECT = DefaultDialect()
_READ = [
    (name, column.type.process_result_value)
    for name, column in Task.__table__.columns.items()
    if name in COLUMNS and isinstance(column.type, sa.types.TypeDecorator)
]
_ABSENT = {column.name: None for column in Task.__table__.columns if column.name not in ("id", *COLUMNS)}


class Pencil(NamedTuple):
    """What a statement is written with.

    :param cursor: of the driver, in a transaction of the caller.
    :param dialect: of its database.
    """

    cursor: Any
    dialect: sa.Dialect

    @property
    def mark(self) -> str:
        """The mark of a value in a statement."""
        return "?" if self.dialect.paramstyle == "qmark" else "%s"


def pencil_of(connection: sa.Connection) -> Pencil:
    """What to write with in a connection's transaction."""
    return Pencil(connection.connection.cursor(), connection.dialect)


def insert_tasks(pencil: Pencil, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert tasks.

    :param rows: the values of :data:`COLUMNS` as they are stored.
    :returns: the ids, in the rows' order.
    :raises sqlalchemy.exc.IntegrityError: nothing of the statement was inserted.
    """
    ids: list[int] = []
    for start in range(0, len(rows), AT_ONCE):
        piece = rows[start : start + AT_ONCE]
        values = [row[name] for row in piece for name in COLUMNS]
        ids += _insert_with(pencil, _insert(pencil.mark, len(piece)), values)
    return ids


def insert_if_active(pencil: Pencil, row: Mapping[str, Any], *, unregistered: bool) -> list[int]:
    """Insert a task if its worker is turned on: one trip to the database in place of two.

    Not for MariaDB, which locks what such a statement reads.

    :param row: as of :func:`insert_tasks`.
    :param unregistered: whether a worker that is not registered counts as turned on.
    :returns: the id; nothing when the worker is turned off.
    :raises sqlalchemy.exc.IntegrityError: nothing was inserted.
    """
    values = [row[name] for name in COLUMNS]
    return _insert_with(pencil, _insert_if_active(pencil.mark), [*values, row["identifier"], unregistered])


def _insert_with(pencil: Pencil, statement: str, values: Sequence[Any]) -> list[int]:
    try:
        pencil.cursor.execute(statement, values)
        return sorted(row[0] for row in pencil.cursor.fetchall())  # numbered in their order, told in any
    except pencil.dialect.loaded_dbapi.IntegrityError as error:
        raise sa.exc.IntegrityError("INSERT INTO s_tasks", None, error) from error


@cache
def _insert_if_active(mark: str) -> str:
    active = f"COALESCE((SELECT active FROM s_workers WHERE identifier = {mark}), {mark})"
    values = ", ".join([mark] * len(COLUMNS))
    return f"INSERT INTO s_tasks ({', '.join(COLUMNS)}) SELECT {values} WHERE {active} RETURNING id"


@cache
def _insert(mark: str, rows: int) -> str:
    one = ", ".join([mark] * len(COLUMNS))
    return f"INSERT INTO s_tasks ({', '.join(COLUMNS)}) VALUES {', '.join([f'({one})'] * rows)} RETURNING id"


def note_files(pencil: Pencil, used: Iterable[tuple[int, str]]) -> None:
    """Note which files tasks use: pairs of task id and token."""
    rows = list(used)
    if rows:
        mark = pencil.mark
        pencil.cursor.executemany(f"INSERT INTO s_task_uploads (task_id, token) VALUES ({mark}, {mark})", rows)


def is_active(pencil: Pencil, identifier: str) -> bool | None:
    """Whether a worker is turned on; None when it is not registered."""
    pencil.cursor.execute(f"SELECT active FROM s_workers WHERE identifier = {pencil.mark}", (identifier,))
    row = pencil.cursor.fetchone()
    return None if row is None else bool(row[0])


def count_endings(connection: sa.Connection, key: CountKey, *, n: int = 0, gone: int = 0, seconds: float = 0.0) -> None:
    """Add to the daily counts. Whoever locks tasks, too, does so before: then nobody waits for each other."""
    row = dict(zip(("day", "identifier", "action", "status"), key, strict=True))
    more = {"n": Stat.n + n, "gone": Stat.gone + gone, "seconds": Stat.seconds + seconds}
    values = {**row, "n": n, "gone": gone, "seconds": seconds}
    # Only the dialect in use: each loads all of its drivers' modules, 1 MB and more.
    if connection.dialect.name in ("mysql", "mariadb"):
        from sqlalchemy.dialects import mysql

        connection.execute(mysql.insert(Stat).values(values).on_duplicate_key_update(more))
        return
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    connection.execute(insert(Stat).values(values).on_conflict_do_update(index_elements=list(row), set_=more))


def count_key(row: Any) -> CountKey:
    """Where a task that has ended is counted; the row has identifier, action, status and finished_at."""
    return (row.finished_at.strftime("%Y-%m-%d"), row.identifier, row.action, int(row.status))


def snapshot(values: Mapping[str, Any]) -> Task:
    """The task of a row that was just inserted, made without the ORM's bookkeeping for each column.

    :param values: of :data:`COLUMNS` as they are stored, and ``id``.
    """
    task: Task = Task.__mapper__.class_manager.new_instance()
    task.__dict__.update(_ABSENT)
    task.__dict__.update(values)
    for name, read in _READ:
        task.__dict__[name] = read(values[name], _ANY_DIALECT)
    return task
