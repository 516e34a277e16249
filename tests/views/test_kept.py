"""Pieces of pages that are kept: whoever asks sees what he would see if nothing were."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web.models import Task
from stask_web.status import Status
from stask_web.views import kept

from .conftest import PEOPLE, Site

ADDRESSES = ("/stask/tasks", "/stask/", "/stask/tasks?status=failed", "/stask/workers/product")


def page(client: FlaskClient, address: str, language: str = "en") -> str:
    answer = client.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200, (address, answer.status)
    html = answer.get_data(as_text=True)
    assert "\0" not in html
    # What differs from one answer to the next: tokens, keys of forms, and the seconds of a task that runs.
    html = re.sub(r'(name="(?:csrf_token|_form_key)" value|data-csrf)="[^"]*"', r"\1", html)
    return re.sub(r'(data-field="elapsed">)[^<]*', r"\1", html) if "stop-row-" in html else html


def filled(site: Site) -> None:
    now = datetime.now(UTC)
    for started_by in (2, 3, None):
        site.task(started_by=started_by)
        site.task(started_by=started_by, due_at=now + timedelta(hours=3), start_at=now + timedelta(hours=3))
        site.running(started_by=started_by, message="Row 3", started_at=now - timedelta(hours=7))
        site.ended(started_by=started_by, message="All of <it>")
        site.ended(started_by=started_by, warnings=3, counts={"imported": 7})
        site.ended(Status.FAILED, started_by=started_by, message="It broke")
        site.ended(Status.CANCELLED, started_by=started_by, cancelled_by="Max Berg")
    site.file(site.ended(started_by=2), "a.csv", b"x")


@pytest.mark.parametrize("narrow", [False, True])
def test_everybody_sees_what_he_would_see_if_nothing_were_kept(tmp_path: Path, narrow: bool) -> None:
    site = Site(tmp_path, OWN_ONLY=narrow)
    with site.app.app_context():
        site.fill()
        filled(site)
        asked = [
            (name, address, language)
            for address in ADDRESSES
            for name in PEOPLE
            if name != "nobody" and not (address.startswith("/stask/workers/") and name != "admin")
            for language in ("en", "uk")
        ]
        fresh = {}
        for name, address, language in asked:
            kept._kept.clear()
            fresh[name, address, language] = page(site.client(name), address, language)
        for name, address, language in [*asked, *reversed(asked)]:
            assert page(site.client(name), address, language) == fresh[name, address, language]
        site.state.database.engine.dispose()


CHANGES: dict[str, dict[str, Any]] = {
    "it waits again": {"status": Status.PENDING, "lane": 2, "finished_at": None},
    "its file is gone": {"files": []},
    "its time is another": {"finished_at": datetime.now(UTC), "duration": 99.0},
    "somebody else started it": {"started_by": 3},
    "it says something else": {"message": "Otherwise"},
    "rows were refused": {"warnings": 8},
    "it never ran": {"status": Status.CANCELLED, "started_at": None, "cancelled_by": "Oda Holm"},
    "its action is gone": {"action": "nothing"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_task_that_changed_is_drawn_anew(site: Site, admin: FlaskClient, change: dict[str, Any]) -> None:
    task_id = site.ended(message="")
    site.file(task_id, "a.csv", b"x")
    before = page(admin, "/stask/tasks")
    assert page(admin, "/stask/tasks") == before
    with site.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == task_id).values(change))
    after = page(admin, "/stask/tasks")
    assert after != before
    kept._kept.clear()
    assert after == page(admin, "/stask/tasks")


def test_why_a_task_waits_is_not_kept(site: Site, operator: FlaskClient) -> None:
    now = datetime.now(UTC)
    task_id = site.task(due_at=now + timedelta(hours=3), start_at=now + timedelta(hours=3))
    before = page(operator, "/stask/tasks")
    assert f'data-task="{task_id}"' in before
    with site.state.database.write() as connection:
        values = {"due_at": now + timedelta(hours=5), "start_at": now + timedelta(hours=5)}
        connection.execute(sa.update(Task).where(Task.id == task_id).values(values))
    assert page(operator, "/stask/tasks") != before


def test_each_gets_his_own_token(tmp_path: Path) -> None:
    site = Site(tmp_path, OWN_ONLY=False)
    site.app.config["WTF_CSRF_ENABLED"] = True
    with site.app.app_context():
        site.fill()
        site.ended(Status.FAILED)
        site.ended()
        for name in ("operator", "other", "admin", "operator"):
            html = site.client(name).get("/stask/tasks").get_data(as_text=True)
            rows = html.partition('<tbody class="table-body">')[2].partition("</tbody>")[0]
            own = re.search(r'data-csrf="([^"]+)"', html)
            assert own is not None
            assert set(re.findall(r'name="csrf_token" value="([^"]*)"', rows)) == {own[1]}
        site.state.database.engine.dispose()


def test_no_more_rows_are_kept_than_there_is_room_for(site: Site, viewer: FlaskClient, monkeypatch: Any) -> None:
    monkeypatch.setattr(kept, "MOST", 10)
    for _ in range(30):
        site.ended()
    first = page(viewer, "/stask/tasks")
    assert len(kept._kept[site.state.database]) <= 10
    assert page(viewer, "/stask/tasks") == first


def test_rows_are_kept_at_all(site: Site, viewer: FlaskClient, monkeypatch: Any) -> None:
    site.ended()
    page(viewer, "/stask/tasks")

    def never(*_: Any) -> Any:
        raise AssertionError("drawn again")

    monkeypatch.setattr(kept, "_draw", never)
    page(viewer, "/stask/tasks")


def test_a_name_that_no_page_can_hold_is_made_one(site: Site, admin: FlaskClient, monkeypatch: Any) -> None:
    site.ended()
    site.ended(started_by=3)
    monkeypatch.setattr(site.state.policy, "user_name", lambda user_id: f"\0end\0\ud800<b>{user_id}</b>")
    html = page(admin, "/stask/tasks")
    assert html.count('<tr class="row"') == 2
    assert "&lt;b&gt;2&lt;/b&gt;" in html
