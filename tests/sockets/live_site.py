"""A small site for gunicorn: the panel, people by a header, tasks that the tests write themselves.

``STASK_TEST_ROOT`` is its folder, ``STASK_TEST_MODE`` the SocketIO's async mode ("" for none), ``STASK_TEST_CAP`` its
cap.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, request
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy

from stask_web import STask
from stask_web.access import AccessPolicy
from stask_web.database import upgrade
from stask_web.state import state_of


class Person(NamedTuple):
    """A user of the test site."""

    id: str
    may: tuple[str, ...]


PEOPLE = {
    "reader": Person("reader", ("view", "view_log", "cancel")),
    "counter": Person("counter", ("view",)),
    "stranger": Person("stranger", ()),
}


class HeaderPolicy(AccessPolicy):
    """The user is named by a header or a cookie; all but the stranger see the tasks, only the reader their logs."""

    def current_user(self) -> Person | None:
        return PEOPLE.get(request.headers.get("X-Person") or request.cookies.get("person", ""))

    def may(self, user: Person, permission: str, target: Any = None) -> bool:
        return permission in user.may

    def user_name(self, user_id: Any) -> str | None:
        return f"Name of {user_id}"


def create_app(root: Path | None = None, mode: str | None = None, **config: Any) -> Flask:
    """The site in ``root``, its tables made."""
    root = root or Path(os.environ["STASK_TEST_ROOT"])
    app = Flask("live_site", instance_path=str(root))
    app.config.update(
        SECRET_KEY="only a test",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{root / 'site.db'}",
        STASK_STORAGE=str(root / "stask"),
        STASK_SOCKET_CAP=os.environ.get("STASK_TEST_CAP"),
        **config,
    )
    db = SQLAlchemy(app)
    mode = os.environ.get("STASK_TEST_MODE", "threading") if mode is None else mode
    socketio = SocketIO(app, async_mode=mode) if mode else None
    STask(app, db=db, socketio=socketio, access=HeaderPolicy())
    state = state_of(app)
    state.storage.prepare()
    upgrade(state.database)
    return app
