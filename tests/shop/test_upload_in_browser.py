"""The file field in a real browser: dropped, sent in chunks, kept over errors and reloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from examples.shop.models import User, db
from examples.shop.signin import new_link
from stask_web.storage import CHUNK

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which the extra dev brings")

pytestmark = pytest.mark.browser

FORM = "/stask/workers/product/run/import"
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
GOOD = "sku,name,price\n" + "".join(f"A{number},Film {number},1\n" for number in range(9))
DROP = """([text, name]) => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([text], name));
    const zone = document.querySelector("[data-upload-box]");
    for (const type of ["dragenter", "dragover", "drop"])
        zone.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: dropped }));
}"""


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def without_validators(response):
    """Werkzeug leaves the file behind a 304 to the garbage collector, which then warns: let nobody ask for a 304."""
    response.headers.pop("ETag", None)
    response.headers.pop("Last-Modified", None)
    return response


@pytest.fixture
def site(shop) -> Iterator[str]:
    """The shop on a free port."""
    shop.after_request_funcs.setdefault(None, []).append(without_validators)
    server = make_server("127.0.0.1", 0, shop, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(shop, site, chromium) -> Iterator:
    """The import form, signed in. At the end nothing unexpected was said on the console."""
    with shop.app_context():
        link = new_link(db.session.query(User).one())
    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{site}/sign-in/{link}")
        page.goto(site + FORM)
        yield page
        browser.close()
    assert said == []


def file(name: str, content: str | bytes) -> dict:
    return {"name": name, "mimeType": "text/csv", "buffer": content.encode() if isinstance(content, str) else content}


def shown(page) -> list[str]:
    """Names on chips."""
    page.wait_for_selector("[data-chip]")
    return page.locator("[data-chip] .file-name").all_inner_texts()


def test_a_chosen_file_becomes_a_chip_with_its_first_rows(page):
    page.set_input_files("[data-upload]", file("prices.csv", GOOD))
    assert shown(page) == ["prices.csv"]
    assert page.locator(".preview-table tbody tr").count() == 5
    assert not page.is_visible("[data-drop]")
    page.reload()
    assert shown(page) == ["prices.csv"]
    assert page.locator(".preview-table tbody tr").count() == 5
    with page.expect_navigation():
        page.click("button.btn-primary")
    assert page.url.endswith("/stask/tasks/1")
    page.goto(page.url.replace("/stask/tasks/1", FORM))
    page.wait_for_load_state("networkidle")
    assert page.locator("[data-chip]").count() == 0, "the next form begins without the file"


def test_a_file_can_be_dropped_and_replaced(page):
    page.evaluate(DROP, [GOOD, "dropped.csv"])
    assert shown(page) == ["dropped.csv"]
    with page.expect_file_chooser() as chooser:
        page.click("[data-chip-replace]")
    chooser.value.set_files([file("second.csv", GOOD)])
    page.wait_for_selector("text=second.csv")
    page.wait_for_selector("[data-sending]", state="detached")
    assert shown(page) == ["second.csv"]


def test_a_lost_chunk_is_sent_again_and_the_file_is_whole(page, shop):
    sent = []

    def lossy(route):
        sent.append(route.request.url.rpartition("/")[2])
        if len(sent) in (1, 3):
            route.abort()
        else:
            route.continue_()

    page.route("**/uploads/*/*", lossy)
    content = GOOD + "B,Film,1\n" * (2 * CHUNK // 9)
    page.set_input_files("[data-upload]", file("long.csv", content))
    assert shown(page) == ["long.csv"]
    assert sent == ["0", "0", "1", "1", "2", "finish"]
    (path,) = (entry for entry in (shop.extensions["stask_state"].storage.uploads).rglob("long.csv"))
    assert path.read_text() == content


def test_a_refused_file_is_said_at_the_field_and_the_next_one_works(page):
    page.set_input_files("[data-upload]", file("prices.csv", b"MZ\x90\x00\x03"))
    page.wait_for_selector("[data-error]:not([hidden])")
    assert page.inner_text("[data-error]:not([hidden])") == "This is a program, not a CSV file."
    assert page.is_visible("[data-drop]")
    page.set_input_files("[data-upload]", file("prices.csv", GOOD))
    assert shown(page) == ["prices.csv"]
    assert not page.is_visible("[data-error]")


def test_starting_waits_for_a_file_that_is_still_on_its_way(page):
    held = []

    def hold(route):
        held.append(route)

    page.route("**/uploads/*/0", hold)
    with page.expect_request("**/uploads/*/0"):
        page.set_input_files("[data-upload]", file("prices.csv", GOOD))
    page.click("button.btn-primary")
    assert page.inner_text("button.btn-primary") == "Starting…"
    with page.expect_navigation():
        held[0].continue_()
    assert page.url.endswith("/stask/tasks/1")


def test_a_file_of_another_form_keeps_its_chip_over_a_server_error(page):
    page.set_input_files("[data-upload]", file("prices.csv", "sku,name,pryce\nA,B,1\n"))
    assert shown(page) == ["prices.csv"]
    page.click("button.btn-primary")
    page.wait_for_selector("[data-error]:not([hidden])")
    assert "Did you mean 'pryce'?" in page.inner_text("[data-error]:not([hidden])")
    assert shown(page) == ["prices.csv"]
