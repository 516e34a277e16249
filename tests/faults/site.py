"""A site in a folder with real worker processes, and words to wait for what they do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from benchmarks.databases import new_database
from stask_web.database import upgrade
from stask_web.engines.wake import wake
from stask_web.models import Attempt, Process, Stat, Task
from stask_web.state import state_of
from stask_web.status import Status

from .apps import db, make_app

T = TypeVar("T")
PATIENCE = 30.0
NEEDED = {"postgresql": "PostgreSQL and psycopg", "mariadb": "MariaDB and PyMySQL"}


class Worker:
    """One real worker process.

    :param log: the file that its output goes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """The supervisor's pid."""
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor alone."""
        self.process.send_signal(number)

    def stop(self, timeout: float = PATIENCE) -> int:
        """SIGTERM, and wait for the end; gives the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def children(self) -> list[int]:
        """The pids of its processes, the guard included."""
        return children_of(self.pid)

    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")


class Site:
    """The app of ``apps.py`` on a database of its own.

    :param folder: everything lies in it.
    :param uri: of the database; a SQLite file by default.
    :param settings: of stask-web, for this process and the workers; times are short by default.
    """

    def __init__(self, folder: Path, uri: str | None = None, **settings: Any) -> None:
        self.folder = folder
        self.notes_folder = folder / "notes"
        self.notes_folder.mkdir()
        times = {
            "STASK_HEARTBEAT": 0.3, "STASK_LEASE": 2.0, "STASK_POLL": 0.3, "STASK_BACKOFF": 0.1,
            "STASK_CANCEL_GRACE": 0.5, "STASK_KILL_GRACE": 0.5, "STASK_DRAIN": 5.0,
        }  # fmt: skip
        config = {**times, "SQLALCHEMY_DATABASE_URI": uri or f"sqlite:///{folder}/test.db", **settings}
        (folder / "settings.json").write_text(json.dumps(config))
        self.app = make_app(folder)
        self.state = state_of(self.app)
        with self.app.app_context():
            self.state.storage.prepare()
            upgrade(self.state.database)
            db.create_all()
            self.state.roster.set_active("faulty", True)
        self.workers: list[Worker] = []

    def close(self) -> None:
        """End all that runs."""
        for worker in self.workers:
            for pid in [*worker.children(), worker.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            worker.process.wait(PATIENCE)
        self.state.database.engine.dispose()
        with self.app.app_context():
            for engine in db.engines.values():
                engine.dispose()

    # -- doing

    def create(
        self, action: str, /, *, priority: str | None = None, start_at: float | None = None, **options: Any
    ) -> int:
        """A task of the faulty worker."""
        data = {"notes": str(self.notes_folder), **options}
        with self.app.app_context():
            task = self.state.tasks.create("faulty", action, data, priority, start_at=start_at)
        return int(task.id)

    def create_many(self, action: str, count: int, **options: Any) -> list[int]:
        """Many of them."""
        data = {"notes": str(self.notes_folder), **options}
        with self.app.app_context():
            ids: list[int] = self.state.tasks.create_many("faulty", action, [data] * count)
        return ids

    def cancel(self, task_id: int, by: str | None = None) -> None:
        """Stop a task."""
        with self.app.app_context():
            self.state.tasks.cancel(task_id, by)

    def retry(self, task_id: int) -> None:
        """Start it again."""
        with self.app.app_context():
            self.state.tasks.retry(task_id)

    def wake(self) -> None:
        """Wake the workers."""
        wake(self.state)

    def start(self, concurrency: int = 2, program: str = "tests.faults.apps") -> Worker:
        """Start a worker process and wait until it can be woken."""
        before = set(self.sockets())
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as output:
            command = [sys.executable, "-W", "error", "-m", program, str(self.folder), str(concurrency)]
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=Path(__file__).parents[2])
        worker = Worker(process, log)
        self.workers.append(worker)
        self.until(lambda: set(self.sockets()) - before or process.poll() is not None, "the worker starts")
        assert process.poll() is None, worker.output()
        return worker

    # -- looking

    def sockets(self) -> list[Path]:
        """The sockets of the workers that can be woken."""
        return list(self.state.storage.run.glob("*.sock"))

    def task(self, task_id: int) -> Task:
        """A task as it stands in the database."""
        task: Task = self.state.tasks.get(task_id)
        return task

    def attempts(self, task_id: int) -> list[Attempt]:
        """Its attempts in their order."""
        select = sa.select(Attempt).where(Attempt.task_id == task_id).order_by(Attempt.number)
        with self.state.database.session() as session:
            return list(session.scalars(select))

    def processes(self) -> list[Process]:
        """The supervisors that have a row."""
        with self.state.database.session() as session:
            return list(session.scalars(sa.select(Process)))

    def stats(self) -> dict[int, int]:
        """Status -> how many endings were counted."""
        select = sa.select(Stat.status, sa.func.sum(Stat.n)).group_by(Stat.status)
        with self.state.database.read() as connection:
            return {int(status): int(n) for status, n in connection.execute(select)}

    def log(self, task_id: int) -> list[str]:
        """The messages of its journal."""
        return [line["message"] for line in self.state.journals.of(task_id).lines()]

    def notes(self, name: str) -> list[str]:
        """The lines that actions left in a file."""
        path = self.notes_folder / name
        return path.read_text().splitlines() if path.exists() else []

    # -- waiting

    def until(self, test: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """Wait until something is true, and give it."""
        end = time.monotonic() + patience
        while True:
            found = test()
            if found:
                return found
            if time.monotonic() > end:
                output = "\n".join(worker.output()[-3000:] for worker in self.workers)
                raise AssertionError(f"Waited {patience:g} s in vain until {what}.\n{output}")
            time.sleep(0.01)

    def wait(self, task_id: int, *statuses: Status, patience: float = PATIENCE) -> Task:
        """Wait until a task is in one of these statuses; by default, until it has ended."""
        wanted = statuses or (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
        self.until(lambda: self.task(task_id).status in wanted, f"task {task_id} is {wanted}", patience)
        return self.task(task_id)

    def wait_note(self, name: str, count: int = 1) -> list[str]:
        """Wait until an action has left so many lines."""
        return self.until(lambda: len(self.notes(name)) >= count and self.notes(name), f"{count} lines in {name}")

    def wait_dead(self, *pids: int, patience: float = PATIENCE) -> None:
        """Wait until none of these processes is alive."""
        self.until(lambda: not any(map(is_alive, pids)), f"{pids} are dead", patience)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rfind(")") + 2] not in "ZX"


def children_of(pid: int) -> list[int]:
    """The pids of a process's own children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stat = path.read_text()
            if int(stat[stat.rfind(")") + 2 :].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


@contextlib.contextmanager
def site_on(kind: str, folder: Path, **settings: Any) -> Iterator[Site]:
    """A site on a database of this kind: ``sqlite``, or a new one on a real server, ``postgresql`` or ``mariadb``.

    The test is skipped where there is no such server, or no driver for it.
    """
    with contextlib.ExitStack() as stack:
        try:
            uri = None if kind == "sqlite" else stack.enter_context(new_database(kind))
        except (sa.exc.OperationalError, ModuleNotFoundError) as error:
            pytest.skip(f"needs {NEEDED[kind]}, which are not here: {str(error).splitlines()[0]}")
        site = Site(folder, uri, **settings)
        stack.callback(site.close)
        yield site
