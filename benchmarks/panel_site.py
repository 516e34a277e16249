"""A host with a panel for the benchmarks that need a real web server: people who sign in, a policy with roles, sockets.

``python -m benchmarks.panel_site FOLDER`` is a worker process of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from flask import Flask, send_file
from flask_login import LoginManager, UserMixin
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel

from benchmarks.load import core_seconds
from stask_web import BaseWorker, RolePolicy, STask, Upload, action
from stask_web.database import upgrade
from stask_web.models import Task
from stask_web.state import State, state_of
from stask_web.status import Status

FOLDER = "STASK_BENCH_PANEL"
MODE = "STASK_BENCH_MODE"
READY_WITHIN = 40.0
ADMIN = "1"
#: What every request of the benchmarks says of its language.
LANGUAGE = "uk"


class User(UserMixin):  # type: ignore[misc]  # it ships no types
    """Who is signed in."""

    role = "admin"
    name = "Олена"

    def __init__(self, id: str) -> None:
        self.id = id


class TickOptions(BaseModel):
    """How often to report, and for how long."""

    seconds: float = 10.0
    every: float = 0.1


class TakeOptions(BaseModel):
    """A file."""

    file: Annotated[Path, Upload(".csv", ".bin")]


class ClockWorker(BaseWorker):
    """Reports what time it is, and takes files."""

    identifier, scope, title = "clock", "shop", "Clock"

    @action("Tell the time", max_attempts=1)
    def task_tick(self, task: Any, options: TickOptions) -> None:
        """Report the time as the message."""
        total, start = int(options.seconds / options.every), time.monotonic()
        for number in range(total):
            time.sleep(max(0.0, start + number * options.every - time.monotonic()))
            self.push_progress(task, processed=number, total=total, message=f"{time.time():.6f}")

    @action("Take a file", max_attempts=1)
    def task_take(self, task: Any, options: TakeOptions) -> None:
        """Do nothing with it."""


def create_app(folder: Path | None = None, mode: str | None = None, **config: Any) -> Flask:
    """The host.

    :param folder: of its files; from the environment by default, as a server makes it.
    :param mode: of its SocketIO: threading or gevent; from the environment by default.
    """
    folder = folder or Path(os.environ[FOLDER])
    app = Flask("panel_site", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="benchmark",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'site.db'}",
        STASK_STORAGE=str(folder / "stask"),
        STASK_AUTO_ACTIVATE=True,
        **{name: value for name, value in os.environ.items() if name in ("STASK_SOCKET_CAP", "STASK_MAX_UPLOAD")},
        **config,
    )
    db = SQLAlchemy(app)
    LoginManager(app).user_loader(User)
    socketio = SocketIO(app, async_mode=mode or os.environ.get(MODE, "threading"))
    STask(app, db=db, socketio=socketio, access=RolePolicy("role"))
    state_of(app).registry.add(ClockWorker)
    app.add_url_rule("/plain", view_func=lambda: send_file(folder / "plain.bin"))
    return app


class Panel:
    """The host under gunicorn.

    :param folder: of its files.
    :param arguments: of gunicorn, such as ``-k gevent -w 1``.
    :param environ: further environment.
    """

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        os.environ[FOLDER] = str(folder)
        self.folder = folder
        self.mode = "gevent" if "gevent" in arguments else "threading"
        self.app = create_app(folder, "threading", **environ)
        self.state: State = state_of(self.app)
        with self.app.app_context():
            self.state.storage.prepare()
            upgrade(self.state.database)
            self.state.roster.discover()
        self.cookie = self._cookie()
        self.server, self.port = self._start(arguments, environ)
        self.url = f"http://127.0.0.1:{self.port}/stask"
        self.ask("/live")
        [self.pid] = _children(self.server.pid)

    def _cookie(self) -> str:
        """The cookie of a browser that is signed in as the admin."""
        client = self.app.test_client()
        with client.session_transaction() as session:
            session["_user_id"] = ADMIN
            session["_fresh"] = True
        cookie = client.get_cookie("session")
        assert cookie is not None
        return f"session={cookie.value}"

    def _start(self, arguments: tuple[str, ...], environ: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
            port = int(listener.getsockname()[1])
            with (self.folder / "gunicorn.log").open("wb") as log:
                server = subprocess.Popen(
                    [sys.executable, "-m", "gunicorn", *arguments, "--bind", f"fd://{listener.fileno()}",
                     "--log-level", "warning", "benchmarks.panel_site:create_app()"],
                    env={**os.environ, MODE: self.mode, **environ}, pass_fds=[listener.fileno()],
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        return server, port

    def ask(self, path: str, timeout: float = 30.0, **headers: str) -> bytes:
        """GET a page below the panel."""
        found = {"Cookie": self.cookie, "Accept-Language": LANGUAGE, **headers}
        end = time.monotonic() + READY_WITHIN
        while True:
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(self.url + path, headers=found), timeout=timeout
                ) as answer:
                    data: bytes = answer.read()
                    return data
            except urllib.error.HTTPError:
                raise
            except (urllib.error.URLError, OSError):
                if self.server.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"The server does not answer:\n{self.said()}") from None
                time.sleep(0.05)

    def said(self) -> str:
        """What the server logged."""
        return (self.folder / "gunicorn.log").read_text(errors="replace")

    def core_seconds(self) -> float:
        """Seconds of CPU that the web process has taken."""
        return core_seconds(self.pid)

    def memory(self, what: str = "VmRSS") -> float:
        """What the web process holds, in MB; ``VmHWM`` is the most that it held since :meth:`forget_peak`."""
        return memory_of(self.pid, what)

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew. Linux only."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()
        self.state.database.engine.dispose()


@contextlib.contextmanager
def panel(folder: Path, *arguments: str, **environ: str) -> Iterator[Panel]:
    """A :class:`Panel` that is ended in the end."""
    found = Panel(folder, *arguments, **environ)
    try:
        yield found
    finally:
        found.stop()


@contextlib.contextmanager
def worker(folder: Path) -> Iterator[None]:
    """A worker process of the host."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.panel_site", str(folder)])
    end = time.monotonic() + READY_WITHIN
    while not list(folder.glob("stask/run/*.sock")):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("The worker process did not start.")
        time.sleep(0.01)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def running_task(state: State, action: str = "tick", **more: Any) -> int:
    """A row of a task that runs, without a process that runs it -> its id."""
    values = {
        "identifier": "clock", "action": action, "status": Status.RUNNING, "created_at": time.time(),
        "message": "", "meta": {}, "attempt_no": 1, "attempts": 1, "started_at": time.time(), "started_by": ADMIN,
        **more,
    }  # fmt: skip
    with state.database.write() as connection:
        return int(connection.execute(sa.insert(Task).values(values)).inserted_primary_key[0])


def memory_of(pid: int, what: str = "VmRSS") -> float:
    """A line of a process's status in MB. Linux only."""
    return int(Path(f"/proc/{pid}/status").read_text().split(f"{what}:")[1].split()[0]) / 1024


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in re.findall(r"\d+", text)]


def main() -> int:
    """Be a worker process."""
    from stask_web.engines.supervisor import Supervisor

    return Supervisor(create_app(Path(sys.argv[1]), "threading"), concurrency=1).run()


if __name__ == "__main__":
    raise SystemExit(main())
