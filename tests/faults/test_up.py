"""``flask stask up`` with real processes: it starts all, keeps all alive and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websocket

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")

MARK = "STASK_TEST_UP"
PATIENCE = 30.0

WORKERS = """
import time
from pathlib import Path

from stask_web import BaseWorker

class NapWorker(BaseWorker):
    identifier = "nap"

    def task_nap(self, task, options):
        Path(options["started"]).write_text(str(task.attempt_no))
        for _ in range(6000):
            time.sleep(0.01)
            self.push_progress(task, message="napping")

    def task_ping(self, task, options):
        pass
"""


#: Undoes what a background shell or nohup left to us: with these ignored, `up` would rightly ignore them too.
LIKE_A_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Up:
    """A running ``flask stask up`` of the standalone panel.

    :param folder: where its instance folder and workers lie.
    """

    def __init__(self, folder: Path, *options: str, repository: Path, debug: bool = False) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("STASK_", "FLASK_", "PORT"))},
            MARK: self.mark,
            "STASK_INSTANCE": str(folder / "instance"),
            "STASK_WORKER_PACKAGES": "nap_workers",
            "STASK_AUTO_ACTIVATE": "1",
            "PYTHONPATH": str(folder),
        }
        self._flask = [sys.executable, "-m", "flask", "--app", "wsgi", "stask"]
        self._repository = repository
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                LIKE_A_TERMINAL,
                *self._flask[:-1],
                *(["--debug"] if debug else []),
                "stask",
                "up",
                "--port",
                "0",
                "--concurrency",
                "1",
                *options,
            ],
            cwd=repository,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._news.put(line)

    def wait_for_line(self, words: str) -> str:
        """The first line that has these words."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for line in self.lines:
                if words in line:
                    return line
            assert self.process.poll() is None or self._readers[0].is_alive(), (self.lines, self.errors)
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=0.2)
            assert time.monotonic() < deadline, (words, self.lines, self.errors)

    @property
    def address(self) -> str:
        """Where it answers, once it does."""
        found = re.search(r"http://[^/]+", self.wait_for_line("Running at"))
        assert found
        return found[0]

    def get(self, path: str = "/account/sign-in") -> int:
        """The status of a page."""
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE) as answer:
            return int(answer.status)

    def open_socket(self) -> Any:
        """A live connection, which holds a thread of the web process."""
        address = self.address.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
        connection = websocket.create_connection(address, timeout=PATIENCE)
        assert connection.recv().startswith("0")
        return connection

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Another ``flask stask ...`` on the same instance, which does not count as one of its processes."""
        environ = {name: value for name, value in self.environ.items() if name != MARK}
        return subprocess.run(
            [*self._flask, *args],
            cwd=self._repository,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def processes(self, words: str = "") -> list[int]:
        """All its processes, also those that lost their parent, whose command line has these words."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and self.mark.encode() in (folder / "environ").read_bytes():
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if words in line:
                        found.append(int(folder.name))
        return sorted(found)

    def children_of(self, pid: int) -> list[int]:
        """Its processes whose parent is that one."""
        found = []
        for one in self.processes():
            with contextlib.suppress(OSError):
                if int(Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(one)
        return found

    def nap(self) -> None:
        """Start a task that takes a minute, and wait until it runs."""
        assert self.address
        started = self.folder / "started"
        started.unlink(missing_ok=True)
        result = self.command("create", "nap", "nap", "--option", f"started={started}")
        assert result.returncode == 0, result.stderr
        wait_until(started.exists)

    def end(self) -> None:
        """End what is left."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def wait_until(true: Callable[[], object], seconds: float = PATIENCE) -> float:
    """Wait until something is so -> how long it took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Iterator[Callable[..., Up]]:
    """Starts ``up``; several starts share the instance folder."""
    (tmp_path / "nap_workers.py").write_text(textwrap.dedent(WORKERS))
    running: list[Up] = []

    def start(*options: str, debug: bool = False) -> Up:
        running.append(Up(tmp_path, *options, repository=repository, debug=debug))
        return running[-1]

    yield start
    for up in running:
        up.end()


def test_one_command_makes_the_database_serves_pages_and_runs_tasks(start: Callable[..., Up]) -> None:
    up = start()
    assert up.get() == 200
    link = up.wait_for_line("/account/link/").split()[-1]
    with urllib.request.urlopen(link) as page:
        assert "Create the first account" in page.read().decode()
    assert up.command("run", "nap", "ping", "--wait").returncode == 0


def test_it_prints_our_few_lines_and_nothing_else(start: Callable[..., Up]) -> None:
    up = start()
    up.get()
    os.killpg(up.process.pid, signal.SIGINT)
    assert up.process.wait(PATIENCE) == 0
    up.end()
    assert up.errors == []
    beginnings = ("Turned on", "Created the tables", "Running at", "Make the first account", "Stopping", "Stopped")
    assert [line for line in up.lines if not line.startswith(beginnings)] == []


@pytest.mark.parametrize("how", ["ctrl-c", "SIGTERM", "SIGHUP"])
def test_a_stop_ends_everything_within_5_seconds_with_a_page_open_and_a_task_running(
    start: Callable[..., Up], how: str
) -> None:
    up = start()
    with closing(up.open_socket()):
        up.nap()
        begun = time.monotonic()
        if how == "ctrl-c":
            os.killpg(up.process.pid, signal.SIGINT)
        else:
            up.process.send_signal(getattr(signal, how))
        assert up.process.wait(PATIENCE) == 0
        assert up.processes() == []
        assert time.monotonic() - begun < 5
    assert '"status_text": "pending"' in up.command("show", "1", "--json").stdout


def test_a_task_that_was_cut_short_starts_again_with_the_next_start(start: Callable[..., Up]) -> None:
    up = start()
    up.nap()
    os.killpg(up.process.pid, signal.SIGINT)
    up.process.wait(PATIENCE)
    started = up.folder / "started"
    started.unlink()
    start().get()
    wait_until(started.exists)


def test_nothing_stays_behind_when_it_is_killed(start: Callable[..., Up]) -> None:
    up = start()
    connection = up.open_socket()
    up.nap()
    assert len(up.processes()) >= 5
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not up.processes(), 5)
    connection.close()


def test_nothing_stays_behind_when_it_is_killed_while_it_starts(start: Callable[..., Up]) -> None:
    up = start()
    wait_until(lambda: up.processes("cli.web"))
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not up.processes(), 5)


@pytest.mark.parametrize("which", ["server", "web process"])
def test_a_killed_web_process_is_back_by_itself_and_no_request_is_refused(start: Callable[..., Up], which: str) -> None:
    up = start()
    assert up.get() == 200
    [server] = [pid for pid in up.children_of(up.process.pid) if pid in up.processes("cli.web")]
    [process] = up.children_of(server)
    victim = server if which == "server" else process
    os.kill(victim, signal.SIGKILL)
    # The web process dies with its server, a moment after it: what it had taken until then ends with it.
    wait_until(lambda: process not in up.processes())
    assert up.get() == 200
    assert victim not in up.processes()
    assert up.process.poll() is None


def test_a_killed_worker_is_back_by_itself_and_takes_its_task_again(start: Callable[..., Up]) -> None:
    up = start()
    up.nap()
    started = up.folder / "started"
    started.unlink()
    [worker] = [pid for pid in up.children_of(up.process.pid) if pid in up.processes("stask work")]
    os.kill(worker, signal.SIGKILL)
    wait_until(started.exists)
    assert "The worker ended (killed by SIGKILL)" in up.wait_for_line("The worker ended")


def test_a_taken_port_is_one_clear_line_before_anything_starts(start: Callable[..., Up], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = start("--port", str(port))
        assert up.process.wait(PATIENCE) == 1
    up.end()
    [line] = up.errors
    assert f"Port {port} is in use. Choose another: PORT=9000 make run" in line
    assert up.lines == []
    assert up.command("workers").returncode == 1
    assert "init-db" in up.command("workers").stderr


def test_port_may_come_from_the_environment(
    start: Callable[..., Up], monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environ = {**os.environ, "PORT": str(port), "STASK_INSTANCE": str(tmp_path / "instance")}
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "stask", "up"]
        result = subprocess.run(
            command, cwd=repository, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert f"Port {port} is in use" in result.stderr


def test_a_second_start_takes_less_than_5_seconds_and_keeps_the_data(start: Callable[..., Up]) -> None:
    up = start()
    up.get()
    assert up.command("create", "nap", "ping").returncode == 0
    os.killpg(up.process.pid, signal.SIGINT)
    up.process.wait(PATIENCE)
    begun = time.monotonic()
    again = start()
    assert again.get() == 200
    # Half of it is imports, and a test machine may be busy with other tests.
    assert time.monotonic() - begun < (5 if os.getloadavg()[0] < 1 else 15)
    assert not any(line.startswith(("Turned on", "Created")) for line in again.lines)


def test_while_debugging_a_changed_file_starts_all_anew(start: Callable[..., Up]) -> None:
    up = start(debug=True)
    assert up.get() == 200
    before = set(up.processes())
    source = up.folder / "nap_workers.py"
    source.write_text(source.read_text().replace("def task_ping", "def task_pong"))
    up.wait_for_line("nap_workers.py changed")
    wait_until(lambda: set(up.processes()) & before == {up.process.pid} and up.processes("stask work"))
    assert up.get() == 200
    assert up.command("run", "nap", "pong", "--wait").returncode == 0
