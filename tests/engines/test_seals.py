"""Secrets are erased a day after a task's end, by whoever of the workers looks first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from stask_web.engines.ledger import Ledger
from stask_web.engines.seals import Seals
from stask_web.errors import IllegalMove
from stask_web.models import Task
from stask_web.pruning import KEEP_SECRETS
from stask_web.status import Status

from ..faults.site import Site

DAY = 86400.0


def seal(site: Site, status: Status, age: float) -> int:
    """A task with secrets that ended so many seconds ago, if it has ended."""
    task = site.create("nothing")
    ended = status >= Status.COMPLETED
    values = {"status": status, "secrets": b"sealed", "lane": None, "finished_at": time.time() - age if ended else None}
    with site.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == task).values(**values))
    return task


def sealed(site: Site) -> set[int]:
    """The tasks that have secrets still."""
    with site.state.database.read() as connection:
        return set(connection.scalars(sa.select(Task.id).where(sa.func.length(Task.secrets) > 0)))


@pytest.fixture(params=["sqlite_site", "postgresql_site"])
def site(request: pytest.FixtureRequest) -> Site:
    """A site on each database."""
    found: Site = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def seals(site: Site) -> Iterator[Seals]:
    """What a supervisor has."""
    ledger = Ledger(site.state.database, "me")
    yield Seals(ledger, site.state.storage.run)
    ledger.close()


def test_a_day_after_the_end_they_are_gone(site: Site, seals: Seals) -> None:
    old = [seal(site, status, DAY + 60) for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)]
    kept = {seal(site, Status.FAILED, DAY - 60), seal(site, Status.PENDING, 0), seal(site, Status.RUNNING, 0)}
    assert seals.erase() == len(old)
    assert sealed(site) == kept


def test_what_was_looked_through_is_not_read_again(site: Site, seals: Seals) -> None:
    assert seals.erase() == 0
    mark = float((site.state.storage.run / "secrets-erased").read_text())
    assert mark == pytest.approx(time.time() - KEEP_SECRETS, abs=5)
    before_the_mark = seal(site, Status.FAILED, DAY + 60)
    assert seals.erase() == 0 and before_the_mark in sealed(site)
    (site.state.storage.run / "secrets-erased").unlink()
    assert seals.erase() == 1


@pytest.mark.parametrize("way", ["seals", "pruning"])
def test_a_task_whose_secrets_are_gone_is_not_retried_without_them(site: Site, seals: Seals, way: str) -> None:
    old, kept, without = seal(site, Status.FAILED, DAY + 60), seal(site, Status.FAILED, 60), site.create("nothing")
    with site.app.app_context():
        site.state.tasks.cancel(without)
        assert (seals.erase() if way == "seals" else site.state.tasks.erase_secrets()) == 1
        with pytest.raises(IllegalMove, match=r"have been erased .* Fill in the form again"):
            site.state.tasks.retry(old)
        assert site.task(old).status == Status.FAILED
        for task in (kept, without):
            assert site.state.tasks.retry(task).is_pending()


def test_pruning_does_it_too_and_everywhere(site: Site) -> None:
    old = seal(site, Status.FAILED, DAY + 60)
    kept = seal(site, Status.COMPLETED, DAY - 60)
    with site.app.app_context():
        assert site.state.tasks.clean_old_tasks(days=30) == 0
    assert sealed(site) == {kept} and site.task(old).status == Status.FAILED


def test_a_real_worker_erases_them_when_it_starts(sqlite_site: Site, tmp_path: Path) -> None:
    old = seal(sqlite_site, Status.COMPLETED, DAY + 60)
    kept = seal(sqlite_site, Status.COMPLETED, DAY - 60)
    sqlite_site.start(1)
    sqlite_site.until(lambda: old not in sealed(sqlite_site), "they are erased")
    assert sealed(sqlite_site) == {kept}
