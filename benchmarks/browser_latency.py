"""How long it takes from ``push_progress`` in a worker process until the text on a page in a browser has changed.

Run it with: python -m benchmarks.browser_latency [SECONDS]. It prints p50, p95 and the slowest in milliseconds, for
``flask stask up`` with sockets and for ``gunicorn -w 4 -k sync`` with polling, at ten reports a second. A report that a
page never showed, because a newer one took its place, counts until that newer one was there.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from pydantic import BaseModel

from benchmarks.served import Site, Sync, Up
from examples.shop import app as shop
from stask_web import BaseWorker, Task, stask
from stask_web.state import state_of

SECONDS = 20.0
EVERY = 0.1
GOALS = {"socket": 100.0, "poll": 1000.0}
APP = "benchmarks.browser_latency"
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

# Notes each new text of the message and when it was there.
OBSERVE = """() => {
    window.seen = [];
    const look = () => {
        const text = document.querySelector(".hero [data-field=message]")?.textContent ?? "";
        if (text && text !== window.seen.at(-1)?.[0]) window.seen.push([text, Date.now()]);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


class TickOptions(BaseModel):
    """How long to report."""

    seconds: float = SECONDS


class ClockWorker(BaseWorker):
    """Says ten times a second what time it is."""

    identifier = "clock"
    title = "Clock"

    def task_tick(self, task: Task, options: TickOptions) -> None:
        """Report the time, and leave all that was reported as a result."""
        stamps: list[str] = []
        start = time.monotonic()
        count = int(options.seconds / EVERY)
        for number in range(count):
            time.sleep(max(0.0, start + number * EVERY - time.monotonic()))
            stamps.append(f"{time.time():.6f}")
            self.push_progress(task, processed=number, total=count, message=stamps[-1])
        path = self.result_path(task, "stamps.json")
        path.write_text(json.dumps(stamps))
        self.mark_finished(task, path, "Done")


class Latency(NamedTuple):
    """Milliseconds from a report to its text in the browser."""

    count: int
    p50: float
    p95: float
    worst: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms, worst {self.worst:.0f} ms of {self.count} reports"


def create_app() -> Flask:
    """The example shop with one worker more."""
    return shop.create_app({"STASK_WORKER_PACKAGES": ["examples.shop.workers", APP]})


def measure(app: Flask, site: Site, page: Any, seconds: float) -> Latency:
    """Watch one task in a page that is signed in.

    :param app: of the same folder, see :func:`create_app`.
    :param page: of Playwright.
    :param seconds: how long the task reports.
    """
    with app.app_context():
        task_id = stask.create("clock", "tick", {"seconds": seconds}).id
        page.goto(f"{site.url}/stask/tasks/{task_id}")
        page.evaluate(OBSERVE)
        page.wait_for_selector(".hero-outcome >> text=Done", timeout=(seconds + 30) * 1000)
        shown = [(text, at) for text, at in page.evaluate("window.seen") if text.replace(".", "").isdigit()]
        pushed = json.loads(state_of(app).storage.result_path(task_id, "stamps.json").read_text())
    return latency_of(pushed, shown)


def latency_of(pushed: Sequence[str], shown: Sequence[tuple[str, float]]) -> Latency:
    """Compare what was reported with what was shown.

    :param pushed: all stamps.
    :param shown: stamps with the time, in milliseconds, when the page showed them. What was reported before the first
        of them is left out, for the page was still loading, and so is what followed the last: the task was over.
    """
    waits = []
    for (before, _), (text, at) in pairwise(shown):
        waits += [at - float(stamp) * 1000 for stamp in pushed if float(before) < float(stamp) <= float(text)]
    if len(waits) < 2:
        raise AssertionError(f"the page showed only {len(shown)} of {len(pushed)} reports")
    return Latency(len(waits), statistics.median(waits), statistics.quantiles(waits, n=20)[-1], max(waits))


def main() -> int:
    """Print both."""
    from playwright.sync_api import sync_playwright

    from examples.shop.setup import set_up

    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    chromium = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    missed = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for kind in (Up, Sync):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["SHOP_INSTANCE"] = folder
                app = create_app()
                token = set_up(app)[-1].rpartition("/")[2]
                site = kind(Path(folder), f"{APP}:create_app()")
                try:
                    page = browser.new_page()
                    page.goto(f"{site.url}/sign-in/{token}")
                    found = measure(app, site, page, seconds)
                finally:
                    site.stop()
                goal = GOALS[kind.transport]
                missed += found.p95 > goal
                print(f"push_progress to text in the browser, by {kind.transport}: {found}; goal: p95 {goal:.0f} ms")
        browser.close()
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
