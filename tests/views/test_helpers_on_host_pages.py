"""``stask_widget`` and ``stask_progress`` on a page of the host's own: whatever is missing, the page is drawn."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import render_template_string

from stask_web.errors import STaskError
from stask_web.views.widgets import stask_widget

from .conftest import Site

PAGE = "<h1>The shop</h1>{{ stask_assets() }}<p>{{ stask_widget('product') }}{{ stask_progress(1) }}</p>"


def shop(site: Site, name: str = "") -> str:
    if "shop" not in site.app.view_functions:
        site.app.add_url_rule("/shop", "shop", lambda: render_template_string(PAGE))
    answer = site.client(name).get("/shop")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 200, html
    assert "<h1>The shop</h1>" in html
    return html


@pytest.mark.parametrize("name", ["", "admin", "nobody"])
def test_before_the_tables_exist_they_draw_nothing(tmp_path: Path, name: str) -> None:
    site = Site(tmp_path)
    assert "<p></p>" in shop(site, name)


def test_missing_tables_are_told_to_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(tmp_path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            shop(site, "admin")
    said = [record.message for record in caplog.records if "flask stask init-db" in record.message]
    assert len(said) == 1


def test_they_draw_as_soon_as_the_tables_are_there(tmp_path: Path) -> None:
    site = Site(tmp_path)
    shop(site, "admin")
    with site.app.app_context():
        site.fill()
        site.running(progress=12)
    html = shop(site, "admin")
    assert "Product management" in html
    assert html.count('data-task="1"') == 2


@pytest.mark.parametrize("name", ["", "nobody"])
def test_people_who_may_see_nothing_get_nothing(site: Site, name: str) -> None:
    site.running()
    assert "<p></p>" in shop(site, name)


def test_tables_that_vanish_do_not_break_the_hosts_page(site: Site) -> None:
    shop(site, "admin")
    with site.state.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE s_tasks"))
    assert "<p></p>" in shop(site, "admin")


def test_a_worker_that_nobody_registered_yet_draws_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """As right after ``init-db``: the page was written before anybody opened the list of workers."""
    with site.state.database.write() as connection:
        connection.execute(sa.text("DELETE FROM s_workers"))
    assert "<p></p>" in shop(site, "admin")


def test_a_name_that_no_worker_has_is_a_mistake_that_is_told(site: Site) -> None:
    asked = site.app.test_request_context(headers={"X-User": "admin"})
    with asked, pytest.raises(STaskError, match="no such worker"):
        stask_widget("prodcut")


def policy_fails(*_: Any) -> Any:
    raise RuntimeError("the host's own")


def test_a_policy_that_fails_is_told_to_the_log_and_breaks_no_page(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site.state.policy, "current_user", policy_fails)
    assert "<p></p>" in shop(site, "admin")
    assert "the host's own" in caplog.text
