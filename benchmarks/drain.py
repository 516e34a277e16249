"""How fast two children drain 5,000 tasks that do nothing on SQLite; beside it huey on SQLite and dramatiq on Redis.

Run it with: python -m benchmarks.drain [TASKS] [ROUNDS]. The rounds of all are taken in turn; the figures are medians.
Ours keeps a row and an attempt for each task, the peers keep nothing. The time is from the first start to the last end;
beside it stands what a task costs of a core, which depends less on what else the machine does.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from stask_web.state import State, state_of

from . import peers
from .load import core_seconds_of_all, load
from .peers import CHILDREN, Drained
from .site import make_site, wait_for, worker

TASKS = 5000
ROUNDS = 5


def main() -> None:
    """Print the rates and their ratios."""
    tasks, rounds = numbers(TASKS, ROUNDS)
    contestants: dict[str, Callable[[], Drained]] = {"stask-web, SQLite": lambda: drain(tasks)}
    if peers.here("huey"):
        contestants["huey, SqliteHuey"] = lambda: peers.huey(tasks)
    if peers.here("dramatiq", "redis"):
        contestants["dramatiq, Redis"] = lambda: peers.dramatiq(tasks)
    compare(contestants, rounds)


def numbers(*defaults: int) -> tuple[int, ...]:
    """The arguments of the command, or the defaults of those that are not given."""
    given = [int(word) for word in sys.argv[1:]]
    return (*given, *defaults[len(given) :])


def compare(contestants: Mapping[str, Callable[[], Drained]], rounds: int) -> None:
    """Let them drain in turn, and print all of it. The first one is ours."""
    print(load())
    found: dict[str, list[Drained]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            found[name].append(contestant())
    ours, *others = found
    for name, rates in found.items():
        each = ", ".join(f"{drained.rate:,.0f}" for drained in rates)
        print(
            f"{name}: {_rate(rates):,.0f} tasks/s ({each}), {_cost(rates):.2f} ms of a core each, {CHILDREN} processes"
        )
    for name in others:
        pairs = zip(found[ours], found[name], strict=True)
        ratio = median(mine.rate / theirs.rate for mine, theirs in pairs)
        print(f"{ours} / {name}: {ratio:.2f}; of the cost: {_cost(found[ours]) / _cost(found[name]):.2f}")
    print(load())


def drain(tasks: int, uri: str | None = None) -> Drained:
    """One round of ours.

    :param uri: of an empty database; a SQLite file of its own by default.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = make_site(folder, uri)
        state = state_of(app)
        with app.app_context():
            state.roster.set_active("measured", True)
            state.tasks.create_many("measured", "nothing", [None] * tasks)
        with worker(folder, CHILDREN, uri) as process:
            before, done = core_seconds_of_all(process.pid), _completed(state)
            wait_for(state, tasks)
            used = core_seconds_of_all(process.pid) - before
        with state.database.read() as connection:
            query = "SELECT min(started_at), max(finished_at), count(*) FROM s_tasks WHERE status = 30 AND attempts = 1"
            first, last, count = connection.exec_driver_sql(query).one()
        assert count == tasks, f"{count} of {tasks} tasks completed at their first attempt"
        state.database.engine.dispose()
        return Drained(tasks / float(last - first), used * 1000 / (tasks - done))


def _completed(state: State) -> int:
    with state.database.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM s_tasks WHERE status = 30").scalar() or 0)


def _rate(rates: list[Drained]) -> float:
    return median(drained.rate for drained in rates)


def _cost(rates: list[Drained]) -> float:
    return median(drained.cost for drained in rates)


if __name__ == "__main__":
    main()
