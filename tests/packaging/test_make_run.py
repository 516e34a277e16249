"""`make run` on a fresh machine, as a newcomer meets it: start, sign in, Ctrl-C, start again, a taken port."""

from __future__ import annotations

import http.cookiejar
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420), pytest.mark.needs("make", "git")]

STOP_WITHIN = 5.0
SECOND_START_WITHIN = 5.0

# A shell's background job ignores Ctrl-C, and so would all that it starts.
LIKE_A_TERMINAL = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp("make", ["make", "run"])
"""


class MakeRun:
    """A `make run` in a session of its own, as a terminal starts it; its output is read all the time."""

    def __init__(self, folder: Path, port: int) -> None:
        quiet = {"CI", "STASK_ASSETS", "FLASK_APP", "FLASK_DEBUG", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        self.folder = folder
        self.port = port
        self.text = ""
        self.started = time.monotonic()
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-c", LIKE_A_TERMINAL],
            cwd=folder,
            env={**{key: value for key, value in os.environ.items() if key not in quiet}, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._news:
                    self.text += line
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, pattern: str, within: float) -> re.Match[str]:
        """Return the match of ``pattern`` in the output; fail with all of it when it does not come, or the run ends."""
        found: list[re.Match[str]] = []

        def seen() -> bool:
            found.extend(re.finditer(pattern, self.text))
            return bool(found) or not self._reader.is_alive()

        with self._news:
            self._news.wait_for(seen, timeout=within)
        assert found, f"{pattern!r} did not come within {within} s:\n{self.text}"
        return found[0]

    def open(self, path: str, within: float) -> tuple[int, str, str]:
        """Fetch a page with cookies as soon as the server listens: (status, final address, text)."""
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        listening(self.port, self.process, within)
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.status, answer.url, answer.read().decode()

    def ctrl_c(self) -> float:
        """Do what a terminal does at Ctrl-C, and return how many seconds it took to end."""
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=60)
        return time.monotonic() - began

    def end(self) -> None:
        """End it in any case, after a test that failed halfway."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(timeout=10)
        for pid in left_behind(self.folder):
            os.kill(pid, signal.SIGKILL)
        self._reader.join(timeout=10)


def listening(port: int, process: subprocess.Popen[str], within: float) -> None:
    """Wait until something accepts connections at ``port``."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    pytest.fail(f"nothing listened at port {port} within {within} s")


def left_behind(folder: Path) -> dict[int, str]:
    """Processes that work in ``folder``, whatever session they moved to, with their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve().is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def free_port() -> int:
    """Return a port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def fresh(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git holds, and of what is new and not ignored: what a newcomer gets."""
    folder = tmp_path_factory.mktemp("fresh")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listing.split("\0")):
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def first_run(fresh: Path) -> Iterator[MakeRun]:
    """The first start, which installs everything."""
    run = MakeRun(fresh, free_port())
    yield run
    run.end()


@pytest.fixture
def link(first_run: MakeRun) -> str:
    """The one-time sign-in link of the first start."""
    return first_run.wait_for(rf"http://127\.0\.0\.1:{first_run.port}(/\S+)", within=300).group(1)


def test_the_first_start_prints_a_link_that_opens_the_panel(first_run: MakeRun, link: str) -> None:
    status, address, text = first_run.open(link, within=60)
    assert status == 200, first_run.text
    assert "Product management" in text, address


def test_the_link_works_once(first_run: MakeRun, link: str) -> None:
    try:
        _, _, text = first_run.open(link, within=5)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        assert 400 <= error.code < 500
    assert "Product management" not in text


def test_a_taken_port_is_a_clear_message(first_run: MakeRun, fresh: Path) -> None:
    second = MakeRun(fresh, first_run.port)
    try:
        assert second.process.wait(timeout=20) != 0
        said = second.wait_for(rf"(?i)[^\n]*\b{first_run.port}\b[^\n]*(taken|in use|already)[^\n]*", within=5)
        assert "Traceback" not in second.text, said
        assert first_run.process.poll() is None
    finally:
        if second.process.poll() is None:
            second.end()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to see what is left behind")
def test_ctrl_c_ends_all_of_it_in_time_with_a_page_open(first_run: MakeRun, fresh: Path) -> None:
    address = f"ws://127.0.0.1:{first_run.port}/socket.io/?EIO=4&transport=websocket"
    page = websocket.create_connection(address, timeout=10)
    try:
        assert page.recv().startswith("0{")
        took = first_run.ctrl_c()
    finally:
        page.close()
    assert took <= STOP_WITHIN, first_run.text
    assert left_behind(fresh) == {}
    assert "Traceback" not in first_run.text, first_run.text


def test_the_second_start_is_quick(fresh: Path, first_run: MakeRun) -> None:
    """The best of three; where more runs than there are cores, it may take as much longer as all the rest does."""
    allowed = SECOND_START_WITHIN * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    if first_run.process.poll() is None:
        first_run.ctrl_c()
    took = [time_of_a_start(fresh)]
    while min(took) > allowed and len(took) < 3:
        took.append(time_of_a_start(fresh))
    assert min(took) <= allowed, took


def time_of_a_start(folder: Path) -> float:
    """Start, open a page, stop; return the seconds from the command to the page."""
    run = MakeRun(folder, free_port())
    try:
        status, _, _ = run.open("/", within=60)
        took = time.monotonic() - run.started
        assert status == 200
        assert run.ctrl_c() <= STOP_WITHIN
        assert left_behind(folder) == {}
        return took
    finally:
        run.end()
