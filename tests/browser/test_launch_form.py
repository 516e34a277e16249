"""What a launch form does in a real browser: conditions, dependent choices, our own sentences, the question before."""

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

EVERY, MAIL, FORGET = "/workers/mail/run/print", "/workers/mail/run/send", "/workers/mail/run/forget"


@pytest.fixture
def panel(browser: Any, tmp_path: Path) -> Iterator[Panel]:
    with panel_of(browser, tmp_path) as panel:
        yield panel


def newest(panel: Panel) -> Task:
    with panel.gallery.app.app_context():
        found = Task.query().order_by(Task.id.desc()).first()
    assert found is not None
    return found


def started(page: Any) -> None:
    page.wait_for_url(re.compile(r"/stask/tasks/\d+$"))


def test_fields_come_and_go_with_the_values_of_others(panel: Panel) -> None:
    page = panel.open(EVERY)
    reason = page.get_by_label("Why so urgent?")
    expect(reason).to_be_hidden()
    page.get_by_label("Urgent", exact=True).check()
    expect(reason).to_be_visible()
    reason.fill("The customer waits")
    page.get_by_label("Urgent", exact=True).uncheck()
    expect(reason).to_be_hidden()
    page.get_by_label("Name").fill("Ada")
    page.get_by_role("button", name="Print invoices").click()
    started(page)
    assert newest(panel).meta["reason"] == "", "what is not asked for is not sent"


def test_without_javascript_every_field_is_there(panel: Panel) -> None:
    page = panel.open(EVERY, script=False)
    expect(page.get_by_label("Why so urgent?")).to_be_visible()


def test_choices_change_with_the_field_they_depend_on(panel: Panel) -> None:
    page = panel.open(EVERY)
    city = page.get_by_label("City")
    page.get_by_label("Name").fill("Ada")
    city.select_option("lviv")
    page.get_by_label("Country").select_option("pl")
    expect(city.locator("option")).to_have_text(["Choose…", "Gdańsk", "Warszawa"])
    city.select_option("waw")
    expect(page.get_by_label("Name")).to_have_value("Ada")
    page.get_by_role("button", name="Print invoices").click()
    started(page)
    assert (newest(panel).meta["country"], newest(panel).meta["city"]) == ("pl", "waw")


def test_what_the_browser_finds_wrong_is_said_by_us_all_at_once(panel: Panel) -> None:
    page = panel.open(EVERY)
    before = newest(panel).id
    count = page.get_by_label("Count", exact=True)
    count.fill("")
    count.press_sequentially("1e")
    page.locator("#field-mail").evaluate("field => { field.closest('details').open = true; }")
    page.get_by_label("E-mail for questions").fill("nobody")
    page.get_by_role("button", name="Print invoices").click()
    summary = page.locator("[data-summary]")
    expect(summary).to_contain_text("3 fields need a look.")
    expect(summary.get_by_role("link").first).to_have_text("Name: Fill this in.")
    expect(page.locator("#error-name")).to_have_text("Fill this in.")
    expect(page.locator("#error-count")).to_have_text("Enter a whole number, for example 12.")
    expect(page.locator("#error-mail")).to_have_text("Enter an e-mail address, for example name@example.com.")
    expect(page.get_by_label("Name")).to_be_focused()
    assert newest(panel).id == before
    count.fill("7")
    expect(page.locator("#error-count")).to_be_hidden()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("E-mail for questions").fill("ada@example.com")
    page.get_by_role("button", name="Print invoices").click()
    started(page)
    assert newest(panel).meta["count"] == 7


@pytest.mark.parametrize("size", [{}, PHONE], ids=["wide", "phone"])
def test_what_asks_first_is_asked_in_a_dialog(panel: Panel, size: Any) -> None:
    page = panel.open("/", **size)
    before = newest(panel).id
    page.locator("[data-widget=mail] .menu-button").first.click()
    page.get_by_role("link", name="Send newsletter").first.click()
    form = page.locator("dialog form")
    form.get_by_label("Subject").fill("Sale <b>")
    form.get_by_role("button", name="Send newsletter").click()
    question = page.get_by_role("dialog", name="Send newsletter?")
    expect(question).to_contain_text("4,210 people get a mail.")
    expect(question.locator(".facts-value").first).to_have_text("Sale <b>")
    expect(question.get_by_role("button", name="Back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(form.get_by_label("Subject")).to_have_value("Sale <b>")
    expect(form.get_by_role("button", name="Send newsletter")).to_be_enabled()
    assert newest(panel).id == before
    form.get_by_role("button", name="Send newsletter").click()
    question.get_by_role("button", name="Send newsletter").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert newest(panel).id == before + 1


def test_without_javascript_the_question_is_a_page(panel: Panel) -> None:
    page = panel.open(MAIL, script=False)
    before = newest(panel).id
    page.get_by_label("Subject").fill("Sale")
    page.get_by_role("button", name="Send newsletter").click()
    expect(page.get_by_role("heading", name="Send newsletter?")).to_be_visible()
    expect(page.get_by_role("button", name="Back")).to_be_focused()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Subject")).to_have_value("Sale")
    page.get_by_role("button", name="Send newsletter").click()
    assert newest(panel).id == before
    page.get_by_role("button", name="Send newsletter").click()
    started(page)
    assert newest(panel).id == before + 1


def test_what_asks_and_has_no_fields_asks_once_with_the_safe_button_focused(panel: Panel) -> None:
    page = panel.open(FORGET)
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    expect(page.locator(".form")).to_contain_text("All 4,210 addresses are deleted.")
    page.get_by_role("button", name="Forget readers").click()
    started(page)


def test_start_later_is_said_in_the_readers_zone(panel: Panel) -> None:
    page = panel.open(EVERY, timezone_id="Europe/Kyiv")
    page.get_by_text("More", exact=True).click()
    expect(page.locator("#help-_start_at")).to_have_text("By your clock, Europe/Kyiv. Empty starts at once")
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Start later").fill("2001-01-01T10:00")
    with panel.provoked("422"):
        page.get_by_role("button", name="Print invoices").click()
        expect(page.locator("#error-_start_at")).to_contain_text("This moment is over.")
    page.get_by_label("Start later").fill("2040-06-01T18:30")
    page.get_by_role("button", name="Print invoices").click()
    started(page)
    task = newest(panel)
    assert task.start_at is not None
    assert f"{task.start_at:%H:%M}" == "15:30"


def test_several_files_can_be_removed_one_by_one(panel: Panel) -> None:
    page = panel.open(EVERY)
    files = [{"name": f"{name}.txt", "mimeType": "text/plain", "buffer": b"x"} for name in ("one", "two")]
    page.locator("[data-upload]").set_input_files(files)
    expect(page.locator("[data-chip]")).to_have_count(2)
    page.locator("[data-upload]").set_input_files([{"name": "three.txt", "mimeType": "text/plain", "buffer": b"x"}])
    expect(page.locator("[data-chip] .file-name")).to_have_text(["one.txt", "two.txt", "three.txt"])
    page.locator("[data-chip]", has_text="one.txt").get_by_role("button", name="Remove").click()
    expect(page.locator("[data-chip] .file-name")).to_have_text(["two.txt", "three.txt"])
    page.get_by_label("Name").fill("Ada")
    page.get_by_role("button", name="Print invoices").click()
    started(page)
    assert [paper["name"] for paper in newest(panel).meta["papers"]] == ["two.txt", "three.txt"]
    page = panel.open(f"{EVERY}?from={newest(panel).id}")
    page.locator("[data-upload]").set_input_files([{"name": "four.txt", "mimeType": "text/plain", "buffer": b"x"}])
    expect(page.locator("[data-chip] .file-name")).to_have_text(["two.txt", "three.txt", "four.txt"])
    for name in ("two", "three", "four"):
        page.locator("[data-chip]", has_text=f"{name}.txt").get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Print invoices").click()
    started(page)
    assert newest(panel).meta["papers"] == [], "who takes all away is not asked for one"
