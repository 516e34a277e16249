"""The list of tasks in a real browser: choosing by hand and by key, acting on the chosen, new rows, filters.

Without script too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web.models import Task
from stask_web.state import state_of
from stask_web.status import Status
from tests.browser.conftest import Shop, Visit
from tests.browser.watch import assert_calm, shot

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

Come = Callable[..., Visit]
_names = count(1)


def expect(subject: Any) -> Any:
    """Playwright's `expect`, found late: without Playwright these tests are skipped, not broken."""
    from playwright.sync_api import expect

    expect.set_options(timeout=45_000)
    return expect(subject)


class History:
    """Tasks of a worker of their own, so that what other tests leave behind is not in the way.

    :param shop: where they are.
    """

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.worker = f"archive{next(_names)}"
        self.path = f"/tasks?worker={self.worker}"

    def add(self, number: int = 1, status: Status = Status.FAILED, **values: Any) -> list[int]:
        """So many tasks -> their ids, oldest first."""
        now = datetime.now(UTC)
        row = {
            "identifier": self.worker, "action": "pack", "status": status, "meta": {}, "created_at": now,
            "started_at": now - timedelta(minutes=2), "finished_at": now, "duration": 60.0, "attempt_no": 1,
            "attempts": 1, "message": "Packed", **values,
        }  # fmt: skip
        database = state_of(self.shop.app).database
        with database.write() as connection:
            return [
                int(connection.execute(sa.insert(Task).values(**row)).inserted_primary_key[0]) for _ in range(number)
            ]

    def left(self) -> int:
        """How many there are still."""
        return int(self.shop.shelf.ask("SELECT count(*) FROM s_tasks WHERE identifier = ?", self.worker)[0][0])


@pytest.fixture
def history(shop: Shop) -> History:
    """A history for this test."""
    return History(shop)


def rows(page: Any) -> Any:
    """The rows of the list."""
    return page.locator("#tasks .row")


def test_rows_are_chosen_by_hand(visit: Come, history: History) -> None:
    history.add(8, Status.COMPLETED)
    history.add(2)
    come = visit()
    come.go(history.path)
    page, picks = come.page, come.page.locator("[data-pick]")
    picks.nth(1).click()
    picks.nth(4).click(modifiers=["Shift"])
    expect(page.locator("[data-chosen-words]")).to_have_text("4 chosen")
    expect(page.locator(".filters")).to_be_hidden()
    assert [pick.is_checked() for pick in picks.all()] == [False, True, True, True, True] + [False] * 5
    picks.nth(3).click(modifiers=["Shift"])  # the range is unchosen again
    assert [pick.is_checked() for pick in picks.all()] == [False, True, True] + [False] * 7
    page.locator("[data-pick-all]").check()
    expect(page.locator("[data-chosen-words]")).to_have_text("10 chosen")
    shot(page, "chosen")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".filters")).to_be_visible()
    expect(page.locator("[data-pick]:checked")).to_have_count(0)
    assert_calm(page)


def test_all_by_keys(visit: Come, history: History) -> None:
    ids = history.add(5)
    come = visit()
    come.go(history.path)
    page = come.page
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("jkx")  # letters in a field are letters
    expect(page.locator("#search")).to_have_value("jkx")
    page.locator("#search").fill("")
    page.locator("#search").blur()
    for key in "jjjk":
        page.keyboard.press(key)
    expect(page.locator(f'.row[data-task="{ids[-2]}"] .row-link')).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-chosen-words]")).to_have_text("2 chosen")
    page.keyboard.press("Escape")
    expect(page.locator(".chosen")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/stask/tasks/{ids[-3]}$"))


def test_the_chosen_are_retried_at_once_and_the_rows_follow(visit: Come, shop: Shop) -> None:
    history = History(shop)
    history.worker, mark = "product", f"mark{next(_names)}"
    failed = history.add(2, action="export", message=mark, meta={"format": "csv", "active_only": True})
    history.add(1, Status.COMPLETED, action="export", message=mark)
    come = visit()
    come.go(f"/tasks?q={mark}")
    page = come.page
    page.locator("[data-pick-all]").check()
    expect(page.locator("[data-chosen-not]")).to_have_text("(1 cannot be retried)")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".toast-text")).to_contain_text("2 started again. 1 could not be retried: Export products")
    expect(page.locator(".chosen")).to_be_hidden()
    for task_id in failed:
        expect(page.locator(f'.row[data-task="{task_id}"] .look')).to_have_text("Completed")
        assert shop.task(task_id)["status"] == Status.COMPLETED


def test_deleting_is_asked_in_a_dialog_that_the_keyboard_can_leave(visit: Come, history: History) -> None:
    history.add(3)
    come = visit()
    come.go(history.path)
    page = come.page
    page.locator("[data-pick]").nth(0).check()
    page.locator("[data-pick]").nth(2).check()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete 2 tasks?")
    expect(dialog.get_by_role("button", name="Keep them")).to_be_focused()
    shot(page, "delete")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("[data-pick]:checked")).to_have_count(2)
    assert history.left() == 3
    page.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete 2 tasks").click()
    expect(page.locator(".banner")).to_have_text("2 deleted.")
    assert page.url.endswith(history.path)
    expect(rows(page)).to_have_count(1)
    assert history.left() == 1


def test_all_that_match_show_their_number_first(visit: Come, history: History) -> None:
    history.add(30)
    come = visit()
    come.go(history.path)
    page = come.page
    page.locator("[data-pick]").first.check()
    page.get_by_role("link", name="Choose all 30 that match").click()
    dialog = page.get_by_role("dialog", name="30 tasks match")
    dialog.get_by_role("link", name="Delete 30 tasks…").click()
    page.get_by_role("button", name="Delete 30 tasks").click()
    expect(page.locator(".banner")).to_have_text("30 deleted.")
    assert history.left() == 0


def test_new_rows_wait_above_the_list_while_someone_points_at_it(visit: Come, history: History) -> None:
    old = history.add(3)
    come = visit()
    come.go(history.path)
    page = come.page
    rows(page).nth(1).hover()
    new = history.add(2)
    pill = page.locator("[data-list-pill]")
    expect(pill).to_be_visible()
    assert [int(row.get_attribute("data-task")) for row in rows(page).all()] == old[::-1]
    expect(pill).to_have_text("2 new")  # they may be told of one by one
    shot(page, "pill")
    pill.click()
    expect(rows(page)).to_have_count(5)
    assert [int(row.get_attribute("data-task")) for row in rows(page).all()] == [*new[::-1], *old[::-1]]
    expect(pill).to_be_hidden()


def test_chosen_rows_stay_chosen_while_new_ones_come(visit: Come, history: History) -> None:
    history.add(3)
    come = visit()
    come.go(history.path)
    page = come.page
    page.locator("[data-pick]").nth(1).check()
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    history.add(1)
    pill = page.locator("[data-list-pill]")
    expect(pill).to_be_visible()
    pill.click()
    expect(rows(page)).to_have_count(4)
    expect(page.locator("[data-pick]").nth(2)).to_be_checked()
    expect(page.locator("[data-chosen-words]")).to_have_text("1 chosen")


def test_a_choice_in_the_filters_is_taken_at_once(visit: Come, history: History) -> None:
    history.add(1)
    come = visit()
    come.go(history.path)
    page = come.page
    page.locator("#who").select_option("me")
    page.wait_for_url(re.compile(rf"/tasks\?worker={history.worker}&who=me$"))
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Mine Remove this filter").click()
    expect(rows(page)).to_have_count(1)
    page.locator("#period").select_option("own")
    expect(page.get_by_label("From", exact=True)).to_be_visible()
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile(r"&from=2026-01-01$"))
    expect(rows(page)).to_have_count(1)
    page.locator("#search").fill("packed")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"&q=packed$"))
    expect(rows(page)).to_have_count(1)


def test_everything_works_without_script(visit: Come, history: History) -> None:
    history.add(3)
    come = visit(script=False)
    come.go("/tasks")
    page = come.page
    page.locator("#search").fill("nothing is called that")
    page.locator("#worker").select_option("product/export")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile(r"/tasks\?worker=product&action=export&q=nothing\+is\+called\+that$"))
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    come.go(history.path)
    expect(page.locator(".chosen")).to_be_hidden()
    page.locator("[data-pick]").nth(0).check()
    page.locator("[data-pick]").nth(1).check()
    expect(page.get_by_text("With the chosen ones:")).to_be_visible()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete 2 tasks").click()
    expect(page.locator(".banner")).to_have_text("2 deleted.")
    assert history.left() == 1
    with page.expect_download() as download:
        page.locator(".pager summary").click()
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    assert download.value.path().read_text(encoding="utf-8-sig").count("\n") == 2
