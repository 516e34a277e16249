"""Relative paths mean the instance folder: processes stand in different folders and share their files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from stask_web import STask
from stask_web.state import State, state_of
from stask_web.status import Status

SITE = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from stask_web import BaseWorker, STask, stask

    app = Flask(__name__)
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite:///site.db", STASK_AUTO_ACTIVATE=True)
    app.config.update(STASK_WORKER_PACKAGES=["placed_workers"])
    app.config.from_prefixed_env()
    STask(app, db=SQLAlchemy(app), access=lambda *_: True)

    @app.get("/ask")
    def ask():
        return {"task": stask.create("place", "tell").id}
"""
WORKERS = """
    import os

    from stask_web import BaseWorker

    class PlaceWorker(BaseWorker):
        identifier = "place"
        title = "Places"

        def task_tell(self, task, options):
            os.chdir("/")
            self.mark_finished(task, None, "told")
"""


def state(folder: Path, **config: Any) -> State:
    app = Flask("site", instance_path=str(folder / "instance"))
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite:///site.db", **config)
    STask(app, db=SQLAlchemy(app), access=lambda *_: True)
    return state_of(app)


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        (None, "{0}/instance/site.db"),
        ("sqlite:///tasks.db", "{0}/instance/tasks.db"),
        ("sqlite:///data/tasks.db", "{0}/instance/data/tasks.db"),
        ("sqlite+pysqlite:///tasks.db", "{0}/instance/tasks.db"),
        ("sqlite:///file:tasks.db?uri=true", "file:{0}/instance/tasks.db"),
        ("sqlite:///{0}/tasks.db", "{0}/tasks.db"),
        ("sqlite:///file:{0}/tasks.db?uri=true", "file:{0}/tasks.db"),
        ("sqlite://", None),
    ],
)
def test_a_relative_database_lies_in_the_instance_folder(tmp_path: Path, uri: str | None, file: str | None) -> None:
    config = {"STASK_DATABASE_URI": uri.format(tmp_path)} if uri else {}
    found = state(tmp_path, **config).database.engine.url.database
    assert found == (file and file.format(tmp_path))


def test_relative_folders_lie_in_the_instance_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    found = state(tmp_path, STASK_STORAGE="files", STASK_RESULT_ROOTS=["exports", "/srv/exports"])
    assert found.storage.root == tmp_path / "instance" / "files"
    assert found.settings.result_roots == (tmp_path / "instance" / "exports", Path("/srv/exports"))
    assert state(tmp_path).storage.root == tmp_path / "instance" / "stask"


@pytest.mark.parametrize("own", [False, True], ids=["the host's database", "a database of its own"])
def test_web_commands_workers_and_their_children_share_a_relative_database(tmp_path: Path, own: bool) -> None:
    (tmp_path / "placed_site.py").write_text(textwrap.dedent(SITE))
    (tmp_path / "placed_workers.py").write_text(textwrap.dedent(WORKERS))
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("STASK_", "FLASK_"))}
    environ |= {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
    if own:
        environ["FLASK_STASK_DATABASE_URI"] = "sqlite:///own.db"
    flask = [sys.executable, "-m", "flask", "--app", "placed_site"]

    def run(where: str, *command: str) -> str:
        (tmp_path / where).mkdir(exist_ok=True)
        done = subprocess.run(
            command, cwd=tmp_path / where, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("a", *flask, "stask", "init-db")
    ask = "from placed_site import app; print(app.test_client().get('/ask').get_data(as_text=True))"
    asked = json.loads(run("b", sys.executable, "-c", ask))
    (tmp_path / "c").mkdir()
    worker = subprocess.Popen(
        [*flask, "stask", "work", "--concurrency", "1"], cwd=tmp_path / "c", env=environ, stderr=subprocess.DEVNULL
    )
    try:
        waited = run("d", *flask, "stask", "log", str(asked["task"]), "--follow")
        shown = json.loads(run("e", *flask, "stask", "show", str(asked["task"]), "--json"))
    finally:
        worker.terminate()
        worker.wait(30)
    assert shown["status"] == Status.COMPLETED and shown["message"] == "told", waited
    name = "own.db" if own else "site.db"
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")] == [f"instance/{name}"]
