"""Errors: a page or JSON that helps, below our prefix only, and never a path, SQL or traceback."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.exc import OperationalError

from stask_web import RolePolicy, STask
from stask_web.status import Status

from .conftest import JSON, HeaderPolicy, Site


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    """The site with our own CSRF check on."""
    site = Site(tmp_path)
    site.app.config["WTF_CSRF_ENABLED"] = True
    with site.app.app_context():
        site.fill()
    yield site
    site.state.database.engine.dispose()


def token_of(client: FlaskClient) -> str:
    found = re.search(
        r'name="csrf_token" value="([^"]+)"', client.get("/stask/workers/product/run/import").get_data(as_text=True)
    )
    assert found is not None
    return found[1]


# -- signing in


def test_an_anonymous_visitor_is_sent_to_sign_in_and_back(anonymous: FlaskClient) -> None:
    answer = anonymous.get("/stask/tasks?status=failed")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/sign-in?next=/stask/tasks?status=failed"


def test_an_anonymous_program_gets_401_and_the_address(anonymous: FlaskClient) -> None:
    answer = anonymous.get("/stask/tasks", headers=JSON)
    assert answer.status_code == 401
    assert answer.get_json()["login"] == "/sign-in?next=/stask/tasks"


@pytest.mark.parametrize(
    "path",
    [
        "workers/product/run/import",
        "tasks/1/cancel",
        "tasks/1/retry",
        "tasks/process",
        "workers/discover",
        "uploads/x/finish",
    ],
)
def test_an_anonymous_post_is_sent_to_sign_in_before_anything_else(
    site: Site, anonymous: FlaskClient, path: str
) -> None:
    site.app.config["WTF_CSRF_ENABLED"] = True
    answer = anonymous.post(f"/stask/{path}")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in?next=/stask/")


def test_every_route_asks_who_it_is(site: Site, anonymous: FlaskClient) -> None:
    values = {"identifier": "product", "action": "import", "task_id": 1, "number": 0, "token": "x", "anything": "x"}
    values |= {"schedule_id": 1}
    open_routes = {"stask.static", "stask.health", "stask.language"}
    checked = 0
    for rule in site.app.url_map.iter_rules():
        if not rule.endpoint.startswith("stask.") or rule.endpoint in open_routes:
            continue
        with site.app.test_request_context():
            from flask import url_for

            address = url_for(rule.endpoint, **{name: values.get(name, "x") for name in rule.arguments})
        for method in rule.methods - {"HEAD", "OPTIONS"}:  # type: ignore[operator]
            assert anonymous.open(address, method=method).status_code == 302, (method, address)
            assert site.client("nobody").open(address, method=method).status_code in (403, 404), (method, address)
            checked += 1
    assert checked > 20


def test_health_is_for_everybody_and_says_nothing(site: Site, anonymous: FlaskClient) -> None:
    assert anonymous.get("/stask/health").get_json() == {"status": "ok", "workers": 0}


# -- CSRF


def test_our_own_check_refuses_a_post_without_a_token(guarded: Site) -> None:
    client = guarded.client("operator")
    answer = client.post("/stask/workers/product/run/sync_stock")
    assert answer.status_code == 400
    assert "could not be sent" in answer.get_data(as_text=True)
    assert client.post("/stask/workers/product/run/sync_stock", headers=JSON).status_code == 400
    assert client.post("/stask/workers/product/run/sync_stock", data={"csrf_token": "wrong"}).status_code == 400


def test_our_own_check_takes_a_token_from_the_form_or_a_header(guarded: Site) -> None:
    client = guarded.client("operator")
    token = token_of(client)
    assert client.post("/stask/workers/product/run/sync_stock", data={"csrf_token": token}).status_code == 303
    assert (
        client.post("/stask/workers/product/run/sync_stock", headers={**JSON, "X-CSRFToken": token}).status_code == 201
    )


def test_csrf_is_asked_before_the_right(guarded: Site) -> None:
    assert guarded.client("viewer").post("/stask/tasks/1/cancel").status_code == 400


def test_with_the_hosts_csrf_protection_its_token_counts(tmp_path: Path) -> None:
    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'host.db'}")
    db = SQLAlchemy(app)
    CSRFProtect(app)

    @app.post("/own")
    def own() -> str:
        return "done"

    @app.errorhandler(400)
    def bad(error: Exception) -> tuple[str, int]:
        return "the host's own page", 400

    STask(app, db=db, access=HeaderPolicy())
    site = Site.__new__(Site)
    site.folder = tmp_path
    site.app, site.db, site.state = app, db, app.extensions["stask_state"]
    with app.app_context():
        site.fill()
    client = site.client("operator")
    refused = client.post("/stask/workers/product/run/sync_stock")
    assert refused.status_code == 400
    assert "could not be sent" in refused.get_data(as_text=True)
    token = token_of(client)
    assert client.post("/stask/workers/product/run/sync_stock", data={"csrf_token": token}).status_code == 303
    assert client.post("/own").get_data(as_text=True) == "the host's own page"
    assert client.post("/own", data={"csrf_token": token}).get_data(as_text=True) == "done"
    assert site.client().post("/stask/workers/product/run/sync_stock").status_code == 302
    site.state.database.engine.dispose()


# -- pages


def test_an_unknown_address_below_our_prefix_is_our_page(site: Site, viewer: FlaskClient) -> None:
    answer = viewer.get("/stask/no/such/page")
    assert answer.status_code == 404
    assert "Nothing here" in answer.get_data(as_text=True)
    assert viewer.get("/stask/no/such/page", headers=JSON).get_json()["error"]


def test_the_hosts_own_errors_stay_the_hosts(site: Site, viewer: FlaskClient) -> None:
    answer = viewer.get("/no/such/page")
    assert answer.status_code == 404
    assert "stask" not in answer.get_data(as_text=True).lower()


def test_a_button_is_no_page(viewer: FlaskClient) -> None:
    answer = viewer.get("/stask/tasks/1/cancel")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert viewer.delete("/stask/tasks/1").status_code == 405


@pytest.mark.parametrize("as_json", [True, False])
def test_an_unexpected_error_shows_an_id_that_the_log_has_too(
    site: Site, admin: FlaskClient, monkeypatch: Any, caplog: pytest.LogCaptureFixture, as_json: bool
) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("SELECT secret FROM /etc/passwd")

    monkeypatch.setattr("stask_web.views.dashboard.news.counts", fail)
    with caplog.at_level(logging.ERROR):
        answer = admin.get("/stask/", headers=JSON if as_json else {})
    text = answer.get_data(as_text=True)
    found = re.search(r"number ([0-9a-f]{8})", text)
    assert answer.status_code == 500
    assert found is not None
    assert found[1] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in text
    assert "Traceback" not in text


def test_an_error_page_does_not_need_what_is_broken(site: Site, admin: FlaskClient, monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("stask_web.views.dashboard.news.counts", fail)
    monkeypatch.setattr("stask_web.views.page.our_template", fail)
    answer = admin.get("/stask/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.get_data(as_text=True)


def test_a_locked_database_is_503_with_a_pause(site: Site, admin: FlaskClient, monkeypatch: Any) -> None:
    def locked(*_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("database is locked"))

    monkeypatch.setattr("stask_web.views.dashboard.news.counts", locked)
    answer = admin.get("/stask/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "SELECT" not in answer.get_data(as_text=True)


def test_missing_tables_say_what_to_run_and_leave_the_host_alone(tmp_path: Path) -> None:
    site = Site(tmp_path)

    @site.app.get("/own")
    def own() -> str:
        return "the host's own page"

    client = site.client("admin")
    answer = client.get("/stask/")
    assert answer.status_code == 503
    assert "flask stask init-db" in answer.get_data(as_text=True)
    assert "flask stask init-db" in client.get("/stask/tasks", headers=JSON).get_json()["error"]
    assert client.get("/stask/health").status_code == 503
    assert client.get("/own").get_data(as_text=True) == "the host's own page"
    with site.app.app_context():
        site.fill()
    assert client.get("/stask/").status_code == 200
    site.state.database.engine.dispose()


def test_every_error_page_has_its_words(site: Site, viewer: FlaskClient) -> None:
    pages = {
        403: viewer.post("/stask/tasks/1/cancel"),
        404: viewer.get("/stask/tasks/1"),
        405: viewer.delete("/stask/tasks/1"),
        409: site.client("operator").post(f"/stask/tasks/{site.ended()}/retry"),
        422: viewer.get("/stask/tasks?status=lost"),
    }
    for status, answer in pages.items():
        assert answer.status_code == status
        html = answer.get_data(as_text=True)
        assert '<h1 class="message-page-title">' in html
        assert 'href="/stask/"' in html
    assert viewer.get("/stask/tasks/1", headers={"Accept": "*/*"}).mimetype == "text/html"
    assert site.get(1).status == Status.COMPLETED


@pytest.mark.parametrize(
    "path", ["/tasks?q=%00a", "/tasks?worker=%00", "/statistics?worker=%00", "/live?list=worker%3D%00", "/"]
)
def test_a_nul_in_an_address_is_left_out(site: Site, path: str) -> None:
    assert site.client("admin").get(f"/stask{path}", follow_redirects=True).status_code == 200


@pytest.mark.parametrize("path", ["/workers/%00", "/uploads/%00/finish"])
def test_nothing_has_an_address_with_a_nul(site: Site, path: str) -> None:
    assert site.client("admin").get(f"/stask{path}").status_code == 404


def test_an_id_that_no_column_holds_is_nobodys(site: Site) -> None:
    for path in ("schedules", "tasks"):
        assert site.client("admin").get(f"/stask/{path}/{10**23}").status_code == 404


def test_a_prefix_may_be_written_without_slashes(tmp_path: Path) -> None:
    for prefix, path in (("jobs", "/jobs/health"), ("/a/b/", "/a/b/health"), ("/", "/health")):
        app = Flask("host", instance_path=str(tmp_path))
        app.config.update(SECRET_KEY="x", STASK_DATABASE_URI=f"sqlite:///{tmp_path / 'a.db'}")
        STask(app, access=RolePolicy(), url_prefix=prefix)
        assert app.test_client().get(path).status_code in (200, 503)


def test_a_write_of_the_hosts_that_is_still_open_is_told_to_developers_and_not_to_people(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    db = site.app.extensions["sqlalchemy"]
    with site.app.app_context():
        db.session.execute(sa.text("CREATE TABLE visits (id INTEGER)"))
        db.session.commit()

    @site.app.before_request
    def note_the_visit() -> None:
        db.session.execute(sa.text("INSERT INTO visits VALUES (1)"))

    answer = site.client("admin").post("/stask/workers/product/deactivate")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "2"
    assert "session" not in answer.text.split("<main")[-1] and "The database is busy" in answer.text
    assert "pass session=db.session" in caplog.text
