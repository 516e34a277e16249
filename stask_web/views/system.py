"""System: who works, what waits, where everything lies and how big it is, versions, and settings. For admins."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from flask import jsonify, url_for
from flask.typing import ResponseReturnValue

from .. import vitals
from ..config import SETTINGS, load_settings
from ..database import head_revision
from ..language import mark, tr
from ..models import Process, Schedule
from ..numbers import human_size, number
from ..state import STARTED, State, current_state
from ..vitals import Size, Waiting
from .notices import take_notice
from .page import render
from .shown import Shown, show_all
from .upkeep import COMMAND
from .visitor import need, partial, running_now, wants_json

PACKAGES = ("Flask", "SQLAlchemy", "Flask-SocketIO", "pydantic")
#: Settings whose value is never shown, only that there is one: they may hold a password or are code.
HIDDEN = {"STASK_DATABASE_URI", "STASK_ACCESS"}
KINDS = {
    "high": mark("High priority"),
    "normal": mark("Normal priority"),
    "low": mark("Low priority"),
    "scheduled": mark("Wait for their time"),
    "retrying": mark("Wait for their next attempt"),
}


class Worker(NamedTuple):
    """A supervisor.

    :param alive: whether it gave a sign of life within the lease.
    :param tasks: what it runs.
    :param old: why it should be started again, as a sentence; "" when its code is the newest.
    :param sees_storage: whether the file that it holds in its storage lies in ours, too.
    """

    row: Process
    alive: bool
    tasks: list[Shown]
    old: str
    sees_storage: bool


class Lane(NamedTuple):
    """Waiting tasks of one kind: words, number, the first one's address and moment, why it waits."""

    words: str
    n: str
    url: str
    since: datetime | None
    why: str


class Fact(NamedTuple):
    """A name, what it says, and whether that is bad.

    :param verbatim: whether what it says is a program's own name or number, the same in every language.
    """

    name: str
    value: str
    bad: bool = False
    verbatim: bool = False


def system() -> ResponseReturnValue:
    """The state of the whole."""
    need("manage_workers")
    state = current_state()
    if wants_json():
        return jsonify(_json(state))
    workers, others = _workers(state)
    waiting = vitals.queue(state.database)
    now = {
        "workers": workers,
        "others": others,
        "lanes": _lanes(workers, waiting),
        "web_is_old": _is_newer(vitals.newest_code(state.registry), STARTED),
        "web_pid": os.getpid(),
        "web_host": platform.node(),
        "web_started": datetime.fromtimestamp(STARTED, UTC),
        "command": COMMAND,
        "has_engine": state.settings.engine == "database",
        "is_stuck": not any(worker.alive for worker in workers) and state.settings.engine == "database",
        "number": number,
    }
    if partial() == "now":
        return render("system/_now.html", "system", **now)
    return render(
        "system/page.html",
        "system",
        notice=take_notice(),
        database=_database(state),
        storage=_storage(state),
        versions=_versions(),
        late=vitals.late_schedules(state.database),
        changed=_changed(state),
        **now,
    )


# Processes


def _workers(state: State) -> tuple[list[Worker], list[Shown]]:
    """The supervisors with what they run, and running tasks that none of them has."""
    rows = vitals.processes(state.database)
    newest, begin = vitals.newest_code(state.registry), time.time() - state.settings.lease
    shown = show_all(state, running_now())
    workers = [
        Worker(
            row,
            row.beat_at.timestamp() >= begin,
            [task for task in shown if task.task.owner == row.id],
            _why_old(row, newest),
            (state.storage.run / row.lock).exists(),
        )
        for row in rows
    ]
    known = {row.id for row in rows}
    return workers, [task for task in shown if task.task.owner not in known]


def _why_old(row: Process, newest: float | None) -> str:
    theirs, ours = str(row.info.get("version") or ""), vitals.our_version()
    if theirs and theirs != ours:
        return tr("It runs stask-web %(theirs)s, this page %(ours)s. Restart it.", theirs=theirs, ours=ours)
    if _is_newer(newest, row.started_at.timestamp()):
        return tr("It was started before the newest change of the code. Restart it.")
    return ""


def _is_newer(changed: float | None, started: float) -> bool:
    return changed is not None and changed > started


# The queue


def _lanes(workers: Sequence[Worker], waiting: Sequence[Waiting]) -> list[Lane]:
    free = sum(max(0, w.row.concurrency - w.row.busy) for w in workers if w.alive and not w.row.stopping)
    places = sum(worker.row.concurrency for worker in workers if worker.alive)
    found, is_next = [], True
    for each in waiting:
        timed = each.kind in ("scheduled", "retrying")
        why = "" if not each.n else tr("The next one starts at this time") if timed else _why(is_next, free, places)
        if each.n and not timed:
            is_next = False
        url = url_for("stask.task", task_id=each.first) if each.first else ""
        found.append(Lane(tr(KINDS[each.kind]), number(each.n) + ("" if each.exact else "+"), url, each.since, why))
    return found


def _why(is_next: bool, free: int, places: int) -> str:
    if not places:
        return tr("No worker process is running")
    if not is_next:
        return tr("Waits for those of higher priority")
    return tr("Starts next") if free else tr("All %(n)s places are busy", n=number(places))


# Where everything lies


def _database(state: State) -> list[Fact]:
    facts = vitals.database_facts(state.database)
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
    found = [
        Fact(tr("Engine"), state.settings.engine, verbatim=True),
        Fact(tr("Database"), f"{names.get(facts.dialect, facts.dialect)} {facts.version}", verbatim=True),
        Fact(tr("Place"), facts.place, verbatim=True),
    ]
    if facts.size is not None:
        found.append(Fact(tr("Size"), human_size(facts.size)))
    if facts.mode is not None:
        wal = facts.mode == "wal"
        text = tr("on, %(size)s", size=human_size(facts.log or 0)) if wal else tr("off: pages wait while tasks write")
        found.append(Fact(tr("Write-ahead log"), text, not wal))
    head = head_revision()
    current = facts.revision == head
    text = tr("%(revision)s, up to date", revision=head) if current else f"{facts.revision} < {head}"
    return [*found, Fact(tr("Tables"), text, not current)]


def _storage(state: State) -> list[Fact]:
    storage = state.storage
    found = [Fact(tr("Folder"), str(storage.root), verbatim=True)]
    is_there = storage.root.is_dir() and os.access(storage.root, os.W_OK | os.X_OK)
    if not is_there:
        return [*found, Fact(tr("State"), tr("This program cannot write to it"), True)]
    free = shutil.disk_usage(storage.root)
    few = free.free < max(free.total // 50, 500 * 2**20)
    words = tr("%(free)s of %(total)s", free=human_size(free.free), total=human_size(free.total))
    found.append(Fact(tr("Free on its disk"), words, few))
    folders = ((tr("Logs"), storage.journal), (tr("Uploads"), storage.uploads), (tr("Results"), storage.results))
    return [*found, *(Fact(name, _size_words(vitals.folder_size(folder))) for name, folder in folders)]


def _size_words(size: Size) -> str:
    words = human_size(size.size)
    return words if size.whole else tr("about %(size)s, by a sample", size=words)


# Versions, settings


def _versions() -> list[Fact]:
    packages = [Fact(name, vitals.version_of(name)) for name in PACKAGES]
    ours = Fact("stask-web", vitals.our_version())
    return [ours, Fact("Python", platform.python_version()), *(fact for fact in packages if fact.value)]


def _changed(state: State) -> list[Fact]:
    """Settings in force that are not the default."""
    found = []
    defaults = load_settings({}, Path(state.app.instance_path))
    for setting in SETTINGS:
        name = setting.name.removeprefix("STASK_").lower()
        value = getattr(state.settings, name)
        if value != getattr(defaults, name):
            found.append(Fact(setting.name, tr("set, not shown") if setting.name in HIDDEN else _setting(value)))
    return found


def _setting(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return tr("on") if value is True else tr("off") if value is False else str(value)


# For programs


def _json(state: State) -> dict[str, Any]:
    workers, _ = _workers(state)
    facts = vitals.database_facts(state.database)
    folders = {"journal": state.storage.journal, "uploads": state.storage.uploads, "results": state.storage.results}
    return {
        "processes": [_process_json(worker) for worker in workers],
        "queue": [
            {"kind": each.kind, "count": each.n, "exact": each.exact, "first": each.first, "since": _iso(each.since)}
            for each in vitals.queue(state.database)
        ],
        "engine": state.settings.engine,
        "database": {"dialect": facts.dialect, "version": facts.version, "size": facts.size, "log": facts.log}
        | {"mode": facts.mode, "revision": facts.revision, "newest_revision": head_revision()},
        "storage": {
            name: {"size": size.size, "exact": size.whole}
            for name, size in ((name, vitals.folder_size(folder)) for name, folder in folders.items())
        },
        "versions": {fact.name: fact.value for fact in _versions()},
        "late_schedules": [_schedule_json(schedule) for schedule in vitals.late_schedules(state.database)],
        "settings": {fact.name: fact.value for fact in _changed(state)},
    }


def _process_json(worker: Worker) -> dict[str, Any]:
    row = worker.row
    return {
        "host": row.host,
        "pid": row.pid,
        "started_at": _iso(row.started_at),
        "beat_at": _iso(row.beat_at),
        "alive": worker.alive,
        "stopping": bool(row.stopping),
        "concurrency": row.concurrency,
        "busy": row.busy,
        "tasks": [task.id for task in worker.tasks],
        "code_is_old": bool(worker.old),
        "sees_storage": worker.sees_storage,
        "info": row.info,
    }


def _schedule_json(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "worker": schedule.identifier,
        "action": schedule.action,
        "next_fire_at": _iso(schedule.next_fire_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
