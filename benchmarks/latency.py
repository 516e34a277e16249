"""How long it takes from a report in a task's journal until a socket client has it.

Run it with: python -m benchmarks.latency [WATCHERS] [SECONDS]. It starts gunicorn with threads and writes ten reports a
second into one task's journal, as a worker process does, while WATCHERS clients watch the task. It prints p50, p95 and
the slowest in milliseconds. The way from ``push_progress`` to the text in a browser is in ``browser_latency.py``.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import socketio
import sqlalchemy as sa
from flask import Flask
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy

from stask_web import STask
from stask_web.access import AccessPolicy
from stask_web.database import upgrade
from stask_web.models import Task
from stask_web.state import State, state_of
from stask_web.status import Status

GOAL = 50.0
EVERY = 0.1
THREADS = 128
NAMESPACE = "/stask"


class Anybody(AccessPolicy):
    """Everybody is the same person, who may do everything."""

    def current_user(self) -> Any:
        return "anybody"

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        return True

    def user_id(self, user: Any) -> Any:
        return user


def create_app() -> Flask:
    """A site in the folder that LATENCY_FOLDER names."""
    folder = Path(os.environ["LATENCY_FOLDER"])
    app = Flask("latency", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="only a benchmark",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'site.db'}",
        STASK_STORAGE=str(folder / "stask"),
    )
    db = SQLAlchemy(app)
    STask(app, db=db, socketio=SocketIO(app, async_mode="threading"), access=Anybody())
    return app


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start gunicorn -> the process and its address."""
    arguments = ["-k", "gthread", "--threads", str(THREADS), "-w", "1", "--bind", "127.0.0.1:0", "--log-level", "info"]
    log = folder / "gunicorn.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments, "benchmarks.latency:create_app()"],
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + 30
    while time.monotonic() < end and server.poll() is None:
        found = [line for line in log.read_text().splitlines() if "Listening at:" in line]
        if found:
            address = found[0].split("Listening at: ")[1].split()[0]
            urllib.request.urlopen(f"{address}/stask/live", timeout=30).close()
            return server, address
        time.sleep(0.05)
    raise SystemExit(f"gunicorn did not start:\n{log.read_text()}")


def running_task(state: State) -> int:
    """A row of a task that runs -> its id."""
    values = {
        "identifier": "measured", "action": "report", "status": Status.RUNNING, "created_at": time.time(),
        "message": "", "meta": {}, "attempt_no": 1, "started_at": time.time(),
    }  # fmt: skip
    with state.database.write() as connection:
        return int(connection.execute(sa.insert(Task).values(values)).inserted_primary_key[0])


def watch(address: str, task_id: int, waits: list[float]) -> socketio.Client:
    """A client that notes how old each report is when it comes."""
    client = socketio.Client(reconnection=False)
    seen = {"processed": -1}

    def heard(task: dict[str, Any]) -> None:
        now = time.time()
        if task["processed"] is not None and task["processed"] != seen["processed"]:
            seen["processed"] = task["processed"]
            waits.append((now - float(task["message"])) * 1000)

    client.on("task", heard, namespace=NAMESPACE)
    client.connect(f"{address}?stask=1", namespaces=[NAMESPACE], transports=["websocket"])
    client.call("watch", {"task": task_id, "position": "-:0"}, namespace=NAMESPACE)
    return client


def main() -> int:
    """Print the numbers."""
    watchers = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["LATENCY_FOLDER"] = name
        state = state_of(create_app())
        state.storage.prepare()
        upgrade(state.database)
        server, address = start_server(Path(name))
        try:
            task_id = running_task(state)
            clients = [watch(address, task_id, waits) for _ in range(watchers)]
            time.sleep(0.5)
            waits.clear()
            report(state, task_id, seconds)
            for client in clients:
                client.disconnect()
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    p50, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
    print(
        f"report in the journal to socket client, {watchers} watchers: "
        f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, worst {max(waits):.1f} ms of {len(waits)}; goal: p95 {GOAL:.0f} ms"
    )
    return 1 if p95 > GOAL else 0


def report(state: State, task_id: int, seconds: float) -> None:
    """Write ten reports a second, each with the time as its message."""
    journal = state.journals.of(task_id)
    total = int(seconds / EVERY)
    start = time.monotonic()
    for number in range(total):
        time.sleep(max(0.0, start + number * EVERY - time.monotonic()))
        numbers = {
            "progress": number * 100 // total,
            "processed": number,
            "total": total,
            "message": f"{time.time():.6f}",
        }
        journal.write([{"t": time.time(), "a": 1, "k": "progress", "p": numbers}])
    time.sleep(0.5)


if __name__ == "__main__":
    raise SystemExit(main())
