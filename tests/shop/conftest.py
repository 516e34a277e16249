"""The example shop in a folder of its own, set up as `make run` does it, with people in all three roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from examples.shop.app import create_app
from examples.shop.models import User, db
from examples.shop.setup import set_up
from stask_web.state import state_of

HEADER = "sku,name,price,stock,released,genre\n"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for `instance/`."""
    path = tmp_path / "instance"
    monkeypatch.setenv("SHOP_INSTANCE", str(path))
    return path


@pytest.fixture
def shop(instance: Path) -> Iterator[Flask]:
    """The shop, its database made, without a product."""
    app = create_app({"TESTING": True})
    app.extensions["said"] = set_up(app)
    with app.app_context():
        state_of(app).roster.register_new()  # as `flask stask up` does it
    yield app
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()
    state_of(app).database.engine.dispose()


def link_of(shop: Flask) -> str:
    """The path of the one-time link that the set-up printed."""
    return "/sign-in/" + shop.extensions["said"][-1].rpartition("/")[2]


def person(shop: Flask, role: str) -> FlaskClient:
    """A browser in which somebody of that role is signed in."""
    with shop.app_context():
        user = User(name=role, role=role) if role != "admin" else db.session.query(User).filter_by(role="admin").one()
        db.session.add(user)
        db.session.commit()
        user_id = user.id
    client = shop.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = str(user_id), True
    return client


def token_of(client: FlaskClient, address: str = "/password") -> str:
    """The CSRF token of a page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(address).text)
    assert found is not None
    return found.group(1)
