"""axe finds nothing on any page of the gallery, in both themes, wide and narrow: WCAG 2.2 AA and best practices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.gallery import EMPTY, pages
from tests.browser.panel import Panel, panel_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async (rules) => {
  const said = (node) => `${node.target.join(" ")} (${node.any.map((each) => each.message).join("; ").slice(0, 200)})`;
  const {violations} = await axe.run(document, {runOnly: rules});
  return violations.map(({id, help, nodes}) => `${id}: ${help}: ${nodes.slice(0, 3).map(said).join(" | ")}`);
}"""
WIDTHS = (360, 1280)


@pytest.fixture(scope="module", params=["full", "empty"])
def panel(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """The gallery with everything in it, and with nothing."""
    if not AXE.is_file():
        pytest.skip("needs axe-core, which npm brings: make assets")
    with panel_of(browser, tmp_path_factory.mktemp("axe"), full=request.param == "full") as panel:
        yield panel


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(panel: Panel, scheme: str) -> None:
    source = AXE.read_text(encoding="utf-8")
    addresses = pages(panel.gallery) if panel.gallery.ids else EMPTY
    page = panel.open("/", color_scheme=scheme)
    found = []
    with panel.provoked("404|409|410|422"):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for name, address in addresses.items():
                page.goto(panel.url + address)
                page.evaluate(source)
                found += [f"{name}, {width} px, {scheme}: {what}" for what in page.evaluate(RUN, RULES)]
    assert not found, "\n".join(found)


def test_axe_would_find_something(panel: Panel) -> None:
    """The test above looks: a picture without a text is found."""
    page = panel.open("/")
    page.evaluate("document.querySelector('#stask-main').append(document.createElement('img'))")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert any(what.startswith("image-alt") for what in page.evaluate(RUN, RULES))
