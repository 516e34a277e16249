"""Schedules in a real browser: made by keyboard, with fields that come and go, and runs shown while one types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stask_web.models import Schedule, Task
from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

NEW = "/schedules/new?worker=product&action=export"


@pytest.fixture
def panel(browser: Any, tmp_path: Path) -> Iterator[Panel]:
    with panel_of(browser, tmp_path) as panel:
        yield panel


def schedules(panel: Panel) -> list[Schedule]:
    """All that there are, the oldest first."""
    with panel.gallery.app.app_context():
        found: list[Schedule] = panel.gallery.state.schedules.all()
    return sorted(found, key=lambda schedule: schedule.id)


def row(page: Any, panel: Panel, name: str) -> Any:
    return page.locator(f"#schedule-{panel.gallery.schedules[name]}")


def test_a_schedule_is_made_by_keyboard_alone(panel: Panel) -> None:
    page = panel.open("/")
    page.keyboard.press("s")
    page.wait_for_url("**/stask/schedules")
    page.get_by_role("link", name="New schedule").press("Enter")
    page.get_by_role("link", name="Export products").press("Enter")
    page.get_by_label("Starts", exact=True).focus()
    page.keyboard.press("o")  # a select goes to the words one types: "On days of the week"
    expect(page.get_by_label("Starts", exact=True)).to_have_value("weekly")
    expect(page.get_by_label("Monday")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Monday")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_label("Monday")).to_be_checked()
    page.get_by_label("Note").focus()
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/schedules#schedule-\d+$"))
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_contain_text("starts next")
    made = schedules(panel)[-1]
    assert (made.title, made.rule["days"], made.rule["time"]) == ("By keyboard", ["monday"], "09:00")


def test_each_kind_has_its_own_fields_and_sends_no_other(panel: Panel) -> None:
    page = panel.open(NEW)
    kind = page.get_by_label("Starts", exact=True)
    fields = {
        "daily": ["Time"],
        "weekly": ["Monday", "Time"],
        "monthly": ["Day of the month", "Time"],
        "hourly": ["Minute of the hour"],
        "minutes": ["How often"],
        "window": ["Monday", "From", "To", "Minutes between two starts"],
        "once": ["Date and time"],
        "cron": ["Cron expression"],
        "manual": [],
    }
    every = {label for labels in fields.values() for label in labels}
    for value, labels in fields.items():
        kind.select_option(value)
        for label in every:
            field = page.get_by_label(label, exact=True)
            expect(field).to_be_visible() if label in labels else expect(field).to_be_hidden()


def test_the_next_runs_are_shown_while_one_types(panel: Panel) -> None:
    page = panel.open(NEW)
    shown = page.get_by_role("region", name="The next runs")
    expect(shown).to_contain_text("Every day at 09:00")
    page.get_by_label("Starts", exact=True).select_option("cron")
    page.get_by_label("Cron expression").fill("15 2 * * mon")
    page.get_by_label("Time zone").fill("Europe/Kyiv")
    expect(shown).to_contain_text("At 02:15, only on Monday, Kyiv time")
    expect(shown.locator("time")).to_have_count(5)
    page.get_by_label("Cron expression").fill("15 2 *")
    expect(shown).to_contain_text("This is no cron expression")
    expect(page.locator("#error-_cron")).to_be_hidden()
    with panel.provoked("422"):
        page.get_by_role("button", name="Make the schedule").click()
        expect(page.locator("#error-_cron")).to_contain_text("This is no cron expression")
    expect(page.get_by_label("Cron expression")).to_be_focused()
    page.get_by_label("Cron expression").fill("15 2 * * mon")
    page.get_by_role("button", name="Make the schedule").click()
    page.wait_for_url(re.compile(r"/schedules#schedule-\d+$"))
    assert schedules(panel)[-1].rule == {"type": "cron", "cron": "15 2 * * mon"}


def test_options_and_secrets_never_go_into_the_address_of_the_preview(panel: Panel) -> None:
    page = panel.open("/schedules/new?worker=mail&action=send")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("API token").fill("s3cret")
    page.get_by_label("Subject").fill("Sale")
    with page.expect_response(re.compile("/schedules/preview")):
        page.get_by_label("Starts", exact=True).select_option("hourly")
    assert asked
    assert not [url for url in asked if "s3cret" in url or "Sale" in url]


@pytest.mark.parametrize("size", [{}, PHONE], ids=["wide", "phone"])
def test_turning_off_can_be_undone_and_the_row_follows(panel: Panel, size: Any) -> None:
    page = panel.open("/schedules", **size)
    mine = row(page, panel, "weekly")
    switch = mine.get_by_role("button", name="Schedule of Send newsletter")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(mine).to_contain_text("Turned off")
    expect(switch).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Undo").click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(mine.locator(".schedule-time")).to_have_count(5)


def test_run_now_appears_in_the_row_and_its_end_too(panel: Panel) -> None:
    page = panel.open("/schedules")
    mine = row(page, panel, "hourly")
    expect(mine).to_contain_text("Has started nothing yet")
    mine.get_by_role("button", name="Run now: Export products").click()
    expect(page.get_by_text("“Export products” is started.")).to_be_visible()
    expect(mine.locator(".look")).to_contain_text("Waiting")
    with panel.gallery.app.app_context():
        task = Task.query().order_by(Task.id.desc()).first()
        assert task is not None
        assert task.schedule_id == panel.gallery.schedules["hourly"]
        panel.gallery.state.tasks.cancel(task)
    expect(mine.locator(".look")).to_contain_text("Stopped")


def test_what_somebody_else_lets_start_appears_by_itself(panel: Panel) -> None:
    page = panel.open("/schedules")
    mine = row(page, panel, "hourly")
    expect(mine).to_contain_text("Has started nothing yet")
    with panel.gallery.app.app_context():
        panel.gallery.state.schedules.run_now(panel.gallery.schedules["hourly"])
    expect(mine.locator(".look")).to_contain_text("Waiting")


def test_what_its_author_asks_about_is_asked_before_it_runs_now(panel: Panel) -> None:
    page = panel.open("/schedules")
    row(page, panel, "weekly").get_by_role("button", name="Run now: Send newsletter").click()
    question = page.get_by_role("dialog", name="Run “Send newsletter” now?")
    expect(question).to_contain_text("4,210 people get a mail.")
    question.get_by_role("button", name="Back").click()
    expect(row(page, panel, "weekly")).to_contain_text("Has started nothing yet")


def test_deleting_is_asked_in_a_dialog_with_the_safe_button_first(panel: Panel) -> None:
    page = panel.open("/schedules")
    mine = row(page, panel, "cron")
    before = len(schedules(panel))
    mine.get_by_label("More for Export products").click()
    mine.get_by_role("button", name="Delete…").click()
    question = page.get_by_role("dialog", name="Delete the schedule of “Export products”?")
    expect(question).to_contain_text("What it started stays in the history.")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    assert len(schedules(panel)) == before
    mine.get_by_label("More for Export products").click()
    mine.get_by_role("button", name="Delete…").click()
    question.get_by_role("button", name="Delete the schedule").click()
    expect(mine).to_have_count(0)
    assert len(schedules(panel)) == before - 1


def test_two_people_change_the_same_one_and_nothing_is_lost(panel: Panel) -> None:
    number = panel.gallery.schedules["daily"]
    page = panel.open(f"/schedules/{number}")
    with panel.gallery.app.app_context():
        panel.gallery.state.schedules.update(number, rule={"type": "periodic", "frequency": "hourly", "time": "*:40"})
    page.get_by_label("Time", exact=True).fill("22:22")
    save = page.get_by_role("button", name="Save the schedule")
    with panel.provoked("409"):
        save.click()
        expect(page.locator("[data-summary]")).to_contain_text("Every hour at 40 minutes past, Kyiv time")
    expect(page.locator("[data-summary]").get_by_role("link", name="See how it is now")).to_be_visible()
    expect(page.get_by_label("Time", exact=True)).to_have_value("22:22")
    save.click()
    page.wait_for_url(re.compile(r"/schedules#schedule-\d+$"))
    with panel.gallery.app.app_context():
        assert panel.gallery.state.schedules.get(number).rule["time"] == "22:22"


def test_all_of_it_works_without_javascript(panel: Panel) -> None:
    page = panel.open(NEW, script=False)
    page.get_by_label("Starts", exact=True).select_option("weekly")
    page.get_by_label("Thursday").check()
    page.get_by_label("Time", exact=True).fill("07:30")
    page.get_by_role("button", name="Show the next runs").click()
    expect(page.get_by_text("Every Thursday at 07:30")).to_be_visible()
    expect(page.get_by_label("Thursday")).to_be_checked()
    page.get_by_role("button", name="Make the schedule").click()
    page.wait_for_url(re.compile(r"/schedules#schedule-\d+$"))
    made = schedules(panel)[-1]
    assert (made.rule["days"], made.rule["time"]) == (["thursday"], "07:30")
    mine = page.locator(f"#schedule-{made.id}")
    mine.get_by_role("button", name="Schedule of Export products").click()
    expect(mine).to_contain_text("Turned off")
    mine.get_by_label("More for Export products").click()
    mine.get_by_role("button", name="Delete…").click()
    expect(page.get_by_text("What it started stays in the history.")).to_be_visible()
    page.get_by_role("button", name="Delete the schedule").click()
    page.wait_for_url("**/stask/schedules")
    expect(mine).to_have_count(0)
    row(page, panel, "hourly").get_by_role("button", name="Run now: Export products").click()
    page.wait_for_url(re.compile(r"/tasks/\d+$"))


@pytest.mark.parametrize("path", ["/schedules", NEW, "/schedules/new"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_no_page_is_wider_than_the_screen(panel: Panel, path: str, width: int) -> None:
    with panel.gallery.app.app_context():
        panel.gallery.state.schedules.update(panel.gallery.schedules["cron"], title="word" * 45)
    page = panel.open(path, viewport={"width": width, "height": 800}, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("path", ["/schedules", NEW])
def test_in_the_dark_it_is_dark(panel: Panel, path: str) -> None:
    page = panel.open(path, color_scheme="dark")
    page.get_by_text("Every day at").first.wait_for()
    light = [
        (name, colour)
        for name, colour in page.evaluate(
            """[...document.querySelectorAll('.schedule, .schedule-preview, .card')].map(
                 (each) => [each.className, getComputedStyle(each).backgroundColor])"""
        )
        if sum(map(int, re.findall(r"\d+", colour)[:3])) > 300
    ]
    assert light == []
