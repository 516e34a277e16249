"""The app of the faults with receivers that leave notes, and a worker process for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from stask_web import Task, signals
from stask_web.engines.supervisor import Supervisor

from ..faults.apps import make_app


def note(folder: Path, name: str, *words: object) -> None:
    """Leave a line in a file of the test's folder."""
    with (folder / "notes" / name).open("a", encoding="utf-8") as file:
        file.write(" ".join(map(str, words)) + "\n")


def main(folder: Path, concurrency: int) -> int:
    """Be a worker process in which everything is listened to."""
    app = make_app(folder)

    @signals.child_started.connect
    def child(app: Any) -> None:
        note(folder, "children", os.getpid())
        raise RuntimeError("no receiver can stop a child")

    @signals.task_started.connect
    def started(app: Any, task: Task) -> None:
        note(folder, "told-started", task.id, os.getpid())

    @signals.task_finished.connect
    @signals.task_failed.connect
    @signals.task_cancelled.connect
    def ended(app: Any, task: Task) -> None:
        note(folder, "told-ended", task.id, task.status_text)
        raise RuntimeError("no receiver can stop the supervisor")

    return Supervisor(app, concurrency=concurrency).run()


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2])))
