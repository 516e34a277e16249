"""What progress costs: `push_progress` in a tight loop, and `track` beside tqdm in the same run.

Run it with: python -m benchmarks.progress
"""

from __future__ import annotations

import io
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from types import SimpleNamespace

from tqdm import tqdm

from stask_web import BaseWorker
from stask_web.models import Task
from stask_web.progress import INTERVAL, Report

CALLS = 1_000_000
ROUNDS = 5


class Worker(BaseWorker):
    """A worker that is only measured."""

    identifier = "measured"


def main() -> None:
    """Print the figures, medians of some rounds."""
    worker, task, told, stop = Worker(), Task(id=1), [], threading.Event()
    report = Report(told.append)
    task._run = SimpleNamespace(report=report)  # type: ignore[assignment]
    threading.Thread(target=_ticks, args=(report, stop), daemon=True).start()

    pushed = [_timed(lambda: _push(worker, task)) for _ in range(ROUNDS)]
    tracked, other = [], []
    for _ in range(ROUNDS):  # in turns, so that both see the same noise
        tracked.append(_timed(lambda: _walk(worker.track(task, range(CALLS)))))
        other.append(_timed(lambda: _walk(tqdm(range(CALLS), file=io.StringIO()))))
    stop.set()
    bare = _timed(lambda: _walk(range(CALLS)))

    push = statistics.median(pushed) / CALLS * 1e6
    ours = (statistics.median(tracked) - bare) / CALLS * 1e9
    theirs = (statistics.median(other) - bare) / CALLS * 1e9
    print(f"push_progress: {push:.3f} µs a call over {CALLS:,} calls (at most 1), {len(told)} reports told")
    print(f"track: {ours:.0f} ns a step, tqdm: {theirs:.0f} ns a step, ratio {ours / theirs:.2f} (at most 2)")


def _push(worker: Worker, task: Task) -> None:
    push = worker.push_progress
    for number in range(CALLS):
        push(task, processed=number, total=CALLS)


def _walk(rows: Iterable[int]) -> None:
    for _ in rows:
        pass


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _ticks(report: Report, stop: threading.Event) -> None:
    """What the worker process's timer does while an action runs."""
    while not stop.wait(INTERVAL):
        report.tick()


if __name__ == "__main__":
    main()
