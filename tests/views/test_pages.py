"""What holds for every page: no inline script or style, our headers, both layouts, no trace in the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from stask_web import STask
from stask_web.status import Status

from .conftest import HeaderPolicy, Site

BASE = """<!doctype html><html><head><title>{% block title %}Host{% endblock %}</title></head>
<body><nav>The host's own navigation</nav>{% block content %}{% endblock %}</body></html>"""


class Inline(HTMLParser):
    """Collects what a strict Content-Security-Policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or "style" in names or any(name.startswith("on") for name in names):
            self.found.append(f"<{tag} {names}>")
        if any((value or "").strip().lower().startswith("javascript:") for value in names.values()):
            self.found.append(f"<{tag} {names}>")
        if tag == "script" and "src" not in names:
            self.found.append("<script>")
        if names.get("id"):
            self.ids.append(str(names["id"]))


def addresses(site: Site) -> list[str]:
    """Every page, with a task in each state."""
    now = datetime.now(UTC)
    files = [{"name": "refused.csv", "path": "/x", "size": 5, "kind": "refused"}]
    tasks = [
        site.task(),
        site.task(due_at=now + timedelta(hours=1)),
        site.running(progress=7, processed=7, total=100, eta=9.0),
        site.running(),
        site.running(cancel_at=now),
        site.ended(warnings=3, files=files, counts={"imported": 4}),
        site.ended(Status.FAILED, error="ValueError: x", message="It failed"),
        site.ended(Status.CANCELLED, cancelled_by="Max"),
        site.ended(dry_run=True, action="import"),
    ]
    for task_id in tasks:
        site.state.journals.of(task_id).log("info", "line")
    forms = [f"/stask/workers/product/run/{name}" for name in ("import", "labels", "sync_stock")]
    parts = [
        f"/stask/tasks/{task_id}?partial=1&part={part}"
        for task_id in tasks
        for part in ("row", "live", "tray", "progress")
    ]
    pages = ["/stask/", "/stask/tasks", "/stask/workers", "/stask/workers/product", "/stask/nothing", *forms]
    return [
        *pages,
        *(f"/stask/tasks/{task_id}" for task_id in tasks),
        *parts,
        "/stask/workers/product?partial=1&part=widget",
    ]


def test_no_page_has_inline_script_or_style_or_the_same_id_twice(site: Site, admin: FlaskClient) -> None:
    for address in addresses(site):
        parser = Inline()
        parser.feed(admin.get(address).get_data(as_text=True))
        assert parser.found == [], address
        assert len(parser.ids) == len(set(parser.ids)), address


def test_every_form_that_posts_carries_a_token(site: Site, admin: FlaskClient) -> None:
    for address in addresses(site):
        html = admin.get(address).get_data(as_text=True)
        for form in re.findall(r"<form\b(?![^>]*method=\"get\").*?</form>", html, re.DOTALL):
            assert 'method="post"' in form, address
            assert 'name="csrf_token"' in form, address


def test_every_button_says_what_it_does(site: Site, admin: FlaskClient) -> None:
    for address in addresses(site):
        html = admin.get(address).get_data(as_text=True)
        for button in re.findall(r"<button\b.*?</button>", html, re.DOTALL):
            words = re.sub(r"<[^>]+>", "", button).strip()
            assert words or "aria-label=" in button or "hidden" in button, (address, button)


def test_our_policy_is_strict_and_not_the_hosts(site: Site, admin: FlaskClient) -> None:
    @site.app.get("/own")
    def own() -> str:
        return "own"

    policy = admin.get("/stask/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "Content-Security-Policy" not in admin.get("/own").headers


def test_a_policy_that_is_there_already_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)

    @site.app.after_request
    def theirs(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src 'none'"
        return response

    with site.app.app_context():
        site.fill()
    assert site.client("admin").get("/stask/").headers.getlist("Content-Security-Policy") == ["default-src 'none'"]
    site.state.database.engine.dispose()


def test_the_root_element_tells_the_script_what_it_needs(site: Site, admin: FlaskClient) -> None:
    html = admin.get("/stask/").get_data(as_text=True)
    for attribute in (
        'data-live="/stask/live"',
        'data-transport="poll"',
        'data-log-url="/stask/tasks/0/log"',
        "data-csrf=",
    ):
        assert attribute in html


@pytest.mark.parametrize("theme", ["dark", "light", '"><script>'])
def test_the_chosen_theme_is_drawn_by_the_server(site: Site, admin: FlaskClient, theme: str) -> None:
    admin.set_cookie("stask_theme", theme)
    html = admin.get("/stask/").get_data(as_text=True)
    shown = theme if theme in ("dark", "light") else "system"
    assert f'data-theme="{shown}"' in html
    assert html.count("<script") == 1


def test_the_stylesheet_is_served_to_everybody(anonymous: FlaskClient) -> None:
    with anonymous.get("/stask/static/css/stask.css") as answer:
        assert answer.mimetype == "text/css"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Site]:
    """The panel inside a host's layout, at another prefix."""
    from jinja2 import DictLoader

    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'host.db'}",
        STASK_BASE_TEMPLATE="base.html",
        WTF_CSRF_ENABLED=False,
    )
    app.jinja_loader = DictLoader(
        {"base.html": BASE, "shop.html": "{{ stask_assets() }}{{ stask_widget('product') }}{{ stask_progress(1) }}"}
    )
    db = SQLAlchemy(app)
    STask(app, db=db, access=HeaderPolicy(), url_prefix="/admin/jobs")
    site = Site.__new__(Site)
    site.folder = tmp_path
    site.app, site.db, site.state = app, db, app.extensions["stask_state"]
    with app.app_context():
        site.fill()
        yield site
    site.state.database.engine.dispose()


def test_inside_a_hosts_layout_there_are_tabs_and_no_second_navigation(embedded: Site) -> None:
    html = embedded.client("admin").get("/admin/jobs/").get_data(as_text=True)
    assert "The host&#39;s own navigation" in html or "The host's own navigation" in html
    assert "<title>Dashboard</title>" in html
    assert 'class="tabs"' in html
    assert 'class="sidebar"' not in html
    assert html.count("<html") == 1
    assert 'data-live="/admin/jobs/live"' in html


def test_error_pages_inside_a_hosts_layout(embedded: Site) -> None:
    answer = embedded.client("admin").get("/admin/jobs/nothing")
    assert answer.status_code == 404
    assert "own navigation" in answer.get_data(as_text=True)


def test_widgets_on_the_hosts_own_page(embedded: Site) -> None:
    from flask import render_template

    @embedded.app.get("/shop")
    def shop() -> str:
        return render_template("shop.html")

    task_id = embedded.running(progress=12)
    assert task_id == 1
    html = embedded.client("operator").get("/shop").get_data(as_text=True)
    assert "Product management" in html
    assert "css/stask.css" in html
    assert html.count('data-task="1"') == 2
    for name in ("", "nobody"):
        page = embedded.client(name).get("/shop")
        assert page.status_code == 200
        assert "Product management" not in page.get_data(as_text=True)
        assert "data-task" not in page.get_data(as_text=True)


def test_the_host_is_as_it_was_without_us(tmp_path: Path) -> None:
    def make(*, with_us: bool) -> Flask:
        app = Flask("host", instance_path=str(tmp_path))
        app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
        db = SQLAlchemy(app)
        if with_us:
            STask(app, db=db, access=HeaderPolicy())
        return app

    with_us, without = make(with_us=True), make(with_us=False)
    for name in (
        "before_request_funcs",
        "after_request_funcs",
        "teardown_request_funcs",
        "template_context_processors",
    ):
        theirs, ours = getattr(without, name), getattr(with_us, name)
        assert {key: len(value) for key, value in theirs.items()} == {
            key: len(value) for key, value in ours.items() if key != "stask"
        }
    assert {key for key, value in with_us.error_handler_spec.items() if value} <= {"stask"} | set(
        without.error_handler_spec
    )
    extra = set(with_us.jinja_env.globals) - set(without.jinja_env.globals)
    assert extra == {"stask_widget", "stask_progress", "stask_assets"}
    assert set(with_us.jinja_env.filters) == set(without.jinja_env.filters)
    rules = {rule.endpoint for rule in with_us.url_map.iter_rules()} - {
        rule.endpoint for rule in without.url_map.iter_rules()
    }
    assert all(endpoint.startswith("stask.") for endpoint in rules)
    assert with_us.teardown_appcontext_funcs == without.teardown_appcontext_funcs or len(
        with_us.teardown_appcontext_funcs
    ) == len(without.teardown_appcontext_funcs)


def test_a_language_without_a_catalogue_is_answered_in_english(admin: FlaskClient) -> None:
    answer = admin.get("/stask/", headers={"Accept-Language": "uk"})
    html = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert '<html lang="en">' in html and "Skip to content" in html
