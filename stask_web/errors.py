"""Every error of stask-web. A class's docstring is its message when none is given."""

from __future__ import annotations

from collections.abc import Mapping

from .language import mark, tr

#: First lines of docstrings below that people may see: an error without a message of its own says them.
SHOWN = (
    mark("The worker is turned off. Turn it on first."),
    mark("There is no such task."),
    mark("There is no such schedule."),
    mark("The task is not in a state that allows this."),
    mark("The same action is already waiting or running, and only one is allowed at a time."),
    mark("The database is busy. Nothing was changed; try again in a moment."),
    mark("The file was refused."),
)


class STaskError(Exception):
    """Something went wrong in stask-web."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or tr((type(self).__doc__ or "").strip().splitlines()[0]))

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self.args[0])


class ConfigError(STaskError):
    """A setting has a wrong value."""


class UnknownWorker(STaskError):
    """There is no such worker. See `flask stask discover`."""


class UnknownAction(STaskError):
    """The worker has no such action."""


class WorkerInactive(STaskError):
    """The worker is turned off. Turn it on first."""


class InvalidOptions(STaskError):
    """Some options are not valid.

    :param errors: field name -> sentence; the key ``""`` is about the whole form.
    """

    def __init__(self, errors: Mapping[str, str], message: str | None = None) -> None:
        self.errors = dict(errors)
        super().__init__(message or "; ".join(f"{name}: {text}" if name else text for name, text in errors.items()))


class InvalidSchedule(InvalidOptions):
    """Some of a schedule is not valid: its rule, time zone or options."""


class TaskNotFound(STaskError):
    """There is no such task."""


class ScheduleNotFound(STaskError):
    """There is no such schedule."""


class ScheduleChanged(STaskError):
    """The schedule was changed meanwhile. Nothing was saved."""


class IllegalMove(STaskError):
    """The task is not in a state that allows this."""


class AlreadyRunning(STaskError):
    """The same action is already waiting or running, and only one is allowed at a time.

    :param task_id: the task that waits or runs.
    """

    def __init__(self, task_id: int, message: str | None = None) -> None:
        self.task_id = task_id
        text = tr("Task %(task)s of this action is waiting or running, and only one may at a time.", task=task_id)
        super().__init__(message or text)


class TablesMissing(STaskError):
    """The tables of stask-web are missing or old. Run: flask stask init-db"""


class DatabaseBusy(STaskError):
    """The database is busy. Nothing was changed; try again in a moment."""


class TransactionOpen(DatabaseBusy):
    """Your session has an open write transaction, for which ours would wait for ever on SQLite.

    Commit it first, or pass it: create(..., session=db.session).
    """

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "Your session has an open write transaction, and on SQLite stask-web would wait for it for ever. "
            "Commit first, or pass session=db.session to create the task in that transaction."
        )


class ResultRefused(STaskError):
    """A result must lie in self.result_path(task, name) or under STASK_RESULT_ROOTS."""


class UploadRefused(STaskError):
    """The file was refused.

    :param status: the HTTP status that fits: 413 too big, 422 not acceptable, 507 no room.
    """

    def __init__(self, message: str | None = None, status: int = 422) -> None:
        self.status = status
        super().__init__(message)


class TaskFailed(STaskError):
    """The task failed.

    Raise it in an action with a sentence for people: final, without another attempt.
    """


class TaskInterrupt(BaseException):
    """Stops an action at its next sign of progress.

    No ``Exception``, so that ``except Exception`` in an action does not swallow it.

    :param kind: ``"cancel"``, ``"drain"``, ``"timeout"`` or ``"pause"``.
    """

    def __init__(self, kind: str = "cancel") -> None:
        self.kind = kind
        super().__init__(kind)
