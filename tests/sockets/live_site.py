"""A small site for gunicorn: the panel, people by a header, tasks that the tests write themselves.

``STASK_TEST_ROOT`` is its folder, ``STASK_TEST_MODE`` the SocketIO's async mode ("" for none), ``STASK_TEST_CAP`` its
cap, ``STASK_TEST_LIFETIME`` how many seconds a socket lives.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from flask import Flask, redirect, render_template_string, request
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, Field, SecretStr
from werkzeug import Response

from stask_web import BaseWorker, STask, action, sockets
from stask_web.access import AccessPolicy
from stask_web.database import upgrade
from stask_web.models import Task
from stask_web.state import state_of

OWN_PAGE = """<!doctype html><link rel="icon" href="data:,">{{ stask_assets() }}{{ stask_progress(id) }}"""


class Person(NamedTuple):
    """A user of the test site."""

    id: str
    may: tuple[str, ...]


PEOPLE = {
    "reader": Person("reader", ("view", "view_log", "cancel", "launch")),
    "counter": Person("counter", ("view",)),
    "stranger": Person("stranger", ()),
    "narrow": Person("narrow", ("view",)),
}


class GoodsOptions(BaseModel):
    """A little of everything that a form may hold."""

    name: str = Field(min_length=3, title="Name")
    count: int = Field(5, ge=1, le=9, title="Count")
    colour: Literal["red", "blue"] = Field("red", title="Colour")
    token: SecretStr | None = Field(None, title="Token")


class GoodsWorker(BaseWorker):
    """Its tasks only wait: no process runs in these tests."""

    identifier = "goods"
    title = "Goods"
    description = "Made to be launched"

    @action("Order goods", max_attempts=1)
    def task_order(self, task: Any, options: GoodsOptions) -> None:
        """Never run."""

    @action("Count goods")
    def task_count(self, task: Any, options: Any) -> None:
        """Never run."""


class HeaderPolicy(AccessPolicy):
    """The user is named by a header or a cookie; all but the stranger see the tasks, only the reader their logs."""

    def current_user(self) -> Person | None:
        return PEOPLE.get(request.headers.get("X-Person") or request.cookies.get("person", ""))

    def may(self, user: Person, permission: str, target: Any = None) -> bool:
        return permission in user.may

    def visible(self, select: Any, user: Person) -> Any:
        return select.where(Task.started_by == user.id) if user.id == "narrow" else select

    def user_name(self, user_id: Any) -> str | None:
        return f"Name of {user_id}"

    def login_url(self, next: str) -> str:
        return f"/sign-in?{urlencode({'next': next})}"


def create_app(root: Path | None = None, mode: str | None = None, **config: Any) -> Flask:
    """The site in ``root``, its tables made."""
    if "STASK_TEST_LIFETIME" in os.environ:
        sockets.LIFETIME, sockets._SWEEP = float(os.environ["STASK_TEST_LIFETIME"]), 0.1
    root = root or Path(os.environ["STASK_TEST_ROOT"])
    app = Flask("live_site", instance_path=str(root))
    app.config.update(
        SECRET_KEY="only a test",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{root / 'site.db'}",
        STASK_STORAGE=str(root / "stask"),
        STASK_SOCKET_CAP=os.environ.get("STASK_TEST_CAP"),
        STASK_LAUNCH_RATE=int(os.environ.get("STASK_TEST_RATE", "1000")),
        **config,
    )
    db = SQLAlchemy(app)
    mode = os.environ.get("STASK_TEST_MODE", "threading") if mode is None else mode
    socketio = SocketIO(app, async_mode=mode) if mode else None
    STask(app, db=db, socketio=socketio, access=HeaderPolicy())
    state = state_of(app)
    state.storage.prepare()
    upgrade(state.database)
    state.registry.add(GoodsWorker)
    app.add_url_rule("/sign-in", view_func=sign_in)
    app.add_url_rule("/own/<int:task_id>", view_func=own_page)
    return app


def own_page(task_id: int) -> str:
    """A page of the host's own with the progress of one task."""
    return render_template_string(OWN_PAGE, id=task_id)


def sign_in() -> Response:
    """Sign in as the reader, and go back to where one came from."""
    answer = redirect(request.args["next"])
    answer.set_cookie("person", "reader")
    return answer
