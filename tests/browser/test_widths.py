"""From a phone to a large screen: nothing is too wide, lost at a side, or beyond an edge without a sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.panel import PHONE, Panel, panel_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

WIDTHS = (360, 480, 768, 901, 1101, 1280, 1440, 1880, 2560)
PAGES = (
    "/", "/tasks", "/workers", "/workers/product", "/workers/mail/about", "/workers/setup/settings", "/schedules",
    "/schedules/new?worker=mail&action=print", "/statistics?period=30d", "/system", "/workers/mail/run/print",
)  # fmt: skip
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FADES = """(edge) => getComputedStyle(document.querySelector(".tabs")).getPropertyValue(`--fade-${edge}`)"""


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with panel_of(browser, tmp_path_factory.mktemp("widths")) as panel:
        yield panel


def box(page: Any, selector: str) -> dict[str, float]:
    """Where the first of these elements stands."""
    found: dict[str, float] = page.locator(selector).first.bounding_box()
    return found


def test_no_page_is_too_wide(panel: Panel) -> None:
    page, wide = panel.open("/"), {}
    for path in (*PAGES, panel.task("running"), panel.task("refused")):
        page.goto(f"{panel.url}/stask{path}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide[path, width] = page.evaluate(BEYOND)
    assert {place: pixels for place, pixels in wide.items() if pixels > 0} == {}
    assert len(wide) == len(WIDTHS) * (len(PAGES) + 2)


@pytest.mark.parametrize("path", ["/", "/statistics?period=30d", "/workers/mail/run/print"])
def test_on_a_large_screen_a_page_stands_in_the_middle_below_its_title(panel: Panel, path: str) -> None:
    page = panel.open(path, viewport={"width": 2560, "height": 1440})
    bar, main, title = box(page, ".sidebar"), box(page, ".main"), box(page, ".topbar-title")
    left, right = main["x"] - bar["width"], 2560 - main["x"] - main["width"]
    assert abs(left - right) < 2
    assert 1600 < main["width"] < 1920
    assert abs(title["x"] - main["x"] - 24) < 2
    if "run" in path:
        form = box(page, ".form-page")
        assert abs(form["x"] + form["width"] / 2 - main["x"] - main["width"] / 2) < 2


def test_on_a_large_screen_charts_stand_beside_each_other_in_one_line(panel: Panel) -> None:
    page = panel.open("/statistics?period=30d", viewport={"width": 2560, "height": 1440})
    one, other = (figure.bounding_box() for figure in page.locator(".stat-charts figure").all())
    assert (one["y"], one["height"]) == (other["y"], other["height"])
    assert one["x"] + one["width"] < other["x"]


@pytest.mark.parametrize("width", [768, 901, 1101, 1280, 2560])
def test_what_runs_can_be_read_beside_its_progress(panel: Panel, width: int) -> None:
    page = panel.open("/tasks", viewport={"width": width, "height": 900})
    names = page.locator(".row:has(.cell-progress) .cell-task")
    assert names.count()
    for name in names.all():
        assert name.bounding_box()["width"] > 100


def test_tabs_that_go_on_beyond_an_edge_fade_out_there(panel: Panel) -> None:
    page = panel.open("/workers/product", **PHONE)
    assert [page.evaluate(FADES, edge) for edge in ("left", "right")] == ["0px", "40px"]
    page.evaluate("document.querySelector('.tabs').scrollLeft = 9999")
    page.wait_for_function(f"({FADES})('right') === '0px'")
    assert page.evaluate(FADES, "left") == "40px"
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function(f"({FADES})('left') === '0px'")


def test_the_tab_where_one_is_can_be_seen_on_a_phone(panel: Panel) -> None:
    here = box(panel.open("/workers/mail/about", **PHONE), ".tabs-link[aria-current]")
    assert 0 <= here["x"] <= here["x"] + here["width"] <= 360
