"""Who may do what: roles, callables, import strings; and that the answer to anything unknown is no."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web import AccessPolicy, BaseWorker, RolePolicy
from stask_web.access import PERMISSIONS, CallablePolicy, known_name, load_policy
from stask_web.actions import action_specs
from stask_web.errors import ConfigError
from stask_web.models import Task

VIEWER = {"view", "view_log", "download"}
OPERATOR = VIEWER | {"launch", "cancel", "retry", "view_options"}


def user(role: Any, number: int = 1) -> Any:
    return SimpleNamespace(id=number, role=role)


def allowed(policy: AccessPolicy, someone: Any, target: Any = None) -> set[str]:
    return {permission for permission in PERMISSIONS if policy.may(someone, permission, target)}


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("viewer", VIEWER),
        ("operator", OPERATOR),
        ("admin", set(PERMISSIONS)),
        ("boss", set()),
        (None, set()),
        (7, set()),
    ],
)
def test_each_role_may_what_it_says(role: Any, permissions: set[str]) -> None:
    assert allowed(RolePolicy("role"), user(role)) == permissions


def test_a_role_may_come_from_a_callable_an_enum_or_under_another_name() -> None:
    from enum import Enum

    class Level(Enum):
        TOP = "admin"

    assert RolePolicy(lambda someone: "operator").role_of(user(None)) == "operator"
    assert RolePolicy().role_of(user(Level.TOP)) == "admin"
    assert RolePolicy("rank", names={"root": "admin"}).role_of(SimpleNamespace(rank="root")) == "admin"
    assert RolePolicy(default="viewer").role_of(user("stranger")) == "viewer"


def test_a_role_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="boss"):
        RolePolicy(names={"x": "boss"})
    with pytest.raises(ConfigError, match="owner"):
        RolePolicy(default="owner")


def test_an_action_of_admins_is_not_for_operators() -> None:
    action = SimpleNamespace(role="admin")
    assert allowed(RolePolicy(), user("operator"), action) == VIEWER
    assert allowed(RolePolicy(), user("admin"), action) == set(PERMISSIONS)
    assert allowed(RolePolicy(), user("operator"), SimpleNamespace(role="operator")) == OPERATOR


def test_a_role_nobody_knows_on_an_action_leaves_it_to_admins() -> None:
    assert not RolePolicy().may(user("operator"), "launch", SimpleNamespace(role="emperor"))


def test_own_only_narrows_lists_and_single_tasks() -> None:
    policy = RolePolicy(own_only=True)
    select = policy.visible(sa.select(Task), user("operator", 7))
    assert "started_by" in str(select.whereclause)
    assert policy.visible(sa.select(Task), user("admin")).whereclause is None


def test_a_callable_that_raises_means_no_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> bool:
        raise RuntimeError("no connection")

    with caplog.at_level(logging.ERROR):
        assert CallablePolicy(broken).may(user("admin"), "view") is False
    assert "no connection" in caplog.text
    assert "Traceback" in caplog.text


def test_a_callable_is_never_asked_about_anonymous_users() -> None:
    asked: list[Any] = []
    assert CallablePolicy(lambda *given: asked.append(given) or True).may(None, "view") is False
    assert asked == []


def test_a_policy_that_says_nothing_says_no() -> None:
    assert allowed(AccessPolicy(), user("admin")) == set()


def test_policies_are_found_by_what_was_given() -> None:
    policy = RolePolicy()
    assert load_policy(policy) is policy
    assert isinstance(load_policy(RolePolicy), RolePolicy)
    assert isinstance(load_policy(lambda *_: True), CallablePolicy)
    assert isinstance(load_policy("stask_web:RolePolicy"), RolePolicy)
    assert isinstance(load_policy("stask_web.access.RolePolicy"), RolePolicy)


@pytest.mark.parametrize("given", [None, 7, "nowhere:policy", "stask_web:Nothing", "", "stask_web"])
def test_anything_else_stops_the_start_in_words(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"access|STASK_ACCESS"):
        load_policy(given)


def test_ids_keep_their_type() -> None:
    policy = AccessPolicy()
    assert policy.user_id(SimpleNamespace(id=7)) == 7
    assert policy.user_id(SimpleNamespace(id="7")) == "7"
    assert policy.user_id(SimpleNamespace(get_id=lambda: "x")) == "x"


def test_names_come_from_flask_login_where_the_host_has_it() -> None:
    from flask_login import LoginManager

    app = Flask("host")
    people = {"7": SimpleNamespace(id=7, name="Ada", email="ada@example.com")}
    with app.app_context():
        assert AccessPolicy().user_name(7) is None
    manager = LoginManager(app)
    manager.user_loader(people.get)
    with app.app_context():
        assert AccessPolicy().user_name(7) == "Ada"
        assert AccessPolicy().user_email(7) == "ada@example.com"
        assert AccessPolicy().user_name(8) is None
        assert AccessPolicy().user_name(None) is None


def test_the_way_to_sign_in() -> None:
    app = Flask("host")
    with app.test_request_context():
        assert AccessPolicy().login_url("/stask/") is None
        app.config["STASK_LOGIN_URL"] = "/enter?x=1"
        assert AccessPolicy().login_url("/stask/?a=b") == "/enter?x=1&next=%2Fstask%2F%3Fa%3Db"


def test_a_policy_that_cannot_name_people_leaves_them_unnamed(caplog: pytest.LogCaptureFixture) -> None:
    class Strict(RolePolicy):
        def user_name(self, user_id: Any) -> str | None:
            return str(int(user_id))

    assert known_name(Strict(), "cron") == ""
    assert "could not name" in caplog.text
    assert known_name(Strict(), "7") == "7"


def test_own_only_knows_ones_own_by_any_kind_of_id() -> None:
    policy, number = RolePolicy(own_only=True), UUID(int=7)
    someone = SimpleNamespace(id=number, role="operator")
    assert policy.may(someone, "view", Task(started_by=str(number)))
    assert not policy.may(someone, "view", Task(started_by=str(UUID(int=8))))


def test_a_policy_that_is_asked_about_an_action_knows_whose_it_is() -> None:
    class Shop(BaseWorker):
        identifier = "shop"

        def task_sell(self, task: Any, options: Any) -> None: ...

    assert action_specs(Shop)["sell"].identifier == "shop"
