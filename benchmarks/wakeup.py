"""How long an idle worker takes from `create` to the first line of the action.

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

from stask_web.state import State, state_of

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
            waits = [_round(state, folder) for _ in range(ROUNDS + WARM_UP)][WARM_UP:]
            time.sleep(idle)
            rested = _round(state, folder)
    dialect = state.database.dialect
    p95 = statistics.quantiles(waits, n=20)[-1]
    limit = LIMIT.get(dialect, float("nan"))
    print(f"{dialect}: median {statistics.median(waits):.2f} ms, p95 {p95:.2f} ms (at most {limit:g}), {ROUNDS} rounds")
    print(f"after {idle:g} s of idleness: {rested:.2f} ms")


def _round(state: State, folder: Path) -> float:
    """Milliseconds from the call of `create` to the action."""
    time.sleep(random.uniform(0.02, 0.08))
    stamp = folder / "stamp"
    before = time.time()
    state.tasks.create("measured", "stamp", {"file": str(stamp)})
    while not (stamp.exists() and stamp.read_text().endswith("\n")):
        time.sleep(0.001)
    reached = float(stamp.read_text())
    stamp.unlink()
    return (reached - before) * 1000


if __name__ == "__main__":
    main()
