"""A real browser in front of a real site: gunicorn, a worker process and the example shop, with sockets and polling."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from benchmarks.browser_latency import FLAGS
from benchmarks.served import Site, Sync, Up
from examples.shop.app import create_app
from examples.shop.models import db
from examples.shop.setup import first_person, invite, set_up
from stask_web.state import state_of
from tests.browser.films import Shelf
from tests.browser.panel import Panel
from tests.browser.watch import Watch

KINDS = {"socket": Up, "poll": Sync}
PATIENCE = 45_000
ENDED = 30


class Shop:
    """The served shop, and the same app in this process to look behind what pages show.

    :param folder: its instance folder.
    :param site: the processes that serve it.
    """

    def __init__(self, folder: Path, app: Flask, site: Site) -> None:
        self.folder, self.app, self.site = folder, app, site
        self.url = site.url
        self.transport = site.transport
        self.price_list = folder / "products.csv"
        self.shelf = Shelf(folder)

    def link(self) -> str:
        """A fresh link that signs in once, as the start prints it."""
        with self.app.app_context():
            text = invite(first_person(), port=self.url.rpartition(":")[2])[-1]
            db.session.remove()
        assert text.startswith(self.url), text
        return text

    def task(self, task_id: int) -> dict[str, Any]:
        """The row of a task, read past the product; JSON columns as they are."""
        names = ("status", "message", "processed", "total", "warnings", "result", "files", "meta", "attempt_no")
        rows = self.shelf.ask(f"SELECT {', '.join(names)} FROM s_tasks WHERE id = ?", task_id)
        return dict(zip(names, rows[0], strict=True))

    def last_task(self) -> int:
        """The id of the newest task; 0 when there is none."""
        return int(self.shelf.ask("SELECT coalesce(max(id), 0) FROM s_tasks")[0][0])

    def two_hours_later(self) -> None:
        """Make old what has ended: a widget shows it no more, it is at rest."""
        self.shelf.ask("UPDATE s_tasks SET finished_at = finished_at - 7200 WHERE status >= ?", ENDED)

    def completed_today(self) -> str:
        """The dashboard's number, counted past the product, as it is written."""
        midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        query = "SELECT count(*) FROM s_tasks WHERE status = ? AND finished_at >= ?"
        return f"{self.shelf.ask(query, ENDED, midnight)[0][0]:,}"

    def process_of(self, task_id: int) -> int:
        """The process id that runs a task."""
        return int(self.shelf.ask("SELECT pid FROM s_attempts WHERE task_id = ? ORDER BY id DESC", task_id)[0][0])

    def wait_for_end(self, task_id: int, patience: float = 60.0) -> dict[str, Any]:
        """Wait until a task is over, where no page can tell."""
        return wait_until(lambda: (row := self.task(task_id))["status"] >= ENDED and row, patience)

    def log_of(self, task_id: int) -> list[str]:
        """The lines of a task's log, read from the journal's file itself."""
        path = self.folder / "stask" / "journal" / str(task_id // 1000) / f"{task_id}.log"
        records = [json.loads(line) for line in path.read_bytes().splitlines()[1:]] if path.exists() else []
        return [record["m"] for record in records if record["k"] != "progress"]

    def file_of(self, task_id: int, kind: str) -> bytes:
        """What lies in the storage as a task's result, or its refused rows."""
        (record,) = [each for each in json.loads(self.task(task_id)["files"]) if each["kind"] == kind]
        path = Path(record["path"])
        assert path.is_relative_to(self.folder / "stask" / "results"), path
        return path.read_bytes()


def wait_until(look: Callable[[], Any], patience: float = 60.0) -> Any:
    """Look until there is something, and return it."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not come within {patience:.0f} s"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium. For this package only: no two Playwrights may live in one thread."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which the extra dev brings")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _leave(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pages that a test has opened in a panel of its whole module end with the test."""
    panel = request.getfixturevalue("panel") if "panel" in request.fixturenames else None
    yield
    if isinstance(panel, Panel):
        panel.leave()


@pytest.fixture(scope="package", params=list(KINDS))
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop as `make run` serves it, with sockets; and on `gunicorn -w 4 -k sync`, where pages poll."""
    folder = tmp_path_factory.mktemp(request.param)
    with serving(folder, KINDS[request.param]) as shop:
        yield shop


@contextmanager
def serving(
    folder: Path, kind: type[Site], make: Callable[[], Flask] = create_app, name: str = "examples.shop.app"
) -> Iterator[Shop]:
    """Serve a shop.

    :param folder: its instance folder.
    :param kind: how.
    :param make: makes its app in this process.
    :param name: by which the servers find it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_INSTANCE", str(folder))
        app = make()
    set_up(app)
    site = kind(folder, name)
    try:
        yield Shop(folder, app, site)
    finally:
        site.stop()
        with app.app_context():
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()
        state_of(app).database.engine.dispose()
    assert "Traceback" not in site.output, site.output


class Visit:
    """Somebody with a browser of their own, signed in unless told otherwise.

    :param browser: of Playwright.
    :param shop: where they go.
    """

    def __init__(
        self, browser: Any, shop: Shop, *, script: bool = True, signed_in: bool = True, **context: Any
    ) -> None:
        self.shop = shop
        options = {"viewport": {"width": 1280, "height": 900}, "java_script_enabled": script, **context}
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.watch = Watch(self.context, script=script)
        self.page = self.context.new_page()
        if signed_in:
            self.page.goto(shop.link())

    def go(self, path: str) -> Any:
        """Open a page of the panel -> the response."""
        return self.page.goto(f"{self.shop.url}/stask{path}")


@pytest.fixture
def visit(browser: Any, shop: Shop) -> Iterator[Callable[..., Visit]]:
    """Come with a browser: ``visit(script=True, signed_in=True)``. In the end nothing may have gone wrong unnoticed."""
    visits: list[Visit] = []

    def come(**options: Any) -> Visit:
        visits.append(Visit(browser, shop, **options))
        return visits[-1]

    yield come
    for each in visits:
        each.context.close()
    assert [text for each in visits for text in each.watch.said] == []
