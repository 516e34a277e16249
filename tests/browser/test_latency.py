"""How soon a report is on the page: what `benchmarks/browser_latency.py` measures, for a few seconds."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.browser_latency import APP, GOALS, create_app, measure
from tests.browser.conftest import KINDS, Visit, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

SECONDS = 5.0
TRIES = 3


@pytest.mark.parametrize("transport", list(KINDS))
def test_a_report_is_on_the_page_in_time(transport: str, browser: Any, tmp_path: Any) -> None:
    """The best of a few tries counts: what else the machine does must not fail it, a slow way of news must."""
    with serving(tmp_path, KINDS[transport], create_app, f"{APP}:create_app()") as shop:
        someone = Visit(browser, shop)
        found = []
        while len(found) < TRIES and not any(each.p95 <= GOALS[transport] for each in found):
            found.append(measure(shop.app, shop.site, someone.page, SECONDS))
        someone.context.close()
    assert any(each.p95 <= GOALS[transport] for each in found), [str(each) for each in found]
    assert someone.watch.said == []
