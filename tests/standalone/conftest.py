"""A standalone panel in a folder of its own, and a browser for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import stask_web
from stask_web.database import upgrade
from stask_web.standalone.accounts import Accounts
from stask_web.state import state_of

PASSWORD = "correct horse battery"


class Browser:
    """Fills forms in as a person would: with the token of the page.

    :param client: a test client.
    """

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        return self.client.get(path)

    def post(self, path: str, page: str | None = None, **fields: str) -> TestResponse:
        """Send the form of a page.

        :param page: the page that has the form; by default at the same path.
        """
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page or path).text)
        token = {"csrf_token": found[1]} if found else {}
        return self.client.post(path, data={**token, **fields})

    def sign_in(self, name: str = "ada", password: str = PASSWORD, **fields: str) -> TestResponse:
        """Sign in by name and password."""
        return self.post("/account/sign-in", name=name, password=password, **fields)

    def sees_the_panel(self) -> bool:
        """Whether the dashboard opens."""
        return self.get("/stask/").status_code == 200


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instance folder, while the environment sets nothing."""
    for name in ("SERVER_SOFTWARE", "FLASK_RUN_FROM_CLI", "STASK_INSTANCE", "INSTANCE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "instance"


@pytest.fixture
def app(folder: Path) -> Iterator[Flask]:
    """A panel with tables and without an account."""
    app = stask_web.create_app({"INSTANCE": str(folder), "TESTING": True})
    upgrade(state_of(app).database)
    yield app
    close(app)


def close(app: Flask) -> None:
    """Close the connections of an app."""
    state = state_of(app)
    state.database.engine.dispose()
    with app.app_context():
        state.host_db.engine.dispose()


@pytest.fixture
def accounts(app: Flask) -> Accounts:
    """The panel's accounts."""
    return Accounts(state_of(app).database)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Somebody's browser."""
    return Browser(app.test_client())


@pytest.fixture
def other_browser(app: Flask) -> Browser:
    """Another one."""
    return Browser(app.test_client())
