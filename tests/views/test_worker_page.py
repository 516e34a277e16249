"""One worker's page: its frame and tabs, a card for each action with its last runs, and what it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import BaseWorker
from stask_web.models import Stat, Task
from stask_web.queries import last_runs
from stask_web.status import Status
from stask_web.views.charts import Run, run_bars

from .conftest import JSON, Site

PAGE = "/stask/workers/product"


class Fragile(BaseWorker):
    identifier, title, scope = "fragile", "Fragile worker", "shop"

    def task_go(self, task: Any, options: Any) -> None: ...


def card(html: str, action: str) -> str:
    """The card of one action."""
    found = re.search(rf'<article class="card action-card" aria-labelledby="action-{action}">.*?</article>', html, re.S)
    assert found is not None
    return found[0]


def tabs(html: str) -> list[str]:
    return re.findall(r'<a class="tabs-link" href="([^"]+)"', html)


def breaks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose module fails at each look."""
    site.add(Fragile)
    site.state.registry._added.pop("fragile")

    def candidates() -> Any:
        site.state.registry._report(__name__, "ImportError: no carrier (line 7 of fragile.py)")
        return iter(())

    monkeypatch.setattr(site.state.registry, "_candidates", candidates)
    site.state.registry.rescan()


# the frame


def test_tabs_one_may_not_use_are_absent(site: Site, admin: FlaskClient) -> None:
    everybody = {PAGE, f"{PAGE}/about"}
    for name in ("viewer", "operator", "other"):
        html = site.client(name).get(PAGE).get_data(as_text=True)
        assert everybody <= set(tabs(html))
        assert f"{PAGE}/settings" not in html
    assert everybody | {f"{PAGE}/settings"} <= set(tabs(admin.get(PAGE).get_data(as_text=True)))


@pytest.mark.parametrize("path", ["", "/about", "/settings"])
def test_each_tab_names_itself_as_the_current_one(admin: FlaskClient, path: str) -> None:
    html = admin.get(PAGE + path).get_data(as_text=True)
    assert f'href="{PAGE}{path}" aria-current="page"' in html
    assert html.count('aria-current="page"') == 2, "in the navigation, and among the tabs"
    assert "Product management</h1>" in html


def test_people_without_rights_see_nothing(site: Site, anonymous: FlaskClient) -> None:
    for path in (PAGE, f"{PAGE}/about"):
        assert anonymous.get(path).status_code == 302
        assert site.client("nobody").get(path).status_code == 403
        assert site.client("viewer").get(path.replace("product", "nothing")).status_code == 404


def test_a_worker_that_is_off_says_so_and_starts_nothing(site: Site, admin: FlaskClient) -> None:
    site.state.roster.set_active("product", False)
    html = admin.get(PAGE).get_data(as_text=True)
    assert "This worker is off" in html
    assert "/run/" not in html


def test_a_module_that_broke_is_shown_with_its_line_to_admins_only(
    site: Site, admin: FlaskClient, operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(site, monkeypatch)
    html = admin.get("/stask/workers/fragile").get_data(as_text=True)
    assert 'class="banner tone-failed"' in html
    assert "line 7 of fragile.py" in html
    html = operator.get("/stask/workers/fragile").get_data(as_text=True)
    assert "line 7" not in html
    assert "cannot be loaded at the moment" in html
    assert "Could not be loaded" in admin.get("/stask/workers").get_data(as_text=True)
    assert "Could not be loaded" not in operator.get("/stask/workers").get_data(as_text=True)


# the cards


def test_each_action_has_a_card_with_its_verb_help_and_last_result(site: Site, operator: FlaskClient) -> None:
    site.ended(action="import", message="Imported 3,161 rows")
    html = operator.get(PAGE).get_data(as_text=True)
    found = card(html, "import")
    assert "Brings products in" in found
    assert "Imported 3,161 rows" in found
    assert f'href="{PAGE}/run/import"' in found
    assert "Not run lately" in card(html, "labels")


def test_an_action_that_asks_for_nothing_starts_from_its_card(site: Site, operator: FlaskClient) -> None:
    found = card(operator.get(PAGE).get_data(as_text=True), "sync_stock")
    assert f'action="{PAGE}/run/sync_stock" data-async' in found


def test_who_may_not_launch_has_cards_without_verbs(site: Site, viewer: FlaskClient, operator: FlaskClient) -> None:
    assert "/run/" not in viewer.get(PAGE).get_data(as_text=True)
    html = operator.get(PAGE).get_data(as_text=True)
    assert "/run/" not in card(html, "rebuild"), "it is for admins"


def test_the_usual_duration_comes_from_the_daily_counts(site: Site, viewer: FlaskClient) -> None:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    with site.state.database.write() as connection:
        row = {"day": day, "identifier": "product", "action": "import", "status": Status.COMPLETED}
        connection.execute(sa.insert(Stat).values(**row, n=4, gone=0, seconds=768.0))
    assert "Usually 3 min 12 s" in card(viewer.get(PAGE).get_data(as_text=True), "import")


def test_a_bar_for_each_of_the_last_twenty_runs_leads_to_its_task(site: Site, viewer: FlaskClient) -> None:
    ids = [site.ended(action="import", duration=float(number)) for number in range(1, 25)]
    site.ended(action="labels")
    failed = site.ended(Status.FAILED, action="import", duration=5.0)
    site.task(action="import")
    found = card(viewer.get(PAGE).get_data(as_text=True), "import")
    bars = re.findall(r'<a class="runs-link tone-(\w+)" href="/stask/tasks/(\d+)" aria-label="([^"]+)"', found)
    assert [int(task) for _, task, _ in bars] == [*ids[-19:], failed], "oldest first, without what waits"
    assert bars[-1][0] == "failed"
    assert bars[-1][2].startswith("Failed, took 5 s, ")
    assert "style=" not in found


def test_the_bars_of_others_are_not_shown_to_who_sees_only_his_own(own_site: Site) -> None:
    mine, other = own_site.ended(started_by=2), own_site.ended(started_by=3)
    html = own_site.client("operator").get(PAGE).get_data(as_text=True)
    assert f'"/stask/tasks/{mine}"' in html
    assert f'"/stask/tasks/{other}"' not in html


def test_bars_are_as_high_as_runs_were_long() -> None:
    bars = run_bars([Run(seconds, "done", "/", "") for seconds in (0.0, 5.0, 10.0)], 20)
    assert [bar.height for bar in bars] == [4.0, 20.0, 40.0]
    assert [bar.y for bar in bars] == [36.0, 20.0, 0.0]
    assert [bar.x for bar in bars] == [272.0, 288.0, 304.0], "the newest stands at the right"


def test_the_last_runs_are_one_statement_over_an_index_and_bounded(site: Site) -> None:
    old = site.ended(action="labels")
    for _ in range(5):
        site.ended(action="import")
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        seen.append(statement)

    sa.event.listen(site.state.database.engine, "before_cursor_execute", note)
    found = last_runs(site.state.database, sa.select(Task), "product", 3, look=5)
    sa.event.remove(site.state.database.engine, "before_cursor_execute", note)
    assert {action: len(tasks) for action, tasks in found.items()} == {"import": 3}, f"{old} is too far back"
    [statement] = [text for text in seen if "row_number" in text]
    with site.state.database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("product", 5, 0, 3)).all()
    steps = [str(row[3]) for row in plan if "s_tasks" in str(row[3])]
    assert any("ix_s_tasks_identifier_id (identifier=?)" in step for step in steps)
    assert not any(step.startswith("SCAN s_tasks") for step in steps)


def test_the_cards_and_the_history_are_parts_of_their_own(site: Site, viewer: FlaskClient) -> None:
    site.ended()
    part = viewer.get(f"{PAGE}?partial=1&part=actions").get_data(as_text=True).strip()
    assert part.startswith('<section class="action-cards"')
    part = viewer.get(f"{PAGE}?partial=1&part=history").get_data(as_text=True).strip()
    assert part.startswith('<div class="card" id="history"')


def test_html_and_endless_words_are_text_on_a_worker_page(site: Site, admin: FlaskClient) -> None:
    site.ended(action="import", message="<script>alert(1)</script>" + "W" * 10_000)
    assert "<script>alert" not in admin.get(PAGE).get_data(as_text=True)


# about


def test_about_says_what_it_is_and_what_its_actions_take(site: Site, viewer: FlaskClient) -> None:
    html = viewer.get(f"{PAGE}/about").get_data(as_text=True)
    for words in ("ProductWorker", "conftest", "CSV file", "File (.csv)", "must be given", "Only one may wait or run"):
        assert words in html, words
    assert "flask stask run product import --option" in html
    assert "POST http://localhost/stask/workers/product/run/import" in html


def test_a_file_is_named_to_who_may_configure_and_never_with_its_path(
    site: Site, admin: FlaskClient, operator: FlaskClient
) -> None:
    folder = str(Path(__file__).parent)
    html = admin.get(f"{PAGE}/about").get_data(as_text=True)
    assert "conftest.py" in html
    assert folder not in html
    assert "conftest.py" not in operator.get(f"{PAGE}/about").get_data(as_text=True)


def test_about_as_json(viewer: FlaskClient) -> None:
    data = viewer.get(f"{PAGE}/about", headers=JSON).get_json()
    assert data["class"].endswith(":ProductWorker")
    [labels] = [item for item in data["actions"] if item["name"] == "labels"]
    assert {"name": "token", "label": "Token", "kind": "secret", "required": False} in labels["options"]
    [only] = [item for item in data["actions"] if item["name"] == "only_one"]
    assert only["unique"] is True


def test_about_a_worker_whose_class_is_gone(site: Site, admin: FlaskClient) -> None:
    site.add(Fragile)
    site.state.registry._added.pop("fragile")
    html = admin.get("/stask/workers/fragile/about").get_data(as_text=True)
    assert "Fragile" in html
    assert "Found by" not in html


def test_a_task_that_runs_has_a_bar_too(site: Site, viewer: FlaskClient) -> None:
    task_id = site.running(action="import", started_at=datetime.now(UTC) - timedelta(seconds=30))
    found = card(viewer.get(PAGE).get_data(as_text=True), "import")
    assert f'class="runs-link tone-running" href="/stask/tasks/{task_id}"' in found
    assert "Its first run has not ended yet" in found


def test_an_action_is_scheduled_from_its_card_by_who_may(site: Site, admin: FlaskClient, operator: FlaskClient) -> None:
    if "stask.schedule_new" not in site.app.view_functions:
        site.app.add_url_rule("/stask/schedules/new", "stask.schedule_new", lambda: "")
    wanted = "/stask/schedules/new?worker=product&amp;action=import"
    assert f'href="{wanted}"' in card(admin.get(PAGE).get_data(as_text=True), "import")
    assert "/schedules/new" not in operator.get(PAGE).get_data(as_text=True)
