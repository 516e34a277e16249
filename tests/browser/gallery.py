"""Draws every page in every look, light and dark, narrow and wide, into ``tests/browser/shots/``: `make gallery`.

The pictures are for looking at. ``python tests/browser/gallery.py dashboard task-failed`` draws only those.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

sys.path.insert(0, str(Path(__file__).resolve().parent))
from gallery_much import fill_much
from gallery_site import Gallery, add_many_schedules, add_problems, make_gallery

SHOTS = Path(__file__).resolve().parent / "shots"
WIDTHS = (360, 768, 1440)
#: Of a large screen; only the pages in :data:`LARGE`, which it may lay out in another way, are drawn so wide.
LARGE_WIDTH = 2560
HEIGHTS = {LARGE_WIDTH: 1440}
SCHEMES = ("light", "dark")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pages(gallery: Gallery) -> dict[str, str]:
    """Name of a picture -> address."""
    tasks = {f"task-{look}": f"/stask/tasks/{task_id}" for look, task_id in gallery.ids.items()}
    return {
        "dashboard": "/stask/",
        "tasks": "/stask/tasks",
        "tasks-nothing": "/stask/tasks?status=failed&worker=mail",
        "workers": "/stask/workers",
        "workers-found": "/stask/workers?scope=erp",
        "workers-nothing": "/stask/workers?q=nothing+like+this",
        "workers-orphaned": "/stask/workers/clean-orphaned",
        "worker": "/stask/workers/product",
        "worker-off": "/stask/workers/setup",
        "worker-gone": "/stask/workers/lost",
        "worker-broken": "/stask/workers/parcels",
        "worker-settings": "/stask/workers/setup/settings",
        "worker-settings-plain": "/stask/workers/plain/settings",
        "worker-settings-none": "/stask/workers/stock/settings",
        "worker-about": "/stask/workers/mail/about",
        "form-import": "/stask/workers/product/run/import",
        "form-every": "/stask/workers/mail/run/print",
        "form-confirm": "/stask/workers/mail/run/send",
        "form-question": "/stask/workers/mail/run/forget",
        "form-again": f"/stask/workers/product/run/import?from={gallery.ids['refused']}",
        "error-404": "/stask/nothing",
        **{f"preview-{number}": f"/stask/tasks/{gallery.ids['files']}/files/{number}/preview" for number in range(5)},
        "attempt": f"/stask/tasks/{gallery.ids['attempts']}?attempt=2",
        "schedules": "/stask/schedules",
        "schedules-worker": "/stask/workers/product/schedules",
        "schedules-nothing": "/stask/schedules?q=nothing",
        "schedule-choose": "/stask/schedules/new",
        "schedule-new": "/stask/schedules/new?worker=mail&action=print",
        "schedule-file": "/stask/schedules/new?worker=product&action=import",
        **{f"schedule-{kind}": f"/stask/schedules/{number}" for kind, number in gallery.schedules.items()},
        "statistics": "/stask/statistics",
        "statistics-today": "/stask/statistics?period=today",
        "statistics-wrong": "/stask/statistics?from=2026-05-02&to=2026-05-01",
        "system": "/stask/system",
        "clean": "/stask/tasks/clean",
        "clean-nothing": "/stask/tasks/clean?days=30",
        **tasks,
    }


#: The list of schedules with more in it than the gallery has.
MORE = {"schedules-problems": add_problems, "schedules-many": add_many_schedules}
EMPTY = {
    "empty-schedules": "/stask/schedules",
    "empty-dashboard": "/stask/",
    "empty-tasks": "/stask/tasks",
    "empty-workers": "/stask/workers",
    "empty-statistics": "/stask/statistics",
    "empty-system": "/stask/system",
}
#: Those that are told much, see ``gallery_much.py``.
MUCH = {
    "much-dashboard": "/stask/",
    "much-tasks": "/stask/tasks?state=completed",
    "much-workers": "/stask/workers",
    "much-worker": "/stask/workers/product",
    "much-statistics": "/stask/statistics?period=30d",
    "much-statistics-weeks": f"/stask/statistics?from={date.today() - timedelta(days=120)}",
    "much-statistics-worker": "/stask/workers/product/statistics?period=30d",
    "much-system": "/stask/system",
    "much-clean": "/stask/tasks/clean?days=30",
}
LARGE = {
    *MUCH, "dashboard", "tasks", "worker", "worker-settings", "worker-about", "task-running", "task-refused",
    "task-failed", "task-files", "preview-0", "form-import", "form-every", "schedules", "schedules-many",
    "schedule-new", "statistics", "system", "empty-dashboard", "empty-tasks", "error-404",
}  # fmt: skip


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The app on a free port of this machine only."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def shoot(browser: Browser, base: str, wanted: dict[str, str], act: str = "") -> list[str]:
    """Draw the pages -> what the console said."""
    said: list[str] = []
    for scheme in SCHEMES:
        for width in (*WIDTHS, LARGE_WIDTH):
            drawn = wanted if width in WIDTHS else {name: wanted[name] for name in wanted if name in LARGE}
            if not drawn:
                continue
            size = {"width": width, "height": HEIGHTS.get(width, 900)}
            context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=width < 500)
            page = context.new_page()
            page.on(
                "console",
                lambda message: (
                    said.append(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None
                ),
            )
            page.on("pageerror", lambda error: said.append(str(error)))
            for name, address in drawn.items():
                page.goto(base + address)
                page.wait_for_load_state("networkidle")
                _note_overflow(page, name, width, said)
                page.screenshot(path=str(SHOTS / f"{name}-{scheme}-{width}.png"), full_page=True)
            context.close()
    return said


def _note_overflow(page: Page, name: str, width: int, said: list[str]) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        said.append(f"{name} at {width}: {wide} px too wide")


def main(names: list[str]) -> int:
    """Draw all, or only the named ones."""
    SHOTS.mkdir(exist_ok=True)
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--no-sandbox"])
        said = []
        for part, full in (("full", True), ("empty", False), ("much", True)):
            root = Path(folder) / part
            root.mkdir()
            gallery = make_gallery(root, full=full)
            wanted = MUCH if part == "much" else pages(gallery) if full else EMPTY
            chosen = {name: address for name, address in wanted.items() if not names or name in names}
            if chosen and part == "much":
                fill_much(gallery.state)
            if chosen:
                with serving(gallery.app) as base:
                    said += shoot(browser, base, chosen)
            for name, add in MORE.items() if full else ():
                if not names or name in names:
                    with gallery.app.app_context():
                        add(gallery)
                    with serving(gallery.app) as base:
                        said += shoot(browser, base, {name: "/stask/schedules"})
        browser.close()
    print("\n".join(dict.fromkeys(said)) or "The console said nothing.")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
