"""Into the shop: a one-time link first, a password once somebody has set one, and never a default one."""

from __future__ import annotations

import stat

import pytest

from examples.shop.models import User, db
from examples.shop.setup import set_up
from examples.shop.signin import HOUR, new_link, use_link

from .conftest import link_of, person, token_of


def test_the_set_up_prints_a_link_that_opens_the_panel(shop):
    assert shop.extensions["said"][-1].startswith("http://127.0.0.1:8000/sign-in/")
    client = shop.test_client()
    answer = client.get(link_of(shop))
    assert (answer.status_code, answer.location) == (302, "/stask/")
    assert client.get("/").status_code == 200


def test_a_link_works_once(shop):
    assert shop.test_client().get(link_of(shop)).status_code == 302
    other = shop.test_client()
    answer = other.get(link_of(shop))
    assert answer.status_code == 410
    assert "This link has ended" in answer.text
    assert other.get("/").status_code == 302


def test_a_link_ends_after_an_hour(shop):
    with shop.app_context():
        user = db.session.query(User).one()
        late = new_link(user, now=1000.0)
        assert use_link(late, now=1000.0 + HOUR) is None
        timely = new_link(user, now=1000.0)
        assert use_link(timely, now=1000.0 + HOUR - 1) == user


def test_a_new_link_ends_the_one_before(shop):
    first = link_of(shop)
    shop.extensions["said"] = set_up(shop)
    assert shop.test_client().get(first).status_code == 410
    assert shop.test_client().get(link_of(shop)).status_code == 302


def test_a_preview_does_not_use_the_link_up(shop):
    assert shop.test_client().head(link_of(shop)).status_code == 200
    assert shop.test_client().get(link_of(shop)).status_code == 302


def test_the_link_is_not_kept_anywhere(shop, instance):
    token = link_of(shop).rpartition("/")[2].encode()
    assert all(token not in path.read_bytes() for path in instance.rglob("*") if path.is_file())


def test_nobody_has_a_password_at_first(shop):
    with shop.app_context():
        assert [user.password_hash for user in db.session.query(User)] == [None]
    client = shop.test_client()
    for password in ("", "admin", "None"):
        form = {"name": "admin", "password": password, "csrf_token": token_of(client, "/sign-in")}
        answer = client.post("/sign-in", data=form)
        assert answer.status_code == 422
        assert "do not fit together" in answer.text


def test_with_a_password_no_more_links_are_printed(shop):
    client = person(shop, "admin")
    short = client.post("/password", data={"password": "short", "csrf_token": token_of(client)})
    assert (short.status_code, "at least 10 characters" in short.text) == (422, True)
    client.post("/password", data={"password": "long enough for us", "csrf_token": token_of(client)})
    assert set_up(shop) == ["Sign in as admin: http://127.0.0.1:8000/sign-in"]
    other = shop.test_client()
    form = {"name": "admin", "password": "long enough for us", "csrf_token": token_of(other, "/sign-in")}
    assert other.post("/sign-in?next=/stask/", data=form).location == "/stask/"
    other.post("/sign-out", data={"csrf_token": token_of(other)})
    assert other.get("/").status_code == 302


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:x"])
def test_signing_in_leads_nowhere_else(shop, elsewhere):
    with shop.app_context():
        db.session.query(User).one().set_password("long enough for us")
        db.session.commit()
    client = shop.test_client()
    form = {"name": "admin", "password": "long enough for us", "csrf_token": token_of(client, "/sign-in")}
    assert client.post("/sign-in", query_string={"next": elsewhere}, data=form).location == "/"


def test_the_port_is_that_of_the_server(shop, monkeypatch):
    monkeypatch.setenv("PORT", "9000")
    assert set_up(shop)[-1].startswith("http://127.0.0.1:9000/sign-in/")


def test_the_secret_key_is_made_once_and_for_its_owner_only(shop, instance):
    from examples.shop.app import create_app

    path = instance / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(shop.config["SECRET_KEY"]) == 64
    assert create_app().config["SECRET_KEY"] == shop.config["SECRET_KEY"]
    assert [file.name for file in instance.glob("secret_key*")] == ["secret_key"]
