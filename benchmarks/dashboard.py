"""How long the server takes for a page: dashboard, list and one task, signed in to the example shop, on one core.

Run it with: python -m benchmarks.dashboard [how many tasks, 1000 by default] [profile]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from stask_web.models import Process, Stat, Task
from stask_web.state import State, state_of
from stask_web.status import Status

ROUNDS = 300
BATCH = 10_000
LIMIT = 15.0


def main() -> None:
    """Print p50 and p95 of each page in milliseconds."""
    count = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 1000)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        app, client, newest = make_site(Path(folder), count)
        pages = {"dashboard": "/stask/", "tasks": "/stask/tasks", "task": f"/stask/tasks/{newest}"}
        for name, address in pages.items():
            request = _request(client, address)
            if "profile" in sys.argv:
                _profile(request)
            rounds = [_timed(request) for _ in range(ROUNDS)]
            times, busy = (sorted(values) for values in zip(*rounds, strict=True))
            p95, cpu = times[int(ROUNDS * 0.95)], busy[int(ROUNDS * 0.95)]
            size = len(request()) / 1024
            mark = "ok" if p95 <= LIMIT else "TOO SLOW"
            print(
                f"{name}: p50 {statistics.median(times):.1f} ms, p95 {p95:.1f} ms (at most {LIMIT:.0f}), "
                f"of it CPU p95 {cpu:.1f} ms, {size:.0f} KB, {count:,} tasks: {mark}"
            )
        with app.app_context():
            state_of(app).database.engine.dispose()


def make_site(folder: Path, count: int) -> tuple[Flask, Any, int]:
    """The shop with so many tasks, a browser that is signed in, and the id of a task that runs."""
    from examples.shop.app import create_app
    from examples.shop.models import User, db

    os.environ["SHOP_INSTANCE"] = str(folder)
    app = create_app({"SECRET_KEY": "benchmark"})
    with app.app_context():
        db.create_all()
        user = User(name="admin", role="admin")
        db.session.add(user)
        db.session.commit()
        from stask_web.database import upgrade

        state = state_of(app)
        upgrade(state.database)
        state.storage.prepare()
        state.roster.discover()
        newest = _fill(state, count, user.id)
        identity = user.get_id()
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = identity
        session["_fresh"] = True
    return app, client, newest


def _fill(state: State, count: int, user_id: int) -> int:
    """Tasks over the last days, three of them running, and a live worker process."""
    now = datetime.now(UTC)
    for start in range(0, count, BATCH):
        rows = [_row(number, now, count) for number in range(start, min(count, start + BATCH))]
        with state.database.write() as connection:
            connection.execute(sa.insert(Task), rows)
    with state.database.write() as connection:
        connection.execute(
            sa.insert(Process).values(
                id="p",
                host="h",
                pid=1,
                started_at=now,
                beat_at=now + timedelta(hours=1),
                concurrency=2,
                lock="p",
                info={},
            )
        )
        day = f"{now:%Y-%m-%d}"
        connection.execute(
            sa.insert(Stat).values(
                day=day, identifier="product", action="import", status=Status.COMPLETED, n=count, gone=0, seconds=1.0
            )
        )
        for number in range(3):
            facts = {
                "started_at": now,
                "attempts": 1,
                "attempt_no": 1,
                "progress": 37,
                "processed": 1204,
                "total": 3201,
            }
            row = {
                **_row(number, now, count),
                "status": Status.RUNNING,
                "finished_at": None,
                "started_by": user_id,
                **facts,
            }
            newest = int(connection.execute(sa.insert(Task).values(**row)).inserted_primary_key[0])
    journal = state.journals.of(newest)
    for number in range(2000):
        journal.log("info", f"Row {number} of 3,201 done")
    journal.close()
    return newest


def _row(number: int, now: datetime, count: int) -> dict[str, Any]:
    ended = now - timedelta(days=30) * (1 - number / max(1, count)) - timedelta(minutes=1)
    status = Status.FAILED if number % 20 == 0 else Status.COMPLETED
    return {
        "identifier": "product",
        "action": ("import", "export", "sync_stock")[number % 3],
        "status": status,
        "created_at": ended - timedelta(seconds=70),
        "started_at": ended - timedelta(seconds=60),
        "finished_at": ended,
        "duration": 60.0,
        "meta": {},
        "message": "Imported products.csv",
        "counts": {"imported": 3161},
        "warnings": 40 if number % 3 == 0 else 0,
        "started_by": number % 5,
        "attempts": 1,
        "attempt_no": 1,
        "progress": 100,
    }


def _request(client: Any, address: str) -> Callable[[], bytes]:
    def ask() -> bytes:
        answer = client.get(address, headers={"Accept-Language": "uk"})
        assert answer.status_code == 200, answer.status
        data: bytes = answer.data
        return data

    for _ in range(20):
        ask()
    return ask


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds by the clock, and of this process alone: the second tells a slow page from a busy machine."""
    begin, busy = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - begin) * 1000, (time.process_time() - busy) * 1000


def _profile(call: Callable[[], Any]) -> None:
    import cProfile
    import pstats

    with cProfile.Profile() as profile:
        for _ in range(50):
            call()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
