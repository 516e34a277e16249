"""How long a claim takes in a queue without history, beside 1,000,000 ended tasks, and with 100,000 that wait for a
later time as well; p95 at most 20 ms is promised.

Run it with: python -m benchmarks.claim [ENDED] [WAITING]
(STASK_BENCH_DATABASE=postgresql+psycopg://... for another, empty database).
A claim is what a supervisor does for a free child: one transaction that starts a task and notes the attempt.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import sqlalchemy as sa

from stask_web import stask
from stask_web.engines.ledger import Ledger
from stask_web.state import State, state_of

from .load import load
from .prune import DAY, make_history
from .site import make_site

ENDED, WAITING = 1_000_000, 100_000
ROUNDS = 500
LIMIT = 20.0


def main() -> int:
    """Print the times; 1 when a claim is too slow."""
    ended = int(sys.argv[1]) if len(sys.argv) > 1 else ENDED
    waiting = int(sys.argv[2]) if len(sys.argv) > 2 else WAITING
    print(load())
    with tempfile.TemporaryDirectory() as name:
        app = make_site(Path(name))
        state = state_of(app)
        with app.app_context():
            plain = measure(state, "no history")
            make_history(state, ended)
            _settle(state)
            full = measure(state, f"{ended:,} ended")
            stask.create_many("measured", "nothing", [None] * waiting, start_at=time.time() + DAY)
            _settle(state)
            late = measure(state, f"{ended:,} ended, {waiting:,} waiting for a later time")
        state.database.engine.dispose()
    print(f"ratios of p95 to no history: {full / plain:.2f} and {late / plain:.2f}")
    print(load())
    return int(max(full, late) > LIMIT)


def measure(state: State, what: str) -> float:
    """Create tasks of each priority and claim them one by one -> p95 in milliseconds."""
    for priority in ("low", "normal", "high"):
        stask.create_many("measured", "nothing", [None] * (ROUNDS // 3 + 1), priority)
    ledger = Ledger(state.database, "benchmark")
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        settled = ledger.settle([], [1])
        while ledger.waits is not None and ledger.answer() is None:
            pass
        times.append((time.perf_counter() - start) * 1000)
        assert len(settled.claims) == 1
    ledger.close()
    p95 = quantiles(times, n=20)[-1]
    print(f"claim, {what}: median {median(times):.2f} ms, p95 {p95:.2f} ms (at most {LIMIT:g}), worst {max(times):.2f}")
    return p95


def _settle(state: State) -> None:
    """What databases do by themselves after a while: what was written in bulk is tidied away."""
    command = "PRAGMA wal_checkpoint(TRUNCATE)" if state.database.dialect == "sqlite" else "VACUUM ANALYZE s_tasks"
    with state.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(command))


if __name__ == "__main__":
    raise SystemExit(main())
