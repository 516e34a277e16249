"""kill -9 of the web server during an upload: the browser goes on where it was, and nothing is left half."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stask_web.models import Task, Upload
from stask_web.storage import CHUNK
from stask_web.uploads import Uploads

from .site import PATIENCE, Site
from .web import prepare

BEGIN = {"action": "read", "field": "file", "name": "prices.csv"}


class Web:
    """The site's web server, in a process of its own that is killed and started again."""

    def __init__(self, site: Site) -> None:
        self.site = site
        prepare(site.app)
        with site.app.app_context():
            site.state.roster.set_active("reader", True)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        place = self.site.folder / "port"
        place.unlink(missing_ok=True)
        log = (self.site.folder / "web.log").open("ab")
        command = [sys.executable, "-m", "tests.faults.web", str(self.site.folder)]
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[2])
        self.site.until(place.exists, "the web server listens")
        self.port = int(place.read_text())

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def send(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> tuple[int, Any]:
        """A request -> status and the answer's JSON.

        :raises OSError, http.client.HTTPException: the server died meanwhile.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Accept": "application/json", "Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else None

    def send_half(self, method: str, path: str, body: bytes, kind: str = "application/octet-stream") -> socket.socket:
        """Send a request whose body stops in the middle."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        return connection


@pytest.fixture
def web(site: Site) -> Iterator[Web]:
    """A server that answers."""
    web = Web(site)
    web.start()
    yield web
    web.kill()


class Browser:
    """Does what the page's JavaScript does: sends what is due, and after an interruption the same once more."""

    def __init__(self, web: Web, data: bytes) -> None:
        self.web, self.data = web, data
        self.url = self.token = ""
        self.begun = 0

    def __call__(self) -> dict[str, Any]:
        """Upload it all -> the last answer."""
        number = -1
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                status, answer = self._step(number)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
                continue
            if status in (404, 410):
                number = -1
            elif status == 409:
                number = answer["next"]
            elif status == 200 and "sha256" not in answer and "name" in answer:
                return dict(answer)
            else:
                assert status in (200, 201), (status, answer)
                number += 1
        raise AssertionError("the upload does not come to an end")

    def _step(self, number: int) -> tuple[int, Any]:
        if number < 0:
            status, answer = self.web.send(
                "POST",
                "/stask/workers/reader/uploads",
                json.dumps({**BEGIN, "size": len(self.data)}).encode(),
            )
            if status == 201:
                self.begun += 1
                self.url, self.token = answer["url"], answer["token"]
            return status, answer
        if number * CHUNK >= len(self.data):
            return self.web.send("POST", f"{self.url}/finish")
        piece = self.data[number * CHUNK : (number + 1) * CHUNK]
        return self.web.send("PUT", f"{self.url}/{number}", piece, "application/octet-stream")


def table(chunks: float) -> bytes:
    """A CSV file of so many chunks."""
    line = b"A1;Wings;12.50\n"
    return b"sku;name;price\n" + line * int(chunks * CHUNK / len(line))


def assert_whole(site: Site, token: str, data: bytes) -> None:
    """The file of a token is there and noted, byte by byte."""
    upload = Uploads(site.state.database, site.state.storage).owned(token, "ann")
    assert upload.done
    assert upload.sha256 == hashlib.sha256(data).hexdigest()
    path = site.state.storage.upload_path(token)
    assert path.read_bytes() == data
    assert [entry.name for entry in path.parent.iterdir()] == ["prices.csv"]


def test_a_chunk_that_was_cut_is_sent_again_and_the_upload_goes_on(web: Web) -> None:
    data = table(2.5)
    browser = Browser(web, data)
    status, begun = browser._step(-1)
    assert status == 201
    assert browser._step(0)[0] == 200
    with web.send_half("PUT", f"{begun['url']}/1", data[CHUNK : 2 * CHUNK]):
        web.kill()
    web.start()
    status, answer = web.send("POST", f"{begun['url']}/finish")
    assert (status, answer["next"]) == (409, 1)
    for number in (1, 2):
        assert browser._step(number)[0] == 200
    assert browser._step(3)[0] == 200
    assert_whole(web.site, begun["token"], data)
    status, task = web.send(
        "POST", "/stask/workers/reader/run/read", f"file__upload={begun['token']}".encode(),
        "application/x-www-form-urlencoded",
    )  # fmt: skip
    assert status == 201
    assert web.site.task(task["id"]).meta["file"]["upload"] == begun["token"]


def test_kills_at_any_moment_and_the_file_arrives_whole(web: Web) -> None:
    dice = random.Random(11)
    data = table(20)
    browser = Browser(web, data)
    result: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: result.append(browser()))
    thread.start()
    for _ in range(4):
        time.sleep(dice.uniform(0.01, 0.12))  # it is the point that it may be any moment
        web.kill()
        web.start()
    thread.join(90)
    assert result
    assert_whole(web.site, browser.token, data)
    status, answer = web.send("POST", f"{browser.url}/finish")
    assert (status, answer["token"]) == (200, browser.token), "asked again, it says the same"
    with web.site.state.database.session() as session:
        rows = {upload.token: upload for upload in session.scalars(sa.select(Upload))}
    for token, upload in rows.items():
        if token != browser.token:
            assert not upload.done, "only a begun one may be left behind"
    assert browser.begun == 1, "it went on where it was"


def test_a_death_between_the_file_and_its_row_is_mended_by_asking_again(web: Web) -> None:
    """The last step of an upload renames the file, then notes it."""
    browser = Browser(web, table(0.5))
    assert [browser._step(number)[0] for number in (-1, 0)] == [201, 200]
    web.kill()
    web.site.state.storage.finish(browser.token, name="prices.csv", size=len(browser.data))
    web.start()
    assert browser._step(1)[0] == 200
    assert_whole(web.site, browser.token, browser.data)


def test_a_form_that_was_cut_starts_nothing_and_leaves_nothing(web: Web) -> None:
    """The plain form, without JavaScript."""
    body = b"\r\n".join(
        [
            b"--cut", b'Content-Disposition: form-data; name="file"; filename="prices.csv"', b"Content-Type: text/csv",
            b"", table(6), b"--cut--", b"",
        ]
    )  # fmt: skip
    kind, path = "multipart/form-data; boundary=cut", "/stask/workers/reader/run/read"
    with web.send_half("POST", path, body, kind):
        assert web.send("GET", "/stask/health")[0] < 500
        web.kill()
    web.start()
    site = web.site
    with site.state.database.session() as session:
        assert list(session.scalars(sa.select(Task))) == []
        assert list(session.scalars(sa.select(Upload))) == []
    uploads = Uploads(site.state.database, site.state.storage)
    uploads.clean(older_than=0, now=time.time() + 60)
    assert [path for path in site.state.storage.uploads.rglob("*") if path.is_file()] == []
    status, task = web.send("POST", path, body, kind)
    assert status == 201
    assert_whole(site, site.task(task["id"]).meta["file"]["upload"], table(6))


def test_an_upload_that_is_gone_is_410_and_begins_anew(web: Web) -> None:
    """A server that was away for days has cleaned it."""
    browser = Browser(web, table(1.5))
    assert browser._step(-1)[0] == 201
    assert browser._step(0)[0] == 200
    web.kill()
    site = web.site
    site.state.storage.discard(browser.token)
    web.start()
    for number in (1, 2):
        status, answer = browser._step(number)
        assert status == 410
        assert "no longer here" in answer["error"]
    assert browser()["token"] == browser.token
    assert_whole(site, browser.token, browser.data)
