"""A policy that shows some tasks only: no list, link, part or poll shows another, however the policy says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web.models import Task
from stask_web.status import Status

from .conftest import JSON, HeaderPolicy, Site

OWNERS = sa.Table(
    "owners",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("task_id", sa.Integer),
    sa.Column("person", sa.Integer),
    sa.Column("status", sa.Integer),
)
_THEIRS = OWNERS.c.task_id == Task.id
_OTHER: Any = sa.orm.aliased(Task)
Select = Any

WAYS: dict[str, Callable[[Select], Select]] = {
    "a condition": lambda select: select.where(Task.started_by == 2),
    "two in one": lambda select: select.where(sa.and_(Task.started_by == 2, Task.identifier == "product")),
    "an or": lambda select: select.where(sa.or_(Task.started_by == 2, Task.identifier == "nothing")),
    "ids": lambda select: select.where(Task.id.in_([1, 3, 5])),
    "nothing": lambda select: select.where(sa.false()),
    "a range": lambda select: select.where(Task.id > 5, sa.literal(30) > Task.id),
    "the host's table": lambda select: select.where(Task.id.in_(sa.select(OWNERS.c.task_id))),
    "exists": lambda select: select.where(sa.exists().where(_THEIRS)),
    "text": lambda select: select.where(sa.text("s_tasks.started_by = 2")),
    "a join": lambda select: select.join(OWNERS, _THEIRS).where(OWNERS.c.person == 2),
    "a join on words of ours": lambda select: select.join(OWNERS, _THEIRS).where(OWNERS.c.status == 1),
    "an outer join": lambda select: select.outerjoin(OWNERS, _THEIRS).where(OWNERS.c.id.is_not(None)),
    "a join without a word": lambda select: select.where(_THEIRS),
    "another look at ours": lambda select: select.join(_OTHER, _OTHER.id == Task.id).where(_OTHER.started_by == 2),
    "distinct": lambda select: select.join(OWNERS, _THEIRS).distinct(),
    "a group": lambda select: select.join(OWNERS, _THEIRS).group_by(Task.id).having(sa.func.count() > 1),
    "an order": lambda select: select.where(Task.started_by == 2).order_by(Task.priority, Task.id),
    "a limit": lambda select: select.order_by(Task.id.desc()).limit(7),
}
#: Only the select is narrowed: `may` says yes to all.
LISTS = (
    "/stask/",
    "/stask/tasks",
    "/stask/tasks?status=failed",
    "/stask/tasks?worker=product",
    "/stask/tasks?q=MSG",
    "/stask/tasks?q=6",
    "/stask/tasks?before=20",
    "/stask/tasks?after=3",
    "/stask/tasks/export",
    "/stask/workers",
    "/stask/workers/product",
    "/stask/statistics",
    "/stask/system",
)
PARTS = ("", "?partial=1&part=row", "?partial=1&part=live", "/progress", "/log", "/log/download")


class Narrow(HeaderPolicy):
    """Says by the select which tasks there are."""

    def __init__(self, way: Callable[[Select], Select]) -> None:
        super().__init__()
        self._way = way

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        return True

    def visible(self, select: Select, user: Any) -> Select:
        return self._way(select)


@pytest.fixture(params=WAYS)
def narrow(request: pytest.FixtureRequest, site: Site) -> tuple[Site, FlaskClient, set[int]]:
    """A site of forty tasks, who looks at it, and the tasks that there are for him."""
    way = WAYS[request.param]
    kinds = (site.ended, site.task, lambda **values: site.ended(Status.FAILED, **values), site.running)
    ids = [
        kinds[number % 4](started_by=2 + number % 2, message=f"MSG{number + 1}.", error=f"MSG{number + 1}.")
        for number in range(40)
    ]
    with site.state.database.engine.begin() as connection:
        OWNERS.create(connection)
        rows = [{"task_id": task_id, "person": 2, "status": 1} for task_id in ids if task_id % 2]
        connection.execute(sa.insert(OWNERS), rows * 2)
    site.state.policy = Narrow(way)
    with site.state.database.session() as session:
        mine = {task.id for task in session.scalars(way(sa.select(Task)))}
    assert len(mine) < 40
    return site, site.client("operator"), mine


def shown(html: str) -> set[int]:
    return {int(number) for number in re.findall(r"MSG(\d+)\.", html)}


def test_no_list_shows_another_task_nor_one_twice(narrow: tuple[Site, FlaskClient, set[int]]) -> None:
    _, client, mine = narrow
    for address in LISTS:
        answer = client.get(address, follow_redirects=True)
        html = answer.get_data(as_text=True)
        assert answer.status_code == 200, address
        assert shown(html) <= mine, address
        rows = re.findall(r'<tr[^>]*data-task="(\d+)"', html)
        assert len(rows) == len(set(rows)), address


def test_the_pager_leads_through_all_of_them_once(narrow: tuple[Site, FlaskClient, set[int]]) -> None:
    _, client, mine = narrow
    found: list[int] = []
    address = "/stask/tasks"
    while address:
        page = client.get(address, headers=JSON).json
        found += [task["id"] for task in page["tasks"]]
        address = page.get("older")
    assert found == sorted(mine, reverse=True)


def test_a_link_to_another_task_leads_nowhere(narrow: tuple[Site, FlaskClient, set[int]]) -> None:
    _, client, mine = narrow
    others = sorted(set(range(1, 41)) - mine)[:4]
    for task_id in others:
        for part in PARTS:
            assert client.get(f"/stask/tasks/{task_id}{part}").status_code == 404, part
        assert client.get(f"/stask/tasks?partial=1&part=row&id={task_id}").status_code == 404
        for act in ("cancel", "retry", "start"):
            assert client.post(f"/stask/tasks/{task_id}/{act}").status_code == 404
    for task_id in sorted(mine)[:2]:
        assert client.get(f"/stask/tasks/{task_id}").status_code == 200


def test_a_poll_tells_nothing_of_another_task(narrow: tuple[Site, FlaskClient, set[int]]) -> None:
    _, client, mine = narrow
    wanted = ",".join(str(number) for number in range(1, 41))
    for each in client.get(f"/stask/live?tasks={wanted}&list=limit%3D8&stats=1", headers=JSON).json["tasks"]:
        assert each.get("gone", False) is (each["id"] not in mine)


def test_nor_does_a_socket(narrow: tuple[Site, FlaskClient, set[int]]) -> None:
    from stask_web.sockets import LiveNamespace

    site, _, mine = narrow
    with site.app.test_request_context(headers={"X-User": "operator"}):
        found = LiveNamespace(site.app, site.state)
        seen = {number for number in range(1, 41) if found._find(site.state.policy.current_user(), number) is not None}
    assert seen == mine


def test_a_policy_that_narrows_costs_no_more_statements(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended()
    counted: list[str] = []
    sa.event.listen(site.state.database.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    operator.get(f"/stask/tasks/{task_id}")
    counted.clear()
    operator.get(f"/stask/tasks/{task_id}")
    whole = len(counted)
    site.state.policy = Narrow(WAYS["a condition"])
    counted.clear()
    assert operator.get(f"/stask/tasks/{task_id}").status_code == 200
    assert len(counted) == whole
