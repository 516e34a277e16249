"""The commands ``flask stask ...``: thin, they go through the same door as the pages.

The extension adds :data:`stask_group` to the app's commands. Each module adds its own commands to it when imported.
"""

from __future__ import annotations

from . import database, inspection, schedules, serve, tasks, users, workers
from .group import stask_group

__all__ = ["database", "inspection", "schedules", "serve", "stask_group", "tasks", "users", "workers"]
