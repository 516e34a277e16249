"""The dashboard: one warning at most, counts, every active worker's widget, the newest tasks, the last 24 hours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from .. import listing, news
from ..formatting import action_specs_of
from ..language import tr, trn
from ..models import Task, WorkerRecord
from ..numbers import number
from ..queries import hourly, worker_records
from ..state import State, current_state
from ..text import clean
from .charts import HourStrip, hour_strip
from .live import counts as counts_of
from .page import render
from .shown import show_all
from .visitor import around_now, need, partial, visitor, wants_json
from .widgets import widgets

RECENT = 8
#: More widgets than this get a field to find one.
MANY = 9
RECENT_FILTER = f"limit={RECENT}"


class Count(NamedTuple):
    """One number of the strip: its ``data-stat`` name, label, value, where it leads, and whether it is red."""

    name: str
    label: str
    value: int
    url: str
    alarm: bool = False


class Banner(NamedTuple):
    """The one warning on top, and where it leads."""

    title: str
    text: str
    code: str = ""
    url: str = ""
    link: str = ""


def dashboard() -> ResponseReturnValue:
    """The first page."""
    person = need("view")
    state = current_state()
    if partial() == "recent":
        return render("dashboard/_recent.html", **_recent(state))
    whole = person.sees_all
    if partial() == "hours":
        return render("dashboard/_hours.html", hours=_hours(state)) if whole else abort(404)
    counts = counts_of(state, person)
    recent = _recent(state)
    if wants_json():
        known = worker_records(state.database, active_only=True)
        shown = [record.identifier for record in known if person.may("view", record.worker_class or record)]
        return jsonify(counts=counts, workers=shown, recent=[t.json for t in recent["tasks"]])
    find = request.args.get("find", "").strip()
    known = worker_records(state.database)
    records = [record for record in known if record.active]
    return render(
        "dashboard/page.html",
        "dashboard",
        banner=_banner(state, counts, known),
        counts=_strip(counts),
        widgets=widgets(state, [record for record in records if _matches(record, find)]),
        find=find,
        has_filter=len(records) > MANY,
        hours=_hours(state) if whole else None,
        **recent,
    )


def _matches(record: WorkerRecord, find: str) -> bool:
    """Whether a worker or one of its actions has these words in its title."""
    if not find:
        return True
    cls = record.worker_class
    titles = [record.title, record.scope, *(clean(spec.title) for spec in action_specs_of(cls).values())] if cls else []
    return any(find.casefold() in title.casefold() for title in titles)


def _recent(state: State) -> dict[str, Any]:
    person = visitor()
    select = person.narrow(_all_tasks())
    rows = listing.page(state.database, select, size=RECENT).rows
    return {
        "tasks": show_all(state, rows),
        "list_filter": RECENT_FILTER,
        "digest": news.digest_of(task.id for task in rows),
    }


def _all_tasks() -> Any:
    import sqlalchemy as sa

    return sa.select(Task)


def _strip(counts: dict[str, int]) -> list[Count]:
    tasks = url_for("stask.tasks")
    return [
        Count("pending", tr("Waiting"), counts["pending"], f"{tasks}?status=pending"),
        Count("running", tr("Running"), counts["running"], f"{tasks}?status=running"),
        Count(
            "completed_today",
            tr("Completed today"),
            counts["completed_today"],
            f"{tasks}?status=completed&period=ended-today",
        ),
        Count(
            "failed_24h",
            tr("Failed, last 24 h"),
            counts["failed_24h"],
            f"{tasks}?status=failed&period=ended-24h",
            counts["unseen"] > 0,
        ),
        Count("total", tr("Total"), counts["total"], tasks),
    ]


def _banner(state: State, counts: dict[str, int], known: Sequence[WorkerRecord]) -> Banner | None:
    """The worst of what is wrong; what only an admin can mend is told to admins only."""
    admin = visitor().may("manage_workers")
    if admin and not _storage_is_there(state):
        words = tr("Uploads, logs and results need a folder that this program may write to:")
        return Banner(tr("Files cannot be kept"), words, str(state.storage.root))
    waiting = counts["pending"] and state.settings.engine == "database"
    if waiting and not around_now().alive:
        words = tr("Your tasks are kept and start by themselves when it is back.")
        how = (tr("Start it with"), "flask stask work") if admin else ("", "")
        return Banner(tr("No worker process is running"), f"{words} {how[0]}".strip(), how[1])
    new = _new_workers(state, known) if admin else 0
    if new:
        words = trn("One new worker was found", "%(num)s new workers were found", new, num=number(new))
        return Banner(
            words, tr("Nobody can use what is not turned on."), url=url_for("stask.workers"), link=tr("Workers")
        )
    return None


def _new_workers(state: State, known: Sequence[WorkerRecord]) -> int:
    """How many worker classes nobody has decided about yet."""
    return len(state.registry.classes().keys() - {record.identifier for record in known})


def _storage_is_there(state: State) -> bool:
    """Whether the storage can be written to; while it does not exist yet, whether it could be made."""
    place = state.storage.root
    while not place.exists() and place != place.parent:
        place = place.parent
    return os.access(place, os.W_OK | os.X_OK)


def _hours(state: State) -> HourStrip:
    return hour_strip(hourly(state.database))
