"""Workers: who may turn them on and off, what is found, and what is said of a class that is gone."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from stask_web import BaseWorker
from stask_web.discovery import Broken

from .conftest import JSON, Site


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
    assert part.startswith('<li class="worker-row is-full" data-worker="product"')
    assert part.endswith("</li>")
    assert "data-async" in part
    assert "data-async" not in viewer.get("/stask/workers/product?partial=1&part=row").get_data(as_text=True)


def test_turning_off_on_a_workers_page_leads_back_to_it(admin: FlaskClient) -> None:
    answer = admin.post("/stask/workers/product/deactivate", data={"_back": "worker"})
    assert answer.headers["Location"] == "/stask/workers/product"
    assert admin.post("/stask/workers/product/activate").headers["Location"] == "/stask/workers"
