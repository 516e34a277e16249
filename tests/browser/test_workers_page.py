"""What the pages of workers do in a real browser: on and off, filters, settings there and back, keyboard, no script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stask_web.models import Task
from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SETTINGS = "/workers/setup/settings"


@pytest.fixture
def panel(browser: Any, tmp_path: Path) -> Iterator[Panel]:
    with panel_of(browser, tmp_path) as panel:
        yield panel


def stored(panel: Panel) -> dict[str, Any]:
    with panel.gallery.app.app_context():
        return panel.gallery.state.roster.stored_config("setup")


def test_the_list_is_filtered_by_key_and_by_choice_and_the_address_keeps_it(panel: Panel) -> None:
    page = panel.open("/workers")
    page.locator("body").press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("reports")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=reports"))
    expect(page.locator("[data-worker]")).to_have_count(2)
    page.get_by_label("Scope").select_option("shop")
    page.wait_for_url(re.compile(r"scope=shop"))
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("[data-worker=mail]")).to_be_visible()
    page.wait_for_load_state()


def test_a_filtered_list_stays_filtered_when_tasks_come(panel: Panel) -> None:
    page = panel.open("/workers?q=prices")
    row = page.locator("[data-worker=price]")
    waiting = row.locator(".worker-number").first
    expect(waiting).to_have_text("1")
    with panel.gallery.app.app_context():
        panel.gallery.state.tasks.create("price", "rebuild", {}, user_id=2)
    expect(waiting).to_have_text("2")
    expect(page.locator("[data-worker]")).to_have_count(1)


def test_workers_without_a_class_are_forgotten_after_a_question(panel: Panel) -> None:
    page = panel.open("/workers")
    page.get_by_role("link", name="Clean orphaned…").click()
    dialog = page.get_by_role("dialog", name="Forget 2 workers?")
    expect(dialog).to_contain_text("Fax machine")
    expect(dialog.get_by_role("button", name="Keep them")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("[data-worker=lost]")).to_be_visible()
    page.get_by_role("link", name="Clean orphaned…").click()
    dialog.get_by_role("button", name="Forget 2 workers").click()
    expect(page.get_by_role("status").first).to_contain_text("2 workers were forgotten")
    expect(page.locator("[data-worker=lost]")).to_have_count(0)
    page.wait_for_load_state()


def test_an_action_started_from_its_card_shows_up_below(panel: Panel) -> None:
    page = panel.open("/workers/product")
    before = page.locator("#history [data-task]").count()
    page.locator(".action-card", has_text="Sync stock").get_by_role("button", name="Sync stock").click()
    expect(page.locator("#history [data-task]")).to_have_count(before + 1)
    page.locator(".action-card", has_text="Export products").get_by_role(
        "link", name="Export products", exact=True
    ).click()
    page.get_by_role("dialog").get_by_role("button", name="Export products").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#history [data-task]")).to_have_count(before + 2)


def test_the_bars_are_one_stop_of_tab_and_the_arrows_lead_along_them(panel: Panel) -> None:
    page = panel.open("/workers/setup")
    bars = page.locator("[data-runs] a")
    expect(bars).to_have_count(20)
    page.locator(".action-card .last-link").focus()
    page.keyboard.press("Tab")
    expect(bars.last).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(bars.nth(18)).to_be_focused()
    page.keyboard.press("Home")
    expect(bars.first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/tasks/\d+$"))
    page.wait_for_load_state()


def test_a_setting_is_changed_reset_and_taken_back(panel: Panel) -> None:
    page = panel.open(SETTINGS)
    page.get_by_label("Company").fill("Lviv Cinema")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved. 1 setting was changed.")
    assert stored(panel)["company"] == "Lviv Cinema"
    page.wait_for_load_state()
    page.get_by_label("Days").fill("300")
    page.get_by_role("button", name="Reset Company").click()
    expect(page.get_by_label("Company")).to_have_value("Kyiv Cinema Shop")
    expect(page.get_by_label("Days")).to_have_value("300")
    assert "company" not in stored(panel)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Company")).to_have_value("Lviv Cinema")
    assert stored(panel)["company"] == "Lviv Cinema"


def test_what_was_typed_into_a_setting_goes_with_its_reset(panel: Panel) -> None:
    page = panel.open(SETTINGS)
    page.get_by_label("Days").fill("300")
    page.get_by_role("button", name="Reset Days").click()
    expect(page.get_by_label("Days")).to_have_value("31")


def test_wrong_settings_are_marked_and_kept(panel: Panel) -> None:
    page = panel.open(SETTINGS)
    page.get_by_label("Time limit").fill("9000")
    page.get_by_label("Company").fill("Odesa")
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator("[id='error-api.timeout']")).to_have_text("Enter 600 or less.")
    expect(page.get_by_label("Time limit")).to_be_focused()
    expect(page.get_by_label("Company")).to_have_value("Odesa")
    assert "company" not in stored(panel)


def test_settings_by_keyboard_alone(panel: Panel) -> None:
    page = panel.open(SETTINGS)
    page.get_by_label("Company").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Odesa")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    page.locator("summary", has_text="Replace").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("k-new")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    assert stored(panel)["api"]["key"].get_secret_value() == "k-new"


def test_without_javascript_workers_are_found_switched_and_set(panel: Panel) -> None:
    page = panel.open("/workers?scope=erp", script=False)
    page.get_by_role("searchbox").fill("settings")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("[data-worker]")).to_have_count(1)
    page.get_by_role("button", name="Reports with settings").click()
    with panel.gallery.app.app_context():
        assert panel.gallery.state.roster.get("setup").active
    page.goto(f"{panel.url}/stask{SETTINGS}")
    page.get_by_label("Days").fill("14")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved. 1 setting was changed.")
    page.get_by_role("button", name="Reset Days").click()
    expect(page.get_by_role("status").first).to_contain_text("“Days” is back to 31.")
    page.goto(f"{panel.url}/stask/workers/clean-orphaned")
    page.get_by_role("button", name="Forget 2 workers").click()
    expect(page.get_by_role("status").first).to_contain_text("2 workers were forgotten")


@pytest.mark.parametrize("size", [PHONE, {"viewport": {"width": 768, "height": 900}}], ids=["phone", "tablet"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(panel: Panel, size: Any, scheme: str) -> None:
    with panel.gallery.app.app_context():
        task = Task.query().by_identifier("setup").order_by(Task.id.desc()).first()
        assert task is not None
        panel.gallery.state.tasks.set_message(task, "W" * 10_000)
        worker = panel.gallery.state.registry.get("setup")
    worker.description = "D" * 10_000
    try:
        page = panel.open("/workers", color_scheme=scheme, **size)
        for path in ("", "/setup", "/setup/settings", "/setup/about", "/parcels", "/clean-orphaned"):
            page.goto(f"{panel.url}/stask/workers{path}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path
    finally:
        worker.description = "Monthly reports, set up by whoever knows the accountant"
