"""Deleting, and dying in the middle of it: nothing is lost, nothing is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from stask_web import Upload
from stask_web.errors import TaskNotFound
from stask_web.pruning import BATCH, FIRST, LEAST, SLOW, Pace
from stask_web.removal import OLD, Removal

from .site import Site

#: Deletes everything, and dies before or after the commit.
DIES = """
import os, signal, sys
from pathlib import Path
from stask_web import removal
from stask_web.state import state_of
from tests.faults.apps import make_app

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

noted = removal.Removal.note
if sys.argv[2] == "before":
    removal.Removal.note = lambda self, gone: die(noted(self, gone))
else:
    removal.Removal.remove = die
app = make_app(Path(sys.argv[1]))
with app.app_context():
    state_of(app).tasks.clean_old_tasks(-1)
"""


def ended_task(site: Site) -> tuple[int, list[Path]]:
    """A task that is over, and its files: a log, a result, an upload."""
    storage = site.state.storage
    token = storage.begin("prices.csv", 3, Upload(".csv"), 100)
    storage.put(token, 0, b"a,b", name="prices.csv", size=3)
    upload = storage.finish(token, name="prices.csv", size=3).path
    task = site.create("rows", file={"upload": token, "name": "prices.csv"})
    site.cancel(task)
    with site.app.app_context():
        site.state.tasks.log(site.task(task), "info", "words")
    result = storage.result_path(task, "made.csv")
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text("made")
    return task, [site.state.journals.of(task).path, result, upload]


def die_deleting(site: Site, when: str) -> None:
    """A process deletes, and is killed."""
    command = [sys.executable, "-c", DIES, str(site.folder), when]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL


def clean(site: Site) -> int:
    """Delete all that is over."""
    with site.app.app_context():
        deleted: int = site.state.tasks.clean_old_tasks(-1)
        return deleted


def notes(site: Site) -> list[Path]:
    """The notes of files to remove."""
    return list(site.state.storage.run.glob("deleting-*"))


def test_what_a_killed_deletion_left_goes_with_the_next(make_site: Callable[..., Site]) -> None:
    site = make_site()
    task, files = ended_task(site)
    die_deleting(site, "after")
    with pytest.raises(TaskNotFound):
        site.task(task)
    assert all(path.exists() for path in files)
    assert clean(site) == 0
    assert [path for path in files if path.exists()] == [] and notes(site) == []
    assert not files[1].parent.exists(), "the task's result folder goes as well"


def test_a_deletion_killed_before_its_commit_loses_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site()
    task, files = ended_task(site)
    die_deleting(site, "before")
    with site.app.app_context():
        Removal(site.state).resume()
    assert site.task(task) is not None and all(path.exists() for path in files)
    assert notes(site), "its transaction might still be under way"
    with mock.patch("stask_web.removal.time.time", return_value=notes(site)[0].stat().st_mtime + OLD + 1):
        Removal(site.state).resume()
    assert notes(site) == [] and all(path.exists() for path in files)


def test_what_somebody_uses_meanwhile_stays(make_site: Callable[..., Site]) -> None:
    site = make_site()
    _, (_, result, upload) = ended_task(site)
    die_deleting(site, "after")
    keeper = site.create("rows", file=str(result))
    clean(site)
    assert result.exists() and not upload.exists()
    site.cancel(keeper)
    assert clean(site) == 1 and not result.exists()


def test_files_that_cannot_be_removed_go_later(make_site: Callable[..., Site]) -> None:
    site = make_site()
    _, (_, result, _) = ended_task(site)
    with mock.patch("stask_web.storage.shutil.rmtree", side_effect=PermissionError):
        assert clean(site) == 1
    assert result.exists()
    clean(site)
    assert not result.exists() and notes(site) == []


def test_a_disk_that_takes_no_note_keeps_nobody_from_deleting(make_site: Callable[..., Site]) -> None:
    site = make_site()
    _, files = ended_task(site)
    with mock.patch("stask_web.removal.json.dump", side_effect=OSError(28, "No space left on device")):
        assert clean(site) == 1
    assert [path for path in files if path.exists()] == [] and notes(site) == []


@pytest.mark.parametrize("torn", ["", "[[1], [2]", '{"a": 1}'])
def test_a_torn_note_is_passed_over(make_site: Callable[..., Site], torn: str) -> None:
    site = make_site()
    path = site.state.storage.run / "deleting-0.json"
    path.write_text(torn)
    assert clean(site) == 0 and path.exists()
    with mock.patch("stask_web.removal.time.time", return_value=path.stat().st_mtime + OLD + 1):
        assert clean(site) == 0
    assert not path.exists()


def test_slow_transactions_get_smaller_and_quick_ones_grow() -> None:
    pace = Pace()
    assert pace.rows == FIRST
    for _ in range(5):
        pace.took(0.3 * SLOW)
    assert pace.rows == BATCH
    pace.took(0.7 * SLOW)
    assert pace.rows == BATCH, "neither slow nor quick"
    pace.took(5 * SLOW)
    assert pace.rows == BATCH // 5
    pace.took(1.1 * SLOW)
    assert pace.rows == BATCH // 10
    for _ in range(9):
        pace.took(30 * SLOW)
    assert pace.rows == LEAST
    pace.took(0.0)
    assert pace.rows == 2 * LEAST
