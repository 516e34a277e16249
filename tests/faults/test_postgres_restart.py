"""PostgreSQL is restarted in mode immediate, a crash, in the middle of tasks: on a cluster of the test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from stask_web import Status

from .site import Site

pytestmark = pytest.mark.service


def find_programs() -> Path | None:
    """The folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class Cluster:
    """A private PostgreSQL server.

    :param folder: everything of it lies there; it must be short, for the name of a socket.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self._as = self._somebody_else(folder)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=16MB"
        (self._data / "postgresql.auto.conf").write_text("fsync = on\nmax_connections = 40\n")
        self._options = options

    @property
    def uri(self) -> str:
        """Of its only database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-o", self._options, "-l", "/dev/null", "start")

    def crash(self) -> None:
        """Stop it in mode immediate: no goodbye, no checkpoint."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "-t", "60", "stop")

    def end(self) -> None:
        """Be sure that it is gone."""
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split()[0])
            try:
                self.crash()
            except subprocess.CalledProcessError:
                os.kill(pid, signal.SIGKILL)

    def _run(self, name: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / name), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90, cwd="/")

    @staticmethod
    def _somebody_else(folder: Path) -> list[str]:
        """The server refuses to run as root."""
        if os.geteuid():
            return []
        person = pwd.getpwnam("postgres")
        os.chown(folder, person.pw_uid, person.pw_gid)
        folder.chmod(0o700)
        return ["setpriv", f"--reuid={person.pw_uid}", f"--regid={person.pw_gid}", "--clear-groups"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One server for the tests of this file."""
    programs = find_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's own programs, initdb and pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="stask-pg-", dir="/tmp"))
    made = Cluster(folder, programs)
    try:
        made.start()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    """A site on it, in an empty schema."""
    engine = sa.create_engine(cluster.uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    site = Site(tmp_path, cluster.uri)
    yield site
    site.close()


def enough(site: Site) -> None:
    """Let what sleeps end."""
    (site.notes_folder / "enough").touch()


def test_a_restart_in_the_middle_of_a_task_costs_it_nothing(cluster: Cluster, site: Site) -> None:
    worker = site.start(concurrency=1)
    task = site.create("sleep", seconds=60)
    waiting = [site.create("note") for _ in range(3)]
    site.wait_note("started")
    cluster.crash()
    site.until(lambda: os.path.getsize(site.state.journals.of(task).path), "it goes on telling")
    cluster.start()
    assert site.task(task).status == Status.RUNNING
    enough(site)
    done = site.wait(task)
    assert (done.status, len(site.attempts(task))) == (Status.COMPLETED, 1)
    for task_id in waiting:
        assert site.wait(task_id).status == Status.COMPLETED
    assert sorted(site.notes("ran")) == sorted(f"{task_id} 1" for task_id in waiting)
    assert worker.process.poll() is None


def test_an_outcome_waits_until_the_server_is_back(cluster: Cluster, site: Site) -> None:
    worker = site.start(concurrency=2)
    tasks = [site.create("sleep", seconds=60) for _ in range(2)]
    site.wait_note("started", 2)
    cluster.crash()
    enough(site)
    site.wait_note("finished", 2)
    site.until(lambda: "The database is away" in worker.output(), "the worker has tried to tell")
    cluster.start()
    for task in tasks:
        assert site.wait(task).status == Status.COMPLETED
        assert [attempt.outcome for attempt in site.attempts(task)] == ["completed"]
    assert sorted(site.notes("finished")) == sorted(map(str, tasks))
    assert site.stats() == {Status.COMPLETED: 2}
    assert "answers again" in worker.output()
    began = time.monotonic()
    assert site.wait(site.create("nothing")).status == Status.COMPLETED
    assert time.monotonic() - began < 5, "it is woken as before"


def test_restarts_while_many_tasks_run_double_nothing_and_lose_nothing(cluster: Cluster, site: Site) -> None:
    for _ in range(2):
        site.start(concurrency=2)
    tasks = site.create_many("note", 400)
    for part in (40, 150):
        site.wait_note("ran", part)
        cluster.crash()
        cluster.start()
    for task in tasks:
        assert site.wait(task, patience=60).status == Status.COMPLETED
    ran = site.notes("ran")
    assert len({line.split()[0] for line in ran}) == 400
    for task in tasks:
        outcomes = [attempt.outcome for attempt in site.attempts(task)]
        assert outcomes.count("completed") == 1, outcomes
        assert outcomes[-1] == "completed"
    assert sum(len(site.attempts(task)) for task in tasks) >= len(ran)
    assert site.stats() == {Status.COMPLETED: 400}


def test_a_worker_that_dies_while_the_server_is_away_is_found_when_it_is_back(cluster: Cluster, site: Site) -> None:
    first = site.start(concurrency=1)
    task = site.create("sleep", seconds=60)
    site.wait_note("started")
    cluster.crash()
    first.signal(signal.SIGKILL)
    first.process.wait()
    cluster.start()
    site.start(concurrency=1)
    site.wait_note("started", 2)
    enough(site)
    done = site.wait(task)
    assert done.status == Status.COMPLETED
    assert [attempt.outcome for attempt in site.attempts(task)] == ["lost", "completed"]


def test_a_connection_that_died_with_the_server_changes_nothing_of_how_a_task_ended(
    cluster: Cluster, site: Site
) -> None:
    site.start(concurrency=1)
    task = site.create("hold")
    site.wait_note("started")
    cluster.crash()
    cluster.start()
    enough(site)
    done = site.wait(task)
    assert (done.status, len(site.attempts(task))) == (Status.COMPLETED, 1)
    assert site.log(task) == ["Changes in db.session were not committed, so they were rolled back: row"]
    follower = site.create("writes", ways=["committed"])
    assert site.wait(follower).status == Status.COMPLETED
    assert site.log(follower) == []


def test_a_connection_that_never_answers_again_is_not_waited_for(cluster: Cluster, site: Site) -> None:
    """As one whose other end has vanished from the network. Here its server process is halted."""
    site.start(concurrency=1)
    task = site.create("hold")
    (pid,) = map(int, site.wait_note("started"))
    os.kill(pid, signal.SIGSTOP)
    try:
        enough(site)
        assert site.wait(task).status == Status.COMPLETED
        assert any("not committed" in line for line in site.log(task))
        assert site.wait(site.create("note")).status == Status.COMPLETED
    finally:
        os.kill(pid, signal.SIGCONT)
