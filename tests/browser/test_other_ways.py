"""The same path for those who use no mouse or no script, and what a person sees who brings the wrong file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Shop, Visit
from tests.browser.films import read_rows
from tests.browser.test_whole_path import FORM, SENTENCE, WIDGET, attach, download, expect, log_lines
from tests.browser.watch import shot

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

Come = Callable[..., Visit]
MOST_TABS = 60
# What the focus is on, and whether one can see that it is there.
FOCUSED = """() => {
    const here = document.activeElement;
    const label = here.labels?.[0]?.innerText ?? here.ariaLabel ?? here.innerText ?? "";
    const { outlineStyle, boxShadow } = getComputedStyle(here);
    return [label.trim(), here.localName, outlineStyle !== "none" || boxShadow !== "none"];
}"""


def tab_to(page: Any, words: str) -> int:
    """Press Tab until the focus is on what bears these words, and see that it shows -> how often."""
    passed = []
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        label, element, visible = page.evaluate(FOCUSED)
        passed.append(f"{element}: {label[:40]}")
        if words in label and element not in ("body", "html", "dialog"):
            assert visible, f"nobody sees that the focus is on {words!r}"
            return len(passed)
    pytest.fail(f"{words!r} is not reached by Tab, only {passed}")


@pytest.mark.parametrize("shop", ["socket"], indirect=True)
def test_by_keyboard_alone(shop: Shop, visit: Come) -> None:
    someone = visit()
    page = someone.page
    shop.shelf.ask("DELETE FROM products")
    shop.two_hours_later()
    someone.go("/")
    menu = page.locator(f"{WIDGET} .widget-head details[open]")
    tab_to(page, "More for Product management")
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    tab_to(page, "Import products")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-upload]")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(shop.price_list))
    expect(dialog.locator("[data-chip]")).to_be_visible()
    tab_to(page, "Import products")
    page.keyboard.press("Enter")
    expect(page.locator(f"{WIDGET} .widget-text")).to_have_text(SENTENCE)
    assert tab_to(page, "Download refused rows") <= 6, "the focus stays near, though the widget was drawn anew"
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    assert saved.value.path().read_bytes() == shop.file_of(shop.last_task(), "refused")
    assert len(shop.shelf.products()) == 3161


@pytest.mark.parametrize("shop", ["poll"], indirect=True)
def test_without_javascript(shop: Shop, visit: Come) -> None:
    someone = visit(script=False)
    page = someone.page
    shop.shelf.ask("DELETE FROM products")
    shop.two_hours_later()
    someone.go("/")
    assert page.locator(".needs-js:visible").count() == 0, "nothing is shown that does nothing"
    page.locator(f"{WIDGET} a[href$='/run/import']").first.click()
    assert page.url == f"{shop.url}/stask{FORM}"
    shot(page, "plain-form")
    last = shop.last_task()
    page.get_by_role("button", name="Import products").click()
    assert page.url == f"{shop.url}/stask{FORM}", "the browser itself asks for the file"
    assert shop.last_task() == last

    page.locator("input[type=file]").set_input_files(
        {"name": "prices.csv", "mimeType": "text/csv", "buffer": b"sku,title,pryce\nA,B,1\n"}
    )
    with someone.watch.provoked("422"):
        page.get_by_role("button", name="Import products").click()
    expect(page.locator("#error-file")).to_contain_text("pryce")
    expect(page.locator("#error-file")).to_be_visible()
    expect(page.locator("[data-chip] .file-name")).to_have_text("prices.csv")
    shot(page, "plain-refused")
    assert shop.last_task() == last

    page.locator("input[type=file]").set_input_files(str(shop.price_list))
    page.get_by_role("button", name="Import products").click()
    page.wait_for_url(re.compile(rf"/stask/tasks/{last + 1}$"))
    shot(page, "plain-started")
    shop.wait_for_end(last + 1)
    page.reload()
    expect(page.locator(".hero-outcome-text")).to_have_text(SENTENCE)
    shot(page, "plain-done")
    assert log_lines(page) == shop.log_of(last + 1)[-200:]
    assert page.locator(".needs-js:visible").count() == 0
    name, content = download(page, page.get_by_role("link", name="Download refused rows"))
    assert (name, content) == ("refused.csv", shop.file_of(last + 1, "refused"))
    assert len(shop.shelf.products()) == 3161

    someone.go("/workers/product/run/export")
    page.get_by_label("Active products only").uncheck()
    page.get_by_role("button", name="Export products").click()
    page.wait_for_url(re.compile(rf"/stask/tasks/{last + 2}$"))
    shop.wait_for_end(last + 2)
    page.reload()
    _, content = download(page, page.locator(".files").get_by_role("link", name="Download"))
    assert content == shop.shelf.as_csv("1")


def upload(name: str, content: bytes) -> dict[str, Any]:
    """A file as Playwright takes it."""
    return {"name": name, "mimeType": "text/csv", "buffer": content}


@pytest.mark.parametrize("shop", ["poll"], indirect=True)
def test_a_wrong_file_is_said_at_the_field_and_the_right_one_still_goes(shop: Shop, visit: Come) -> None:
    someone = visit()
    page = someone.page
    last = shop.last_task()
    someone.go(FORM)
    field, error = page.locator("[data-upload]"), page.locator("#error-file")
    page.get_by_label("Delimiter").select_option("|")
    start = page.get_by_role("button", name="Import products")
    start.click()
    assert field.evaluate("field => field.validity.valueMissing"), "no file: the browser itself says so"

    with someone.watch.provoked("422|415|413"):
        for wrong, words in (
            (upload("empty.csv", b""), "empty"),
            (upload("setup.exe", b"MZ\x90\x00\x03" * 100), ".csv"),
            (upload("prices.csv", b"MZ\x90\x00\x03" * 100), "program"),
        ):
            field.set_input_files(wrong)
            expect(error).to_contain_text(words)
            expect(error).to_be_visible()
            expect(page.locator("[data-chip]")).to_have_count(0)
        shot(page, "wrong-file")

        for wrong, words in (
            (upload("columns.csv", b"sku|nam|cost\nA|B|1\n"), "nam"),
            (upload("nothing.csv", b"sku|name|price\n"), "row"),
        ):
            field.set_input_files(wrong)
            expect(page.locator("[data-chip] .file-name")).to_have_text(wrong["name"])
            start.click()
            expect(error).to_contain_text(words)
            expect(error).to_be_visible()
            expect(page.locator("[data-summary]")).to_contain_text(error.inner_text())
            expect(start).to_have_text("Import products")
            expect(page.locator("[data-chip] .file-name"), "the file is kept").to_have_text(wrong["name"])
            shot(page, f"wrong-{wrong['name'][:-4]}")
    expect(page.get_by_label("Delimiter")).to_have_value("|")
    assert shop.last_task() == last, "nothing was started"

    attach(page, str(shop.price_list))
    expect(page.locator("[data-chip] .file-name")).to_have_text("products.csv")
    page.get_by_label("Delimiter").select_option("auto")
    start.click()
    expect(page.locator(".hero-outcome-text")).to_have_text(SENTENCE)
    assert len(read_rows(shop.file_of(last + 1, "refused"))) == 40
