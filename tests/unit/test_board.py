"""The numbers of the dashboard: right whoever writes, and not counted anew each time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import board
from stask_web.database import Database, open_database, upgrade
from stask_web.models import Stat, Task
from stask_web.status import Status

NOW = datetime.now(UTC)
MIDNIGHT = NOW - timedelta(hours=12)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{path}", None)
    upgrade(database)
    yield database
    database.engine.dispose()


@pytest.fixture
def other(database: Database, path: Path) -> Iterator[Database]:
    """The same database as another process sees it."""
    other = open_database(f"sqlite:///{path}", None)
    yield other
    other.engine.dispose()


def add(database: Database, status: Status, ended: datetime | None = None, **values: Any) -> None:
    usual = {"identifier": "product", "action": "import", "meta": {}, "created_at": NOW - 3 * HOUR}
    with database.write() as connection:
        connection.execute(sa.insert(Task).values(**{**usual, "status": status, "finished_at": ended, **values}))


def count(database: Database) -> dict[str, int]:
    return board.counts(database, MIDNIGHT, datetime.now(UTC) - timedelta(hours=24))


def test_each_number_counts_what_it_says(database: Database) -> None:
    add(database, Status.PENDING)
    add(database, Status.RUNNING)
    for ended in (MIDNIGHT - HOUR, MIDNIGHT + HOUR, NOW - MINUTE / 2, NOW):
        add(database, Status.COMPLETED, ended)
    for ended, seen in ((NOW - 25 * HOUR, None), (NOW - 23 * HOUR, None), (NOW - HOUR, 1.0), (NOW, None), (NOW, 1.0)):
        add(database, Status.FAILED, ended, seen_at=seen)
    with database.write() as connection:
        for day, n, gone in (("2020-01-01", 100, 40), (f"{NOW:%Y-%m-%d}", 7, 0)):
            row = {"day": day, "identifier": "product", "action": "import", "status": Status.COMPLETED}
            connection.execute(sa.insert(Stat).values(**row, n=n, gone=gone, seconds=1.0))
    expected = {"pending": 1, "running": 1, "completed_today": 3, "failed_24h": 4, "unseen": 2, "total": 69}
    assert count(database) == expected
    assert count(database) == expected, "the same when what is settled is known already"


def test_shortly_after_midnight_nothing_of_yesterday_counts(database: Database) -> None:
    now = datetime.now(UTC)
    add(database, Status.COMPLETED, now - MINUTE / 4)
    add(database, Status.COMPLETED, now - MINUTE / 20)
    for _ in range(2):
        assert board.counts(database, now - MINUTE / 10, now - 24 * HOUR)["completed_today"] == 1


def test_what_another_process_ends_counts_at_once(database: Database, other: Database) -> None:
    count(database)
    add(other, Status.COMPLETED, datetime.now(UTC))
    add(other, Status.FAILED, datetime.now(UTC))
    found = count(database)
    assert (found["completed_today"], found["failed_24h"], found["unseen"]) == (1, 1, 1)


def test_what_is_settled_is_counted_anew_after_some_seconds_only(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(database)
    add(other, Status.COMPLETED, NOW - HOUR)
    assert count(database)["completed_today"] == 0
    later = time.monotonic() + board.SETTLED_FOR
    monkeypatch.setattr(board.time, "monotonic", lambda: later)
    assert count(database)["completed_today"] == 1


def test_what_this_process_changes_is_counted_at_once(database: Database) -> None:
    add(database, Status.FAILED, NOW - HOUR)
    assert count(database)["unseen"] == 1
    with database.write() as connection:
        connection.execute(sa.update(Task).values(seen_at=1.0))
    assert count(database)["unseen"] == 0
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM s_tasks")
    assert count(database)["failed_24h"] == 0
