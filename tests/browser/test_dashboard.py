"""What the dashboard does by itself in a real browser: counts, hours and widgets stay true without a reload."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import BaseWorker
from stask_web.models import Stat, Task
from stask_web.status import Status
from stask_web.views import widgets
from tests.browser.gallery_site import Gallery
from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture
def panel(browser: Any, tmp_path: Path) -> Iterator[Panel]:
    with panel_of(browser, tmp_path) as panel:
        yield panel


def end(panel: Panel, name: str, status: Status) -> None:
    """Let a running task end, as a supervisor would."""
    task_id, now = panel.gallery.ids[name], time.time()
    with panel.gallery.state.database.write() as connection:
        values = {"status": status, "finished_at": now, "duration": 60.0, "message": "It ended"}
        connection.execute(sa.update(Task).where(Task.id == task_id).values(**values))
        key = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "identifier": name, "action": "x", "status": status}
        connection.execute(sa.insert(Stat).values(**key, n=1, gone=0, seconds=60.0))


def test_a_failure_turns_the_count_red_and_adds_to_the_hour(panel: Panel) -> None:
    with panel.gallery.state.database.write() as connection:
        connection.execute(sa.update(Task).values(seen_at=1.0))
    page = panel.open("/")
    failed = page.locator("[data-stat=failed_24h]")
    box = page.locator(".count-number", has=failed)
    before = int(failed.inner_text())
    assert "tone-failed" not in (box.get_attribute("class") or "")
    hour = page.locator(".hours title").last
    words = hour.text_content()
    with panel.gallery.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == panel.gallery.ids["running"]).values(seen_at=None))
    end(panel, "running", Status.FAILED)
    expect(failed).to_have_text(str(before + 1))
    expect(box).to_have_class("count-number tone-failed")
    expect(hour).not_to_have_text(words or "")
    widget = page.locator("[data-widget=mail]")
    expect(widget.get_by_role("link", name="See why")).to_be_visible()


@pytest.mark.parametrize("size", [{}, PHONE], ids=["wide", "phone"])
def test_further_actions_of_a_widget_stand_in_a_menu_that_can_be_seen(panel: Panel, size: Any) -> None:
    with panel.gallery.state.database.write() as connection:
        connection.execute(sa.delete(Task).where(Task.identifier == "product"))
    page = panel.open("/", **size)
    widget = page.locator("[data-widget=product]")
    widget.get_by_text("More", exact=True).click()
    act = widget.get_by_role("button", name="Sync stock")
    expect(act).to_be_visible()
    spot = act.bounding_box()
    assert spot is not None
    middle = {"x": spot["x"] + spot["width"] / 2, "y": spot["y"] + spot["height"] / 2}
    top = page.evaluate("({ x, y }) => document.elementFromPoint(x, y).closest('button')?.innerText", middle)
    assert top == "Sync stock", "nothing cuts it off"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    act.click()
    expect(widget).to_contain_text("in the queue")
    expect(page.locator(".toast")).to_contain_text("Started.")


def test_what_is_withdrawn_comes_back_with_undo(panel: Panel) -> None:
    page = panel.open("/")
    price = page.locator("[data-widget=price]")
    price.get_by_role("button", name="Withdraw").click()
    expect(price.get_by_role("button", name="Withdraw")).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(price.get_by_role("button", name="Withdraw")).to_be_visible()


def test_a_widget_that_is_turned_off_goes_and_comes_back_with_undo(panel: Panel) -> None:
    page = panel.open("/")
    widget = page.locator("[data-widget=orders]")
    widget.locator(".widget-head .menu-button").click()
    widget.get_by_role("button", name="Turn off").click()
    expect(widget).to_be_hidden()
    assert not panel.gallery.state.roster.get("orders").active
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(widget).to_be_visible()
    expect(widget).to_contain_text("Orders")


def test_a_worker_is_turned_off_in_the_list_and_on_again_with_undo(panel: Panel) -> None:
    page = panel.open("/workers")
    row = page.locator("[data-worker=orders]")
    switch = row.get_by_role("button", name="Orders")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(switch).to_be_focused()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(switch).to_have_attribute("aria-pressed", "true")


def test_a_line_on_top_says_that_an_answer_is_on_its_way(panel: Panel) -> None:
    page = panel.open("/")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/run/import?partial=1", hold)
    page.locator("[data-widget=product] .widget-head .menu-button").click()
    page.locator("[data-widget=product]").get_by_role("link", name="Import products").first.click()
    expect(page.locator(".stask[data-loading]")).to_have_count(1)
    held.pop().continue_()
    expect(page.locator("dialog form")).to_be_visible()
    expect(page.locator(".stask[data-loading]")).to_have_count(0)


class SlowWorker(BaseWorker):
    """Its widget is drawn when the test says so."""

    identifier, title = "slow", "Slow one"
    may_draw = threading.Event()

    def render_widget(self) -> str:
        assert self.may_draw.wait(20)
        return "<p>Drawn at last</p>"


def test_a_slow_widget_comes_after_the_page(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(gallery: Gallery) -> None:
        gallery.state.registry.add(SlowWorker)
        gallery.state.roster.set_active("slow", True)

    SlowWorker.may_draw.clear()
    monkeypatch.setitem(widgets._slow, SlowWorker, float("inf"))
    with panel_of(browser, tmp_path, add) as panel:
        card = panel.open("/").locator("[data-widget=slow]")
        expect(card).to_contain_text("takes a while to draw")
        SlowWorker.may_draw.set()
        expect(card).to_have_text("Drawn at last")
