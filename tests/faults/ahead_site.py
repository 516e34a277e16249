"""Very short tasks that tell of each start and never bear another one beside them: ``python -m ... FOLDER N``."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path
from typing import Any

from stask_web import BaseWorker

from .apps import make_app, note


class Brief(BaseWorker):
    """Short tasks."""

    identifier = "brief"

    def task_line(self, task: Any, options: Any) -> None:
        """One line."""
        note(options, "ran", f"{task.id} {task.attempt_no}")

    def task_alone(self, task: Any, options: Any) -> None:
        """Say so if another attempt of this task lives at the same moment: each holds a lock as long as it lives."""
        lock = os.open(Path(options["notes"]) / f"lock-{task.id}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(options, "beside", str(task.id))
        note(options, "ran", f"{task.id} {task.attempt_no}")
        time.sleep(options.get("seconds", 0))
        os.close(lock)


def make(folder: Path) -> Any:
    """The app with this worker, too."""
    app = make_app(folder)
    app.extensions["stask_state"].registry.add(Brief)
    return app


if __name__ == "__main__":
    import logging

    from stask_web.engines.supervisor import Supervisor

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    raise SystemExit(Supervisor(make(Path(sys.argv[1])), concurrency=int(sys.argv[2])).run())
