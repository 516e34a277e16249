"""How many tasks a second are created, one by one and in one call; each is durable when the call returns.

Run it with: python -m benchmarks.create [TASKS] (STASK_BENCH_DATABASE=postgresql+psycopg://... for another database).
The options are typed and checked, as those of a form are. No worker process runs. Beside it huey on SQLite, which
checks nothing and keeps no history.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from flask import Flask
from pydantic import BaseModel, Field

from stask_web import BaseWorker, Task, stask
from stask_web.state import state_of

from . import peers
from .load import load
from .site import make_site

TASKS = 5000
ROUNDS = 3
BULK = 4
#: Tasks a second, at least, on SQLite: one by one and in one call.
LEAST = 2500
LEAST_AT_ONCE = 20_000


class PriceOptions(BaseModel):
    """What a shop would give."""

    sku: str = Field(max_length=40)
    price: float = Field(gt=0)
    currency: Literal["EUR", "UAH", "USD"] = "EUR"
    notify: bool = False


class Prices(BaseWorker):
    """One typed action and one that takes a plain dict."""

    identifier = "prices"

    def task_update(self, task: Task, options: PriceOptions) -> None:
        """Take typed options."""

    def task_note(self, task: Task, options: dict[str, Any]) -> None:
        """Take any options."""


def options(number: int) -> dict[str, Any]:
    """The options of one task."""
    return {"sku": f"A-{number}", "price": 9.5 + number, "currency": "UAH"}


def main() -> int:
    """Print the rates; 1 when one is too low."""
    print(load())
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    with tempfile.TemporaryDirectory() as name:
        app = make_site(Path(name))
        state_of(app).registry.add(Prices)
        with app.app_context():
            least, at_once = (LEAST, LEAST_AT_ONCE) if state_of(app).database.dialect == "sqlite" else (0, 0)
            rates = [
                measure(app, "one by one, typed", tasks, one_by_one("update"), least),
                measure(app, "one by one, plain dict", tasks, one_by_one("note"), least),
                measure(app, "create_many, typed", tasks * BULK, in_one_call("update"), at_once),
                measure(app, "create_many, plain dict", tasks * BULK, in_one_call("note"), at_once),
            ]
            passed = [rate >= limit for rate, limit in zip(rates, (least, least, at_once, at_once), strict=True)]
        state_of(app).database.engine.dispose()
    if peers.here("huey"):
        theirs = max(peers.huey_creates(tasks) for _ in range(ROUNDS))
        print(f"huey, SqliteHuey, one by one: {theirs:,.0f} tasks/s; ours, typed: {rates[0] / theirs:.2f} times that")
    print(load())
    return int(not all(passed))


def one_by_one(action: str) -> Callable[[int], None]:
    """Create so many tasks, each in a transaction of its own."""

    def create(count: int) -> None:
        for number in range(count):
            stask.create("prices", action, options(number), user_id=7)

    return create


def in_one_call(action: str) -> Callable[[int], None]:
    """Create so many tasks in one transaction."""

    def create(count: int) -> None:
        stask.create_many("prices", action, (options(number) for number in range(count)), user_id=7)

    return create


def measure(app: Flask, what: str, count: int, create: Callable[[int], None], least: int) -> float:
    """Print the best rate of some rounds, and check that every task is there -> that rate, in tasks a second."""
    rates = []
    create(10)
    for _ in range(ROUNDS):
        before = Task.query().count()
        start = time.perf_counter()
        create(count)
        rates.append(count / (time.perf_counter() - start))
        assert Task.query().count() == before + count
    each = ", ".join(f"{rate:,.0f}" for rate in rates)
    print(f"{what}: {max(rates):,.0f} tasks/s ({each})" + (f", at least {least:,}" if least else ""))
    return max(rates)


if __name__ == "__main__":
    raise SystemExit(main())
