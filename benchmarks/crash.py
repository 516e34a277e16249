"""kill -9 of the whole worker amid 20 one-second tasks, and a new start: what it costs, and that nothing is lost.

Beside it huey on SQLite with the same tasks and the same kill, which loses what it had in hand.
Run it with: python -m benchmarks.crash
"""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path

from stask_web.state import State, state_of

from . import peers
from .load import load
from .peers import kill_all
from .site import make_site, start_worker, wait_for

TASKS = 20
CHILDREN = 2
KILL_AFTER = 4.5
LIMIT = 3.0


def main() -> int:
    """Print both times and their difference; 1 when the kill costs too much."""
    print(load())
    plain, killed = measure(kill=False), measure(kill=True)
    print(f"{TASKS} one-second tasks, {CHILDREN} children: {plain:.2f} s")
    print(
        f"with kill -9 of everything after {KILL_AFTER} s: {killed:.2f} s, "
        f"{killed - plain:.2f} more (at most {LIMIT:g})"
    )
    print(f"{TASKS} of {TASKS} completed, none twice")
    if peers.here("huey"):
        print(f"huey, SqliteHuey: {peers.huey_killed(TASKS, KILL_AFTER)} of {TASKS} completed")
    print(load())
    return int(killed - plain > LIMIT)


def measure(*, kill: bool) -> float:
    """Seconds from the start of the worker to the last end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = make_site(folder)
        state = state_of(app)
        with app.app_context():
            state.roster.set_active("measured", True)
            state.tasks.create_many("measured", "second", [None] * TASKS)
        process = start_worker(folder, CHILDREN)
        began = time.monotonic()
        if kill:
            time.sleep(KILL_AFTER)
            kill_all(process)
            process = start_worker(folder, CHILDREN)
        wait_for(state, TASKS)
        took = time.monotonic() - began
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        _check(state)
        return took


def _check(state: State) -> None:
    """No task ended twice, none is missing."""
    with state.database.read() as connection:
        query = "SELECT count(*), count(DISTINCT task_id) FROM s_attempts WHERE outcome = 'completed'"
        assert tuple(connection.exec_driver_sql(query).one()) == (TASKS, TASKS)


if __name__ == "__main__":
    raise SystemExit(main())
