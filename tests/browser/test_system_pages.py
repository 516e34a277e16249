"""Statistics and system in a real browser: a period, the table behind a chart, waking, deleting; by keyboard, no JS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web.models import Task
from stask_web.status import Status
from tests.browser.gallery_much import fill_much
from tests.browser.gallery_site import Gallery
from tests.browser.panel import PHONE, Panel, panel_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

OLD = 12


def expect(subject: Any) -> Any:
    """Playwright's `expect`, found late: without Playwright these tests are skipped, not broken."""
    from playwright.sync_api import expect

    return expect(subject)


def _fill(gallery: Gallery) -> None:
    fill_much(gallery.state)


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """The gallery with much in it."""
    folder: Path = tmp_path_factory.mktemp("system")
    with panel_of(browser, folder, _fill) as found:
        yield found


def add_old(panel: Panel, days: int) -> None:
    """Tasks that ended so many days ago."""
    moment = datetime.now(UTC) - timedelta(days=days)
    row = {
        "identifier": "orders", "action": "fetch", "status": Status.COMPLETED, "meta": {}, "created_at": moment,
        "started_at": moment, "finished_at": moment, "duration": 1.0,
    }  # fmt: skip
    with panel.gallery.state.database.write() as connection:
        connection.execute(sa.insert(Task), [row] * OLD)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_period_is_chosen_and_a_table_opened(panel: Panel, script: bool) -> None:
    page = panel.open("/statistics", script=script)
    page.get_by_role("link", name="Last 30 days").click()
    expect(page.get_by_role("link", name="Last 30 days")).to_have_attribute("aria-current", "true")
    page.get_by_label("Worker and action", exact=True).select_option("product/import")
    page.get_by_role("button", name="Apply").click()
    assert "period=30d" in page.url and "worker=product" in page.url
    table = page.locator("#stat-counts-table")
    expect(table.locator("table")).to_be_hidden()
    table.locator("summary").click()
    expect(table.locator("tbody tr")).to_have_count(30)


def test_days_of_ones_own_and_wrong_ones(panel: Panel) -> None:
    page = panel.open("/statistics")
    today = datetime.now(UTC).date()
    page.get_by_label("From").fill(f"{today - timedelta(days=9)}")
    page.get_by_label("to", exact=True).fill(f"{today}")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".chart-drawing").first.locator(".chart-room")).to_have_count(10)
    page.get_by_label("to", exact=True).fill(f"{today - timedelta(days=20)}")
    with panel.provoked("422"):
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("alert")).to_contain_text("The last day is before the first one.")
    expect(page.get_by_label("to", exact=True)).to_have_value(f"{today - timedelta(days=20)}")


def test_by_keyboard_to_statistics_and_system(panel: Panel) -> None:
    page = panel.open("/")
    page.keyboard.press("i")
    page.wait_for_url("**/statistics")
    page.keyboard.press("y")
    page.wait_for_url("**/system")
    page.locator("summary, a, button").first.wait_for()
    page.get_by_role("link", name="Delete old tasks…").press("Enter")
    days = page.get_by_role("dialog").get_by_label("Ended more than so many days ago")
    expect(days).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_workers_are_woken(panel: Panel) -> None:
    page = panel.open("/system")
    page.get_by_role("button", name="Start waiting tasks now").click()
    expect(page.locator(".toast")).to_contain_text("look at the queue now")


def test_workers_are_woken_without_script(panel: Panel) -> None:
    page = panel.open("/system", script=False)
    page.get_by_role("button", name="Start waiting tasks now").click()
    expect(page.get_by_role("status")).to_contain_text("look at the queue now")
    assert page.url.endswith("/system")


@pytest.mark.parametrize(("script", "days"), [(True, 900), (False, 800)], ids=["script", "no script"])
def test_old_tasks_are_counted_confirmed_and_deleted(panel: Panel, script: bool, days: int) -> None:
    add_old(panel, days + 20)
    page = panel.open("/system", script=script)
    page.get_by_role("link", name="Delete old tasks…").click()
    page.get_by_label("Ended more than so many days ago").fill(str(days))
    page.get_by_role("button", name="Count them").click()
    expect(page.get_by_role("heading", name=f"Delete {OLD} tasks?")).to_be_visible()
    page.get_by_role("button", name=f"Delete {OLD} tasks").click()
    expect(page.get_by_role("status").first).to_contain_text(f"Deleted {OLD} tasks.")
    assert page.url.endswith("/system")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/statistics?period=30d", "/system", "/tasks/clean?days=30", "/workers/product/statistics"]
)
def test_nothing_is_wider_than_a_phone(panel: Panel, path: str, scheme: str) -> None:
    page = panel.open(path, color_scheme=scheme, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.get_by_role("main").wait_for()
