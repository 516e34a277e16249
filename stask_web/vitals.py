"""How the whole is: who works, what waits, how big it is, how old its code is. Each look takes a bounded time."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple

import sqlalchemy as sa

from .database import Database
from .discovery import Registry
from .models import Process, Schedule, Task
from .status import PRIORITIES, Status

#: Waiting tasks that are counted of each kind; of more it is said that there are at least so many.
QUEUE_LOOK = 10_000
#: Processes and late schedules that are listed.
MOST = 50
#: Seconds after its time from which a schedule is late: every supervisor looks far oftener.
LATE = 60.0
_SIZE_SECONDS, _SIZE_FOR, _CODE_FOR = 0.015, 60.0, 5.0


# The queue


class Waiting(NamedTuple):
    """Tasks that wait for the same.

    :param kind: a priority for those that may start now; ``scheduled`` or ``retrying`` for those that wait for a time.
    :param exact: whether these are all; otherwise there may be more.
    :param first: the task that starts first, and ``since`` when it was created or, waiting for a time, that time.
    """

    kind: str
    n: int
    exact: bool
    first: int | None
    since: datetime | None


def queue(database: Database) -> list[Waiting]:
    """What waits, in the order of starting."""
    with database.read() as connection:
        ready = [_lane(connection, word, rank) for word, rank in sorted(PRIORITIES.items(), key=lambda each: each[1])]
        return [*ready, *_timed(connection)]


def _lane(connection: sa.Connection, word: str, rank: int) -> Waiting:
    rows = sa.select(Task.id).where(Task.lane == rank).limit(QUEUE_LOOK + 1).subquery()
    n = int(connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one())
    oldest = sa.select(Task.id, Task.created_at).where(Task.lane == rank).order_by(Task.id).limit(1)
    first = connection.execute(oldest).first() if n else None
    exact = n <= QUEUE_LOOK
    return Waiting(word, min(n, QUEUE_LOOK), exact, first and first.id, first and first.created_at)


def _timed(connection: sa.Connection) -> Iterator[Waiting]:
    """Those that wait for a time: the next ones, by why."""
    select = (
        sa.select(Task.id, Task.due_at, Task.attempt_no, Task.status)
        .where(Task.due_at.is_not(None))
        .order_by(Task.due_at)
        .limit(QUEUE_LOOK + 1)
    )
    rows = connection.execute(select).all()
    exact = len(rows) <= QUEUE_LOOK
    for kind, again in (("scheduled", False), ("retrying", True)):
        waits = (row for row in rows[:QUEUE_LOOK] if row.status == Status.PENDING)
        found = [row for row in waits if (row.attempt_no > 0) is again]
        first = found[0] if found else None
        yield Waiting(kind, len(found), exact, first and first.id, first and first.due_at)


# Processes, schedules


def processes(database: Database) -> list[Process]:
    """All supervisors that have a row, also those that gave no sign of life for long; the oldest first."""
    with database.session() as session:
        return list(session.scalars(sa.select(Process).order_by(Process.started_at).limit(MOST)))


def late_schedules(database: Database) -> list[Schedule]:
    """Schedules whose time has passed and that nobody has fired."""
    before = datetime.now(UTC) - timedelta(seconds=LATE)
    select = sa.select(Schedule).where(Schedule.enabled, Schedule.next_fire_at < before)
    with database.session() as session:
        return list(session.scalars(select.order_by(Schedule.next_fire_at).limit(MOST)))


# The database


class DatabaseFacts(NamedTuple):
    """About the database; None where it does not tell.

    :param place: a file's path, or the name of the database; never with a password.
    :param size: bytes, and ``log`` those of SQLite's write-ahead log.
    :param mode: SQLite's journal mode.
    """

    dialect: str
    version: str
    place: str
    size: int | None
    log: int | None
    mode: str | None
    revision: str | None


def database_facts(database: Database) -> DatabaseFacts:
    """Its kind, version, place and size."""
    url, dialect = database.engine.url, database.dialect
    size = log = mode = None
    with database.read() as connection:
        if dialect == "sqlite":
            found = str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())
            pages, page = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("page_count", "page_size")
            )
            size, mode = int(pages or 0) * int(page or 0), connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            log = _size_of(f"{url.database}-wal")
        elif dialect == "postgresql":
            found = str(connection.exec_driver_sql("SHOW server_version").scalar())
            size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()
        else:
            found = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    place = str(url.database or "") if dialect == "sqlite" else f"{url.host or 'localhost'}/{url.database or ''}"
    return DatabaseFacts(dialect, found, place, size, log, mode, database.revision())


def _size_of(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


# Folders


class Size(NamedTuple):
    """How much lies in a folder.

    :param whole: whether all of it was looked at; otherwise it is what a sample lets expect.
    :param at: when that was (epoch seconds).
    """

    size: int
    whole: bool
    at: float


_sizes: dict[Path, Size] = {}


def folder_size(root: Path) -> Size:
    """The bytes in a folder, at most a minute old. Of a big one, some of its parts are measured, taken at random."""
    known = _sizes.get(root)
    if known is None or time.time() - known.at > _SIZE_FOR:
        known = _sizes[root] = _measure(root, time.monotonic() + _SIZE_SECONDS)
    return known


def _measure(root: Path, until: float) -> Size:
    parts = _entries(root)
    random.shuffle(parts)
    size = 0
    for number, part in enumerate(parts, start=1):
        for each in _sizes_below(part):
            size += each
            if time.monotonic() > until:
                return Size(size * len(parts) // number, False, time.time())
    return Size(size, True, time.time())


def _sizes_below(entry: os.DirEntry[str]) -> Iterator[int]:
    """The size of a file, or of each below a folder."""
    try:
        if entry.is_dir(follow_symlinks=False):
            for each in _entries(entry.path):
                yield from _sizes_below(each)
        else:
            yield entry.stat(follow_symlinks=False).st_size
    except OSError:
        return  # gone meanwhile


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


# Code


def facts_of_this(registry: Registry) -> dict[str, Any]:
    """What a process says of its code when it starts: versions, and when the newest file of it was changed."""
    return {"version": our_version(), "python": python_version(), "code": newest_code(registry)}


def our_version() -> str:
    """The version of stask-web in this process."""
    return version_of("stask-web")


def version_of(package: str) -> str:
    """The installed version of a package, "" if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


_code: dict[frozenset[str], tuple[float, float | None]] = {}


def newest_code(registry: Registry) -> float | None:
    """When a file of the workers' code was changed last: epoch seconds, None where there are no files.

    Looked at are the loaded modules of the packages that the worker classes are in, at most once in five seconds.
    """
    names = frozenset(cls.__module__.partition(".")[0] for cls in registry.classes().values())
    until, found = _code.get(names, (0.0, None))
    if time.monotonic() >= until:
        files = set(_files(sys.modules, names))
        times = [os.stat(file).st_mtime for file in files if os.path.isfile(file)]
        found = max(times, default=None)
        _code[names] = (time.monotonic() + _CODE_FOR, found)
    return found


def _files(modules: Mapping[str, Any], names: frozenset[str]) -> Iterator[str]:
    for name, module in list(modules.items()):
        file = getattr(module, "__file__", None) if name.partition(".")[0] in names else None
        if isinstance(file, str):
            yield file
