"""Schedules: actions that start by themselves.

``s_schedules`` is the only thing that fires. A worker's own schedule, written in its settings, is a row there like any
other, kept up by :mod:`own`. Whoever ticks, each instant fires once; see :mod:`firing`.
"""

from __future__ import annotations

from .door import Schedules
from .firing import CATCH_UP, Fired, Firing
from .told import RUNS, runs_of, schedule_json

__all__ = ["CATCH_UP", "RUNS", "Fired", "Firing", "Schedules", "runs_of", "schedule_json"]
