"""Nothing jumps: the dashboard, the list, a form, and a task from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web.models import Task
from stask_web.status import Status
from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect
from tests.browser.watch import assert_calm

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

MOVING = """document.getAnimations({ subtree: true }).filter((each) => each.playState === "running").length"""


@pytest.fixture
def panel(browser: Any, tmp_path: Path) -> Iterator[Panel]:
    with panel_of(browser, tmp_path) as panel:
        yield panel


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_pages_stand_still_while_they_load(panel: Panel, options: dict[str, Any]) -> None:
    for path in ("/", "/tasks", "/workers", "/workers/product/run/import", panel.task("files"), panel.task("failed")):
        page = panel.open(path, **options)
        page.wait_for_load_state("networkidle")
        assert_calm(page)


def change(panel: Panel, **values: Any) -> None:
    with panel.gallery.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == panel.gallery.ids["waiting"]).values(**values))


@pytest.mark.parametrize("place", ["page", "widget", "list"])
def test_a_run_moves_nothing_from_its_start_to_its_end(panel: Panel, place: str) -> None:
    paths = {"page": panel.task("waiting"), "widget": "/", "list": "/tasks"}
    task_id = panel.gallery.ids["waiting"]
    page = panel.open(paths[place])
    holder = page.locator(f"[data-task='{task_id}']").first
    now = datetime.now(UTC)
    facts = {"attempts": 1, "attempt_no": 1, "claim_token": "t", "lane": None}
    change(panel, status=Status.RUNNING, started_at=now, progress=10, processed=1, total=10, **facts)
    expect(holder).to_contain_text("10 %")
    change(panel, progress=90, processed=9, message="Almost there")
    expect(holder).to_contain_text("90 %")
    change(panel, status=Status.COMPLETED, finished_at=now, progress=100, message="Built 10 pages", claim_token=None)
    expect(holder).to_contain_text("Built 10 pages")
    assert_calm(page)


def test_nothing_moves_for_who_asked_for_stillness(panel: Panel) -> None:
    page = panel.open("/", reduced_motion="reduce")
    page.wait_for_load_state("networkidle")
    assert page.locator("progress:not([value])").count() > 0  # the stripe of an unknown total would move
    assert page.evaluate(MOVING) == 0
    page = panel.open("/")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(MOVING) > 0
