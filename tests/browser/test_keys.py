"""Keys: what they do, when they do nothing, and the help that lists them. And the clock of the reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.panel import Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PRESS = """([key, code, more]) => document.dispatchEvent(
    new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true, ...more }))"""


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with panel_of(browser, tmp_path_factory.mktemp("keys")) as panel:
        yield panel


def test_the_help_lists_every_way_of_the_navigation_and_esc_closes_it(panel: Panel) -> None:
    page = panel.open("/")
    dialog = page.get_by_role("dialog", name="Keys")
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    ways = page.locator(".nav-link")
    assert ways.count() >= 3
    for way in ways.all():
        line = dialog.locator("dt", has_text=(way.get_attribute("data-key-shortcut") or "").upper()).first
        expect(line.locator("+ dd")).to_have_text(way.inner_text())
    page.keyboard.press("t")  # nothing behind it is reached
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_help_opens_from_the_account_menu_too(panel: Panel) -> None:
    page = panel.open("/tasks")
    page.locator(".topbar summary.user").click()
    page.get_by_role("button", name="Keys").click()
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Next and previous task")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_the_help_names_only_pages_one_may_open(panel: Panel) -> None:
    page = panel.open("/")
    page.context.add_cookies([{"name": "who", "value": "viewer", "url": panel.url}])
    page.reload()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Dashboard")
    expect(dialog).not_to_contain_text("Workers")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("w")
    page.keyboard.press("t")
    page.wait_for_url("**/stask/tasks")


def test_a_letter_works_by_its_place_on_a_keyboard_of_another_alphabet(panel: Panel) -> None:
    page = panel.open("/")
    page.evaluate(PRESS, ["е", "KeyT", {}])
    page.wait_for_url("**/stask/tasks")


def test_keys_do_nothing_with_modifiers_or_while_one_types(panel: Panel) -> None:
    page = panel.open("/tasks")
    page.evaluate("window.here = true")
    for more in ({"ctrlKey": True}, {"metaKey": True}, {"altKey": True}, {"shiftKey": True}, {"isComposing": True}):
        page.evaluate(PRESS, ["d", "KeyD", more])
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("dtw?r")
    expect(page.locator("#search")).to_have_value("dtw?r")
    assert page.evaluate("window.here") is True
    assert page.url.endswith("/stask/tasks")


def test_r_leads_to_run_again_without_starting_anything(panel: Panel) -> None:
    page = panel.open(panel.task("failed"))
    page.keyboard.press("r")
    expect(page.get_by_role("button", name="Run again")).to_be_focused()
    expect(page.locator(".task-under .look")).to_contain_text("Failed")


def test_r_loads_other_pages_anew_but_never_a_form(panel: Panel) -> None:
    page = panel.open("/workers/product/run/export")
    page.evaluate("window.here = true")
    page.keyboard.press("r")
    assert page.evaluate("window.here") is True
    page.goto(f"{panel.url}/stask/workers")
    page.evaluate("window.here = true")
    with page.expect_navigation():
        page.keyboard.press("r")
    assert page.evaluate("window.here") is None


def test_times_are_those_of_the_readers_clock_from_the_first_page_on(panel: Panel) -> None:
    page = panel.open(panel.task("completed"), timezone_id="Asia/Tokyo")
    stamp = page.locator(".task-under time")
    expect(stamp).to_have_attribute("title", re.compile("JST$"))
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    assert cookies["stask_zone"] == "Asia/Tokyo"
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "reload"
    page.goto(f"{panel.url}/stask/tasks")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"


def test_a_task_prints_without_bars_and_buttons_and_with_its_whole_log(panel: Panel) -> None:
    page = panel.open(panel.task("failed"), color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    for part in (".sidebar", ".topbar", ".hero-acts .btn", ".log-tools .btn"):
        expect(page.locator(part).first).to_be_hidden()
    log = page.locator("[data-log]")
    assert log.evaluate("box => box.scrollHeight <= box.clientHeight + 1")
    lines = page.locator(".log-line")
    assert lines.count() > 60
    assert all(line.is_visible() for line in lines.all())
    ink, paper = page.evaluate(
        "() => [getComputedStyle(document.querySelector('.log-text')).color,"
        " getComputedStyle(document.querySelector('.log-card')).backgroundColor]"
    )
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
