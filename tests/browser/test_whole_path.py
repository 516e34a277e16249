"""The whole path in a real browser: from the one-time link to every file, on real servers, with sockets and polling.

What a test shows is compared with what lies in the shop's database and in the storage, read past the product.
``STASK_SHOTS=folder`` keeps pictures of the steps.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser.conftest import Shop, Visit, wait_until
from tests.browser.films import many, mended, read_rows, write_rows
from tests.browser.watch import assert_calm, heard, shot, texts

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

Come = Callable[..., Visit]
RUNNING, CANCELLED = 20, 50
SENTENCE = "3,161 imported, 40 refused"
FORM = "/workers/product/run/import"
WIDGET = "[data-widget=product]"


def expect(subject: Any, message: str | None = None) -> Any:
    """Playwright's `expect`, found late: without Playwright these tests are skipped, not broken."""
    from playwright.sync_api import expect

    expect.set_options(timeout=45_000)
    return expect(subject, message)


def download(page: Any, link: Any) -> tuple[str, bytes]:
    """Click, and return the name and the content of what is saved."""
    with page.expect_download() as download:
        link.click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def attach(page: Any, *files: Any) -> None:
    """Choose a file, and wait until its chip is there."""
    page.locator("[data-upload]").set_input_files(*files)
    expect(page.locator("[data-chip]")).to_be_visible()


def start_from_page(visit: Visit, path: Any) -> int:
    """Start an import from the form's own page, and land on the task's page -> its id."""
    visit.go(FORM)
    attach(visit.page, path)
    visit.page.get_by_role("button", name="Import products").click()
    visit.page.wait_for_url(re.compile(r"/stask/tasks/\d+$"))
    return int(visit.page.url.rpartition("/")[2])


def log_lines(page: Any) -> list[str]:
    """The texts of all log lines on the page."""
    return page.locator(".log-line .log-text").all_text_contents()


def all_lines(page: Any, count: int) -> list[str]:
    """The texts of all log lines: a page begins with the last ones, and fetches older ones when one scrolls up."""
    shown = page.locator(".log-line")
    while (before := shown.count()) < count:
        page.locator(".log").evaluate("log => { log.scrollTop = 0; }")
        expect(shown.nth(before)).to_be_attached()
        page.locator(".log").evaluate("log => { log.scrollTop = 200; }")
    return log_lines(page)


def lines_at_least(page: Any, count: int) -> None:
    """Wait until the page shows so many log lines."""
    expect(page.locator(".log-line").nth(count - 1)).to_be_attached()


class Paced:
    """Lets a task run only within ``with paced.running():``, so that a test is never too late for it.

    :param shop: where it runs.
    """

    def __init__(self, shop: Shop, task_id: int) -> None:
        self._shop, self._task_id = shop, task_id
        self._pid = shop.process_of(task_id)
        os.kill(self._pid, signal.SIGSTOP)

    def is_shown_to_its_end(self, page: Any) -> None:
        """Wait until the page shows the last line that it has written."""
        expect(page.locator(".log-line .log-text").last).to_have_text(self._lines()[-1])

    def _lines(self) -> list[str]:
        return self._shop.log_of(self._task_id)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it go on, until the block is over and it has written more."""
        before = len(self._lines())
        self.go_on()
        try:
            yield
            wait_until(lambda: len(self._lines()) > before)
        finally:
            os.kill(self._pid, signal.SIGSTOP)
        assert self._shop.task(self._task_id)["status"] == RUNNING, "it still runs"

    def go_on(self) -> None:
        """Let it run to its end."""
        os.kill(self._pid, signal.SIGCONT)


def numbers_of(shown: list[str]) -> list[int]:
    """The first number of each text."""
    return [int(re.findall(r"[\d,]+", text)[0].replace(",", "")) for text in shown]


def test_the_link_signs_in_once_and_nobody_gets_in_without(shop: Shop, visit: Come) -> None:
    link = shop.link()
    first, second = visit(signed_in=False), visit(signed_in=False)
    first.page.goto(link)
    expect(first.page).to_have_url(f"{shop.url}/stask/")
    with second.watch.provoked("410"):
        assert second.page.goto(link).status == 410
        shot(second.page, f"{shop.transport}-link-gone")
    second.go("/")
    assert "/sign-in" in second.page.url


def test_import_in_a_dialog_follow_it_and_download(shop: Shop, visit: Come) -> None:
    """Four acts from the dashboard to the file: open the form, choose the file, start, download."""
    shop.shelf.ask("DELETE FROM products")
    shop.two_hours_later()
    someone = visit()
    page = someone.page
    policy = someone.go("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    # What ended longer ago than a minute is counted once in some seconds, and we have just changed when it ended.
    wait_until(
        lambda: someone.go("/") and page.locator("[data-stat=completed_today]").inner_text() == shop.completed_today()
    )
    before = {name: page.locator(f"[data-stat={name}]").inner_text() for name in ("completed_today", "total")}
    expect(page.locator(".count-label")).to_have_text(
        ["Waiting", "Running", "Completed today", "Failed, last 24 h", "Total"]
    )
    widget = page.locator(WIDGET)
    cut = "texts => texts.filter((text) => text.scrollWidth > text.clientWidth).map((text) => text.innerText)"
    assert widget.locator(".btn-text").evaluate_all(cut) == [], "whole words on the buttons"
    expect(widget.locator(".widget-title")).to_have_text("Product management")
    expect(page.get_by_role("heading", name="Recent tasks")).to_be_visible()
    shot(page, f"{shop.transport}-dashboard")
    page.evaluate("window.never_reloaded = true")

    widget.locator(".widget-foot").get_by_role("link", name="Import products").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Import products")
    expect(dialog.get_by_role("button", name="Check only")).to_be_visible()
    assert dialog.get_by_label("Delimiter").locator("option").all_text_contents()[0] == "Automatic"
    dialog.get_by_label("Delimiter").select_option(",")
    attach(page, shop.price_list)
    expect(dialog.locator("[data-chip] .file-name")).to_have_text("products.csv")
    rows = read_rows(shop.price_list.read_bytes())
    cells = dialog.locator(".preview-table tbody td").all_text_contents()
    assert cells == [cell for row in rows[:5] for cell in row.values()]
    shot(page, f"{shop.transport}-dialog")
    dialog.get_by_role("button", name="Import products").click()
    expect(dialog).to_have_count(0)

    expect(widget.locator(".widget-text")).to_have_text(SENTENCE)
    expect(widget.locator(".look")).to_have_class(re.compile("tone-attention"))
    shot(page, f"{shop.transport}-dashboard-done")
    name, content = download(page, widget.get_by_role("link", name="Download refused rows"))
    task_id = shop.last_task()
    assert (name, content) == ("refused.csv", shop.file_of(task_id, "refused"))
    taken = shop.shelf.products()
    assert len(taken) == 3161
    refused = [list(row.values()) for row in rows if row["sku"] not in taken]
    assert [list(row.values())[:6] for row in read_rows(content)] == refused
    recent = page.locator(f"tr[data-task='{task_id}']")
    expect(recent).to_contain_text("Completed with refusals")
    expect(recent).to_contain_text(SENTENCE)
    for name, text in before.items():
        expect(page.locator(f"[data-stat={name}]")).to_have_text(f"{int(text.replace(',', '')) + 1:,}")
    expect(page.locator("[data-stat=running]")).to_have_text("0")
    assert page.evaluate("window.never_reloaded"), "the page was loaded anew"
    assert_calm(page)

    widget.get_by_role("link", name="Log").click()
    expect(page.locator(".hero-outcome-text")).to_have_text(SENTENCE)
    expect(page.locator(".hero-outcome")).to_have_class(re.compile("tone-attention"))
    expect(page.locator(".hero-more").first).to_contain_text(re.compile(r"took [\d.]+ s"))
    assert log_lines(page) == shop.log_of(task_id)
    name, content = download(page, page.get_by_role("link", name="Download the log"))
    assert name == f"task-{task_id}.log"
    assert [line.split(" ", 3)[3] for line in content.decode().splitlines()] == shop.log_of(task_id)
    name, content = download(page, page.get_by_role("link", name="Download refused rows"))
    assert content == shop.file_of(task_id, "refused")
    shot(page, f"{shop.transport}-task-done")


def test_refused_rows_mended_and_imported_again_bring_exactly_those_in(shop: Shop, visit: Come, tmp_path: Any) -> None:
    shop.shelf.ask("DELETE FROM products")
    someone = visit()
    first = start_from_page(someone, shop.price_list)
    expect(someone.page.locator(".hero-outcome-text")).to_have_text(SENTENCE)
    _, content = download(someone.page, someone.page.get_by_role("link", name="Download refused rows"))
    before = shop.shelf.products()
    rows = [mended(row) for row in read_rows(content)]
    second = start_from_page(someone, write_rows(tmp_path / "refused.csv", rows))
    assert second > first
    expect(someone.page.locator(".hero-outcome-text")).to_have_text("40 imported")
    expect(someone.page.locator(".hero-outcome")).to_have_class(re.compile("tone-done"))
    after = shop.shelf.products()
    assert {sku: row for sku, row in after.items() if sku in before} == before, "what was there is as it was"
    assert set(after) - set(before) == {row["sku"] for row in rows}
    assert set(after) == {row["sku"] for row in read_rows(shop.price_list.read_bytes())}
    for row in rows:
        _, _, name, price, stock, year, genre, active = after[row["sku"]]
        wanted = (row["name"], row["price"], int(row["stock"]), int(row["released"][-4:]), row["genre"], 1)
        assert (name, f"{price / 100:.2f}", stock, year, genre, active) == wanted


def test_a_task_is_live_on_its_page(shop: Shop, visit: Come, tmp_path: Any) -> None:
    """Bar, amount, rate, estimate, message, counters and log lines move without a reload, and nothing jumps."""
    someone = visit()
    page = someone.page
    prefix, path = many(shop.price_list, tmp_path / "many.csv", 28)
    task_id = start_from_page(someone, path)
    page.evaluate("window.never_reloaded = true")
    expect(page.locator(".log-line").nth(100)).to_be_attached()
    expect(page.locator(".hero progress")).to_be_visible()
    shot(page, f"{shop.transport}-task-running")
    expect(page.locator(".hero-outcome-text")).to_have_text("88,508 imported, 1,120 refused")
    assert page.evaluate("window.never_reloaded"), "the page was loaded anew"
    assert_calm(page)

    seen = heard(page)
    amounts = numbers_of(texts(page, "amount"))
    assert len(amounts) >= 4 and amounts == sorted(amounts), "processed grows while one looks"
    assert all(text.endswith(" of 89,628") for text in texts(page, "amount"))
    percents = numbers_of([text for text in texts(page, "percent") if text != "Working"])
    assert len(percents) >= 4 and percents == sorted(percents)
    bars = [value for value, _ in seen["bars"]]
    assert len(bars) >= 4 and bars == sorted(bars), "the bar never goes back"
    assert "Importing" in texts(page, "message")
    assert any(re.fullmatch(r"[\d,]+ a second", text) for text in texts(page, "rate"))
    assert any(re.fullmatch(r"about \d+ s left|almost done", text) for text in texts(page, "eta")), texts(page, "eta")
    moments = [at for _, at in seen["fields"]["eta"]]
    assert all(later - sooner > 900 for sooner, later in itertools.pairwise(moments)), "a calm estimate"
    assert any("created" in text and "refused" in text for text in texts(page, "counts"))
    counts = [number for number, _ in seen["lines"]]
    assert len(counts) >= 4 and counts == sorted(counts), "log lines come while it runs"

    assert log_lines(page) == shop.log_of(task_id)
    assert len(shop.shelf.products(prefix)) == 88_508
    expect(page.locator(".task-under .look")).to_have_text("Completed with refusals")


def test_check_only_changes_nothing(shop: Shop, visit: Come) -> None:
    someone = visit()
    page = someone.page
    shop.shelf.ask("DELETE FROM products WHERE sku LIKE 'M00%'")
    before = shop.shelf.products()
    someone.go(FORM)
    attach(page, shop.price_list)
    page.get_by_role("button", name="Check only").click()
    page.wait_for_url(re.compile(r"/stask/tasks/\d+$"))
    expect(page.locator(".hero-outcome-text")).to_have_text("Nothing was saved. 3,161 would be imported, 40 refused")
    expect(page.locator(".badge")).to_have_text("Check only")
    expect(page.locator(".hero-more").first).not_to_contain_text("created")
    assert shop.shelf.products() == before
    _, content = download(page, page.get_by_role("link", name="Download refused rows"))
    assert len(read_rows(content)) == 40
    shot(page, f"{shop.transport}-check-only")


def test_export_gives_what_the_filter_says(shop: Shop, visit: Come) -> None:
    someone = visit()
    page = someone.page
    start_from_page(someone, shop.price_list)
    expect(page.locator(".hero-outcome-text")).to_have_text(SENTENCE)
    shop.shelf.ask("UPDATE products SET active = id % 3 > 0")
    for active_only in (True, False):
        someone.go("/")
        page.locator(WIDGET).get_by_label("More for Product management").click()
        page.locator(f"{WIDGET} .menu-item").get_by_text("Export products").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Active products only").set_checked(active_only)
        dialog.get_by_label("Format").select_option("csv")
        shot(page, f"{shop.transport}-export-form")
        last = shop.last_task()
        dialog.get_by_role("button", name="Export products").click()
        where = "active" if active_only else "1"
        count = shop.shelf.ask(f"SELECT count(*) FROM products WHERE {where}")[0][0]
        expect(page.locator(f"{WIDGET} .widget-text")).to_have_text(f"{count:,} products exported")
        link = page.locator(WIDGET).get_by_role("link", name="Download")
        name, content = download(page, link)
        assert name == "products.csv"
        assert content == shop.file_of(last + 1, "result") == shop.shelf.as_csv(where)
        shot(page, f"{shop.transport}-export-done")


def test_stop_asks_first_and_keeps_what_is_done(shop: Shop, visit: Come, tmp_path: Any) -> None:
    someone = visit()
    page = someone.page
    prefix, path = many(shop.price_list, tmp_path / "many.csv", 20)
    task_id = start_from_page(someone, path)
    expect(page.locator(".log-line").nth(20)).to_be_attached()
    expect(page.locator("[data-tray-count]")).to_have_text("1")
    stop = page.locator(".task-acts").get_by_role("button", name="Stop")
    stop.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_contain_text("Stop")
    expect(dialog.locator("[data-field=stays]")).to_have_text(
        re.compile(r"^[\d,]+ of 64,020 are done and stay done\.$")
    )
    expect(dialog.get_by_role("button", name="Keep running")).to_be_focused()
    shot(page, f"{shop.transport}-stop-asks")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert shop.task(task_id)["status"] == RUNNING, "Esc leaves it running"

    stop.click()
    dialog.get_by_role("button", name="Stop “Import products”").click()
    expect(page.locator(".hero-outcome-text")).to_have_text(
        re.compile(r"^Stopped by admin at [\d,]+ of 64,020\. What was done stays done$")
    )
    expect(page.locator("[data-tray]"), "none of mine runs any more").to_be_hidden()
    shot(page, f"{shop.transport}-stopped")
    assert shop.task(task_id)["status"] == CANCELLED
    assert log_lines(page) == shop.log_of(task_id)
    saved = len(shop.shelf.products(prefix))
    assert 0 < saved < 60_000
    assert f"Stopped. {saved:,} rows are saved and stay; the rest of the file was not touched." in log_lines(page)


def test_no_line_is_lost_or_doubled_by_reload_offline_and_a_dead_web_server(
    shop: Shop, visit: Come, tmp_path: Any
) -> None:
    """Its 1,563 lines are fewer than a page keeps, so in the end the page must show exactly those of the journal."""
    someone = visit()
    page = someone.page
    _, path = many(shop.price_list, tmp_path / "many.csv", 28)
    task_id = start_from_page(someone, path)
    lines_at_least(page, 20)
    task = Paced(shop, task_id)
    try:
        page.reload()
        expect(page.locator(".hero progress")).to_be_visible()
        page.evaluate("window.never_reloaded = true")
        with task.running():
            lines_at_least(page, page.locator(".log-line").count() + 1)
        lose_the_connection(someone, task)
        lose_the_web_server(someone, task)
    finally:
        task.go_on()
    expect(page.locator(".hero-outcome-text")).to_have_text("88,508 imported, 1,120 refused")
    assert page.evaluate("window.never_reloaded"), "the page was loaded anew"
    whole = shop.log_of(task_id)
    assert len(whole) == 1563
    shown = log_lines(page)
    assert shown == whole[-len(shown) :]
    assert all_lines(page, 1563) == whole
    assert shop.task(task_id)["attempt_no"] == 1, "the task itself never noticed"


def lose_the_connection(someone: Visit, task: Paced) -> None:
    """Lines are written while the browser is offline. It says so, and has them all when it is back."""
    page = someone.page
    notice = page.locator("[data-connection]")
    expect(notice).to_be_hidden()
    with someone.watch.provoked("ERR_INTERNET_DISCONNECTED"):
        someone.context.set_offline(True)
        with task.running():
            pass
        expect(notice).to_be_visible()
        shot(page, f"{someone.shop.transport}-offline")
        someone.context.set_offline(False)
        expect(notice).to_be_hidden()
        task.is_shown_to_its_end(page)
    with task.running():
        lines_at_least(page, page.locator(".log-line").count() + 1)


def lose_the_web_server(someone: Visit, task: Paced) -> None:
    """Lines are written while there is no web server. The page has them all when there is one again."""
    page = someone.page
    with someone.watch.provoked("ERR_CONNECTION_|ERR_EMPTY_RESPONSE|ERR_SOCKET|WebSocket connection"):
        someone.shop.site.kill_web()
        with task.running():
            pass
        someone.shop.site.start_web()
        task.is_shown_to_its_end(page)
        expect(page.locator("[data-connection]")).to_be_hidden()
    with task.running():
        lines_at_least(page, page.locator(".log-line").count() + 1)
