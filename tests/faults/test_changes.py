"""The code changes between enqueue and start: a worker is removed, renamed or broken, an option is no longer valid."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from stask_web import Status

from .site import Site

FIRST = """
    from typing import Literal

    from pydantic import BaseModel, SecretStr

    from stask_web import BaseWorker


    class Options(BaseModel):
        colour: Literal["red", "blue"] = "red"
        count: int = 1
        token: SecretStr | None = None


    class Late(BaseWorker):
        identifier = "late"

        def task_paint(self, task, options: Options):
            self.mark_finished(task, message=f"Painted {options.count} {options.colour}")
"""


class Deploy:
    """A package of workers in a folder, and its next versions."""

    def __init__(self, folder: Path, make: Callable[..., Site]) -> None:
        self._place = folder / "late_workers.py"
        self.write(FIRST)
        self.site = make(STASK_WORKER_PACKAGES=["late_workers"], STASK_MAX_ATTEMPTS=2)
        with self.site.app.app_context():
            self.site.state.roster.discover()
            self.site.state.roster.set_active("late", True)

    def write(self, source: str) -> None:
        """Deploy a version."""
        self._place.write_text(textwrap.dedent(source))

    def edit(self, old: str, new: str) -> None:
        """Deploy a version that differs from the first in this."""
        source = textwrap.dedent(FIRST)
        assert old in source
        self._place.write_text(source.replace(old, new))

    def remove(self) -> None:
        """Deploy a version without the package."""
        self._place.unlink()

    def create(self, **options: object) -> int:
        """A task, made by the first version."""
        with self.site.app.app_context():
            return int(self.site.state.tasks.create("late", "paint", options).id)


@pytest.fixture
def deploy(tmp_path: Path, make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """The first version, known to the site of this process."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delitem(sys.modules, "late_workers", raising=False)
    importlib.invalidate_caches()
    return Deploy(tmp_path, make_site)


def test_a_version_that_did_not_change_runs_it(deploy: Deploy) -> None:
    task = deploy.create(colour="blue", count=3, token="hush-hush")
    deploy.site.start(concurrency=1)
    assert (deploy.site.wait(task).status, deploy.site.task(task).message) == (Status.COMPLETED, "Painted 3 blue")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('identifier = "late"', 'identifier = "later"', "The worker 'late' is not here any more"),
        ("def task_paint", "def task_draw", "paint"),
        ('Literal["red", "blue"]', 'Literal["red", "green"]', "The options do not fit any more."),
        ("count: int = 1", "count: str", "The options do not fit any more."),
        ("count: int = 1", "count: int = 1\n    size: int", "The options do not fit any more."),
        ("class Late(BaseWorker):", "class Late(BaseWorker):\n    def __init__(self, needed): ...\n", "'late'"),
        ("class Late", "class Late(", "'late'"),
        ("from typing import Literal", "import no_such_module_at_all", "'late'"),
        ("from typing import Literal", "raise SystemExit(3)", "'late'"),
    ],
    ids=[
        "renamed", "action renamed", "value gone", "type changed", "option added", "cannot be made", "syntax error",
        "import error", "exits",
    ],
)  # fmt: skip
def test_what_no_longer_fits_fails_once_with_a_sentence_and_nothing_else_suffers(
    deploy: Deploy, old: str, new: str, sentence: str
) -> None:
    site = deploy.site
    task, other = deploy.create(colour="blue", count=3), site.create("note")
    deploy.edit(old, new)
    worker = site.start(concurrency=1)
    done = site.wait(task)
    assert site.wait(other).status == Status.COMPLETED
    assert worker.process.poll() is None
    assert (done.status, done.attempts) == (Status.FAILED, 1), "trying again would not help"
    assert sentence in done.message
    assert "Traceback" not in done.message
    assert [attempt.outcome for attempt in site.attempts(task)] == ["failed"]


def test_a_worker_that_is_removed_and_comes_back_can_be_retried(deploy: Deploy) -> None:
    site = deploy.site
    task = deploy.create(colour="blue", count=2, token="hush-hush")
    deploy.remove()
    worker = site.start(concurrency=1)
    done = site.wait(task)
    assert done.message == "The worker 'late' is not here any more, so this could not run."
    assert worker.stop() == 0
    deploy.write(FIRST)
    site.start(concurrency=1)
    site.retry(task)
    site.until(lambda: len(site.attempts(task)) == 2, "it starts again")
    done = site.wait(task)
    assert (done.status, done.message) == (Status.COMPLETED, "Painted 2 blue"), "with the options it had"


def test_a_changed_secret_key_is_said_in_a_sentence(deploy: Deploy) -> None:
    """Sealed options cannot be opened any more."""
    site = deploy.site
    task = deploy.create(token="hush-hush")
    settings = site.folder / "settings.json"
    settings.write_text(settings.read_text().replace("{", '{"SECRET_KEY": "another", ', 1))
    site.start(concurrency=1)
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.FAILED, 1)
    assert "hush-hush" not in done.message + "\n".join(site.log(task))
    assert "SECRET_KEY" in done.message
