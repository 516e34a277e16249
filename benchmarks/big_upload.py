"""A file of 2 GB that is uploaded in chunks through the panel's own routes: memory of the web process, disk and time.

Run it with: python -m benchmarks.big_upload [MEGABYTES, 2048 by default]. The web server is gunicorn with threads. What
is sent is made on the way, so only the server's copy needs room: below STASK_BENCH_FOLDER, else in a temporary folder.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load import load
from benchmarks.panel_site import LANGUAGE, Panel, panel

MEGABYTES = 2048
MEMORY_LIMIT = 50.0
#: How much more than the file the storage may hold at any time, in MB.
DISK_LIMIT = 1.0
#: After so many chunks it is looked how much room they take.
LOOK = 256


class Browser:
    """One connection to the panel that sends what ``upload.js`` sends."""

    def __init__(self, server: Panel) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        self._headers = {"Cookie": server.cookie, "Accept-Language": LANGUAGE}
        self._connection.request("GET", "/stask/workers/clock/run/take", headers=self._headers)
        answer = self._connection.getresponse()
        page, cookie = answer.read().decode(), answer.getheader("Set-Cookie")
        token = re.search(r'data-csrf="([^"]+)"', page)
        if answer.status != 200 or token is None or cookie is None:
            raise SystemExit(f"The form was not there: {answer.status}\n{server.said()}")
        self._headers |= {"Cookie": cookie.partition(";")[0], "Accept": "application/json", "X-CSRFToken": token[1]}

    def send(self, method: str, path: str, body: bytes, kind: str = "application/json") -> dict[str, Any]:
        """Send something -> the answer."""
        self._connection.request(method, path, body, {**self._headers, "Content-Type": kind})
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status}\n{data[:500].decode(errors='replace')}")
        found: dict[str, Any] = json.loads(data)
        return found


def main() -> int:
    """Print the figures."""
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else MEGABYTES) * 2**20
    print(load())
    with tempfile.TemporaryDirectory(dir=os.environ.get("STASK_BENCH_FOLDER")) as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < size * 1.5:
            raise SystemExit(f"There is not enough room in {folder}.")
        limit = {"STASK_MAX_UPLOAD": str(size)}
        with panel(folder, "-k", "gthread", "--threads", "16", "-w", "1", **limit) as server:
            found = [measure(server, size, name) for name in ("prices.csv", "prices.bin")]
    print(load())
    return 0 if all(found) else 1


def measure(server: Panel, size: int, name: str) -> bool:
    """Upload a file of that name and print what it took."""
    browser = Browser(server)
    row = "4820000000017;Кава в зернах «Зранку», 1 кг;412.50;17\n".encode()
    block = row * (2**20 // len(row) + 1)
    digest = hashlib.sha256()
    before = server.memory()
    server.forget_peak()
    web, begin, room = server.core_seconds(), time.perf_counter(), 0.0
    asked = {"action": "take", "field": "file", "name": name, "size": size}
    upload = browser.send("POST", "/stask/workers/clock/uploads", json.dumps(asked).encode())
    length = int(upload["chunk"])
    for number in range(-(-size // length)):
        at = number * length % len(row)
        data = block[at : at + min(length, size - number * length)]
        digest.update(data)
        browser.send("PUT", f"{upload['url']}/{number}", data, "application/octet-stream")
        if number % LOOK == LOOK - 1:
            room = max(room, _room(server) - (number + 1) * length / 2**20)
    sent = time.perf_counter() - begin
    address = f"{upload['url']}/finish"
    found = browser.send("POST", address, b"")
    finished = time.perf_counter() - begin - sent
    web = server.core_seconds() - web
    extra, room = server.memory("VmHWM") - before, max(room, _room(server) - size / 2**20)
    [upload_row] = _hashes(server, found["token"])
    server.state.storage.discard(found["token"])
    fits = extra <= MEMORY_LIMIT and room <= DISK_LIMIT and upload_row == digest.hexdigest()
    right = upload_row == digest.hexdigest()
    print(
        f"{name}: {size / 2**20:,.0f} MB sent in {sent:.1f} s, that is {size / 2**20 / sent:.0f} MB/s, "
        f"checked in {finished:.1f} s, {web:.1f} s of CPU in the web process; {extra:.1f} MB of extra memory "
        f"(at most {MEMORY_LIMIT:.0f}), {room:.1f} MB of disk beside the file (at most {DISK_LIMIT:.0f}), "
        f"{'its digest is right' if right else 'ITS DIGEST IS WRONG'}: {'ok' if fits else 'TOO MUCH'}",
        flush=True,
    )
    return fits


def _room(server: Panel) -> float:
    """What lies among the uploads, in MB."""
    return sum(path.stat().st_size for path in server.state.storage.uploads.rglob("*") if path.is_file()) / 2**20


def _hashes(server: Panel, token: str) -> list[str]:
    from stask_web.queries import uploads_by_token

    return [row.sha256 or "" for row in uploads_by_token(server.state.database, [token])]


if __name__ == "__main__":
    raise SystemExit(main())
