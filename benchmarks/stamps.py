"""Notes when a peer's task ended: one line in a file that is kept open costs 2 µs."""

from __future__ import annotations

import os
import time
from pathlib import Path

FOLDER = "STASK_BENCH_STAMPS"
_files: dict[int, object] = {}


def note() -> None:
    """Add the time to this process's file."""
    pid = os.getpid()
    if pid not in _files:
        path = Path(os.environ[FOLDER]) / f"done.{pid}"
        _files[pid] = open(path, "a", buffering=1, encoding="ascii")  # noqa: SIM115
    _files[pid].write(f"{time.time()}\n")  # type: ignore[attr-defined]


def noted(folder: Path) -> list[float]:
    """All times."""
    return [float(line) for path in folder.glob("done.*") for line in path.read_text().splitlines()]
