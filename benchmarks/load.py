"""What the machine does meanwhile, and what a tree of processes costs: figures that are taken on a busy machine need
both."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from stask_web.engines.processes import descendants


def load() -> str:
    """The load of the machine, for the line that a script begins and ends with."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def core_seconds(pid: int) -> float:
    """Seconds of CPU that the threads of a process have taken. Linux only."""
    used = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            used += int(path.read_text().split()[0])
    return used / 1e9


def core_seconds_of_all(pid: int) -> float:
    """The same, with all that descend from it and live."""
    return sum(core_seconds(each) for each in [pid, *descendants(pid)])
