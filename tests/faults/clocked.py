"""A worker process whose clock a test sets: ``python -m tests.faults.clocked FOLDER CONCURRENCY``.

The file ``clock`` in the folder holds ``real then speed``: at the real time ``real`` it is ``then``, and time passes
``speed`` times as fast. It may change while the process runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

_real = time.time


def set_clock(folder: Path, then: float, speed: float = 1.0) -> None:
    """Let the clock of the folder's processes show ``then``, now."""
    new = folder / "clock.new"
    new.write_text(f"{_real()!r} {then!r} {speed!r}")
    new.replace(folder / "clock")


def clock(folder: Path) -> Callable[[], float]:
    """What ``time.time`` is in these processes."""
    place, seen, facts = folder / "clock", (0, 0), (0.0, 0.0, 1.0)

    def now() -> float:
        nonlocal seen, facts
        stat = os.stat(place)
        if (stat.st_ino, stat.st_mtime_ns) != seen:
            seen = (stat.st_ino, stat.st_mtime_ns)
            real, then, speed = map(float, place.read_text().split())
            facts = (real, then, speed)
        return facts[1] + (_real() - facts[0]) * facts[2]

    return now


if __name__ == "__main__":
    import logging

    time.time = clock(Path(sys.argv[1]))

    from stask_web.engines.supervisor import Supervisor

    from .apps import make_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    raise SystemExit(Supervisor(make_app(Path(sys.argv[1])), concurrency=int(sys.argv[2])).run())
