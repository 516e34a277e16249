"""What a task's page does in a real browser at its less usual moments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stask_web.status import Status
from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture
def panel(browser: Any, tmp_path: Path) -> Iterator[Panel]:
    with panel_of(browser, tmp_path) as panel:
        yield panel


def row(panel: Panel, name: str) -> Any:
    with panel.gallery.app.app_context():
        return panel.gallery.state.tasks.get(panel.gallery.ids[name])


def test_stop_asks_on_a_phone_too_and_esc_keeps_it_running(panel: Panel) -> None:
    page = panel.open(panel.task("running"), **PHONE)
    stop = page.locator(".sticky-foot").get_by_role("button", name="Stop")
    expect(page.locator(".task-head").get_by_role("button", name="Stop")).to_be_hidden()
    stop.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1,204 of 3,201 are done and stay done.")
    expect(dialog.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert row(panel, "running").cancel_at is None
    stop.click()
    dialog.get_by_role("button", name="Stop “Send newsletter”").click()
    expect(page.locator(".task-under .look")).to_contain_text("Stopping")
    expect(page.locator(".hero-message")).to_contain_text("By force in")


def test_stop_asks_in_a_list_too(panel: Panel) -> None:
    page = panel.open("/tasks")
    line = page.locator(f"tr[data-task='{panel.gallery.ids['running']}']")
    line.locator(".menu-button").click()
    line.get_by_role("button", name="Stop", exact=True).click()
    dialog = page.get_by_role("dialog", name="Stop “Send newsletter”?")
    expect(dialog.get_by_role("button", name="Keep running")).to_be_focused()
    dialog.get_by_role("button", name="Keep running").click()
    assert row(panel, "running").cancel_at is None
    line.locator(".menu-button").click()
    line.get_by_role("button", name="Stop", exact=True).click()
    dialog.get_by_role("button", name="Stop “Send newsletter”").click()
    expect(line).to_contain_text("Stopping…")


def test_without_javascript_stop_asks_on_a_page(panel: Panel) -> None:
    page = panel.open(panel.task("running"), script=False)
    page.locator(".task-head").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="Stop “Send newsletter”?")).to_be_visible()
    assert row(panel, "running").cancel_at is None
    page.get_by_role("button", name="Stop “Send newsletter”").click()
    expect(page.locator(".task-under .look")).to_contain_text("Stopping")


def test_between_attempts_start_now_and_give_up(panel: Panel) -> None:
    page = panel.open(panel.task("retrying"))
    expect(page.locator(".hero")).to_contain_text("Attempt 1 of 3 stopped: ")
    shown = page.locator(".hero [data-field=waiting_for]")
    first = shown.inner_text()
    assert first.startswith("Starts again in ")
    expect(shown).not_to_have_text(first)
    page.get_by_role("button", name="Start now").click()
    expect(shown).to_have_text("Number 2 in the queue")
    expect(page.get_by_role("button", name="Start now")).to_have_count(0)
    expect(page.get_by_role("button", name="Give up")).to_have_count(0)
    page.get_by_role("button", name="Withdraw").first.click()
    expect(page.locator(".task-under .look")).to_contain_text("Stopped")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".task-under .look")).to_contain_text("Waiting")


def test_the_priority_changes_as_soon_as_it_is_chosen(panel: Panel) -> None:
    with panel.gallery.app.app_context():
        later = panel.gallery.state.tasks.create("stock", "rebuild")
    page = panel.open(f"/tasks/{later.id}")
    expect(page.locator(".hero [data-field=waiting_for]")).to_have_text("Number 2 in the queue")
    expect(page.get_by_role("button", name="Change")).to_be_hidden()
    page.get_by_label("Priority").focus()
    page.get_by_label("Priority").select_option("high")
    expect(page.locator(".hero [data-field=waiting_for]")).to_have_text("Starts next")
    expect(page.get_by_label("Priority")).to_be_focused()


def test_the_report_is_copied(panel: Panel) -> None:
    page = panel.open(panel.task("failed"), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy report").click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"Task: {panel.gallery.ids['failed']}" in copied
    assert "ZeroDivisionError" in copied


def test_new_lines_are_folded_as_those_that_were_there(panel: Panel) -> None:
    page = panel.open(panel.task("running"))
    journal = panel.gallery.state.journals.of(panel.gallery.ids["running"])
    marks = page.locator(".log-text[data-times]")
    expect(marks).to_have_attribute("data-times", "×40")
    for _ in range(3):
        journal.log("info", "Went on without it")
    expect(marks.last).to_have_attribute("data-times", "×4")
    for number in range(3):
        journal.log("info", f"more of it, {number}", kind="out")
    last = page.locator(".log-line").last
    expect(last.locator(".log-text")).to_have_text("more of it, 2")
    expect(last).to_be_visible()
    for number in range(3, 8):
        journal.log("info", f"more of it, {number}", kind="out")
    journal.log("info", "the end")
    journal.close()
    expect(page.locator(".log-line .log-text").last).to_have_text("the end")
    button = page.locator("[data-log-fold]").last
    expect(button).to_have_attribute("aria-label", "7 more printed lines")
    hidden = page.locator(".log-line", has_text="more of it, 7")
    expect(hidden).to_be_hidden()
    button.click()
    expect(hidden).to_be_visible()
    button.click()
    expect(hidden).to_be_hidden()
    page.locator("[data-log-search]").fill("more of it, 7")
    expect(hidden).to_be_visible()
    expect(page.locator(".log-line:visible")).to_have_count(1)


def test_levels_have_counts(panel: Panel) -> None:
    page = panel.open(panel.task("running"))
    level = page.locator("[data-log-level]")
    warnings = page.locator(".log-line[data-level=warning]").count()
    expect(level.locator("option[value=warning]")).to_have_text(f"Warnings · {warnings}")
    expect(level.locator("option[value=error]")).to_have_text("Errors")
    panel.gallery.state.journals.of(panel.gallery.ids["running"]).log("error", "It broke")
    expect(level.locator("option[value=error]")).to_have_text("Errors · 1")
    level.select_option("error")
    expect(page.locator(".log-line:visible")).to_have_count(1)


def test_run_again_of_what_has_no_form_leads_to_the_new_task(panel: Panel) -> None:
    with panel.gallery.app.app_context():
        import sqlalchemy as sa

        from stask_web.models import Task

        task_id = panel.gallery.ids["waiting"]
        ended = {"status": Status.COMPLETED, "lane": None, "finished_at": 2.0, "started_at": 1.0, "duration": 1.0}
        with panel.gallery.state.database.write() as connection:
            connection.execute(sa.update(Task).where(Task.id == task_id).values(**ended))
    page = panel.open(panel.task("waiting"))
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: url.endswith(f"/tasks/{max(panel.gallery.ids.values()) + 1}"))
