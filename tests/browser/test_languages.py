"""Another language in a real browser: chosen without script, counted on by script, and within 360 px."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]
UKRAINIAN: dict[str, Any] = {"locale": "uk-UA", "timezone_id": "Europe/Kyiv"}


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """The gallery."""
    with panel_of(browser, tmp_path_factory.mktemp("languages")) as panel:
        yield panel


def test_a_language_is_chosen_without_script(panel: Panel) -> None:
    page = panel.open("/tasks?status=failed", script=False)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator(".language summary").click()
    page.get_by_role("button", name="Українська").click()
    expect(page.locator("html")).to_have_attribute("lang", "uk")
    assert page.url.endswith("/stask/tasks?status=failed")
    expect(page.locator(".topbar-here")).to_have_text("Завдання")
    page.goto(f"{panel.url}/stask/")
    page.locator(".language summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator(".topbar-here")).to_have_text("Dashboard")


def test_a_language_is_chosen_by_the_keyboard(panel: Panel) -> None:
    page = panel.open("/", **UKRAINIAN)
    page.locator(".language summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_running_task_is_told_of_in_ukrainian(panel: Panel) -> None:
    page = panel.open(panel.task("running"), **UKRAINIAN)
    hero = page.locator("[data-field=amount]").first
    expect(hero).to_have_text("1\xa0204 з 3\xa0201")
    expect(page.locator("[data-field=eta]").first).to_contain_text("ще близько")
    with page.expect_response(lambda answer: "/live" in answer.url and answer.ok) as told:
        pass
    (task,) = [each["task"] for each in told.value.json()["tasks"] if each["id"] == panel.gallery.ids["running"]]
    assert task["word"] == "Виконується" and "з 3\xa0201" in task["fields"]["line"]
    expect(hero).to_have_text(task["fields"]["amount"])


def test_ages_go_on_in_ukrainian(panel: Panel) -> None:
    page = panel.open("/tasks", **UKRAINIAN)
    place = page.locator("time[data-ago]").first
    place.evaluate("each => (each.dateTime = new Date(Date.now() - 3 * 60000).toISOString())")
    expect(place).to_have_text("3 хв тому")


def test_a_number_takes_its_form_in_the_browser(panel: Panel) -> None:
    page = panel.open("/tasks", **UKRAINIAN)
    words = page.evaluate(
        """async () => {
            const main = document.querySelector("script[src*='main.js']").src;
            const { counted, written } = await import(main.replace("main.js", "words.js"));
            const forms = document.querySelector("[data-list-pill]").dataset.words;
            const told = [1, 2, 5, 21, 1204].map((number) => counted(forms, number));
            return [...told, counted("{n} more", 3), written(1204.5)];
        }"""
    )  # fmt: skip
    assert words == ["1 нове", "2 нові", "5 нових", "21 нове", "1\xa0204 нові", "3 more", "1\xa0204,5"]
    page.locator("[data-pick]").first.check()
    expect(page.locator("[data-chosen-words]")).to_have_text("Вибрано: 1")


def test_a_form_is_checked_in_ukrainian(panel: Panel) -> None:
    page = panel.open("/workers/mail/run/print", **UKRAINIAN)
    page.locator("[name=count]").fill("")
    page.locator(".form-foot .btn-primary").click()
    expect(page.locator("[data-summary] p")).to_contain_text("Перевірте")
    expect(page.locator("[data-field-name=name] [data-error]")).to_have_text("Заповніть це поле.")


PAGES = ["/", "/tasks", "/workers", "/workers/mail/run/print", "/tasks/bulk?all=1", "running", "failed", "refused"]


@pytest.mark.parametrize("path", PAGES)
def test_ukrainian_fits_a_phone(panel: Panel, path: str) -> None:
    page = panel.open(path if path.startswith("/") else panel.task(path), **PHONE, **UKRAINIAN)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    for button in page.locator(".stask button:visible, .stask a.btn:visible").all():
        box = button.bounding_box()
        assert box is None or box["x"] + box["width"] <= 361, button.inner_text()
    title = page.locator(".topbar-here")
    if path in ("/", "/tasks"):
        assert title.evaluate("each => each.getBoundingClientRect().width") > 40
