"""How fast peers drain tasks that do nothing, each with its own worker and two processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from stask_web.engines.processes import descendants

from .load import core_seconds_of_all
from .stamps import FOLDER, noted

CHILDREN = 2
TIMEOUT = 300.0
HUEY = ["-m", "huey.bin.huey_consumer", "benchmarks.huey_site.huey", "-k", "process", "-w", str(CHILDREN), "-q"]
REDIS = os.environ.get("STASK_BENCH_REDIS", "redis://127.0.0.1:6379/9")


class Drained(NamedTuple):
    """One round.

    :param rate: tasks a second, from the first end to the last.
    :param cost: milliseconds of CPU a task, of the worker's processes; not of a server's.
    """

    rate: float
    cost: float


def here(*modules: str) -> bool:
    """Whether a peer is installed; says so if not."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        print(f"{', '.join(missing)} is not installed here: pip install 'stask-web[bench]'")
    return not missing


def huey(tasks: int) -> Drained:
    """SqliteHuey, which keeps nothing."""
    command = [*HUEY, "-d", "0.001", "-m", "0.01"]
    return _drain(tasks, {}, ["-c", _enqueue("nothing", tasks)], [command], signal.SIGINT)


def huey_creates(tasks: int) -> float:
    """How many tasks a second SqliteHuey takes, one by one."""
    code = f"import time\n{_enqueue('nothing', 10)}\nbegin = time.perf_counter()\n{_enqueue('nothing', tasks)}"
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-c", f"{code}\nprint(time.perf_counter() - begin)"]
        took = subprocess.run(command, env={**os.environ, FOLDER: name}, check=True, capture_output=True, text=True)
    return tasks / float(took.stdout)


@contextlib.contextmanager
def huey_waits() -> Iterator[Callable[[], float]]:
    """A worker of SqliteHuey with the settings it comes with.

    :returns: a call that creates one task -> milliseconds until it began.
    """
    with tempfile.TemporaryDirectory() as name, _running([HUEY], {**os.environ, FOLDER: name}, signal.SIGINT):
        os.environ[FOLDER] = name
        from .huey_site import nothing

        def once() -> float:
            before = len(noted(Path(name)))
            begin = time.time()
            nothing()
            _wait(lambda: len(noted(Path(name))) > before)
            return (max(noted(Path(name))) - begin) * 1000

        once()
        yield once


def huey_killed(tasks: int, after: float) -> int:
    """SqliteHuey with one-second tasks, kill -9 of everything after so many seconds, a new start -> how many ended."""
    with tempfile.TemporaryDirectory() as name:
        environ = {**os.environ, FOLDER: name}
        subprocess.run([sys.executable, "-c", _enqueue("second", tasks)], env=environ, check=True)
        with _running([HUEY], environ, signal.SIGINT) as (process,):
            time.sleep(after)
            kill_all(process)
        with _running([HUEY], environ, signal.SIGINT):
            left = -1
            for _ in range(tasks):
                before, left = left, len(noted(Path(name)))
                if left == before > 0:
                    break
                time.sleep(4.0)  # more than any of them takes: nothing runs any more when none has ended meanwhile
        return left


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of a process and all below it."""
    for pid in [process.pid, *descendants(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def _enqueue(task: str, count: int) -> str:
    return f"from benchmarks.huey_site import {task}\nfor _ in range({count}): {task}()"


def dramatiq(tasks: int) -> Drained:
    """Dramatiq on Redis, which keeps nothing."""
    name = f"stask-bench-{os.getpid()}"
    environ = {"DRAMATIQ_BENCH_URL": REDIS, "DRAMATIQ_BENCH_NAME": name}
    enqueue = f"from benchmarks.dramatiq_site import nothing\nfor _ in range({tasks}): nothing.send()"
    command = ["-m", "dramatiq", "benchmarks.dramatiq_site", "-p", str(CHILDREN)]
    try:
        return _drain(tasks, environ, ["-c", enqueue], [command], signal.SIGTERM)
    finally:
        import redis

        with redis.Redis.from_url(REDIS) as server:
            for key in server.scan_iter(f"{name}*"):
                server.delete(key)


def procrastinate(tasks: int, url: str) -> Drained:
    """Procrastinate on PostgreSQL, which keeps a row and events for each task."""
    module = ["-m", "benchmarks.procrastinate_site"]
    environ = {"PROCRASTINATE_BENCH_URL": url}
    commands = [[*module, "work"] for _ in range(CHILDREN)]
    return _drain(tasks, environ, [*module, "set-up", str(tasks)], commands, signal.SIGTERM)


def _drain(
    tasks: int, environ: dict[str, str], enqueue: Sequence[str], commands: Sequence[Sequence[str]], stop: signal.Signals
) -> Drained:
    with tempfile.TemporaryDirectory() as name:
        environ = {**os.environ, **environ, FOLDER: name}
        subprocess.run([sys.executable, *enqueue], env=environ, check=True)
        with _running(commands, environ, stop) as processes:
            _wait(lambda: len(noted(Path(name))) > 0)
            before = sum(core_seconds_of_all(process.pid) for process in processes)
            done = len(noted(Path(name)))
            _wait(lambda: len(noted(Path(name))) >= tasks)
            used = sum(core_seconds_of_all(process.pid) for process in processes) - before
        times = noted(Path(name))
    return Drained(tasks / (max(times) - min(times)), used * 1000 / max(1, tasks - done))


@contextlib.contextmanager
def _running(
    commands: Sequence[Sequence[str]], environ: dict[str, str], stop: signal.Signals
) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes = [
        subprocess.Popen([sys.executable, *command], env=environ, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.send_signal(stop)
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + TIMEOUT
    while not ready():
        if time.monotonic() > until:
            raise SystemExit(f"A peer did not finish within {TIMEOUT:g} s.")
        time.sleep(0.05)
