"""Every route is on its page, with the right that it really asks for and the keys that it really answers with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

import stask_web
from stask_web import AccessPolicy, BaseWorker, STask, Upload, stask
from stask_web.access import PERMISSIONS
from stask_web.database import upgrade
from stask_web.models import Task
from stask_web.sockets import LiveNamespace
from stask_web.state import state_of
from stask_web.told import task_json

from .pages import read, rows, section

PAGE = "docs/routes.md"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
JSON = {"Accept": "application/json"}


class Row(NamedTuple):
    """One row of a table of routes."""

    methods: frozenset[str]
    path: str
    endpoint: str
    right: str
    keys: tuple[str, ...]


def documented(heading: str) -> list[Row]:
    """The rows below a heading."""
    found = []
    for method_and_path, endpoint, *more in rows(section(PAGE, heading)):
        method, _, path = method_and_path.partition(" ")
        methods = METHODS if method == "any" else {method}
        keys = re.findall(r"`([^`]+)`", more[-1]) if len(more) == 3 else []
        names = tuple(name for text in keys for name in text.split(", "))
        found.append(Row(frozenset(methods), path.strip("`"), endpoint.strip("`"), more[0], names))
    return found


ROUTES = {row.endpoint: row for row in documented("Pages")}


class Limited(AccessPolicy):
    """Lets somebody do what ``allowed`` names."""

    def __init__(self) -> None:
        self.allowed: set[str] = set(PERMISSIONS)

    def current_user(self) -> Any:
        return "ada"

    def user_id(self, user: Any) -> Any:
        return user

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        return permission in self.allowed


class ProductWorker(BaseWorker):
    """Of the table."""

    identifier = "product"
    title = "Products"

    def task_export(self, task: Any, options: dict[str, Any]) -> None:
        """Write two files."""
        self.log(task, "info", "A line")
        self.result_path(task, "more.csv").write_text("b\n")
        path = self.result_path(task, "products.csv")
        path.write_text("a\n")
        self.mark_finished(task, path)


@pytest.fixture
def policy() -> Limited:
    """Who may do what."""
    return Limited()


@pytest.fixture
def app(host: Flask, policy: Limited) -> Iterator[Flask]:
    """A site with one completed task, whose forms need no token."""
    host.config.update(STASK_AUTO_ACTIVATE=True, WTF_CSRF_ENABLED=False)
    STask().init_app(host, db=host.extensions["test_db"], access=policy)
    upgrade(state_of(host).database)
    state_of(host).registry.add(ProductWorker)
    with host.app_context():
        stask.discover_workers()
        stask.create("product", "export", user_id="ada")
        assert stask.process_pending_tasks() == 1
        stask.schedules.create("product", "export", {"type": "manual"})
    return host


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Ada's browser."""
    return app.test_client()


def rules(app: Flask, blueprint: str) -> list[Rule]:
    """The routes of a blueprint."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint.partition(".")[0] == blueprint]


def verbs(rule: Rule) -> frozenset[str]:
    """Its methods, without those that come by themselves."""
    return frozenset((rule.methods or set()) - {"HEAD", "OPTIONS"})


def test_every_route_is_documented_and_no_other(app: Flask) -> None:
    real = {(verbs(rule), rule.rule, rule.endpoint) for rule in rules(app, "stask")}
    told = {(row.methods, f"/stask{row.path}", f"stask.{row.endpoint}") for row in ROUTES.values()}
    assert told == real


def test_every_route_of_the_standalone_panel_is_documented(tmp_path: Path) -> None:
    panel = stask_web.create_app({"INSTANCE": str(tmp_path), "TESTING": True})
    real = {(verbs(rule), rule.rule, rule.endpoint) for rule in rules(panel, "account")}
    told = {(row.methods, row.path, row.endpoint) for row in documented("The standalone panel")}
    assert told == real
    state_of(panel).database.engine.dispose()
    with panel.app_context():
        state_of(panel).host_db.engine.dispose()


def ask(client: FlaskClient, row: Row) -> int:
    """The status that a route answers, asked for things that are there."""
    values: dict[str, Any] = {"identifier": "product", "action": "export", "task_id": 1, "schedule_id": 1}
    values |= {"number": 0, "token": "0" * 32}
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match[1]]), row.path)
    (method,) = row.methods
    answer = client.open(f"/stask{path}", method=method, headers=JSON)
    answer.close()
    return answer.status_code


ASKING = [row for row in ROUTES.values() if row.right != "none"]


@pytest.mark.parametrize("row", ASKING, ids=lambda row: row.endpoint)
def test_a_route_asks_for_the_right_on_its_page(client: FlaskClient, policy: Limited, row: Row) -> None:
    policy.allowed = set(PERMISSIONS) - {row.right}
    assert ask(client, row) == 403
    policy.allowed = {"view", row.right}
    assert ask(client, row) not in (401, 403, 500)


@pytest.mark.parametrize("name", ["health", "static", "nothing"])
def test_what_needs_no_right_is_said_to_need_none(name: str) -> None:
    assert ROUTES[name].right == "none"


ANSWERS = {
    "dashboard": "/",
    "workers": "/workers",
    "worker": "/workers/product",
    "run": "/workers/product/run/export",
    "tasks": "/tasks",
    "schedules": "/schedules",
    "worker_schedules": "/workers/product/schedules",
    "schedule_new": "/schedules/new",
    "schedule_preview": "/schedules/preview?_kind=daily&_timezone=UTC",
    "clean": "/tasks/clean",
    "statistics": "/statistics",
    "worker_statistics": "/workers/product/statistics",
    "system": "/system",
    "health": "/health",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_page_answers_with_the_keys_on_its_page(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/stask{ANSWERS[name]}", headers=JSON).get_json()
    sometimes = {"older", "newer"}
    assert set(answer) - sometimes == set(ROUTES[name].keys) - sometimes


@pytest.mark.parametrize("act", ["enable", "disable", "run", "delete"])
def test_what_is_done_to_a_schedule_answers_with_the_keys_on_its_page(client: FlaskClient, act: str) -> None:
    answer = client.post(f"/stask/schedules/1/{act}", headers=JSON).get_json()
    assert set(answer) == set(ROUTES[f"schedule_{act}"].keys)


def test_one_task_answers_with_all_keys(client: FlaskClient) -> None:
    answer = client.get("/stask/tasks/1", headers=JSON).get_json()
    assert set(answer) == task_keys() | (set(ROUTES["task"].keys) - {"undo"})
    assert len(answer["files"]) == 2


@pytest.mark.parametrize("name", ["cancel", "retry"])
def test_stopping_and_repeating_answer_with_the_same_keys(client: FlaskClient, app: Flask, name: str) -> None:
    with app.app_context():
        task = stask.create("product", "export")
        if name == "retry":
            stask.cancel(task)
    answer = client.post(f"/stask/tasks/{task.id}/{name}", headers=JSON).get_json()
    assert set(answer) == set(ROUTES[name].keys)


def test_a_launch_answers_with_where_the_task_is(client: FlaskClient) -> None:
    answer = client.post("/stask/workers/product/run/export", headers=JSON, json={"_priority": "high"})
    assert answer.status_code == 201
    assert set(answer.get_json()) == set(ROUTES["launch"].keys)


def test_a_token_makes_two_launches_one(client: FlaskClient) -> None:
    sent = {"_form_key": "once"}
    ids = {client.post("/stask/workers/product/run/export", headers=JSON, json=sent).get_json()["id"] for _ in "ab"}
    assert len(ids) == 1


def test_the_keys_of_a_launch_are_those_that_the_form_reads() -> None:
    from stask_web import controls, forms

    told = {row[0].strip("`") for row in rows(section(PAGE, "Starting a task"))} - {"an option's name"}
    own = {forms.PRIORITY, forms.START_AT, forms.ZONE, forms.CHECK, forms.ASK, forms.FORM_KEY}
    assert told == own | {f"NAME{controls.ZONE_OF}", f"NAME{forms.REMOVE}"}


def task_keys() -> set[str]:
    """The keys of a task on the page."""
    return {name for row in rows(section(PAGE, "A task")) for name in re.findall(r"`(\w+)`", row[0])}


def test_a_task_has_the_keys_on_its_page(app: Flask) -> None:
    with app.app_context():
        task = Task.get(1)
        assert task is not None
        assert set(task_json(task)) == task_keys()


def test_a_piece_of_a_log_is_as_on_its_page(client: FlaskClient) -> None:
    told = section(PAGE, "Positions")
    answer = client.get("/stask/tasks/1/log", query_string={"from": "-:0"}).get_json()
    assert all(f'"{key}"' in told for key in answer)
    (line,) = answer["lines"]
    assert set(line) <= set(re.findall(r"\w+", told))


def test_polling_answers_for_the_whole_page_at_once(client: FlaskClient) -> None:
    query = "/stask/live?tasks=1:-:0,99&list=worker=product%26limit=8&stats=1"
    first = client.get(query)
    answer = first.get_json()
    assert set(answer) == {row[0].strip("`") for row in rows(section(PAGE, "Polling"))}
    assert set(answer["tasks"][0]) == {"id", "task", "journal"}
    assert answer["tasks"][1] == {"id": 99, "gone": True}
    assert set(answer["lists"][0]) == {"filter", "digest"}
    assert client.get(query, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_a_file_comes_in_three_steps(client: FlaskClient, app: Flask) -> None:
    from typing import Annotated

    from pydantic import create_model

    options = create_model("Options", file=(Annotated[Path, Upload(".csv")], ...))

    def task_import(self: Any, task: Any, options: Any) -> None:
        """Nothing."""

    task_import.__annotations__["options"] = options
    worker = type("FileWorker", (BaseWorker,), {"identifier": "file", "title": "File", "task_import": task_import})
    state_of(app).registry.add(worker)
    with app.app_context():
        stask.activate_worker("file")
    data = b"sku,name\nA1,Lamp\n"
    asked = {"action": "import", "field": "file", "name": "prices.csv", "size": len(data)}
    begun = client.post("/stask/workers/file/uploads", json=asked, headers=JSON).get_json()
    assert set(begun) == set(ROUTES["uploads"].keys)
    put = client.put(f"{begun['url']}/0", data=data, headers=JSON).get_json()
    assert set(put) == set(ROUTES["upload_chunk"].keys)
    done = client.post(f"/stask/uploads/{begun['token']}/finish", headers=JSON).get_json()
    assert set(done) == set(ROUTES["upload_finish"].keys)
    started = client.post("/stask/workers/file/run/import", json={"file": begun["token"]}, headers=JSON)
    assert started.status_code == 201


def test_every_event_is_documented() -> None:
    handled = {name[3:] for name in vars(LiveNamespace) if name.startswith("on_")} - {"connect", "disconnect"}
    tables = section(PAGE, "Socket.IO")
    told = {row[0].strip("`") for row in rows(tables)}
    script = read("static/js/socket.js")
    heard = re.search(r"const NEWS = \[(.*?)\]", script)
    assert heard is not None
    assert told == handled | set(re.findall(r'"(\w+)"', heard[1]))


def test_the_times_between_polls_are_those_of_the_script() -> None:
    script = read("static/js/poll.js")
    times = [int(re.search(rf"const {name} = ([\d_]+)", script)[1]) for name in ("RUNNING", "RESTING", "HIDDEN")]  # type: ignore[index]
    assert times == [700, 3000, 15_000]
    assert "every 0.7 s" in read(PAGE) and "every 3 s" in read(PAGE) and "every 15 s" in read(PAGE)
