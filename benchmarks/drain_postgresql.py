"""How fast two children drain tasks that do nothing on PostgreSQL, and procrastinate on the same server in the same
run; at least 3 times as fast is promised.

Run it with: python -m benchmarks.drain_postgresql [TASKS] [ROUNDS]
(STASK_TEST_POSTGRESQL=postgresql+psycopg://... for another server; databases are made on it and dropped again.)
Both keep a row for each task. See benchmarks.drain.
"""

from __future__ import annotations

from . import peers
from .databases import new_database
from .drain import compare, drain, numbers
from .peers import Drained

TASKS = 5000
ROUNDS = 3


def main() -> None:
    """Print the rates and their ratio."""
    tasks, rounds = numbers(TASKS, ROUNDS)
    contestants = {"stask-web, PostgreSQL": lambda: _ours(tasks)}
    if peers.here("procrastinate"):
        contestants["procrastinate"] = lambda: _procrastinate(tasks)
    compare(contestants, rounds)


def _ours(tasks: int) -> Drained:
    with new_database("postgresql") as uri:
        return drain(tasks, uri)


def _procrastinate(tasks: int) -> Drained:
    with new_database("postgresql") as uri:
        return peers.procrastinate(tasks, uri.replace("+psycopg", ""))


if __name__ == "__main__":
    main()
