"""Ten thousand characters without a space, right-to-left, emoji, terminal codes and HTML break no part of any page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, Field

from stask_web import BaseWorker, Upload, action
from stask_web.models import Attempt, Task
from stask_web.status import Status
from tests.browser.gallery_site import Gallery
from tests.browser.panel import PHONE, Panel, panel_of
from tests.browser.test_whole_path import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

HTML = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
RTL = "\u202eשלום עולם مرحبا بالعالم"
HOSTILE = f"{HTML}\x1b[31mred\x1b[0m{RTL}🎉👩‍👩‍👧‍👦" + "W" * 10_000
TITLE = f"{HTML}{RTL}🎉" + "W" * 10_000
LONG = f"{HTML}{RTL}🎉" + "W" * 150  # what has a column or a file system behind it


class HostileOptions(BaseModel):
    """Every word of it is hostile."""

    file: Annotated[Path, Upload(".csv")] = Field(title=TITLE, description=TITLE)
    words: str = Field(TITLE, title=TITLE, description=TITLE)
    one: Literal["a"] = Field("a", title=TITLE, json_schema_extra={"kind": "radio", "group": TITLE})


class HostileWorker(BaseWorker):
    """Nothing here fits anywhere."""

    identifier, scope = "hostile", LONG[:90]
    title = TITLE
    description = TITLE

    @action(TITLE, description=TITLE, confirm=TITLE)
    def task_go(self, task: Any, options: HostileOptions) -> None: ...

    @action(TITLE)
    def task_other(self, task: Any, options: Any) -> None: ...


STATES: dict[str, dict[str, Any]] = {
    "waiting": {"status": Status.PENDING, "lane": 1},
    "retrying": {"status": Status.PENDING, "due_at": 4e9, "attempt_no": 1, "attempts": 1},
    "running": {"status": Status.RUNNING, "progress": 10, "processed": 1, "total": 10**15, "attempt_no": 2},
    "stopping": {"status": Status.RUNNING, "cancel_at": 1.0, "attempt_no": 1},
    "completed": {"status": Status.COMPLETED, "warnings": 10**12, "finished_at": 2.0, "attempt_no": 1},
    "failed": {"status": Status.FAILED, "finished_at": 2.0, "error": LONG[:190], "attempt_no": 2},
    "stopped": {"status": Status.CANCELLED, "cancelled_by": LONG[:190], "finished_at": 2.0, "attempt_no": 1},
}


def fill(gallery: Gallery) -> None:
    """A hostile worker, with a task in each state."""
    gallery.state.registry.add(HostileWorker)
    gallery.state.roster.set_active("hostile", True)
    files = [{"name": LONG + ".csv", "path": "/x", "size": 10**15, "kind": kind} for kind in ("result", "refused")]
    common = {
        "identifier": "hostile", "action": "go", "started_by": LONG[:150], "message": HOSTILE, "files": files,
        "counts": {HOSTILE: 10**15, "refused": 3}, "meta": {"words": HOSTILE, HOSTILE: [HOSTILE], "file": LONG},
        "created_at": datetime.now(UTC) - timedelta(days=400),
    }  # fmt: skip
    for name, values in STATES.items():
        row = {**common, "started_at": None if "lane" in values else 1.0, **values}
        with gallery.state.database.write() as connection:
            task_id = connection.execute(sa.insert(Task).values(**row)).inserted_primary_key[0]
            for number in range(1, values.get("attempt_no", 0) + 1):
                facts = {"token": f"h{task_id}.{number}", "started_at": 1.0, "ended_at": 2.0, "outcome": "error"}
                connection.execute(sa.insert(Attempt).values(task_id=task_id, number=number, message=HOSTILE, **facts))
        gallery.ids[f"hostile-{name}"] = task_id
        journal = gallery.state.journals.of(task_id)
        for kind in ("log", "out", "out", "out", "out"):
            journal.log("error", HOSTILE, {"context": HOSTILE}, kind=kind)
            journal.log("info", RTL, kind=kind)
        journal.close()


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with panel_of(browser, tmp_path_factory.mktemp("hostile"), fill) as panel:
        yield panel


# What sticks out to the right of the page, past every box that scrolls or cuts by itself.
OUTSIDE = """() => {
    const held = (element) => {
        for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
            if (getComputedStyle(box).overflowX !== "visible") return true;
        return false;
    };
    return [...document.querySelectorAll(".stask *")]
        .filter((each) => each.checkVisibility() && !held(each))
        .filter((each) => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map((each) => `${each.localName}.${each.className}`).slice(0, 10);
}"""


def look(page: Any) -> None:
    """Nothing ran, nothing sticks out, and no terminal code is left in the words."""
    assert page.evaluate("window.pwned") is None
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert "[31m" not in page.locator("body").inner_text().replace("__", "")


PAGES = ["/", "/tasks", "/workers", "/workers/hostile", "/workers/hostile/run/go", "/workers/hostile/run/other"]


@pytest.mark.parametrize("size", [{"viewport": {"width": 1280, "height": 900}}, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("path", [*PAGES, *STATES])
def test_no_part_breaks(panel: Panel, path: str, size: Any) -> None:
    page = panel.open(path if path.startswith("/") else panel.task(f"hostile-{path}"), **size)
    page.wait_for_timeout(100) if not path.startswith("/") else None
    look(page)


@pytest.mark.parametrize("size", [{}, PHONE], ids=["wide", "phone"])
def test_acts_stay_within_reach(panel: Panel, size: Any) -> None:
    page = panel.open(panel.task("hostile-running"), **size)
    page.get_by_role("button", name="Stop").locator("visible=true").first.click()
    dialog = page.get_by_role("dialog")
    for button in dialog.get_by_role("button").all():
        expect(button).to_be_in_viewport()
    look(page)
    page.keyboard.press("Escape")
    page = panel.open("/workers/hostile/run/other", **size)
    expect(page.locator(".form-foot .btn-primary")).to_be_visible()
    page = panel.open("/", **size)
    slot = page.locator("[data-widget=hostile]")
    box = slot.bounding_box()
    assert box is not None
    assert box["height"] < 420, "a widget keeps its height"
    look(page)


def test_a_hostile_message_that_arrives_live_stays_text(panel: Panel) -> None:
    page = panel.open(panel.task("hostile-running"))
    journal = panel.gallery.state.journals.of(panel.gallery.ids["hostile-running"])
    journal.write([{"t": 2.0, "a": 2, "k": "progress", "p": {"progress": 55, "message": f"new {HOSTILE}"}}])
    journal.log("warning", f"late {HOSTILE}", attempt=2)
    journal.close()
    expect(page.locator(".hero-percent")).to_have_text("55 %")
    expect(page.locator(".hero-message")).to_contain_text("new <img")
    expect(page.locator(".log-line", has_text="late <img")).to_have_count(1)
    look(page)


def test_a_hostile_file_is_shown_as_read(panel: Panel) -> None:
    page = panel.open("/workers/hostile/run/go", **PHONE)
    content = (
        ",".join(f"{HTML.replace(chr(34), '')}{number}" for number in range(30)) + "\n" + ",".join(["W" * 2000] * 30)
    )
    name = f"{RTL}🎉" + "W" * 100 + ".csv"
    page.locator("[data-upload]").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content.encode()})
    expect(page.locator("[data-chip]")).to_be_visible()
    expect(page.locator(".preview-cell").first).to_contain_text("<img")
    look(page)
