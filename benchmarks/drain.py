"""How fast two children drain 5,000 tasks that do nothing, and the same with huey on SQLite, in the same run.

Run it with: python -m benchmarks.drain [TASKS] (STASK_BENCH_DATABASE=postgresql+psycopg://... for another database).
Ours keeps a row and an attempt for each task; huey keeps nothing. The time is from the first start to the last end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from stask_web.state import state_of

from .site import make_site, wait_for, worker

TASKS = 5000
CHILDREN = 2
ROUNDS = 3


def main() -> None:
    """Print both rates and their ratio."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    ours = [measure_ours(tasks) for _ in range(ROUNDS)]
    print(f"stask-web: {max(ours):,.0f} tasks/s, {CHILDREN} children, history kept ({_each(ours)})")
    if find_spec("huey") is None:
        print("huey is not installed here, so there is nothing to compare with: pip install huey")
        return
    theirs = [measure_huey(tasks) for _ in range(ROUNDS)]
    print(f"huey, SqliteHuey: {max(theirs):,.0f} tasks/s, {CHILDREN} processes, no history ({_each(theirs)})")
    print(f"ratio: {max(ours) / max(theirs):.2f}")


def measure_ours(tasks: int) -> float:
    """Tasks a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = make_site(folder)
        state = state_of(app)
        with app.app_context():
            if state.database.dialect != "sqlite":
                with state.database.write() as connection:
                    connection.exec_driver_sql("TRUNCATE s_tasks, s_attempts, s_stats, s_processes")
            state.roster.set_active("measured", True)
            state.tasks.create_many("measured", "nothing", [None] * tasks)
        with worker(folder, CHILDREN):
            wait_for(state, tasks)
        with state.database.read() as connection:
            query = "SELECT min(started_at), max(finished_at), count(*) FROM s_tasks WHERE status = 30 AND attempts = 1"
            first, last, count = connection.exec_driver_sql(query).one()
        assert count == tasks, f"{count} of {tasks} tasks completed at their first attempt"
        return tasks / float(last - first)


def measure_huey(tasks: int) -> float:
    """The same with huey's own consumer."""
    with tempfile.TemporaryDirectory() as name:
        environ = {**os.environ, "HUEY_BENCH": name}
        enqueue = f"from benchmarks.huey_site import nothing\nfor _ in range({tasks}): nothing()"
        subprocess.run([sys.executable, "-c", enqueue], env=environ, check=True)
        command = [
            sys.executable, "-m", "huey.bin.huey_consumer", "benchmarks.huey_site.huey",
            "-k", "process", "-w", str(CHILDREN), "-d", "0.001", "-m", "0.01", "-q",
        ]  # fmt: skip
        process = subprocess.Popen(command, env=environ)
        try:
            ends = _wait_for_huey(Path(name), tasks)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        return tasks / (max(ends) - min(ends))


def _wait_for_huey(folder: Path, tasks: int) -> list[float]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        times = [float(line) for path in folder.glob("done.*") for line in path.read_text().splitlines()]
        if len(times) >= tasks:
            return times
        time.sleep(0.1)
    raise SystemExit("huey did not finish within 120 s.")


def _each(rates: list[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)


if __name__ == "__main__":
    main()
