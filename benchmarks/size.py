"""How much memory a supervisor takes, beside the same app without stask-web, and how much of a core when it is idle.

Run it with: python -m benchmarks.size [SECONDS OF IDLENESS]
The app is as small as one can be. The peer is the same process, a Flask app's command with an open SQLAlchemy engine,
and nothing of ours in it: what is above it is ours. Both have their byte code, as an installed package has: a process
that must compile what it imports keeps a megabyte more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from .load import core_seconds
from .site import READY_WITHIN, make_site, worker

LIMIT = 60.0
CORE = 0.01

HOST = """
import sys
import sqlalchemy as sa
import sqlalchemy.orm
from flask import Flask, cli
app = Flask("host")
with sa.create_engine("sqlite://").connect() as connection:
    connection.exec_driver_sql("SELECT 1")
    print("ready", flush=True)
    sys.stdin.read()
"""


class Size(NamedTuple):
    """Megabytes.

    :param rss: all that is mapped and present.
    :param pss: the same, where what several processes share counts for each in part.
    """

    rss: float
    pss: float


def main() -> int:
    """Print the figures; 1 when a limit is passed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    with tempfile.TemporaryDirectory() as name, compiled(Path(name)):
        host = measure_host()
        with worker(Path(name), 2) as process:
            time.sleep(3.0)  # the looks right after the start are over
            size, core = size_of(process.pid), core_of(process.pid, seconds)
    print(f"an app without stask-web: {host.rss:.1f} MB RSS")
    print(f"supervisor of the smallest app: {size.rss:.1f} MB RSS (at most {LIMIT:g}), {size.pss:.1f} MB PSS")
    print(f"ours: {size.rss - host.rss:.1f} MB; ratio {size.rss / host.rss:.2f}")
    print(f"idle for {seconds:g} s: {core * 100:.2f} % of a core (at most {CORE * 100:g} %)")
    return int(size.rss > LIMIT or core > CORE)


@contextmanager
def compiled(folder: Path) -> Iterator[None]:
    """A site in that folder, and byte code for the processes that are started here."""
    make_site(folder)
    with mock.patch.dict(os.environ, {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        measure_host()
        with worker(folder, 1):
            pass
        yield


def measure_host() -> Size:
    """The app without us."""
    command = [sys.executable, "-c", HOST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        size = size_of(process.pid)
        process.communicate(timeout=READY_WITHIN)
        return size


def size_of(pid: int) -> Size:
    """What a process takes now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) / 1024 for name, _, value in (line.partition(":") for line in lines)}
    return Size(sizes["Rss"], sizes["Pss"])


def core_of(pid: int, seconds: float) -> float:
    """Which part of a core a process takes over some seconds."""
    before = core_seconds(pid)
    time.sleep(seconds)
    return (core_seconds(pid) - before) / seconds


if __name__ == "__main__":
    raise SystemExit(main())
