"""The list of tasks: pages by key, filters, and what one may not see is not there."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from stask_web.status import Status

from .conftest import JSON, Site


def ids(client: FlaskClient, address: str) -> list[int]:
    html = client.get(address).get_data(as_text=True)
    return [int(number) for number in re.findall(r'<tr class="row" data-task="(\d+)"', html)]


def link(client: FlaskClient, address: str, word: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="[a-z]+">{word}<', client.get(address).get_data(as_text=True))
    return found[1].replace("&amp;", "&") if found else None


def test_pages_follow_one_another_without_gap_or_double(site: Site, viewer: FlaskClient) -> None:
    made = [site.ended() for _ in range(60)]
    first = "/stask/tasks"
    second = link(viewer, first, "Older")
    assert second is not None
    third = link(viewer, second, "Older")
    assert third is not None
    assert ids(viewer, first) + ids(viewer, second) + ids(viewer, third) == made[::-1]
    assert link(viewer, third, "Older") is None
    assert link(viewer, first, "Newer") is None
    back = link(viewer, third, "Newer")
    assert back is not None
    assert ids(viewer, back) == ids(viewer, second)
    front = link(viewer, back, "Newer")
    assert front is not None
    assert ids(viewer, front) == ids(viewer, first)
    assert link(viewer, front, "Newer") is None


def test_only_the_first_page_takes_new_rows_in(site: Site, viewer: FlaskClient) -> None:
    for _ in range(30):
        site.ended()
    assert 'data-list="limit=25"' in viewer.get("/stask/tasks").get_data(as_text=True)
    older = link(viewer, "/stask/tasks", "Older")
    assert older is not None
    assert "data-list=" not in viewer.get(older).get_data(as_text=True)


def test_the_digest_is_the_one_that_live_gives(site: Site, viewer: FlaskClient) -> None:
    site.ended()
    found = re.search(r'data-digest="([0-9a-f]+)"', viewer.get("/stask/tasks").get_data(as_text=True))
    assert found is not None
    lists = viewer.get("/stask/live?list=limit%3D25").get_json()["lists"]
    assert lists == [{"filter": "limit=25", "digest": found[1]}]
    site.ended()
    assert viewer.get("/stask/live?list=limit%3D25").get_json()["lists"][0]["digest"] != found[1]


def test_filters_stay_over_the_pages(site: Site, viewer: FlaskClient) -> None:
    failed = [site.ended(Status.FAILED) for _ in range(30)]
    site.ended()
    site.ended(Status.FAILED, identifier="gone")
    older = link(viewer, "/stask/tasks?status=failed&worker=product", "Older")
    assert older is not None
    assert ids(viewer, older) == failed[:5][::-1]


@pytest.mark.parametrize("query", ["status=lost", "before=x", "before=-1", "after=" + "9" * 30, "before=1٣"])
def test_a_filter_that_is_none_is_refused(viewer: FlaskClient, query: str) -> None:
    assert viewer.get(f"/stask/tasks?{query}").status_code == 422


def test_nothing_yet_and_nothing_matches(site: Site, viewer: FlaskClient) -> None:
    assert "Nothing has run yet" in viewer.get("/stask/tasks").get_data(as_text=True)
    site.ended()
    html = viewer.get("/stask/tasks?status=failed").get_data(as_text=True)
    assert "Nothing matches" in html
    assert "Clear filters" in html


def test_own_only_lists_are_full(own_site: Site) -> None:
    mine = []
    for _ in range(30):
        own_site.ended(started_by=3)
        mine.append(own_site.ended(started_by=2))
    assert ids(own_site.client("operator"), "/stask/tasks") == mine[::-1][:25]


def test_the_list_as_json(site: Site, viewer: FlaskClient) -> None:
    for _ in range(26):
        site.ended()
    data = viewer.get("/stask/tasks", headers=JSON).get_json()
    assert len(data["tasks"]) == 25
    assert data["older"] == "/stask/tasks?before=2"
    assert "newer" not in data


def test_a_part_is_the_list_alone(site: Site, viewer: FlaskClient) -> None:
    html = viewer.get("/stask/tasks?partial=1").get_data(as_text=True).strip()
    assert html.startswith('<div class="card" id="tasks"')
    assert html.endswith("</div>")


def test_waking_the_workers_is_for_admins(site: Site, operator: FlaskClient, admin: FlaskClient) -> None:
    assert operator.post("/stask/tasks/process").status_code == 403
    task_id = site.task()
    assert admin.post("/stask/tasks/process", headers=JSON).status_code == 200
    assert admin.post("/stask/tasks/process").status_code == 303
    assert site.get(task_id).status == Status.PENDING
