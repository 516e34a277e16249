"""How long an idle worker takes from `create` to the first line of the action, and which part of it is which.

`create` returns when the task is durable: on PostgreSQL that is the round trips of an insert and a wait for the disk.
What comes after it is the worker's: to wake, to claim, to begin. Its own commit is under way while the action runs.

Run it with: python -m benchmarks.wakeup [IDLE SECONDS BEFORE THE LAST ROUND]
(STASK_BENCH_DATABASE=postgresql+psycopg://... for another database).
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from stask_web.state import State, state_of

from .load import load
from .site import make_site, worker

ROUNDS = 200
WARM_UP = 5
LIMIT = {"sqlite": 3.0, "postgresql": 8.0}


def main() -> None:
    """Print median and p95 in milliseconds, and the wait after a longer idleness."""
    idle = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = make_site(folder)
        state = state_of(app)
        with app.app_context(), worker(folder, 2):
            state.roster.set_active("measured", True)
            rounds = [_round(state, folder) for _ in range(ROUNDS + WARM_UP)][WARM_UP:]
            commits = [_commit(state) for _ in range(ROUNDS)]
            time.sleep(idle)
            rested = _round(state, folder)
    dialect = state.database.dialect
    limit = LIMIT.get(dialect, float("nan"))
    print(load())
    print(f"{dialect}: {_figures([one.whole for one in rounds])} (at most {limit:g}), {ROUNDS} rounds")
    print(
        f"  create: {_figures([one.create for one in rounds])}; from then on: {_figures([one.rest for one in rounds])}"
    )
    print(f"  the commit of one row alone: {_figures(commits)}")
    print(f"after {idle:g} s of idleness: {rested.whole:.2f} ms")


class Round(NamedTuple):
    """Milliseconds.

    :param whole: from the call of `create` to the action.
    :param create: until `create` returns.
    """

    whole: float
    create: float

    @property
    def rest(self) -> float:
        """From the return of `create` to the action; less than nothing when the action was first."""
        return self.whole - self.create


def _figures(values: list[float]) -> str:
    return f"median {statistics.median(values):.2f} ms, p95 {statistics.quantiles(values, n=20)[-1]:.2f} ms"


def _commit(state: State) -> float:
    """How long the database takes to commit a change of one row, in milliseconds."""
    time.sleep(random.uniform(0.002, 0.008))
    with state.database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE s_workers SET active = active")
        before = time.perf_counter()
        connection.commit()
        return (time.perf_counter() - before) * 1000


def _round(state: State, folder: Path) -> Round:
    time.sleep(random.uniform(0.02, 0.08))
    stamp = folder / "stamp"
    before = time.time()
    state.tasks.create("measured", "stamp", {"file": str(stamp)})
    created = time.time()
    while not (stamp.exists() and stamp.read_text().endswith("\n")):
        time.sleep(0.001)
    reached = float(stamp.read_text())
    stamp.unlink()
    return Round((reached - before) * 1000, (created - before) * 1000)


if __name__ == "__main__":
    main()
