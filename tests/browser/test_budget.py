"""What a page loads: its own stylesheets and modules and no more, and every page stays within its allowance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from stask_web.paths import STATIC
from tests.browser.gallery import pages
from tests.browser.panel import Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

#: Bytes of CSS and JavaScript of ours that any page may load, before compression.
ALLOWANCE = 150_000
LOADED = """performance.getEntriesByType("resource").map((each) => new URL(each.name).pathname)"""


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with panel_of(browser, tmp_path_factory.mktemp("budget")) as panel:
        yield panel


def loaded(page: Any) -> dict[str, int]:
    """What the page has loaded of ours: name -> bytes; not the socket's client and the font of icons."""
    page.wait_for_load_state("networkidle")
    names = {path.rpartition("/static/")[2] for path in page.evaluate(LOADED) if path.endswith((".css", ".js"))}
    return {name: (STATIC / name).stat().st_size for name in names if not name.startswith("vendor/")}


def test_every_page_stays_within_its_allowance(panel: Panel) -> None:
    page = panel.open("/")
    sums: dict[str, int] = {}
    addresses = pages(panel.gallery)
    for name, address in addresses.items():
        wanted = {"error-404": 404, "statistics-wrong": 422}.get(name, 200)
        with panel.provoked(f"answered {wanted}"):
            answer = page.goto(panel.url + address)
            assert answer.status == wanted, name
            sums[name] = sum(loaded(page).values())
    print(*(f"{size:>8,} {name}" for name, size in sorted(sums.items(), key=lambda each: -each[1])), sep="\n")
    assert len(sums) > 20
    assert {name: size for name, size in sums.items() if size > ALLOWANCE} == {}


def test_a_page_loads_only_what_is_on_it(panel: Panel) -> None:
    dashboard, task = loaded(panel.open("/")), loaded(panel.open(panel.task("completed")))
    assert {"css/widgets.css", "css/dashboard.css", "js/hours.js"} <= set(dashboard)
    assert {"css/task.css", "js/log.js"} <= set(task)
    for strange in ("css/form.css", "css/list.css", "js/launch.js", "js/rows.js"):
        assert strange not in dashboard
        assert strange not in task
    assert not {"css/task.css", "js/log.js"} & set(dashboard)


def test_a_dialog_brings_its_styles_and_scripts_before_it_is_shown(panel: Panel) -> None:
    page = panel.open("/")
    with page.expect_response(lambda answer: urlsplit(answer.url).path.endswith("css/form.css")):
        widget = page.locator("[data-widget=product]")
        widget.locator("summary").first.click()
        widget.get_by_role("link", name="Import products").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert dialog.locator(".drop").evaluate("zone => getComputedStyle(zone).borderTopStyle") == "dashed"
    # Without its script the empty form would be sent and leave the page.
    dialog.get_by_role("button", name="Import products").click()
    expect(dialog.locator("[data-summary]")).to_be_visible()
    assert urlsplit(page.url).path == "/stask/"
    assert sum(loaded(page).values()) <= ALLOWANCE
