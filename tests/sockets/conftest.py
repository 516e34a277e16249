"""Real servers for the live tests: gunicorn on a free port, and tasks that the tests write themselves."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web.journal import Journal
from stask_web.models import Task
from stask_web.state import State, state_of
from stask_web.status import Status

from .live_client import Shown, Socket
from .live_site import create_app

HERE = Path(__file__).resolve().parent
THREADS = ("-k", "gthread", "--threads", "40", "-w", "1")
SYNC = ("-k", "sync", "-w", "4")
GEVENT = ("-k", "gevent", "-w", "1")


FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 15_000


class Server:
    """One gunicorn with the test site. It can be killed and started again on the same port.

    :param root: the site's folder.
    :param arguments: gunicorn's kind and numbers of workers.
    :param environ: further environment, ``STASK_TEST_...``.
    """

    def __init__(self, root: Path, *arguments: str, **environ: str) -> None:
        self.root = root
        self.arguments = arguments
        self.environ = environ
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/stask"
        self.process: subprocess.Popen[bytes] | None = None
        self.way = ""

    def start(self) -> None:
        """Start it and wait until it answers."""
        descriptor = self.listener.fileno()
        python_path = os.pathsep.join([str(HERE), str(HERE.parent.parent)])
        self.log = (self.root / "gunicorn.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *self.arguments, "--bind", f"fd://{descriptor}",
             "--graceful-timeout", "1", "--log-level", "warning", "live_site:create_app()"],
            env={**os.environ, "STASK_TEST_ROOT": str(self.root), "PYTHONPATH": python_path, **self.environ},
            pass_fds=[descriptor], stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                request = urllib.request.Request(f"{self.url}/live", headers={"X-Person": "reader"})
                with urllib.request.urlopen(request, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, self.said()
                time.sleep(0.05)
        raise AssertionError(f"gunicorn does not answer: {self.said()}")

    def revive(self) -> None:
        """Start it again, if a test left it dead."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def send(self, sig: signal.Signals) -> None:
        """Send a signal to all its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, sig)

    def kill(self) -> None:
        """kill -9 of all its processes."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self.process.wait(10)
        self.log.close()

    def stop(self) -> None:
        """End it for good."""
        if self.process is not None and self.process.returncode is None:
            self.kill()
        self.listener.close()

    def said(self) -> str:
        """What it logged."""
        return (self.root / "gunicorn.log").read_text()


#: What python-engineio's writing thread says when its reading thread has closed the same socket just before: nothing of
#: it is ours, and nobody is there any more to whom something could be sent.
CLOSED_TWICE = re.compile(
    r"Exception in thread Thread-\d+ \(writer\):\nTraceback \(most recent call last\):\n(?:  .*\n)*"
    r"  .*simple_websocket/ws\.py.* in close\n(?:  .*\n)*OSError: \[Errno 9\] Bad file descriptor\n"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's folder, one for all tests of a module: a server takes seconds to start."""
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def app(root: Path) -> Iterator[Flask]:
    """The same site in this process, to write what the server shows."""
    made = create_app(root, mode="")
    state_of(made).roster.set_active("goods", True)
    yield made
    state_of(made).database.engine.dispose()
    with made.app_context():
        made.extensions["sqlalchemy"].engine.dispose()


@pytest.fixture(scope="module")
def state(app: Flask) -> State:
    """The state of that site."""
    return state_of(app)


@pytest.fixture(scope="module")
def serve(root: Path, app: Flask) -> Iterator[Callable[..., Server]]:
    """Start gunicorn with the site: ``serve(*arguments, **environ)``."""
    servers: list[Server] = []

    def start(*arguments: str, **environ: str) -> Server:
        servers.append(Server(root, *arguments, **{"STASK_TEST_MODE": "threading", **environ}))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        assert "Traceback" not in CLOSED_TWICE.sub("", server.said()), server.said()


@pytest.fixture
def connect() -> Iterator[Callable[..., Socket]]:
    """Connect a page: ``connect(shown, narrow=False)``."""
    sockets: list[Socket] = []

    def start(shown: Shown, *, narrow: bool = False) -> Socket:
        sockets.append(Socket(shown, narrow=narrow))
        return sockets[-1]

    yield start
    for each in sockets:
        each.close()


class Writer:
    """Does to one task what a worker process would do: its row, and its journal."""

    def __init__(self, state: State, status: Status = Status.RUNNING) -> None:
        self.state = state
        self.written: list[str] = []
        with state.database.write() as connection:
            values = {
                "identifier": "product", "action": "import", "status": status, "created_at": time.time(), "message": "",
                "meta": {}, "attempt_no": 1, "started_by": "reader", "started_at": time.time(),
            }  # fmt: skip
            self.id = int(connection.execute(sa.insert(Task).values(values)).inserted_primary_key[0])

    @property
    def journal(self) -> Journal:
        return self.state.journals.of(self.id)

    def say(self, *texts: str) -> None:
        """Write log lines."""
        journal = self.journal
        journal.write([record for text in texts for record in journal.records("info", text)])
        journal.close()
        self.written += texts

    def report(self, **numbers: Any) -> None:
        """Write a report of progress."""
        journal = self.journal
        journal.write([{"t": time.time(), "a": 1, "k": "progress", "p": numbers}])
        journal.close()

    def set(self, **values: Any) -> None:
        """Change the row."""
        with self.state.database.write() as connection:
            connection.execute(sa.update(Task).where(Task.id == self.id).values(values))

    def delete(self) -> None:
        """Delete the row."""
        with self.state.database.write() as connection:
            connection.execute(sa.delete(Task).where(Task.id == self.id))


@pytest.fixture
def task(state: State) -> Writer:
    """A running task."""
    return Writer(state)


class Browser:
    """A Chromium with one signed-in person; remembers what its pages complained about."""

    def __init__(self, chromium: Any, server: Server) -> None:
        self.chromium, self.server = chromium, server
        self.complaints: list[str] = []
        self.context = chromium.new_context()
        self.context.set_default_timeout(PATIENCE)
        self.context.add_cookies([{"name": "person", "value": "reader", "url": server.url}])

    def open(self, path: str) -> Any:
        """A page of the panel."""
        page = self.context.new_page()
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self.server.url + path)
        return page


@pytest.fixture(scope="module")
def launched(chromium: str) -> Iterator[Any]:
    """A Chromium for all tests of a module."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which the extra dev brings")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
