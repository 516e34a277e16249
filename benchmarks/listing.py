"""The panel with a million tasks: how long the server takes for each list, search and page, and what memory it takes.

Run it with: python -m benchmarks.listing [how many tasks, 1,000,000 by default] [rounds, 100 by default] [profile NAME]

The site is a standalone panel with its policy, signed in as its admin, then as people who see their own tasks only, on
one core. Times are those of the whole request in the server; run it with 10,000 as well to see what the history adds.
The database is made anew in a temporary folder, or kept in STASK_BENCH_FOLDER and used again.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask

from stask_web import BaseWorker, action
from stask_web.models import Task
from stask_web.state import State, state_of
from stask_web.status import Status

MILLION = 1_000_000
DAYS = 30
LIMIT, SEARCH_LIMIT, STATISTICS_LIMIT = 15.0, 300.0, 50.0
MEMORY_LIMIT = 90.0
WARM = 5
#: The folder of the site for a web server, and how often that is asked for everything.
SERVED, SERVED_ROUNDS = "STASK_BENCH_SERVED", 8
#: What every request says of its language.
LANGUAGE = "uk"
BATCH = 20_000
PEOPLE = 50
COLUMNS = (
    "identifier, action, status, lane, priority, due_at, created_at, started_at, finished_at, duration, message, meta, "
    "files, progress, processed, total, attempts, max_attempts, attempt_no, crashes, warnings, counts, dry_run, "
    "started_by"
)


class ProductWorker(BaseWorker):
    identifier, scope, title, description = "product", "shop", "Product management", "Import and export products"

    @action("Import products")
    def task_import(self, task: Any, options: Any) -> None: ...

    @action("Export products")
    def task_export(self, task: Any, options: Any) -> None: ...

    @action("Sync stock")
    def task_sync_stock(self, task: Any, options: Any) -> None: ...


class OrdersWorker(BaseWorker):
    identifier, scope, title = "orders", "erp", "Orders"

    @action("Fetch orders")
    def task_fetch(self, task: Any, options: Any) -> None: ...

    @action("Send orders")
    def task_send(self, task: Any, options: Any) -> None: ...


class MailWorker(BaseWorker):
    identifier, scope, title = "mail", "shop", "Newsletter"

    @action("Send newsletter", max_attempts=1)
    def task_send(self, task: Any, options: Any) -> None: ...


class CacheWorker(BaseWorker):
    identifier, scope, title = "cache", "site", "Page cache"

    @action("Rebuild cache")
    def task_rebuild(self, task: Any, options: Any) -> None: ...


WORKERS = (ProductWorker, OrdersWorker, MailWorker, CacheWorker)


class Case(NamedTuple):
    """One address that is measured: how many milliseconds it may take at most."""

    name: str
    address: str
    limit: float


def cases(newest: int, count: int) -> list[Case]:
    """Everything that the list offers, the searches at their worst, and the two pages around it."""
    today = datetime.now().astimezone()
    month = f"from={today - timedelta(days=20):%Y-%m-%d}&to={today - timedelta(days=10):%Y-%m-%d}"
    lists = {
        "all": "",
        "far back": f"before={count // 3}",
        "waiting": "status=pending",
        "scheduled": "status=scheduled",
        "retrying": "status=retrying",
        "running": "status=running",
        "completed": "status=completed",
        "with refusals": "status=refused",
        "failed": "status=failed",
        "stopped": "status=cancelled",
        "mine": "who=me",
        "mine, failed": "who=me&status=failed",
        "worker": "worker=product",
        "a rare worker": "worker=cache",
        "action": "worker=product&action=import",
        "rare worker, failed": "worker=cache&status=failed",
        "worker, stopped": "worker=product&status=cancelled",
        "no such worker": "worker=nobody",
        "today": "period=today",
        "7 days": "period=7d",
        "30 days": "period=30d",
        "own range": month,
        "own range, failed": f"{month}&status=failed",
        "all at once": f"{month}&status=failed&worker=product&action=import&who=me",
    }
    figures = {
        "7 days": "",
        "today": "period=today",
        "30 days": "period=30d",
        "own range": month,
        "a year": f"from={today - timedelta(days=365):%Y-%m-%d}",
        "worker": "period=30d&worker=product",
        "action": "period=30d&worker=product/import",
        "a rare worker": "period=30d&worker=cache",
    }
    searches = {
        "search: often": "q=imported",
        "search: title": "q=import",
        "search: number": f"q={count // 2}",
        "search: never": "q=zzzzz",
        "search: never, two words": "q=zzzzz+yyyyy",
        "search: never, not ASCII": "q=%D0%BD%D1%96%D0%BA%D0%BE%D0%BB%D0%B8",
        "search: never, failed": "q=zzzzz&status=failed",
        "search: rare": "q=supplier+77",
    }
    return [
        Case("dashboard", "/stask/", LIMIT),
        *(Case(name, f"/stask/tasks?{query}", LIMIT) for name, query in lists.items()),
        *(Case(name, f"/stask/tasks?{query}", SEARCH_LIMIT) for name, query in searches.items()),
        *(
            Case(f"statistics: {name}", f"/stask/statistics?{query}", STATISTICS_LIMIT)
            for name, query in figures.items()
        ),
        Case("a worker's statistics", "/stask/workers/product/statistics?period=30d", STATISTICS_LIMIT),
        Case("system", "/stask/system", STATISTICS_LIMIT),
        Case("clean: many", "/stask/tasks/clean?days=3", STATISTICS_LIMIT),
        Case("clean: failed", "/stask/tasks/clean?days=3&status=failed", STATISTICS_LIMIT),
        Case("choose all, failed", "/stask/tasks/bulk?all=1&status=failed", SEARCH_LIMIT),
        Case("a task", f"/stask/tasks/{newest}", LIMIT),
        Case("an old task", f"/stask/tasks/{count // 2}", LIMIT),
    ]


def own_cases(count: int) -> list[Case]:
    """What may be slow for people who see their own tasks only, of whom one has none."""
    wanted = ("dashboard", "all", "far back", "waiting", "completed", "with refusals", "failed", "stopped", "worker")
    wanted += ("a rare worker", "worker, stopped", "30 days", "own range", "own range, failed", "search: never")
    return [case for case in cases(count, count) if case.name in wanted]


def main() -> None:
    """Print p50 and p95 of each page in milliseconds, and the memory in the end."""
    numbers = [int(word.replace(",", "").replace("_", "")) for word in sys.argv[1:] if word[0].isdecimal()]
    count, rounds = [*numbers, *(MILLION, 100)[len(numbers) :]][:2]
    wanted = sys.argv[sys.argv.index("profile") + 1] if "profile" in sys.argv else None
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with _folder() as folder:
        app, client, newest = make_site(folder, count)
        slow = [case for case in cases(newest, count) if not _measure(client, case, rounds, wanted)]
        for name in ("person7", "newcomer"):
            print(f"who sees own tasks only: {name}")
            narrowed = narrow(app, name)
            slow += [case for case in own_cases(count) if not _measure(narrowed, case, rounds, wanted)]
        with app.app_context():
            state_of(app).database.engine.dispose()
        memory = memory_of_server(folder)
        fits = memory <= MEMORY_LIMIT
        print(f"memory of a web process: {memory:.0f} MB (at most {MEMORY_LIMIT:.0f}): {'ok' if fits else 'TOO MUCH'}")
    raise SystemExit(1 if slow or not fits else 0)


def narrow(app: Flask, name: str) -> Any:
    """Let operators see their own tasks only -> a browser of one of them."""
    from stask_web.standalone.accounts import Accounts
    from stask_web.standalone.session import Person, StandalonePolicy

    state = state_of(app)
    state.policy = StandalonePolicy(own_only=True)
    with app.app_context():
        accounts = Accounts(state.database)
        account = accounts.find(name) or accounts.add(name, "operator")
        return _browser(app, Person(account).get_id())


def create_app() -> Flask:
    """The panel for a web server, in the folder that the environment names."""
    for name in ("requests", "websocket", "redis", "kombu"):
        sys.modules[name] = None  # type: ignore[assignment]  # the socket library loads them where tools have brought them
    return _panel(Path(os.environ[SERVED]))


def memory_of_server(folder: Path) -> float:
    """Ask a gunicorn with threads for everything, several times -> what its web process holds at most, in MB."""
    app, client, newest = make_site(folder, 0)
    name = app.config["SESSION_COOKIE_NAME"]
    headers = {"Cookie": f"{name}={client.get_cookie(name).value}", "Accept-Language": LANGUAGE}
    with app.app_context():
        state_of(app).database.engine.dispose()
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "128", "-w", "1", "--bind", "fd://0"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = subprocess.Popen(
            [*command, "--log-level", "warning", "benchmarks.listing:create_app()"],
            env={**os.environ, SERVED: str(folder)}, stdin=listener.fileno(),
        )  # fmt: skip
    try:
        for _ in range(SERVED_ROUNDS):
            for case in cases(newest, newest):
                urllib.request.urlopen(urllib.request.Request(address + case.address, headers=headers)).close()
        [pid] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def _folder() -> Iterator[Path]:
    kept = os.environ.get("STASK_BENCH_FOLDER")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _measure(client: Any, case: Case, rounds: int, wanted: str | None) -> bool:
    request = _request(client, case.address)
    if wanted is not None and case.name == wanted:
        _profile(request)
    pairs = [_timed(request) for _ in range(rounds)]
    times, works = sorted(wall for wall, _ in pairs), sorted(work for _, work in pairs)
    p95 = times[int(rounds * 0.95)]
    fits = p95 <= case.limit
    print(
        f"{case.name:28} p50 {statistics.median(times):6.1f} ms, p95 {p95:6.1f} ms (at most {case.limit:.0f}), "
        f"of work p50 {statistics.median(works):5.1f}, p95 {works[int(rounds * 0.95)]:5.1f}: "
        f"{'ok' if fits else 'TOO SLOW'}",
        flush=True,
    )
    return fits


def make_site(folder: Path, count: int) -> tuple[Flask, Any, int]:
    """A standalone panel with so many tasks, a browser that is signed in, and the id of the newest task."""
    from stask_web.database import upgrade
    from stask_web.standalone.accounts import Accounts
    from stask_web.standalone.session import Person

    app = _panel(folder)
    state = state_of(app)
    with app.app_context():
        if not state.database.ready():
            upgrade(state.database)
        state.storage.prepare()
        state.roster.discover()
        accounts = Accounts(state.database)
        people = accounts.all() or [accounts.add(f"person{number}", "operator") for number in range(PEOPLE)]
        admin = accounts.find("admin") or accounts.add("admin", "admin")
        if not _newest(state):
            begin = time.perf_counter()
            fill(state, count, [admin.id, *(person.id for person in people)])
            print(f"{count:,} tasks made in {time.perf_counter() - begin:.0f} s")
        newest, identity = _newest(state), Person(admin).get_id()
        _come_alive(state)
    return app, _browser(app, identity), newest


def _browser(app: Flask, identity: str) -> Any:
    """A browser in which somebody is signed in."""
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = identity
        session["_fresh"] = True
    return client


def _panel(folder: Path) -> Flask:
    from stask_web import create_app as standalone

    app = standalone({"INSTANCE": str(folder), "STASK_AUTO_ACTIVATE": True})
    for cls in WORKERS:
        state_of(app).registry.add(cls)
    return app


def _newest(state: State) -> int:
    import sqlalchemy as sa

    with state.database.read() as connection:
        return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(Task.id), 0))).scalar_one())


def _come_alive(state: State) -> None:
    """A worker process that looks alive during the measurement."""
    values = ("p", "h", 1, time.time(), time.time() + 7 * 86400, 2, 2, 0, "p", "{}")
    names = "id, host, pid, started_at, beat_at, concurrency, busy, stopping, lock, info"
    with state.database.cursor() as cursor:
        cursor.execute(f"REPLACE INTO s_processes ({names}) VALUES ({_marks(len(values))})", values)


def fill(state: State, count: int, people: list[int]) -> None:
    """Tasks over the last 30 days by the driver itself, with the daily counts that the product would have kept.

    Of a thousand, 940 are completed (now and then with refusals), 50 failed, 10 stopped. One worker does nearly all of
    it and one nearly nothing; 51 people start them. At the end 200 wait, 20 wait for a time, 3 run.
    """
    now = time.time()
    insert = f"INSERT INTO s_tasks ({COLUMNS}) VALUES ({_marks(COLUMNS.count(',') + 1)})"
    ends: Counter[tuple[str, str, str, int]] = Counter()
    for start in range(0, count, BATCH):
        rows = [_row(number, count, now, people) for number in range(start, min(count, start + BATCH))]
        for row in rows:
            if row[8] is not None:
                ends[f"{datetime.fromtimestamp(row[8], UTC):%Y-%m-%d}", row[0], row[1], row[2]] += 1
        with state.database.cursor() as cursor:
            cursor.executemany(insert, rows)
    with state.database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO s_stats (day, identifier, action, status, n, gone, seconds) VALUES (?, ?, ?, ?, ?, 0, ?)",
            [(*key, number, number * 60.0) for key, number in ends.items()],
        )


def _row(number: int, count: int, now: float, people: list[int]) -> tuple[Any, ...]:
    left = count - number
    status = _status(number, left)
    identifier, action = _action(number)
    created = now - DAYS * 86400 * left / count - 90
    runs, over = status >= Status.RUNNING, status.ended
    refused = 40 if status == Status.COMPLETED and number % 30 == 0 else 0
    queued = status == Status.PENDING and left > 23
    return (
        identifier, action, int(status), 2 if queued else None, 2,
        now + 86400 if status == Status.PENDING and not queued else None,
        created, created + 10 if runs else None, created + 70 if over else None, 60.0 if over else None,
        f"Imported 3,201 products of supplier {number % 977} into warehouse {number % 31}" if runs else "",
        '{"file":{"upload":"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG","name":"products.csv"},"delimiter":"auto"}',
        '[{"name":"refused.csv","path":"/nowhere/refused.csv","size":3412,"kind":"refused"}]' if refused else None,
        100 if over else 37 if runs else 0, 3201 if over else 1204 if runs else None, 3201 if runs else None,
        1 if runs else 0, 3, 1 if runs else 0, 0, refused, '{"imported":3161}' if over else None, 0,
        str(people[number * 31 % len(people)]),
    )  # fmt: skip


def _status(number: int, left: int) -> Status:
    if left <= 3:
        return Status.RUNNING
    if left <= 223:
        return Status.PENDING
    rest = number * 7919 % 1000
    return Status.FAILED if rest < 50 else Status.CANCELLED if rest < 60 else Status.COMPLETED


def _action(number: int) -> tuple[str, str]:
    """Nine tenths are of one worker, one in ten thousand of the rarest."""
    rest = number * 104_729 % 10_000
    if rest == 0:
        return "cache", "rebuild"
    if rest < 200:
        return "mail", "send"
    if rest < 1000:
        return "orders", ("fetch", "send")[number % 2]
    return "product", ("import", "export", "sync_stock")[number % 3]


def _marks(number: int) -> str:
    return ", ".join("?" * number)


def _request(client: Any, address: str) -> Callable[[], bytes]:
    def ask() -> bytes:
        answer = client.get(address, headers={"Accept-Language": LANGUAGE})
        assert answer.status_code == 200, (address, answer.status)
        data: bytes = answer.data
        return data

    for _ in range(WARM):
        ask()
    return ask


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds by the clock, and of work: on a machine that does other things too they differ."""
    begin, work = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - begin) * 1000, (time.process_time() - work) * 1000


def _profile(call: Callable[[], Any]) -> None:
    import cProfile
    import pstats

    with cProfile.Profile() as profile:
        for _ in range(30):
            call()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(50)


if __name__ == "__main__":
    main()
