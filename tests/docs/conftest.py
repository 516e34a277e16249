"""A site such as a reader of the README has, in which its code blocks and commands are run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from stask_web import stask
from stask_web.state import state_of
from stask_web.worker import BaseWorker

from .pages import Block

#: What the reader's own code has, as far as the blocks use it: name -> what it does here.
STUBS: dict[str, Any] = {
    "not_written_yet": lambda: ["ada@example.com", "grace@example.com"],
    "warehouse_items": lambda: [{"sku": "A1", "quantity": 3}],
    "sales": lambda: [["Lamp", 3], ["Chair", 1]],
    **dict.fromkeys(("send_mail", "note_as_written", "save_product", "rebuild", "set_stock"), lambda *_: None),
}


class Person(UserMixin):
    """A user of the site."""

    def __init__(self, name: str, role: str) -> None:
        self.id = self.name = name
        self.role = role


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The site's folder, on the import path; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in ("shop", "blocks")]:
        del sys.modules[name]


@pytest.fixture
def host(folder: Path) -> Iterator[Flask]:
    """The site before stask-web is set up on it."""
    app = Flask("shop", instance_path=str(folder / "instance"), root_path=str(folder))
    app.config.update(TESTING=True, SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'shop.db'}")
    db = SQLAlchemy(app)
    CSRFProtect(app)
    login = LoginManager(app)
    login.user_loader(lambda name: Person(name, "admin"))
    app.extensions["test_db"] = db
    yield app
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()
    if "stask_state" in app.extensions:
        state_of(app).database.engine.dispose()


class Reader:
    """Does what a page says, block by block.

    :param app: the site.
    :param namespace: in which code blocks run, one after the other.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.module = ModuleType("blocks")
        sys.modules["blocks"] = self.module
        self.module.__dict__.update(STUBS, app=app, db=app.extensions["test_db"])

    @property
    def names(self) -> dict[str, Any]:
        """What the blocks have defined so far."""
        return self.module.__dict__

    def run_code(self, block: Block) -> None:
        """Run a block of Python; workers in it are found and turned on."""
        source = compile(block.text, f"{block.page}:{block.line}", "exec", dont_inherit=True)
        with self.app.app_context():
            exec(source, self.names)
            self._turn_on()

    def _turn_on(self) -> None:
        if "stask_state" not in self.app.extensions or not state_of(self.app).database.ready():
            return
        state = state_of(self.app)
        for thing in list(self.names.values()):
            if isinstance(thing, type) and issubclass(thing, BaseWorker) and thing is not BaseWorker:
                state.registry.add(thing)
                state.roster.set_active(thing.identifier, True)

    def work(self) -> None:
        """Run what waits, as a worker process would."""
        if state_of(self.app).database.ready():
            with self.app.app_context():
                stask.process_pending_tasks()

    def run_command(self, command: str) -> str:
        """Run ``flask ... stask ...`` in this process -> what it printed; it must succeed."""
        words = shlex.split(command)
        assert words[0] == "flask", f"nobody knows how to try {command!r}"
        result = self.app.test_cli_runner().invoke(args=words[words.index("stask") :])
        assert result.exit_code == 0, f"{command}: {result.output}"
        return str(result.output)


@pytest.fixture
def reader(host: Flask) -> Reader:
    """A reader with a fresh site."""
    return Reader(host)
