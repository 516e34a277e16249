"""The peer of the drain benchmark: a task that does nothing, for huey's own consumer."""

from __future__ import annotations

import os
import time
from pathlib import Path

from huey import SqliteHuey

_folder = Path(os.environ["HUEY_BENCH"])
huey = SqliteHuey(filename=str(_folder / "huey.db"), results=False)
_files: dict[int, object] = {}


@huey.task()  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing but note when: one line in a file that is kept open costs 2 µs."""
    pid = os.getpid()
    if pid not in _files:
        _files[pid] = open(_folder / f"done.{pid}", "a", buffering=1, encoding="ascii")  # noqa: SIM115
    _files[pid].write(f"{time.time()}\n")  # type: ignore[attr-defined]
