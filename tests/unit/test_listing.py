"""Pages of a big history: bounded, complete, and along an index whatever is asked of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import filters, listing, tally
from stask_web.database import Database, open_database, upgrade
from stask_web.filters import LOOKS
from stask_web.models import Stat, Task
from stask_web.status import Status

NOW = datetime.now(UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'listing.db'}", None)
    upgrade(database)
    yield database
    database.engine.dispose()


def add(database: Database, count: int, **values: Any) -> list[int]:
    """So many tasks, one a second, the last one now."""
    usual = {"identifier": "product", "action": "import", "status": Status.COMPLETED, "meta": {}, "started_by": 1}
    with database.write() as connection:
        first = connection.execute(sa.select(sa.func.coalesce(sa.func.max(Task.id), 0))).scalar_one() + 1
        rows = [
            {**usual, "created_at": NOW - timedelta(seconds=count - number), **values} for number in range(1, count + 1)
        ]
        connection.execute(sa.insert(Task), rows)
    return list(range(first, first + count))


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    heard: list[tuple[str, Any]] = []

    def hear(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        heard.append((statement, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", hear)
    yield heard
    sa.event.remove(database.engine, "before_cursor_execute", hear)


def walk(database: Database, select: sa.Select[Any], **more: Any) -> list[int]:
    """All ids of a selection, page by page, older and older."""
    found: list[int] = []
    before = None
    while True:
        page = listing.page(database, select, before=before, **more)
        found += [task.id for task in page.rows]
        before = page.rows[-1].id if page.more else page.stopped
        if before is None:
            return found


def walk_back(database: Database, select: sa.Select[Any], **more: Any) -> list[int]:
    """The same from the oldest to the newest."""
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = listing.page(database, select, after=after, **more)
        found = [task.id for task in page.rows] + found
        after = page.rows[0].id if page.more else page.stopped
    return found


# No page reads the history


OFFERED: dict[str, tuple[Any, ...]] = {
    "everything": (),
    **{f"look {name}": conditions for name, conditions in LOOKS.items()},
    "mine": (Task.started_by == 1,),
    "worker": (Task.identifier == "product",),
    "action": (Task.identifier == "product", Task.action == "import"),
    "worker and look": (Task.identifier == "product", *LOOKS["failed"]),
    "mine and refused": (Task.started_by == 1, *LOOKS["refused"]),
    "period": (Task.created_at >= NOW - timedelta(hours=1), Task.id > 500),
    "period and look": (Task.created_at >= NOW - timedelta(hours=1), Task.id > 500, *LOOKS["failed"]),
    "words": (sa.or_(Task.message.contains("x"), Task.identifier == "mail"),),
    "words and look": (sa.or_(Task.message.contains("x"), Task.identifier == "mail"), *LOOKS["completed"]),
    "all at once": (
        Task.started_by == 1,
        Task.identifier == "product",
        Task.action == "import",
        *LOOKS["failed"],
        Task.created_at >= NOW - timedelta(hours=1),
        Task.id > 500,
        Task.message.contains("x"),
    ),
}
STEP = re.compile(r"SEARCH s_tasks USING (COVERING )?INDEX ix_s_tasks_(\w+)|SEARCH s_tasks USING INTEGER PRIMARY KEY")


@pytest.mark.parametrize("name", OFFERED)
def test_every_filter_that_is_offered_follows_an_index_within_bounds(database: Database, name: str) -> None:
    """By EXPLAIN of each statement of a page: no scan that has no end, no sorting, no wrong index."""
    add(database, 9000)
    add(database, 300, status=Status.FAILED)
    select = sa.select(Task).where(*OFFERED[name])
    with statements(database) as heard:
        listing.page(database, select, size=25)
        listing.page(database, select, size=25, before=4000)
        listing.page(database, select, size=25, after=4000)
        listing.page_of_ids(database, select, size=25)
    with database.read() as connection:
        for statement, parameters in heard:
            if "s_tasks" not in statement:
                continue
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not any("TEMP B-TREE" in step for step in plan), (statement, plan)
            for step in plan:
                if step == "SEARCH s_tasks":
                    assert "min(" in statement or "max(" in statement, (statement, plan)  # one look at an end
                elif step.startswith("SCAN s_tasks"):
                    # From one end, for as long as the page needs: nothing is tested on the way.
                    assert "WHERE" not in statement and "LIMIT" in statement, (statement, plan)
                elif "s_tasks" in step:
                    assert STEP.match(step), (statement, plan)


@pytest.mark.parametrize("name", [name for name in OFFERED if len(OFFERED[name]) > 1 or name == "words"])
def test_a_page_looks_at_no_more_rows_than_it_may(
    database: Database, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by the database itself: each row that is looked at calls a function of ours."""
    add(database, 4000, message="x", warnings=0)
    looked: list[int] = []

    def seen(value: int) -> int:
        looked.append(value)
        return 0

    @sa.event.listens_for(database.engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.create_function("seen", 1, seen)

    database.engine.dispose()
    select = sa.select(Task).where(*OFFERED[name], sa.func.seen(Task.id) == 1)
    page = listing.page(database, select, size=25, look=100)
    assert page.rows == []
    assert len(looked) <= 100
    if len(set(looked)) == 100:
        assert page.stopped == min(looked)


@pytest.mark.parametrize("look", [1, 7, 50, 5000])
def test_pages_that_end_early_leave_nothing_out(database: Database, look: int) -> None:
    made: list[int] = []
    for number in range(60):
        add(database, 3)
        made += add(database, 1, status=Status.FAILED, started_by=number % 2, warnings=number % 3)
        add(database, 1, status=Status.FAILED, identifier="mail", started_by=1)
    wanted = [number for index, number in enumerate(made) if index % 2 == 1 and index % 3 == 1][::-1]
    conditions = (Task.status == Status.FAILED, Task.identifier == "product", Task.started_by == 1, Task.warnings == 1)
    select = sa.select(Task).where(*conditions)
    assert walk(database, select, size=4, look=look) == wanted
    assert walk_back(database, select, size=4, look=look) == wanted
    assert [task.id for page in listing.pages(database, select, size=3) for task in page] == wanted


def test_the_index_is_followed_that_reaches_furthest(database: Database) -> None:
    """A rare worker is found at once, however many tasks of its look there are."""
    (old,) = add(database, 1, identifier="cache")
    add(database, 500)
    select = sa.select(Task).where(Task.status == Status.COMPLETED, Task.identifier == "cache")
    page = listing.page(database, select, size=25, look=50)
    assert ([task.id for task in page.rows], page.stopped) == ([old], None)


def test_a_policy_that_joins_other_tables_keeps_its_join(database: Database) -> None:
    add(database, 3)
    (theirs,) = add(database, 1, identifier="mail")
    team = sa.select(sa.literal("mail").label("name")).subquery()
    select = sa.select(Task).join(team, team.c.name == Task.identifier).where(Task.status == Status.COMPLETED)
    page = listing.page(database, select.where(Task.warnings == 0), size=25)
    assert [task.id for task in page.rows] == [theirs]


# Periods


def test_a_period_has_exactly_what_was_created_in_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "SLACK", 3)
    made = add(database, 600)
    since, until = NOW - timedelta(seconds=400), NOW - timedelta(seconds=100)
    with statements(database) as heard:
        conditions = filters.in_period(database, since, until)
        asked = len(heard)
        filters.in_period(database, since, until)
        assert len(heard) == asked  # what is past does not change
    ids = listing.page_of_ids(database, sa.select(Task).where(*conditions), size=1000).rows
    assert ids == made[199:499][::-1]
    bounds = [int(each.right.value) for each in conditions if each.left.name == "id"]
    assert bounds == [made[199] - 3, made[499] + 3]


def test_a_period_forgives_ids_that_are_a_little_out_of_step(database: Database) -> None:
    add(database, 50, created_at=NOW - timedelta(hours=2))
    late = add(database, 1, created_at=NOW - timedelta(minutes=10))
    add(database, 50, created_at=NOW - timedelta(hours=2))
    conditions = filters.in_period(database, NOW - timedelta(hours=1), None)
    assert listing.page_of_ids(database, sa.select(Task).where(*conditions), size=25).rows == late


def test_a_period_that_is_not_over_has_no_end(database: Database) -> None:
    conditions = filters.in_period(database, None, NOW + timedelta(days=1))
    (made,) = add(database, 1)
    assert listing.page_of_ids(database, sa.select(Task).where(*conditions), size=25).rows == [made]


# Words


TITLES = {("product", "import"): "Product management product Import products import"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("warehouse", True),
        ("WAREHOUSE lviv", True),
        ("львів", True),
        ("ЛЬВІВ", True),
        ("Львів", True),
        ("import", True),
        ("management", True),
        ("management kyiv", False),
        ("100%", True),
        ("100% sure", False),
        ("_", False),
        ("\\", False),
    ],
)
def test_words_are_found_in_message_and_titles(database: Database, text: str, found: bool) -> None:
    add(database, 1, message="Lviv (Львів): warehouse at 100%")
    conditions = filters.with_words(database, text, TITLES)
    assert bool(listing.page_of_ids(database, sa.select(Task).where(*conditions), size=1).rows) is found


# Counts


def test_a_small_history_is_counted_exactly(database: Database) -> None:
    add(database, 3, warnings=2)
    add(database, 2)
    add(database, 4, status=Status.FAILED)
    add(database, 1, status=Status.PENDING, lane=2)
    add(database, 1, status=Status.PENDING, due_at=NOW + timedelta(days=1))
    add(database, 1, status=Status.PENDING, due_at=NOW + timedelta(days=1), attempt_no=1)
    counts = tally.look_counts(database, sa.select(Task), simple=True)
    assert all(count.exact for count in counts.values())
    assert {name: count.n for name, count in counts.items()} == {
        "": 12, "pending": 3, "scheduled": 1, "retrying": 1, "running": 0, "completed": 5, "refused": 3, "failed": 4,
        "cancelled": 0,
    }  # fmt: skip


def test_a_big_history_is_known_from_the_daily_counts(database: Database) -> None:
    add(database, 1500)
    add(database, 2, status=Status.RUNNING)
    with database.write() as connection:
        for identifier, n, gone in (("product", 900_000, 100), ("mail", 50, 0)):
            row = {"day": "2026-01-01", "identifier": identifier, "action": "import", "n": n, "gone": gone}
            connection.execute(sa.insert(Stat).values(**row, status=Status.COMPLETED))
    counts = tally.look_counts(database, sa.select(Task), simple=True)
    assert counts["completed"] == (899_950, True)
    assert counts["running"] == (2, True)
    assert counts[""] == (899_952, True)
    assert not counts["refused"].exact
    mine = tally.look_counts(database, sa.select(Task).where(Task.identifier == "mail"), "mail", simple=True)
    assert mine["completed"] == (0, True)  # so few that they are counted


def test_what_cannot_be_known_is_at_least_so_many(database: Database) -> None:
    add(database, 300, status=Status.FAILED)
    add(database, 1500)
    add(database, 2, status=Status.PENDING, lane=2)
    counts = tally.look_counts(database, sa.select(Task).where(Task.started_by == 1), simple=False)
    assert counts[""] == (1000, False)
    assert counts["completed"] == (999, False)
    assert counts["failed"] == (0, False)
    assert counts["pending"] == (2, False)


def counted(database: Database, who: int) -> tuple[int, int]:
    """How many failures a big selection has, and how often the table was asked for it."""
    with statements(database) as heard:
        counts = tally.look_counts(database, sa.select(Task).where(Task.started_by == who), simple=False)
    return counts["failed"].n, len(heard)


def test_the_numbers_of_a_big_selection_are_kept_by_what_was_asked(database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr(tally, "COUNT_LOOK", 10)
    add(database, 8, started_by=1)
    add(database, 4, started_by=1, status=Status.FAILED)
    add(database, 14, started_by=2)
    assert counted(database, 1) == (4, 1)
    assert counted(database, 1) == (4, 0)
    assert counted(database, 2) == (0, 1)  # another's are not his
    add(database, 2, started_by=1, status=Status.FAILED)  # a write of this process ends it
    assert counted(database, 1) == (6, 1)
    monkeypatch.setattr(tally, "_SUMS_FOR", 0.0)
    assert counted(database, 2) == (0, 1)
    assert counted(database, 2) == (0, 1)  # and so does the time


def test_the_numbers_of_a_small_selection_are_never_old(database: Database) -> None:
    add(database, 3)
    assert counted(database, 1) == counted(database, 1) == (0, 1)
