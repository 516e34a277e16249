"""The peer on SQLite: tasks for huey's own consumer."""

from __future__ import annotations

import os
import time
from pathlib import Path

from huey import SqliteHuey

from .stamps import FOLDER, note

huey = SqliteHuey(filename=str(Path(os.environ[FOLDER]) / "huey.db"), results=False)


@huey.task()  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing but note when."""
    note()


@huey.task()  # type: ignore[untyped-decorator]
def second() -> None:
    """Take a while, then note when."""
    time.sleep(1.0)
    note()
