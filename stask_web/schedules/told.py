"""A schedule as JSON, the same from the panel and the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..encoding import plain
from ..errors import InvalidSchedule
from ..models import Schedule

#: How many of the next runs are told.
RUNS = 5


def runs_of(schedule: Schedule, n: int = RUNS) -> list[datetime]:
    """The next runs in the schedule's own time zone; none where its rule cannot be read any more."""
    try:
        return schedule.next_runs(n)
    except InvalidSchedule:
        return []


def schedule_json(schedule: Schedule, problem: str | None) -> dict[str, Any]:
    """A schedule as JSON.

    :param problem: what is wrong with it, see :meth:`Schedules.problem`.
    """
    return {
        "id": schedule.id,
        "identifier": schedule.identifier,
        "action": schedule.action,
        "title": schedule.title,
        "rule": schedule.rule,
        "timezone": schedule.timezone,
        "words": schedule.words,
        "enabled": schedule.enabled,
        "own": schedule.owner is not None,
        "priority": schedule.priority,
        "options": plain(schedule.meta),
        "next_runs": [run.isoformat() for run in runs_of(schedule)],
        "last_fire_at": schedule.last_fire_at.isoformat() if schedule.last_fire_at else None,
        "last_task_id": schedule.last_task_id,
        "problem": problem,
        "created_by": schedule.created_by,
    }
