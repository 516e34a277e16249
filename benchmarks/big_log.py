"""A task whose log has 50 MB: how soon its page is painted in Chromium, and what its download takes.

Run it with: python -m benchmarks.big_log [MEGABYTES, 50 by default]. The web server is gunicorn with threads, as
``flask stask up`` starts it. Beside the download stand two figures to judge it by: a file of the same size that Flask
sends by the same server (from memory, for it was just read), and the disk itself, which is read past its cache.
"""

from __future__ import annotations

import mmap
import os
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.load import load
from benchmarks.panel_site import LANGUAGE, Panel, panel, running_task
from stask_web.journal import Journal

MEGABYTES = 50
PAINT_LIMIT = 300.0
MEMORY_LIMIT = 20.0
#: MB of the journal a second: what a disk of a small server gives.
SPEED_LIMIT = 50.0
ROUNDS = 5
PAGES = 9
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PAINT = "() => performance.getEntriesByType('paint').find(each => each.name === 'first-contentful-paint')?.startTime"


def main() -> int:
    """Print the figures."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else MEGABYTES
    print(load())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with panel(folder, "-k", "gthread", "--threads", "128", "-w", "1") as server:
            task_id = running_task(server.state, progress=50)
            fill(server.state.journals.of(task_id), size * 2**20)
            paints = paint(server, task_id)
            print(f"the disk reads {disk_speed(server.state.journals.of(task_id).path):.0f} MB/s past its cache")
            fits = [painted(paints), *(download(server, task_id, format) for format in ("text", "jsonl"))]
    print(load())
    return 0 if all(fits) else 1


def fill(journal: Journal, size: int) -> None:
    """Lines of an import until the journal has that size."""
    number = 0
    while journal.size() < size - 2**20:
        records: list[dict[str, Any]] = []
        for row in range(number, number + 5000):
            records += journal.records("info", f"Row {row}: «Кава в зернах» updated, price 12.40 → 12.90")
        journal.write(records)
        number += 5000
    journal.close()


def paint(server: Panel, task_id: int) -> list[float]:
    """Milliseconds until the first paint with content; the first time with an empty cache."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, CHROMIUM)), None)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        context = browser.new_context(locale=LANGUAGE, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "session", "value": server.cookie.partition("=")[2], "url": server.url}])
        for _ in range(PAGES):
            page = context.new_page()
            answer = page.goto(f"{server.url}/tasks/{task_id}")
            if answer is None or answer.status != 200:
                raise SystemExit(f"The page was not there:\n{server.said()}")
            page.wait_for_function(PAINT)
            found.append(float(page.evaluate(PAINT)))
            page.close()
        browser.close()
    return found


def painted(paints: list[float]) -> bool:
    """Print how soon the page was painted."""
    first, again = paints[0], statistics.median(paints[1:])
    fits = again <= PAINT_LIMIT
    print(
        f"first paint: median {again:.0f} ms (at most {PAINT_LIMIT:.0f}), worst {max(paints[1:]):.0f} ms, "
        f"with an empty cache {first:.0f} ms: {'ok' if fits else 'TOO SLOW'}"
    )
    return fits


def download(server: Panel, task_id: int, format: str) -> bool:
    """Print what a download of the log takes, beside that of a plain file of the same size."""
    address = f"/tasks/{task_id}/log/download?format={format}"
    size, _ = fetch(server, address)  # the first one warms the disk's cache for both
    plain = Path(server.folder) / "plain.bin"
    with plain.open("wb") as file:
        file.truncate(size)
    pairs, peaks = [], []
    for _ in range(ROUNDS):
        copied = fetch(server, "/../plain")[1]
        before = server.memory()
        server.forget_peak()
        took = fetch(server, address)[1]
        peaks.append(server.memory("VmHWM") - before)
        pairs.append((took, copied))
    took, copied = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    extra, speed = max(peaks), server.state.journals.of(task_id).size() / 2**20 / took
    fits = extra <= MEMORY_LIMIT and speed >= SPEED_LIMIT
    print(
        f"download as {format}: {size / 2**20:.0f} MB in {took:.2f} s, which is {speed:.0f} MB of log a second "
        f"(at least {SPEED_LIMIT:.0f}; a plain file of that size {copied:.2f} s), {extra:.1f} MB of extra memory "
        f"(at most {MEMORY_LIMIT:.0f}): {'ok' if fits else 'TOO MUCH'}"
    )
    return fits


def disk_speed(path: Path) -> float:
    """MB a second at which the disk reads a file, past the cache where the system allows that."""
    os.sync()
    begin, size = time.perf_counter(), 0
    with suppress(OSError), mmap.mmap(-1, 2**20) as block:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
        try:
            while (read := os.readv(fd, [block])) == len(block):
                size += read
        finally:
            os.close(fd)
    return size / 2**20 / (time.perf_counter() - begin)


def fetch(server: Panel, path: str) -> tuple[int, float]:
    """GET it and throw it away -> its size and the seconds."""
    url = server.url + path if not path.startswith("/..") else server.url.removesuffix("/stask") + path[3:]
    headers = {"Cookie": server.cookie, "Accept-Language": LANGUAGE}
    begin, size = time.perf_counter(), 0
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as answer:
        while block := answer.read(2**18):
            size += len(block)
    return size, time.perf_counter() - begin


if __name__ == "__main__":
    raise SystemExit(main())
