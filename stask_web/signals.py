"""Signals (blinker) that a host may listen to; the sender is the Flask app.

``task_created``, ``task_started``, ``task_finished``, ``task_failed`` and ``task_cancelled`` give ``task``, each once
it is a fact in the database: created after the commit, an end after the transaction that wrote it. An attempt that
ended early and starts again is no end.

They are sent where the thing happens. ``task_created``: in the process that called ``create``. ``task_started``: in the
process that runs the action, right before it, in its app context. The ends: in the worker's supervisor, or with
``process_pending_tasks``, ``execute`` and ``STASK_ENGINE = "inline"`` in the calling thread; a withdrawn task: where it
was withdrawn. A receiver of an end must be quick, for other tasks wait for it; longer work belongs into a task.

``child_started`` is sent in each child process before its first task: the place to open what must not be shared with
the parent. A receiver that raises is logged and stops nothing::

    from stask_web.signals import task_failed

    @task_failed.connect
    def tell_the_team(app, task):
        ...
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace

from .status import Status

_namespace = Namespace()
_log = logging.getLogger(__name__)

task_created = _namespace.signal("stask-task-created", "A task was created and committed.")
task_started = _namespace.signal("stask-task-started", "An attempt begins; its action is called next.")
task_finished = _namespace.signal("stask-task-finished", "A task completed.")
task_failed = _namespace.signal("stask-task-failed", "A task failed, and no attempt follows.")
task_cancelled = _namespace.signal("stask-task-cancelled", "A task was withdrawn or stopped.")
child_started = _namespace.signal("stask-child-started", "A child process begins, before its first task.")

#: The signal of each end.
ENDS: dict[int, NamedSignal] = {
    Status.COMPLETED: task_finished,
    Status.FAILED: task_failed,
    Status.CANCELLED: task_cancelled,
}


def send(signal: NamedSignal, app: Any, **values: Any) -> None:
    """Call every receiver, whatever the others do."""
    for receiver in list(signal.receivers_for(app)):
        try:
            receiver(app, **values)
        except Exception:
            _log.exception("A receiver of the signal %s failed.", signal.name)
