"""The peer of the drain benchmark on SQLite: a task that does nothing, for huey's own consumer."""

from __future__ import annotations

import os
from pathlib import Path

from huey import SqliteHuey

from .stamps import FOLDER, note

huey = SqliteHuey(filename=str(Path(os.environ[FOLDER]) / "huey.db"), results=False)


@huey.task()  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing but note when."""
    note()
