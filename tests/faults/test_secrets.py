"""Secrets among options and settings stand nowhere that a task leaves something, however it ends."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from stask_web.engines.inline import process_pending
from stask_web.models import Task

from .site import Site

TOKEN, KEY, FOUND = "p@ss/w'o\"rd\n-second line", "api-key-44", "found-77"
#: No part of a secret may be seen.
PARTS = ("p@ss", "second line", "spare-7", "api-key", "other-key", "found-7", "renewed")


def tell(site: Site, how: str) -> int:
    """A task that tells all of its secrets."""
    with site.app.app_context():
        roster = site.state.roster
        for name, values in (("keeper", {"api_key": SecretStr(KEY)}), ("faulty", {"found": SecretStr(FOUND)})):
            roster.set_active(name, True)
            roster.store_config(name, values)
        options = {"token": TOKEN, "how": how, "notes": str(site.notes_folder)}
        return int(site.state.tasks.create("keeper", "tell", options).id)


def left(site: Site, task: int) -> str:
    """All that is left of a task: its rows and its journal, as they are stored."""
    with site.state.database.read() as connection:
        rows = [
            dict(row._mapping)
            for table in ("s_tasks", "s_attempts", "s_events")
            if sa.inspect(connection).has_table(table)
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    return "\n".join([*map(str, rows), site.state.journals.of(task).path.read_text()])


@pytest.mark.parametrize("how", ["say", "raise", "fail"])
def test_secrets_of_options_and_settings_are_stars_in_all_that_a_task_leaves(site: Site, how: str) -> None:
    task = tell(site, how)
    process_pending(site.app, 1)
    text = left(site, task)
    assert text.count("****") > 10
    assert [part for part in PARTS if part in text] == []


def test_the_last_words_of_a_dying_process_hold_no_secrets(site: Site) -> None:
    task = tell(site, "die")
    site.start(concurrency=1)
    site.wait(task)
    text = left(site, task)
    assert "the end" in text
    assert [part for part in PARTS if part in text] == []


def test_the_message_of_a_running_task_holds_no_secrets(site: Site) -> None:
    task = tell(site, "wait")
    site.start(concurrency=1)
    site.until(lambda: site.task(task).message, "its progress stands in its row")
    assert "****" in site.task(task).message
    assert [part for part in PARTS if part in left(site, task)] == []
    (site.notes_folder / "enough").touch()
    assert site.wait(task).is_finished()


def test_what_a_worker_without_secrets_says_stays_as_it_is(site: Site) -> None:
    task = site.create("print")
    process_pending(site.app, 1)
    assert "****" not in left(site, task)
    with site.state.database.read() as connection:
        assert connection.scalar(sa.select(Task.secrets)) is None
