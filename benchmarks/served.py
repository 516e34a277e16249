"""A real site for what drives a browser: a web server and worker processes of the example shop, on a free port.

Either all of it by ``flask stask up`` (one process with threads, so pages use sockets), or ``gunicorn -w 4 -k sync``
beside ``flask stask work`` (no threads, so pages poll). The web server can be killed and comes back at its port.
"""

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
from contextlib import suppress
from pathlib import Path
from typing import IO

SHOP = "examples.shop.app"
READY_WITHIN = 40.0
REPOSITORY = Path(__file__).resolve().parent.parent


class Process:
    """A process in a session of its own, whose output goes to a file.

    :param name: of the file, below ``folder``.
    """

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self._path = folder / f"{name}.txt"
        self._file: IO[bytes] = self._path.open("ab")
        environ = {**os.environ, "SHOP_INSTANCE": str(folder), "PYTHONUNBUFFERED": "1"}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=REPOSITORY, env=environ, stdin=subprocess.DEVNULL, stdout=self._file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    @property
    def output(self) -> str:
        """What it said, its forerunners of the same name included."""
        return self._path.read_text(errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it says something."""
        deadline = time.monotonic() + READY_WITHIN
        while not (found := re.search(pattern, self.output)):
            if self.popen.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} was not said:\n{self.output}")
            time.sleep(0.02)
        return found

    def end(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and SIGKILL to all of its session when that does not help."""
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        self._file.close()

    def kill(self) -> None:
        """kill -9 of it and of its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(15)
        self._file.close()


class Up:
    """``flask stask up``: gunicorn with threads and the worker, looked after by one command."""

    transport = "socket"

    def __init__(self, folder: Path, app: str = SHOP) -> None:
        arguments = ("flask", "--app", app, "stask", "up", "--port", "0", "--concurrency", "2")
        self._up = Process(folder, "up", *arguments)
        self.url = self._up.wait_for(r"Running at (http://[^/]+)")[1]
        self._wait_for_web()

    def kill_web(self) -> None:
        """kill -9 of the web server, as when it runs out of memory; ``up`` starts it again by itself."""
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        found = [int(pid) for pid, parent, command in rows
                 if int(parent) == self._up.popen.pid and "stask_web.cli.web" in command]  # fmt: skip
        assert len(found) == 1, f"one web server is expected, not {found}"
        os.kill(found[0], signal.SIGKILL)

    def start_web(self) -> None:
        """Wait until it is back."""
        self._up.wait_for(r"The web server ended")
        self._wait_for_web()

    def _wait_for_web(self) -> None:
        _wait_for_answer(self.url, self._up)

    @property
    def output(self) -> str:
        """What the servers said."""
        return self._up.output

    def stop(self) -> None:
        """End all of it."""
        self._up.end(signal.SIGINT)


class Sync:
    """``gunicorn -w 4 -k sync`` and ``flask stask work``, side by side."""

    transport = "poll"

    def __init__(self, folder: Path, app: str = SHOP) -> None:
        self._folder, self._app = folder, app
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        before = set(folder.glob("stask/run/*.sock"))
        self._work = Process(folder, "work", "flask", "--app", app, "stask", "work", "--concurrency", "2")
        self.start_web()
        deadline = time.monotonic() + READY_WITHIN
        while not set(folder.glob("stask/run/*.sock")) - before:
            if self._work.popen.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the worker did not start:\n{self._work.output}")
            time.sleep(0.02)

    def kill_web(self) -> None:
        """kill -9 of gunicorn and all its workers: the port is closed until :meth:`start_web`."""
        self._web.kill()

    def start_web(self) -> None:
        """Start gunicorn and wait until it answers."""
        self._web = Process(
            self._folder, "web", "gunicorn", "-w", "4", "-k", "sync", "--bind", f"127.0.0.1:{self._port}",
            "--log-level", "warning", self._app if ":" in self._app else f"{self._app}:app",
        )  # fmt: skip
        _wait_for_answer(self.url, self._web)

    @property
    def output(self) -> str:
        """What the servers said."""
        return self._web.output + self._work.output

    def stop(self) -> None:
        """End all of it."""
        self._web.end()
        self._work.end()


Site = Up | Sync


def _wait_for_answer(url: str, process: Process) -> None:
    """Wait until the server answers a request."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            urllib.request.urlopen(f"{url}/sign-in", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            if process.popen.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{url} does not answer:\n{process.output}") from None
            time.sleep(0.02)
