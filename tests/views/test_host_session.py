"""The session is the host's: what an open page asks by itself neither brings an old one back nor loses it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, redirect, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionInterface
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_user, logout_user

from stask_web.access import RolePolicy

from .conftest import JSON, Site

#: What a page asks while nobody does anything.
BY_ITSELF = (
    ("/stask/live?stats=1", JSON),
    ("/stask/tasks/1/progress", JSON),
    ("/stask/tasks/1/log", JSON),
    ("/stask/tasks/1?partial=1&part=row", {}),
    ("/stask/workers/product?partial=1&part=widget", {}),
    ("/stask/static/css/stask.css", {}),
    ("/stask/health", {}),
)


class Stored(SessionInterface):
    """A session in a store, as Flask-Session keeps it: what is saved last counts."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.saved = 0

    def open_session(self, app: Flask, request: Any) -> SecureCookieSession:
        return SecureCookieSession(self.kept.get(request.cookies.get("sid", ""), {}))

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        if not self.should_set_cookie(app, session):
            return
        self.saved += 1
        sid = request.cookies.get("sid") or secrets.token_hex(8)
        self.kept[sid] = dict(session)
        response.set_cookie("sid", sid)


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id, self.role = name, "admin"


@pytest.fixture
def host(site: Site) -> Site:
    """A host with Flask-Login, permanent sessions and a basket."""
    app = site.app
    login = LoginManager(app)
    login.user_loader(User)
    site.state.policy = RolePolicy()
    app.config["WTF_CSRF_ENABLED"] = True
    site.running(progress=5)

    @app.get("/sign-in/<name>")
    def sign_in(name: str) -> str:
        session.permanent = True
        login_user(User(name))
        return name

    @app.get("/sign-out")
    def sign_out() -> str:
        logout_user()
        return "bye"

    @app.get("/basket/<thing>")
    def basket(thing: str) -> Any:
        session["basket"] = [*session.get("basket", []), thing]
        return redirect("/basket")

    @app.get("/basket")
    def see() -> list[str]:
        return list(session.get("basket", []))

    return site


def person(host: Site, name: str = "olena") -> FlaskClient:
    client = host.app.test_client()
    client.get(f"/sign-in/{name}")
    assert client.get("/stask/").status_code == 200
    return client


def cookies(answer: Any) -> list[str]:
    return list(answer.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize(("address", "headers"), BY_ITSELF, ids=[address for address, _ in BY_ITSELF])
def test_what_a_page_asks_by_itself_writes_no_session(host: Site, address: str, headers: dict[str, str]) -> None:
    answer = person(host).get(address, headers=headers)
    assert answer.status_code == 200
    assert cookies(answer) == []


@pytest.mark.parametrize(("address", "headers"), BY_ITSELF, ids=[address for address, _ in BY_ITSELF])
def test_nor_does_it_in_a_store(host: Site, address: str, headers: dict[str, str]) -> None:
    host.app.session_interface = stored = Stored()
    client = person(host)
    before = stored.saved
    assert client.get(address, headers=headers).status_code == 200
    assert stored.saved == before


def hooks(host: Site) -> list[Any]:
    """What the host does with each answer, after all that blueprints do."""
    return host.app.after_request_funcs.setdefault(None, [])


def late(client: FlaskClient, ask: Callable[[], Any], meanwhile: Callable[[], Any], host: Site) -> None:
    """An answer that comes after the one of something that was asked later."""
    done = []

    def wait(response: Any) -> Any:
        if request.path.startswith("/stask/live") and not done:
            done.append(True)
            meanwhile()
        return response

    hooks(host)[:] = [wait]
    ask()
    hooks(host).clear()
    assert done


@pytest.mark.parametrize("in_a_store", [False, True])
def test_a_late_answer_brings_no_old_session_back(host: Site, in_a_store: bool) -> None:
    if in_a_store:
        host.app.session_interface = Stored()
    client = person(host)
    other = host.app.test_client()  # another tab of the same browser
    other._cookies = client._cookies  # type: ignore[attr-defined]
    late(client, lambda: client.get("/stask/live?stats=1", headers=JSON), lambda: other.get("/basket/book"), host)
    assert client.get("/basket").json == ["book"]
    late(client, lambda: client.get("/stask/live?stats=1", headers=JSON), lambda: other.get("/sign-out"), host)
    assert client.get("/stask/live", headers=JSON).status_code == 401


def test_a_page_that_is_opened_prolongs_a_session_as_ever(host: Site) -> None:
    assert any("Expires" in cookie for cookie in cookies(person(host).get("/stask/tasks")))


def test_what_the_host_changes_is_written_with_any_answer(host: Site) -> None:
    client = person(host)

    def count() -> None:
        session["seen"] = session.get("seen", 0) + 1

    def last(response: Any) -> Any:
        session.setdefault("paths", []).append(request.path)
        session.modified = True
        return response

    host.app.before_request_funcs.setdefault(None, []).append(count)
    hooks(host).append(last)
    for _ in range(3):
        answer = client.get("/stask/live?stats=1", headers=JSON)
    assert "Expires" in cookies(answer)[0]
    with client.session_transaction() as found:
        assert found["seen"] == 3
        assert len(found["paths"]) == 3


def test_what_the_hosts_policy_or_its_last_hook_changes_is_written(host: Site) -> None:
    """A policy that fetches a new key for its user in the middle of our check, and a hook that appends to a list."""
    client = person(host)
    seen = []

    class Fetches(RolePolicy):
        def current_user(self) -> Any:
            if seen:
                session["key"] = "new"
            return super().current_user()

    host.state.policy = Fetches()

    def last(response: Any) -> Any:
        if request.path.startswith("/basket"):
            return response
        session.setdefault("basket", []).append("x")
        return response

    hooks(host).append(last)
    seen.append(True)
    client.get("/stask/live?stats=1", headers=JSON)
    with client.session_transaction() as found:
        assert found["key"] == "new"
        assert found["basket"] == ["x"]
        assert found.permanent


def test_a_session_that_cannot_be_looked_at_is_written_as_ever(host: Site) -> None:
    class Closed(SecureCookieSession):
        __slots__ = ("more",)

        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("not to be copied")

    class Interface(SecureCookieSessionInterface):
        session_class = Closed

    host.app.session_interface = Interface()
    client = person(host)
    assert client.get("/stask/live?stats=1", headers=JSON).status_code == 200
    assert client.get("/basket/book").status_code == 302
    assert client.get("/basket").json == ["book"]


def test_a_host_without_sessions_and_without_csrf_has_all_pages(site: Site) -> None:
    class NoSession(SessionInterface):
        def open_session(self, app: Flask, request: Any) -> None:
            return None

    site.app.session_interface = NoSession()
    site.running()
    client = site.client("admin")
    for address in ("/stask/", "/stask/tasks", "/stask/tasks/1", "/stask/workers/product/run/labels"):
        assert client.get(address).status_code == 200, address
    assert client.get("/stask/live?stats=1", headers=JSON).status_code == 200
