"""Worker discovery: what an installed distribution brings, and what the host's own packages have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stask_web import stask
from stask_web.database import upgrade
from stask_web.state import state_of

from .site import create_app

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-mail"
version = "1.0"

[project.entry-points."stask.workers"]
mail = "acme_mail.workers:MailWorker"
reports = "acme_mail.reports"
lost = "acme_mail.nowhere:Lost"
"""

WORKERS = """
from stask_web import BaseWorker

class MailWorker(BaseWorker):
    identifier = "mail"
    scope = "acme"
    title = "Mail"

    def task_send(self, task, options):
        self.mark_finished(task, message="Sent")
"""

REPORTS = """
from abc import abstractmethod

from stask_web import BaseWorker, TaskInterface

class Report(BaseWorker):            # abstract: not registered
    @abstractmethod
    def rows(self): ...

class SalesReport(Report):
    identifier = "sales"
    def rows(self):
        return []
    def task_make(self, task, options): ...

class Unfinished(BaseWorker):        # cannot be made: not registered, and said so
    identifier = "unfinished"
    def __init__(self):
        raise RuntimeError("not today")

class Plain(TaskInterface):          # no BaseWorker at all
    identifier = "plain"
    def actions(self):
        return {}
    def invoke_action(self, action, task, options): ...
    def render_widget(self):
        return "<p>plain</p>"

class Helper:                        # no worker
    identifier = "helper"
"""


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a small distribution was installed, for real."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site-packages")
    package = source / "acme_mail"
    package.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").write_text("")
    (package / "workers.py").write_text(WORKERS)
    (package / "reports.py").write_text(REPORTS)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    environment = {"PATH": "/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(source)}
    done = subprocess.run(
        [*command, "--target", str(target), str(source)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(site_packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution as if it were installed beside the site."""
    monkeypatch.syspath_prepend(str(site_packages))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_mail"]:
        del sys.modules[name]


def test_workers_of_installed_distributions_are_found(tmp_path: Path, installed: None) -> None:
    app = create_app(tmp_path)
    with app.app_context():
        upgrade(state_of(app).database)
        assert "acme_mail" not in sys.modules, "nothing is imported before it is needed"
        registered = stask.discover_workers()
        assert [worker.identifier for worker in registered] == ["plain", "sales", "mail"]
        assert not any(worker.active for worker in registered), "an admin turns them on"
        reasons = {broken.name.rpartition(":")[2]: broken.reason for broken in state_of(app).registry.broken}
        assert "not today" in reasons["Unfinished"] and "acme_mail.nowhere" in reasons["Lost"]
        assert stask.discover_workers() == []


def test_a_found_worker_works(tmp_path: Path, installed: None) -> None:
    app = create_app(tmp_path, STASK_AUTO_ACTIVATE=True)
    with app.app_context():
        upgrade(state_of(app).database)
        task = stask.create("mail", "send")
        assert stask.execute(task) and task.message == "Sent"


def test_a_worker_without_our_base_class_works_too(tmp_path: Path, installed: None) -> None:
    app = create_app(tmp_path, STASK_AUTO_ACTIVATE=True)
    with app.app_context():
        upgrade(state_of(app).database)
        stask.discover_workers()
        page = app.test_client().get("/stask/").get_data(as_text=True)
        assert "<p>plain</p>" in page
        assert app.test_client().get("/stask/workers").status_code == 200


def test_the_hosts_own_packages_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "our_shop" / "workers"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "mail.py").write_text(WORKERS)
    (package / "broken.py").write_text("import nothing_like_this\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    app = create_app(tmp_path, STASK_WORKER_PACKAGES=["our_shop.workers"])
    with app.app_context():
        upgrade(state_of(app).database)
        assert [worker.identifier for worker in stask.discover_workers()] == ["mail"]
        (broken,) = state_of(app).registry.broken
        assert broken.name == "our_shop.workers.broken" and "nothing_like_this" in broken.reason
