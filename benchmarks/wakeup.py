"""How long an idle worker takes from `create` to the first line of the action, and where the time goes.

`create` returns when the task is durable: on PostgreSQL that is the round trips of an insert and a wait for the disk.
What comes after it is the worker's, whose own commit is under way while the action runs.

Run it with: python -m benchmarks.wakeup [--idle SECONDS]
(STASK_BENCH_DATABASE=postgresql+psycopg://... for another database).
Two series of rounds a moment apart: on a fresh system, and after everything has rested for SECONDS once (600 for ten
minutes). The second begins with the first task after the rest, which is printed for itself, too: what it uses may have
left the processor's caches, or the memory. On SQLite huey's worker stands beside it, with the settings it comes with.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

from stask_web.engines.child import Child
from stask_web.engines.hand import Hand
from stask_web.engines.listener import Listener
from stask_web.engines.supervisor import Supervisor
from stask_web.engines.wake import WakeSocket
from stask_web.state import State, state_of

from . import peers
from .load import load
from .site import make_app, make_site, start

ROUNDS = 200
WARM_UP = 5
ROUNDS_OF_PEER = 40
#: Seconds between two looks for what was noted: long, for whoever looks takes a core from those who are measured.
LOOK = 0.02
STAMPS = "stamps"
LIMIT = {"sqlite": 3.0, "postgresql": 8.0}
#: What passes, in its order, and what the time up to there is spent on.
STEPS = (
    ("committed", "create: checks, transaction, commit"),
    ("woken", "datagram, or the notice of PostgreSQL, and the supervisor's waking"),
    ("claimed", "the supervisor's transaction"),
    ("received", "pipe, and the child's waking"),
    ("acting", "context, journal, options, the action's first line"),
)


def main() -> int:
    """Print median, p95 and split of both series in milliseconds; 1 when the p95 of one passes the limit."""
    parser = argparse.ArgumentParser(description="From create to the first line of the action.")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of idleness before the second series")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return _work(given.work)
    print(load())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = make_site(folder)
        state = state_of(app)
        stamps = folder / STAMPS
        with app.app_context(), _worker(folder), _note(type(state.tasks.engine), "created", "committed", stamps):
            state.roster.set_active("measured", True)
            _series(state, stamps, WARM_UP)
            fresh = _series(state, stamps, ROUNDS)
            commits = [_commit(state) for _ in range(ROUNDS)]
            with _peer(state) as once:
                theirs = [once() for _ in range(ROUNDS_OF_PEER)]
                first = _round(state, stamps, given.idle)
                rested = [first, *_series(state, stamps, ROUNDS - 1)]
                later = once()
    limit = LIMIT.get(state.database.dialect, float("inf"))
    print(f"{state.database.dialect}, {ROUNDS} rounds each, p95 at most {limit:g} ms")
    slowest = max(_report("fresh", fresh), _report(f"after {given.idle:g} s of idleness", rested))
    split = " + ".join(f"{span:.2f}" for span in first)
    print(f"the first task after the rest: {sum(first):.2f} ms = {split}")
    if not math.isnan(later):
        print(f"huey, SqliteHuey: median {statistics.median(theirs):.0f} ms, p95 {_p95(theirs):.0f}; ", end="")
        print(f"its first task after the rest: {later:.0f} ms")
        print(f"ours / huey: {statistics.median(map(sum, fresh)) / statistics.median(theirs):.3f}")
    print(f"the commit of one row alone: median {statistics.median(commits):.2f} ms")
    print(load())
    return int(slowest > limit)


def _report(name: str, rounds: list[list[float]]) -> float:
    """Print what a series took, in all and by its steps -> its p95."""
    waits = [sum(spans) for spans in rounds]
    print(f"{name}: median {statistics.median(waits):.2f} ms, p95 {_p95(waits):.2f} ms")
    for (_, what), *spans in zip(STEPS, *rounds, strict=True):
        print(f"  median {statistics.median(spans):.2f}, p95 {_p95(spans):.2f} ms: {what}")
    return _p95(waits)


@contextmanager
def _peer(state: State) -> Iterator[Callable[[], float]]:
    """What runs one task of a peer -> milliseconds; not a number where there is none of the same kind."""
    if state.database.dialect == "sqlite" and peers.here("huey"):
        with peers.huey_waits() as once:
            yield once
    else:
        yield lambda: math.nan


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _series(state: State, stamps: Path, count: int) -> list[list[float]]:
    """So many rounds, a moment apart."""
    return [_round(state, stamps, random.uniform(0.02, 0.08)) for _ in range(count)]


def _round(state: State, stamps: Path, idle: float) -> list[float]:
    """Milliseconds that each step took, after some seconds of idleness."""
    stamps.touch()
    position = stamps.stat().st_size
    time.sleep(idle)
    begin = time.time()
    state.tasks.create("measured", "stamp", {"file": str(stamps)})
    noted: dict[str, float] = {}
    while len(noted) < len(STEPS):
        time.sleep(LOOK)
        noted = _noted(stamps, position)
    return [1000 * (later - sooner) for sooner, later in pairwise([begin, *(noted[name] for name, _ in STEPS)])]


def _commit(state: State) -> float:
    """How long the database takes to commit a change of one row, in milliseconds."""
    time.sleep(random.uniform(0.002, 0.008))
    with state.database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE s_workers SET active = active")
        before = time.perf_counter()
        connection.commit()
        return (time.perf_counter() - before) * 1000


def _noted(stamps: Path, position: int) -> dict[str, float]:
    """Step -> when it was reached first."""
    text = stamps.read_text()[position:]
    found: dict[str, float] = {}
    for line in text[: text.rfind("\n") + 1].splitlines():
        *step, at = line.split()
        found.setdefault(step[0] if step else "acting", float(at))
    return found


def _note(cls: type[Any], name: str, step: str, stamps: Path) -> Any:
    """Let a method note when it is called, if what it gives is not False."""
    method = getattr(cls, name)
    fd = os.open(stamps, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def noted(self: Any, *arguments: Any) -> Any:
        at = time.time()
        found = method(self, *arguments)
        if found is not False:
            os.write(fd, f"{step} {at}\n".encode())
        return found

    return mock.patch.object(cls, name, noted)


@contextmanager
def _worker(folder: Path) -> Iterator[None]:
    """A worker process that notes its steps."""
    command = [sys.executable, "-m", __spec__.name, "--work", str(folder)]
    process = start(command, folder)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _work(folder: Path) -> int:
    """Be that worker process."""
    stamps = folder / STAMPS
    _note(WakeSocket, "drain", "woken", stamps).start()
    _note(Listener, "drain", "woken", stamps).start()
    _note(Hand, "give", "claimed", stamps).start()
    _note(Child, "begin", "received", stamps).start()
    return Supervisor(make_app(folder), concurrency=2).run()


if __name__ == "__main__":
    raise SystemExit(main())
