"""Live pages in a real browser: by socket on gunicorn with threads, by polling on ``gunicorn -w 4`` without."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stask_web.state import State
from stask_web.status import Status

from .conftest import SYNC, THREADS, Browser, Server, Writer

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which the extra dev brings")
expect = sync_api.expect
expect.set_options(timeout=15_000)

pytestmark = pytest.mark.browser

PATIENCE = 15_000
LINES = "[...document.querySelectorAll('.log-text')].map((line) => line.textContent)"
DRAW_ANEW = """(selector) => {
    const main = document.querySelector("script[src*='js/main.js']").src;
    import(new URL("tasks.js", main)).then((tasks) => tasks.refresh(document.querySelector(selector)));
}"""
WAYS = {"socket": (THREADS, "threading"), "poll": (SYNC, "")}


@pytest.fixture(scope="module", params=WAYS)
def server(request: pytest.FixtureRequest, serve: Callable[..., Server]) -> Server:
    arguments, mode = WAYS[request.param]
    made = serve(*arguments, STASK_TEST_MODE=mode)
    made.way = request.param
    return made


@pytest.fixture
def browser(launched: Any, server: Server) -> Iterator[Browser]:
    server.revive()
    made = Browser(launched, server)
    yield made
    made.context.close()
    assert made.complaints == []


def transport(page: Any) -> str:
    return str(page.evaluate("document.querySelector('[data-stask]').dataset.transport"))


def wait_for_lines(page: Any, texts: list[str]) -> None:
    """Wait until the log has as many lines, then compare them."""
    page.wait_for_function(f"(count) => ({LINES}).length >= count", arg=len(texts), timeout=PATIENCE)
    assert page.evaluate(LINES) == texts


def test_numbers_lines_and_the_end_come_without_a_reload(browser: Browser, task: Writer) -> None:
    page = browser.open(f"/tasks/{task.id}")
    assert transport(page) == browser.server.way
    page.evaluate("window.notReloaded = true")
    task.report(progress=37, processed=1204, total=3201, eta=130.0, message="Importing Alien")
    task.say("first", "second")
    expect(page.locator(".hero-percent")).to_have_text("37 %")
    expect(page.locator(".hero")).to_contain_text("1,204 of 3,201")
    expect(page.locator(".hero")).to_contain_text("about 2 min left")
    expect(page.locator(".hero")).to_contain_text("Importing Alien")
    assert page.locator(".hero .bar").evaluate("(bar) => bar.value") == 37
    assert page.title().startswith("37 % Import")
    wait_for_lines(page, ["first", "second"])
    task.set(status=Status.COMPLETED, progress=100, message="All 3,201 products are in", finished_at=1.0, duration=9.0)
    expect(page.locator(".hero")).to_contain_text("All 3,201 products are in")
    assert page.title().startswith("Import")
    assert page.evaluate(LINES) == ["first", "second"]
    assert page.evaluate("window.notReloaded")


def test_the_end_is_shown_though_an_older_answer_took_the_place_of_the_part(browser: Browser, task: Writer) -> None:
    """As when the answer to "Stop" draws the part anew in the moment in which the task ends."""
    page = browser.open(f"/tasks/{task.id}")
    held: list[tuple[Any, Any]] = []

    def hold(route: Any) -> None:
        if len(held) < 2:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route(re.compile("partial=1"), hold)
    page.evaluate(DRAW_ANEW, ".task")
    older = _held(page, held, 1)
    task.set(status=Status.COMPLETED, progress=100, message="All is in", finished_at=1.0)
    newer = _held(page, held, 2)
    for route, answer in (older, newer):
        page.evaluate("window.before = document.querySelector('.task')")
        route.fulfill(response=answer)
        if route is older[0]:
            page.wait_for_function("document.querySelector('.task') !== window.before")
    expect(page.locator(".hero")).to_contain_text("All is in")


def _held(page: Any, held: list[tuple[Any, Any]], count: int) -> tuple[Any, Any]:
    """The answer that is kept back as the so-manieth, when it is there."""
    while len(held) < count:
        page.wait_for_timeout(10)
    return held[count - 1]


def test_progress_on_a_page_of_the_hosts_own_is_live(browser: Browser, task: Writer) -> None:
    page = browser.open(f"/../own/{task.id}")
    task.report(progress=61, processed=61, total=100)
    expect(page.locator(".stask-progress")).to_contain_text("61 %")
    task.set(status=Status.COMPLETED, message="All is in", finished_at=1.0)
    expect(page.locator(".stask-progress")).to_contain_text("All is in")


def test_a_restart_of_the_web_server_loses_and_doubles_no_line(browser: Browser, task: Writer) -> None:
    task.say(*(f"before {number}" for number in range(20)))
    page = browser.open(f"/tasks/{task.id}")
    for restart in range(2):
        task.say(*(f"up {restart} {number}" for number in range(40)))
        wait_for_lines(page, task.written)
        browser.server.kill()
        task.say(*(f"down {restart} {number}" for number in range(40)))
        browser.server.start()
    task.say("last")
    wait_for_lines(page, task.written)
    browser.complaints.clear()  # it could not reach the server for a while, and said so


def test_a_reload_shows_the_same_lines(browser: Browser, task: Writer) -> None:
    page = browser.open(f"/tasks/{task.id}")
    task.say("one", "two")
    wait_for_lines(page, ["one", "two"])
    page.reload()
    task.say("three")
    wait_for_lines(page, ["one", "two", "three"])


def test_a_cleared_log_begins_anew(browser: Browser, task: Writer) -> None:
    task.say("old")
    page = browser.open(f"/tasks/{task.id}")
    task.journal.clear()
    task.say("new", "newer")
    page.wait_for_function(f"() => ({LINES}).join() === 'new,newer'")


def test_a_lost_connection_is_said_and_the_gap_is_filled(browser: Browser, task: Writer) -> None:
    page = browser.open(f"/tasks/{task.id}")
    task.say("before")
    wait_for_lines(page, ["before"])
    notice = page.locator("[data-connection]")
    expect(notice).to_be_hidden()
    browser.server.kill()
    expect(notice).to_be_visible()
    task.say("meanwhile")
    browser.server.start()
    expect(notice).to_be_hidden()
    wait_for_lines(page, ["before", "meanwhile"])
    browser.complaints.clear()


def test_a_line_that_breaks_without_a_word_is_noticed(browser: Browser, task: Writer) -> None:
    page = browser.open(f"/tasks/{task.id}")
    task.say("before")
    wait_for_lines(page, ["before"])
    notice = page.locator("[data-connection]")
    browser.server.send(signal.SIGSTOP)
    try:
        expect(notice).to_be_visible()
    finally:
        browser.server.send(signal.SIGCONT)
    task.say("after")
    expect(notice).to_be_hidden()
    wait_for_lines(page, ["before", "after"])
    browser.complaints.clear()


def test_following_stops_when_one_scrolls_up_and_the_pill_leads_back(browser: Browser, task: Writer) -> None:
    task.say(*(f"line {number}" for number in range(90)))
    page = browser.open(f"/tasks/{task.id}")
    log, pill = page.locator("[data-log]"), page.locator("[data-log-pill]")
    expect(pill).to_be_hidden()
    log.hover()
    page.mouse.wheel(0, -600)
    page.wait_for_function("() => !document.querySelector('[data-log]').hasAttribute('data-follow')")
    top = log.evaluate("(list) => list.scrollTop")
    task.say(*(f"new {number}" for number in range(27)))
    expect(pill).to_have_text("27 new")
    assert log.evaluate("(list) => list.scrollTop") == top
    pill.click()
    expect(pill).to_be_hidden()
    at_end = "(list) => list.scrollHeight - list.scrollTop - list.clientHeight < 2"
    assert log.evaluate(at_end)
    task.say("after")
    wait_for_lines(page, task.written)
    assert log.evaluate(at_end)


def test_older_lines_come_when_one_scrolls_up_and_the_page_holds_2000(browser: Browser, task: Writer) -> None:
    task.say(*(f"line {number}" for number in range(5000)))
    page = browser.open(f"/tasks/{task.id}")
    log = page.locator("[data-log]")
    tail = page.evaluate(LINES)
    assert 50 <= len(tail) <= 500
    assert tail == task.written[-len(tail) :]
    for _ in range(14):
        first = page.evaluate(f"({LINES})[0]")
        if first == "line 0":
            break
        log.evaluate("(list) => { list.scrollTop = 60; }")
        log.evaluate("(list) => { list.scrollTop = 0; }")
        page.wait_for_function(f"(first) => ({LINES})[0] !== first", arg=first)
    shown = page.evaluate(LINES)
    assert shown == task.written[:2000]
    task.say("the newest")
    expect(page.locator("[data-log-pill]")).to_have_text("1 new")
    assert page.evaluate(LINES) == shown
    page.locator("[data-log-pill]").click()
    page.wait_for_function(f"() => ({LINES}).at(-1) === 'the newest'")
    shown = page.evaluate(LINES)
    assert shown == task.written[-len(shown) :]


def test_a_search_hides_other_lines_also_new_ones(browser: Browser, task: Writer) -> None:
    task.say("apple", "pear")
    page = browser.open(f"/tasks/{task.id}")
    page.locator("[data-log-search]").fill("app")
    visible = (
        "[...document.querySelectorAll('.log-line:not([hidden]) .log-text')].map((line) => line.textContent).join()"
    )
    page.wait_for_function(f"() => {visible} === 'apple'")
    task.say("apple pie", "plum")
    page.wait_for_function(f"() => {visible} === 'apple,apple pie'")


def test_new_tasks_and_counts_come_to_the_dashboard(browser: Browser, state: State) -> None:
    page = browser.open("/")
    expect(page.locator("#recent")).to_be_visible()
    before = int(page.locator("[data-stat='running']").inner_text())
    task = Writer(state)
    row = page.locator(f"#recent [data-task='{task.id}']")
    expect(row).to_contain_text("Running")
    expect(page.locator("[data-stat='running']")).to_have_text(str(before + 1))
    task.report(progress=61, processed=61, total=100)
    expect(row).to_contain_text("61 %")
    task.set(status=Status.FAILED, message="The file ended early", finished_at=1.0)
    expect(row).to_contain_text("The file ended early")


def test_a_stop_is_asked_with_the_safe_button_focused(browser: Browser, task: Writer) -> None:
    page = browser.open(f"/tasks/{task.id}")
    stop = page.locator(".task-acts form[data-confirm] button")
    stop.click()
    expect(page.locator("dialog[open] [data-confirm-no]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("[data-field='word']")).to_have_text("Running")
    stop.click()
    page.locator("dialog[open] [data-confirm-yes]").click()
    expect(page.locator("[data-field='word']").first).to_contain_text("Stopping")


def test_above_the_cap_a_page_polls_and_is_live(serve: Callable[..., Server], launched: Any, task: Writer) -> None:
    browser = Browser(launched, serve(*THREADS, STASK_TEST_CAP="1"))
    pages = [browser.open(f"/tasks/{task.id}") for _ in range(3)]
    task.say("for all")
    for page in pages:
        assert transport(page) == "socket"
        wait_for_lines(page, ["for all"])
    browser.context.close()
    assert browser.complaints == []


def test_a_page_whose_socket_has_lived_its_time_makes_a_new_one(
    serve: Callable[..., Server], launched: Any, task: Writer
) -> None:
    browser = Browser(launched, serve(*THREADS, STASK_TEST_LIFETIME="4"))
    page = browser.open(f"/tasks/{task.id}")
    task.say("by the first")
    wait_for_lines(page, task.written)
    page.wait_for_event("websocket", timeout=PATIENCE)
    task.say("by the second")
    wait_for_lines(page, task.written)
    expect(page.locator("[data-connection]")).to_be_hidden()
    browser.context.close()
    assert browser.complaints == []
