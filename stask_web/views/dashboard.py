"""The dashboard: one warning at most, counts, every active worker's widget, the newest tasks, the last 24 hours."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from .. import news
from ..models import Task
from ..queries import hourly, live_processes, recent_tasks, worker_records
from ..state import State, current_state
from .charts import HourBar, hour_bars
from .page import render
from .shown import show_all
from .visitor import need, partial, visitor, wants_json
from .widgets import widgets

RECENT = 8
RECENT_FILTER = f"limit={RECENT}"


class Count(NamedTuple):
    """One number of the strip: its ``data-stat`` name, label, value, where it leads, and whether it is red."""

    name: str
    label: str
    value: int
    url: str
    alarm: bool = False


class Banner(NamedTuple):
    """The one warning on top."""

    title: str
    text: str
    code: str = ""


def register(bp: Blueprint) -> None:
    """Add the routes."""
    bp.get("/", endpoint="dashboard")(dashboard)


def dashboard() -> ResponseReturnValue:
    """The first page."""
    need("view")
    state = current_state()
    if partial() == "recent":
        return render("dashboard/_recent.html", **_recent(state))
    counts = news.counts(state)
    recent = _recent(state)
    if wants_json():
        records = worker_records(state.database, active_only=True)
        return jsonify(
            counts=counts, workers=[record.identifier for record in records], recent=[t.json for t in recent["tasks"]]
        )
    records = worker_records(state.database, active_only=True)
    return render(
        "dashboard/page.html",
        "dashboard",
        banner=_banner(state, counts),
        counts=_strip(counts),
        widgets=widgets(state, records),
        hours=_hours(state),
        **recent,
    )


def _recent(state: State) -> dict[str, Any]:
    person = visitor()
    select = person.policy.visible(_all_tasks(), person.user)
    rows = recent_tasks(state.database, RECENT, select)
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
        Count("pending", "Waiting", counts["pending"], f"{tasks}?status=pending"),
        Count("running", "Running", counts["running"], f"{tasks}?status=running"),
        Count("completed_today", "Completed today", counts["completed_today"], f"{tasks}?status=completed"),
        Count("failed_24h", "Failed, last 24 h", counts["failed_24h"], f"{tasks}?status=failed", counts["unseen"] > 0),
        Count("total", "Total", counts["total"], tasks),
    ]


def _banner(state: State, counts: dict[str, int]) -> Banner | None:
    if (
        counts["pending"]
        and state.settings.engine == "database"
        and not live_processes(state.database, state.settings.lease)
    ):
        admin = visitor().may("manage_workers")
        return Banner(
            "No worker process is running",
            "Your tasks are kept and start by themselves when it is back." + (" Start it with" if admin else ""),
            "flask stask work" if admin else "",
        )
    return None


def _hours(state: State) -> list[HourBar]:
    return hour_bars(hourly(state.database))
