"""Starting a task from a page, and everything that can go wrong on the way: nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stask_web.models import Task
from stask_web.state import State

from .conftest import THREADS, Browser, Server

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which the extra dev brings")
expect = sync_api.expect

pytestmark = pytest.mark.browser

FORM = "/workers/goods/run/order"


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server]) -> Server:
    return serve(*THREADS)


@pytest.fixture
def browser(launched: Any, server: Server) -> Iterator[Browser]:
    server.revive()
    made = Browser(launched, server)
    yield made
    made.context.close()
    assert [text for text in made.complaints if "status of 4" not in text] == []


def count(app: Any) -> int:
    with app.app_context():
        return Task.by_identifier("goods").count()


def submit(page: Any) -> None:
    page.get_by_role("button", name="Order goods").click()


def test_a_dialog_opens_with_the_focus_in_it_and_esc_leads_back(browser: Browser) -> None:
    page = browser.open("/")
    link = page.get_by_role("link", name="Order goods").first
    link.click()
    expect(page.locator("dialog[open] [name=name]")).to_be_focused()
    assert (
        page.locator("dialog[open]")
        .evaluate("(dialog) => document.getElementById(dialog.getAttribute('aria-labelledby')).textContent")
        .strip()
        == "Order goods"
    )
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(link).to_be_focused()


def test_from_a_widget_the_dialog_closes_and_the_widget_goes_live(browser: Browser, app: Any, state: State) -> None:
    page = browser.open("/")
    page.evaluate("window.notReloaded = true")
    before = count(app)
    page.get_by_role("link", name="Order goods").first.click()
    page.locator("dialog [name=name]").fill("Chairs")
    submit(page)
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("[data-widget=goods]")).to_contain_text("No worker process is running")
    assert count(app) == before + 1
    page.locator("[data-widget=goods]").get_by_role("button", name="Withdraw").click()
    expect(page.locator(".toast")).to_contain_text("Withdrawn")
    expect(page.locator("[data-widget=goods]")).not_to_contain_text("No worker process")
    assert page.evaluate("window.notReloaded")


def test_from_a_page_one_goes_on_to_the_task(browser: Browser) -> None:
    page = browser.open(FORM)
    page.locator("[name=name]").fill("Tables")
    submit(page)
    page.wait_for_url("**/stask/tasks/*")
    expect(page.locator("h1")).to_have_text("Order goods")


def test_what_is_wrong_stands_at_its_field_and_everything_typed_stays(browser: Browser, app: Any) -> None:
    page, before = browser.open(FORM), count(app)
    page.locator("[name=name]").fill("ab")
    page.locator("[name=count]").fill("7")
    page.locator("[name=colour]").select_option("blue")
    page.locator("form[data-launch]").evaluate("(form) => { form.noValidate = true; }")
    submit(page)
    expect(page.locator("[data-field-name=name] [data-error]")).to_be_visible()
    expect(page.locator("[name=name]")).to_be_focused()
    expect(page.locator("[name=name]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-summary] a")).to_have_count(1)
    assert page.locator("[name=count]").input_value() == "7"
    assert page.locator("[name=colour]").input_value() == "blue"
    assert count(app) == before
    page.locator("[name=count]").focus()
    page.locator("[data-summary] a").click()
    expect(page.locator("[name=name]")).to_be_focused()
    page.locator("[name=name]").fill("abcd")
    expect(page.locator("[data-field-name=name] [data-error]")).to_be_hidden()
    submit(page)
    page.wait_for_url("**/stask/tasks/*")
    assert count(app) == before + 1


def test_two_quick_clicks_start_one_task(browser: Browser, app: Any) -> None:
    page, before = browser.open(FORM), count(app)
    page.locator("[name=name]").fill("Lamps")
    page.get_by_role("button", name="Order goods").dblclick()
    page.wait_for_url("**/stask/tasks/*")
    assert count(app) == before + 1


def test_a_dead_web_server_loses_nothing_typed(browser: Browser, app: Any) -> None:
    page, before = browser.open(FORM), count(app)
    page.locator("[name=name]").fill("Sofas")
    page.context.set_offline(True)
    submit(page)
    expect(page.locator("[data-summary]")).to_contain_text("did not answer")
    assert page.locator("[name=name]").input_value() == "Sofas"
    page.context.set_offline(False)
    submit(page)
    page.wait_for_url("**/stask/tasks/*")
    assert count(app) == before + 1
    browser.complaints.clear()


def test_who_was_signed_out_comes_back_to_the_filled_form(browser: Browser, app: Any) -> None:
    page, before = browser.open(FORM), count(app)
    page.locator("[name=name]").fill("Desks")
    page.locator("[name=count]").fill("3")
    page.locator("[name=colour]").select_option("blue")
    page.locator("[name=token]").evaluate("(field) => { field.closest('details')?.setAttribute('open', ''); }")
    page.locator("[name=token]").fill("s3cret")
    browser.context.clear_cookies()
    page.evaluate("() => { window.beforeSigningIn = true; }")
    submit(page)
    page.wait_for_function("() => !window.beforeSigningIn && document.querySelector('[name=name]')?.value === 'Desks'")
    assert page.locator("[name=count]").input_value() == "3"
    assert page.locator("[name=colour]").input_value() == "blue"
    assert page.locator("[name=token]").input_value() == ""
    assert "s3cret" not in page.evaluate("JSON.stringify([{ ...sessionStorage }, { ...localStorage }])")
    submit(page)
    page.wait_for_url("**/stask/tasks/*")
    assert count(app) == before + 1


def test_too_many_starts_count_down(launched: Any, serve: Callable[..., Server], app: Any) -> None:
    browser = Browser(launched, serve(*THREADS, STASK_TEST_RATE="1"))
    for name in ("First one", "Second one"):
        page = browser.open(FORM)
        page.locator("[name=name]").fill(name)
        submit(page)
    button = page.locator("form[data-launch] button[type=submit]")
    expect(button).to_contain_text("Wait")
    expect(button).to_be_disabled()
    first = button.inner_text()
    expect(button).not_to_have_text(first)
    assert page.locator("[name=name]").input_value() == "Second one"
    browser.context.close()
