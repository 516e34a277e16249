"""The peer of the drain benchmark on PostgreSQL: a task that does nothing, and procrastinate's worker for it.

Run by the benchmark: python -m benchmarks.procrastinate_site set-up TASKS, python -m benchmarks.procrastinate_site work
"""

from __future__ import annotations

import os
import sys

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from .stamps import note

URL = os.environ["PROCRASTINATE_BENCH_URL"]
app = App(connector=PsycopgConnector(conninfo=URL))


@app.task(name="nothing")
def nothing() -> None:
    """Do nothing but note when."""
    note()


def set_up(tasks: int) -> None:
    """Make the tables and defer the tasks."""
    with app.replace_connector(SyncPsycopgConnector(conninfo=URL)) as synchronous, synchronous.open():
        synchronous.schema_manager.apply_schema()
        synchronous.tasks["nothing"].batch_defer(*({} for _ in range(tasks)))


def work() -> None:
    """Work until a signal comes; finished jobs stay, as our rows do."""
    app.run_worker(concurrency=1, wait=True, delete_jobs="never")


if __name__ == "__main__":
    if sys.argv[1] == "set-up":
        set_up(int(sys.argv[2]))
    else:
        work()
