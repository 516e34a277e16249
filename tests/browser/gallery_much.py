"""Much of everything beside the gallery: ninety days of runs, errors of all kinds, a full queue, many processes."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from stask_web.models import Process, Stat, Task
from stask_web.state import State
from stask_web.status import Status

DAYS, RUNS = 90, 3_000
ACTIONS = [
    *((("product", name), weight) for name, weight in (("import", 30), ("export", 12), ("sync_stock", 40))),
    *((("orders", name), 20) for name in ("fetch", "send")),
    (("mail", "send"), 4),
    (("cache", "rebuild"), 9),
    (("gone-" + "worker" * 12, "something_that_is_no_more"), 2),
]
ERRORS = [
    "The warehouse did not answer within 30 s",
    "ValueError: row 1204 has no price",
    "<script>alert(1)</script> is no name of a product",
    "KeyError: 'sku'",
    "x" * 400,
    "",
]


def fill_much(state: State) -> None:
    """Fill it; the numbers are the same each time."""
    chance, now = random.Random(7), time.time()
    rows, counts, seconds = [], Counter[Any](), Counter[Any]()
    for number in range(RUNS):
        at = now - DAYS * 86400 * (1 - number / RUNS) - chance.random() * 3600 - 60
        if datetime.fromtimestamp(at, UTC).weekday() >= 5 and chance.random() < 0.8:
            continue
        [(identifier, action)] = chance.choices([key for key, _ in ACTIONS], [float(weight) for _, weight in ACTIONS])
        [status] = chance.choices([Status.COMPLETED, Status.FAILED, Status.CANCELLED], [90, 8, 2])
        took = round(chance.lognormvariate(3.2, 1.1), 2)
        rows.append(_row(identifier, action, status, at, took, chance.choice(ERRORS)))
        key = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}", identifier, action, int(status))
        counts[key] += 1
        seconds[key] += took
    rows += [_waiting(number, now) for number in range(140)]
    (state.storage.run / "p2").touch()
    with state.database.write() as connection:
        connection.execute(sa.insert(Task), rows)
        connection.execute(sa.delete(Stat))
        names = ("day", "identifier", "action", "status")
        values = [
            {**dict(zip(names, key, strict=True)), "n": n, "gone": 0, "seconds": seconds[key]}
            for key, n in counts.items()
        ]
        connection.execute(sa.insert(Stat), values)
        connection.execute(sa.insert(Process), _processes())


def _row(identifier: str, action: str, status: Status, at: float, took: float, error: str) -> dict[str, Any]:
    failed = status == Status.FAILED
    return {
        "identifier": identifier, "action": action, "status": status, "created_at": at - took - 2,
        "started_at": at - took, "finished_at": at, "duration": took, "meta": {}, "started_by": 2, "attempts": 1,
        "attempt_no": 1, "progress": 100, "seen_at": at, "message": error if failed else "3,161 imported",
        "error": error or None if failed else None, "lane": None, "priority": "normal",
    }  # fmt: skip


def _waiting(number: int, now: float) -> dict[str, Any]:
    priority = ("high", "normal", "low")[number % 3]
    row = _row("product", "import", Status.PENDING, now, 0, "")
    times = dict.fromkeys(("started_at", "finished_at", "duration", "seen_at"))
    more = {"created_at": now - 600 + number, "attempt_no": 0, "attempts": 0, "progress": 0, "message": ""}
    return {**row, **times, **more, "priority": priority, "lane": number % 3 + 1}


def _processes() -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    hosts = ("web1", "worker-with-a-rather-long-name-in-frankfurt-7.internal.example.com", "<b>worker2</b>")
    return [
        {
            "id": f"much{number}", "host": host, "pid": 5000 + number,
            "started_at": now - timedelta(days=number, hours=3),
            "beat_at": now + timedelta(minutes=1) if number else now - timedelta(minutes=4), "concurrency": 8,
            "busy": 8, "stopping": number == 2, "lock": f"p{number}",
            "info": {"version": "0.0.9"} if number == 1 else {},
        }
        for number, host in enumerate(hosts)
    ]  # fmt: skip
