"""Workers: who may turn them on and off, what is found, and what is said of a class that is gone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import BaseWorker, action, tally
from stask_web.discovery import Broken
from stask_web.models import Stat
from stask_web.status import Status

from .conftest import JSON, ProductWorker, Site


class Another(BaseWorker):
    identifier, title = "another", "Another worker"

    def task_go(self, task: Any, options: Any) -> None: ...


def test_an_admin_turns_a_worker_off_and_on(site: Site, admin: FlaskClient) -> None:
    assert admin.post("/stask/workers/product/deactivate").headers["Location"] == "/stask/workers"
    assert site.state.roster.get("product").active is False
    data = admin.post("/stask/workers/product/activate", headers=JSON).get_json()
    assert data["active"] is True
    assert admin.post(data["undo"]["url"], headers=JSON).get_json()["active"] is False


@pytest.mark.parametrize("path", ["product/activate", "product/deactivate", "discover", "nothing/activate"])
def test_nobody_else_may(site: Site, path: str) -> None:
    for name in ("viewer", "operator", "nobody"):
        assert site.client(name).post(f"/stask/workers/{path}").status_code == 403
    assert site.state.roster.get("product").active is True


def test_an_unknown_worker_is_not_found(admin: FlaskClient, viewer: FlaskClient) -> None:
    assert admin.post("/stask/workers/nothing/activate").status_code == 404
    assert viewer.get("/stask/workers/nothing").status_code == 404


def test_discovery_says_what_it_found(site: Site, admin: FlaskClient) -> None:
    assert admin.post("/stask/workers/discover", headers=JSON).get_json()["message"] == "No new workers."
    site.state.registry.add(Another)
    assert "Add 1 new" in admin.get("/stask/workers").get_data(as_text=True)
    data = admin.post("/stask/workers/discover", headers=JSON).get_json()
    assert "Another worker" in data["message"]
    assert site.state.roster.get("another").active is False
    assert admin.post("/stask/workers/discover").status_code == 303


def test_the_list_shows_state_and_last_run(site: Site, admin: FlaskClient) -> None:
    site.ended()
    html = admin.get("/stask/workers").get_data(as_text=True)
    assert "Product management" in html
    assert "/stask/workers/product/deactivate" in html
    assert "Sync stock" in html


def test_a_broken_module_is_told_to_admins_only(site: Site, admin: FlaskClient, viewer: FlaskClient) -> None:
    site.state.registry.broken.append(Broken("shop.broken", "SyntaxError: no (line 7 of broken.py)"))
    assert "SyntaxError" in admin.get("/stask/workers").get_data(as_text=True)
    assert "SyntaxError" not in viewer.get("/stask/workers").get_data(as_text=True)


def test_a_worker_whose_class_is_gone_keeps_its_page(site: Site, admin: FlaskClient) -> None:
    site.add(Another)
    site.state.registry._added.pop("another")
    assert "Its class is gone" in admin.get("/stask/workers").get_data(as_text=True)
    html = admin.get("/stask/workers/another").get_data(as_text=True)
    assert "The class of this worker is gone" in html
    assert "/run/" not in html


def test_a_workers_page_has_its_widget_and_its_history_only(site: Site, operator: FlaskClient) -> None:
    mine, other = site.ended(), site.ended(identifier="gone")
    html = operator.get("/stask/workers/product").get_data(as_text=True)
    assert "/stask/workers/product/run/import" in html
    assert f'data-task="{mine}"' in html
    assert f'data-task="{other}"' not in html


def test_the_widget_alone_is_one_element(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(progress=3)
    html = operator.get("/stask/workers/product?partial=1&part=widget").get_data(as_text=True).strip()
    assert html.startswith('<div class="widget-slot"')
    assert f'data-task="{task_id}"' in html.split(">")[0]
    site.state.roster.set_active("product", False)
    html = operator.get("/stask/workers/product?partial=1&part=widget").get_data(as_text=True).strip()
    assert html.endswith(" hidden></div>"), "so that it can come back when it is turned on again"


def test_workers_as_json(operator: FlaskClient) -> None:
    [worker] = operator.get("/stask/workers", headers=JSON).get_json()["workers"]
    assert worker["identifier"] == "product"
    assert {"name": "import", "title": "Import products"} in worker["actions"]
    assert operator.get("/stask/workers/product", headers=JSON).get_json() == worker


def test_a_row_of_the_list_is_a_part_of_its_own(admin: FlaskClient, viewer: FlaskClient) -> None:
    part = admin.get("/stask/workers/product?partial=1&part=row").get_data(as_text=True).strip()
    assert part.startswith('<li class="worker-row" data-worker="product"')
    assert part.endswith("</li>")
    assert "data-async" in part
    assert "data-async" not in viewer.get("/stask/workers/product?partial=1&part=row").get_data(as_text=True)


def test_turning_off_on_a_workers_page_leads_back_to_it(admin: FlaskClient) -> None:
    answer = admin.post("/stask/workers/product/deactivate", data={"_back": "worker"})
    assert answer.headers["Location"] == "/stask/workers/product"
    assert admin.post("/stask/workers/product/activate").headers["Location"] == "/stask/workers"


class FragileWorker(BaseWorker):
    """Its module is said to be broken."""

    identifier, title = "fragile", "Fragile worker"

    def task_go(self, task: Any, options: Any) -> None: ...


def lose(site: Site, cls: type[BaseWorker]) -> None:
    """Register a worker whose class is gone at once."""
    site.add(cls)
    site.state.registry._added.pop(cls.identifier)


def breaks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the module of the tests' workers fail at each look."""

    def candidates() -> Any:
        site.state.registry._report(__name__, "ImportError: no carrier (line 7 of broken.py)")
        return iter(())

    monkeypatch.setattr(site.state.registry, "_candidates", candidates)
    site.state.registry.rescan()


def test_the_list_counts_what_waits_runs_and_has_ended(site: Site, admin: FlaskClient) -> None:
    site.task()
    site.task()
    site.running()
    with site.state.database.write() as connection:
        for status, n in ((Status.COMPLETED, 1204), (Status.FAILED, 3)):
            row = {"day": "2026-01-01", "identifier": "product", "action": "import", "status": status}
            connection.execute(sa.insert(Stat).values(**row, n=n, gone=0, seconds=1.0))
    [worker] = admin.get("/stask/workers", headers=JSON).get_json()["workers"]
    assert worker["counts"] == {"pending": 2, "running": 1, "completed": 1204, "failed": 3}
    html = admin.get("/stask/workers").get_data(as_text=True)
    assert "1,204" in html
    assert "/stask/tasks?worker=product&amp;status=failed" in html


def test_a_long_queue_is_counted_only_so_far(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "WAITING_LOOK", 3)
    for _ in range(5):
        site.task()
    assert '<span class="worker-number">3+</span>' in admin.get("/stask/workers").get_data(as_text=True)


def test_the_list_is_filtered_by_scope_and_words(site: Site, admin: FlaskClient) -> None:
    site.add(Another)

    def found(query: str) -> list[str]:
        return [item["identifier"] for item in admin.get(f"/stask/workers?{query}", headers=JSON).get_json()["workers"]]

    assert found("") == ["another", "product"]
    assert found("scope=shop") == ["product"]
    assert found("q=ANOTHER+worker") == ["another"]
    assert found("q=order+labels") == ["product"], "an action's title"
    assert found("scope=shop&q=another") == []
    html = admin.get("/stask/workers?scope=shop&q=stock").get_data(as_text=True)
    assert 'value="stock"' in html
    assert '<option value="shop" selected>' in html
    assert "Clear filters" in html
    assert "Nothing matches" in admin.get("/stask/workers?q=nothing").get_data(as_text=True)


def test_the_first_worker_is_shown_where_there_is_none(site: Site, admin: FlaskClient, operator: FlaskClient) -> None:
    lose(site, ProductWorker)
    site.state.roster.clean_orphaned()
    assert "class HelloWorker" in admin.get("/stask/workers").get_data(as_text=True)
    assert "Nothing has been set up for you yet" in operator.get("/stask/workers").get_data(as_text=True)


def test_what_was_found_is_said_on_the_page_after_it(site: Site, admin: FlaskClient) -> None:
    admin.post("/stask/workers/discover")
    assert "No new workers." in admin.get("/stask/workers").get_data(as_text=True)
    assert "No new workers." not in admin.get("/stask/workers").get_data(as_text=True), "it is said once"
    site.state.registry.add(Another)
    admin.post("/stask/workers/discover")
    assert "Found Another worker. What is new is off" in admin.get("/stask/workers").get_data(as_text=True)


def test_a_rescan_says_what_has_changed(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = admin.post("/stask/workers/rescan", headers=JSON).get_json()
    assert answer == {"message": "Looked at every class. Nothing has changed.", "workers": []}
    monkeypatch.setattr(ProductWorker, "scope", "market")
    assert admin.post("/stask/workers/rescan").status_code == 303
    assert "Brought up to date: Product management." in admin.get("/stask/workers").get_data(as_text=True)


def test_modules_that_fail_are_counted_in_what_was_found(
    site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(site, monkeypatch)
    message = admin.post("/stask/workers/discover", headers=JSON).get_json()["message"]
    assert message == "No new workers. 1 module could not be loaded."


def test_orphans_are_shown_before_they_go_and_their_tasks_stay(site: Site, admin: FlaskClient) -> None:
    lose(site, Another)
    task_id = site.ended(identifier="another")
    assert "/stask/workers/clean-orphaned" in admin.get("/stask/workers").get_data(as_text=True)
    html = admin.get("/stask/workers/clean-orphaned").get_data(as_text=True)
    assert "Forget 1 worker?" in html
    assert "Another worker" in html
    assert "stays in the history" in html
    assert "Product management" not in html
    assert site.state.roster.get("another") is not None
    answer = admin.post("/stask/workers/clean-orphaned", data={"identifier": "another"})
    assert answer.status_code == 303
    assert site.state.roster.get("another") is None
    assert site.get(task_id).identifier == "another"
    assert "1 worker was forgotten." in admin.get("/stask/workers").get_data(as_text=True)


def test_only_orphans_that_were_named_and_still_are_ones_go(site: Site, admin: FlaskClient) -> None:
    lose(site, Another)
    data = admin.post("/stask/workers/clean-orphaned", data={"identifier": "product"}, headers=JSON).get_json()
    assert data["count"] == 0
    assert {record.identifier for record in site.state.roster.all()} == {"another", "product"}
    assert admin.post("/stask/workers/clean-orphaned").headers["Location"] == "/stask/workers/clean-orphaned"
    assert admin.post("/stask/workers/clean-orphaned", headers=JSON).get_json()["count"] == 1
    assert [record.identifier for record in site.state.roster.all()] == ["product"]


def test_the_question_warns_of_a_module_that_only_broke(
    site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(site, FragileWorker)
    breaks(site, monkeypatch)
    html = admin.get("/stask/workers/clean-orphaned?partial=1").get_data(as_text=True)
    assert "no carrier" in html
    assert "comes back without its settings" in html


@pytest.mark.parametrize("path", ["rescan", "clean-orphaned"])
def test_only_admins_rescan_and_clean(site: Site, path: str) -> None:
    lose(site, Another)
    for name in ("viewer", "operator", "other", "nobody"):
        assert site.client(name).post(f"/stask/workers/{path}").status_code == 403
    assert site.client().post(f"/stask/workers/{path}", headers=JSON).status_code == 401
    assert site.client("operator").get("/stask/workers/clean-orphaned").status_code == 403
    assert site.state.roster.get("another") is not None
    html = site.client("operator").get("/stask/workers").get_data(as_text=True)
    assert "/stask/workers/rescan" not in html
    assert "clean-orphaned" not in html


def test_the_list_alone_is_one_element(admin: FlaskClient) -> None:
    part = admin.get("/stask/workers?partial=1&part=list&scope=shop").get_data(as_text=True).strip()
    assert part.startswith('<div class="card" id="workers-list"')
    assert "/stask/workers?scope=shop&amp;part=list" in part.split(">")[0]


def test_a_program_that_names_no_orphan_forgets_none(site: Site, admin: FlaskClient) -> None:
    lose(site, Another)
    path = "/stask/workers/clean-orphaned"
    assert admin.post(path, json={"identifiers": []}, headers=JSON).get_json()["count"] == 0
    assert admin.post(path, json={"identifiers": "another"}, headers=JSON).status_code == 422
    assert site.state.roster.get("another") is not None
    assert admin.post(path, json={}, headers=JSON).get_json()["count"] == 1


def test_who_sees_only_his_own_gets_no_counts_of_everybodys(own_site: Site) -> None:
    site = own_site
    site.ended()
    answer = site.client("other").get("/stask/workers", headers=JSON).get_json()
    assert [worker["counts"] for worker in answer["workers"]] == [None]
    assert "worker-count" not in site.client("other").get("/stask/workers").text.split("<main")[1]
    assert site.client("admin").get("/stask/workers", headers=JSON).get_json()["workers"][0]["counts"]["completed"] >= 0


def test_the_dashboard_names_only_workers_one_may_see(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = lambda self, user, permission, target=None: getattr(target, "identifier", "") != "product"  # noqa: E731
    monkeypatch.setattr(type(site.state.policy), "may", hidden)
    assert site.client("viewer").get("/stask/", headers=JSON).get_json()["workers"] == []


class Unspeakable:
    """A lazy text whose words cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no translations")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/workers",
            "/workers/mute",
            "/workers/mute/about",
            "/workers/mute/schedules",
            "/workers/mute/run/speak",
        ),
        *("/tasks", "/tasks/1", "/schedules", "/schedules/new", "/statistics", "/system", "/live?tasks=1"),
    ],
)
def test_a_text_that_cannot_be_made_breaks_no_page(site: Site, admin: FlaskClient, path: str) -> None:
    class Mute(BaseWorker):
        identifier = "mute"
        title: Any = Unspeakable()
        description: Any = Unspeakable()

        @action(Unspeakable(), description=Unspeakable())  # type: ignore[arg-type]
        def task_speak(self, task: Any, options: Any) -> None: ...

    site.add(Mute)
    site.ended(identifier="mute", action="speak")
    for headers in ({}, JSON):
        assert admin.get(f"/stask{path}", headers=headers).status_code == 200
    assert admin.post("/stask/workers/rescan", headers=JSON).status_code == 200
