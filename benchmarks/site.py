"""A bare site for the benchmarks, its tasks, and a worker process for it: ``python -m benchmarks.site FOLDER N``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask

from stask_web import BaseWorker, STask
from stask_web.database import upgrade
from stask_web.state import State, state_of

READY_WITHIN = 20.0
DATABASE = "STASK_BENCH_DATABASE"


class Measured(BaseWorker):
    """Actions that cost nothing of their own."""

    identifier = "measured"

    def task_nothing(self, task: Any, options: Any) -> None:
        """Do nothing."""

    def task_stamp(self, task: Any, options: Any) -> None:
        """Write when it was reached."""
        with open(options["file"], "a", encoding="ascii") as file:
            file.write(f"{time.time()}\n")

    def task_second(self, task: Any, options: Any) -> None:
        """Take a while."""
        time.sleep(options.get("seconds", 1.0))


def make_site(folder: Path, uri: str | None = None) -> Flask:
    """An app with nothing but stask-web, and its tables.

    :param uri: of the database; a SQLite file in the folder by default.
    """
    app = make_app(folder, uri)
    state = state_of(app)
    with app.app_context():
        state.storage.prepare()
        upgrade(state.database)
    return app


def make_app(folder: Path, uri: str | None = None) -> Flask:
    """The app alone, as a worker process of it makes it."""
    app = Flask("benchmark", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="benchmark",
        STASK_DATABASE_URI=uri or os.environ.get(DATABASE) or f"sqlite:///{folder}/bench.db",
        STASK_STORAGE=str(folder / "stask"),
        STASK_AUTO_ACTIVATE=True,
    )
    STask(app, access=lambda user, permission, target: True)
    state_of(app).registry.add(Measured)
    return app


@contextlib.contextmanager
def worker(folder: Path, concurrency: int, uri: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process on that folder, ready to work."""
    process = start_worker(folder, concurrency, uri)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def start_worker(folder: Path, concurrency: int, uri: str | None = None) -> subprocess.Popen[bytes]:
    """Start a worker process and wait until its supervisor can be woken."""
    return start([sys.executable, "-m", "benchmarks.site", str(folder), str(concurrency)], folder, uri)


def start(command: list[str], folder: Path, uri: str | None = None) -> subprocess.Popen[bytes]:
    """The same with a command of one's own."""
    before = set(folder.glob("stask/run/*.sock"))
    process = subprocess.Popen(command, env={**os.environ, **({DATABASE: uri} if uri else {})})
    until = time.monotonic() + READY_WITHIN
    while not set(folder.glob("stask/run/*.sock")) - before:
        if time.monotonic() > until:
            raise SystemExit("The worker process did not start.")
        time.sleep(0.005)
    return process


def wait_for(state: State, count: int, timeout: float = 120.0) -> None:
    """Wait until so many tasks have completed."""
    until = time.monotonic() + timeout
    while True:
        with state.database.read() as connection:
            done = connection.exec_driver_sql("SELECT count(*) FROM s_tasks WHERE status = 30").scalar()
        if done is not None and done >= count:
            return
        if time.monotonic() > until:
            raise SystemExit(f"Only {done} of {count} tasks completed within {timeout:g} s.")
        time.sleep(0.05)


def main() -> int:
    """Be a worker process."""
    from stask_web.engines.supervisor import Supervisor

    return Supervisor(make_app(Path(sys.argv[1])), concurrency=int(sys.argv[2])).run()


if __name__ == "__main__":
    raise SystemExit(main())
