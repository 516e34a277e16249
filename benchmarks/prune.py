"""How long pruning holds the write lock, beside a history of 1,000,000 ended tasks; at most 250 ms are allowed.

Run it with: python -m benchmarks.prune [TASKS]
A tenth of the history is old enough to go, each task with an attempt. Meanwhile another process creates tasks, one
after the other: how long it waited at most says what the lock costs those who need it.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stask_web import stask
from stask_web.state import State, state_of

from .load import load
from .site import make_app, make_site

TASKS = 1_000_000
AT_ONCE = 50_000
LIMIT = 0.25
DAY = 86400.0


def main() -> int:
    """Print the times; 1 when the lock was held too long."""
    if sys.argv[1:2] == ["create"]:
        return create_on(Path(sys.argv[2]))
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    print(load())
    with tempfile.TemporaryDirectory() as name:
        app = make_site(Path(name))
        state = state_of(app)
        with app.app_context():
            make_history(state, tasks)
            held = watch_locks(state)
            with contention(Path(name)) as waits:
                start = time.perf_counter()
                deleted = stask.clean_old_tasks(days=90)
                took = time.perf_counter() - start
        state.database.engine.dispose()
    longest = max(held)
    print(f"{deleted:,} of {tasks:,} tasks deleted in {took:.1f} s, {deleted / took:,.0f} tasks/s")
    print(f"the write lock was held {len(held)} times, {longest * 1000:.0f} ms at most (allowed {LIMIT * 1000:.0f} ms)")
    print(
        f"another process created {len(waits)} tasks meanwhile and waited {max(waits) * 1000:.0f} ms at most; {load()}"
    )
    return int(longest > LIMIT)


def make_history(state: State, tasks: int) -> None:
    """Ended tasks over the last hundred days, the oldest first."""
    for done in range(0, tasks, AT_ONCE):
        stask.create_many("measured", "nothing", [None] * min(AT_ONCE, tasks - done))
    with state.database.write() as connection:
        values = {"now": time.time(), "tasks": tasks, "span": 100 * DAY}
        ended = "finished_at = :now - (:tasks - id) * :span / :tasks, duration = 0.1"
        connection.execute(sa.text(f"UPDATE s_tasks SET status = 30, lane = NULL, {ended}"), values)
        attempt = (
            "INSERT INTO s_attempts (task_id, number, token, started_at) SELECT id, 1, 'x', created_at FROM s_tasks"
        )
        connection.execute(sa.text(attempt))


@contextmanager
def contention(folder: Path) -> Iterator[list[float]]:
    """Another process that writes, too -> after its end, how long each of its writes took."""
    waits: list[float] = []
    command = [sys.executable, "-m", __spec__.name, "create", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield waits
        waits += [float(wait) for wait in process.communicate(input="end")[0].split()]


def create_on(folder: Path) -> int:
    """Be the process that creates tasks, until its stdin says something; print what each took."""
    waits = []
    with make_app(folder).app_context():
        stask.create("measured", "nothing")
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], 0.002)[0]:
            start = time.perf_counter()
            stask.create("measured", "nothing")
            waits.append(time.perf_counter() - start)
    print(*waits)
    return 0


def watch_locks(state: State) -> list[float]:
    """Seconds for which each write transaction holds its lock, from now on."""
    held: list[float] = []
    write = state.database.write

    @contextmanager
    def watched(**more: Any) -> Iterator[sa.Connection]:
        with write(**more) as connection:
            start = time.perf_counter()
            yield connection
        held.append(time.perf_counter() - start)

    state.database.write = watched  # type: ignore[method-assign]
    return held


if __name__ == "__main__":
    raise SystemExit(main())
