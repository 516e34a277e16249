"""From a claim to an outcome: make the worker and its options, call the action, and understand how it ended."""

from __future__ import annotations

import inspect
import traceback
from functools import partial
from types import TracebackType
from typing import Any

from flask import Flask

from .. import stored
from ..claims import Claim, Outcome
from ..encoding import texts
from ..errors import DatabaseBusy, InvalidOptions, STaskError, TablesMissing, TaskFailed, TaskInterrupt, TransactionOpen
from ..keeping import load, secrets_in
from ..language import Reader, reading
from ..options import ActionSpec, defaults_of
from ..signals import send, task_started
from ..state import State, state_of
from ..status import Status
from ..text import clean
from ..typed import is_model
from ..worker import find_spec
from .logs import bound, hide_here
from .run import TaskRun
from .session import close_session, watch_session

#: Longest text of an exception with its traceback.
_TRACEBACK = 64 * 1024
_KINDS = {int(Status.COMPLETED): "completed", int(Status.FAILED): "failed", int(Status.CANCELLED): "cancelled"}


class Watcher:
    """What an engine wants to know of a run. This one knows nothing and does nothing.

    :cvar alone: whether the process runs tasks and nothing else.
    """

    alone = False

    def begin(self, run: TaskRun) -> None:
        """The run is made; the action has not begun."""

    def limit(self, claim: Claim, seconds: float) -> None:
        """The action may take so long."""

    def report(self, claim: Claim, values: dict[str, Any]) -> None:
        """There is news of the progress."""

    def hidden(self, claim: Claim, secrets: list[str]) -> None:
        """There are more secrets than those among its options, which must not stand in its log."""

    def acting(self, acting: bool) -> None:
        """The action's code begins or ends: only between the two may it be interrupted by a signal."""

    def end(self, run: TaskRun) -> None:
        """The action is over; the journal is still open."""


def run_claimed(app: Flask, claim: Claim, watcher: Watcher | None = None) -> Outcome:
    """Run one claimed task here, in an app context of its own.

    :param app: the host's app.
    :param claim: the task, claimed by the caller, who also writes the outcome.
    :param watcher: the engine's view on it.
    :returns: always; nothing that an action does comes out as an exception.
    """
    watcher = watcher or Watcher()
    state = state_of(app)
    run = TaskRun(state, claim, watcher.report, alone=watcher.alone)
    run.pen.told = partial(watcher.hidden, claim)
    state.vault.passed = hide_here
    try:
        watcher.begin(run)
        with bound(run.pen, alone=watcher.alone):
            with reading(Reader()):  # inside of a request it would write in the language of one reader
                outcome = _in_context(app, state, run, watcher)
            watcher.end(run)
            return outcome
    finally:
        run.pen.close()


def _in_context(app: Flask, state: State, run: TaskRun, watcher: Watcher) -> Outcome:
    outcome: Outcome | None = None
    try:
        with app.app_context():
            if state.host_db is not None:
                watch_session(state.host_db)
            outcome = _outcome(app, state, run, watcher)
            _close_session(state, run)
    except BaseException as error:  # by the host's teardown functions, or an interrupt between two lines of ours
        if outcome is None:
            return _of_error(run, error)
        run.note(error)
        _tell(run, "warning", f"After the end of the action: {_traceback(error)}")
    return outcome


def _outcome(app: Flask, state: State, run: TaskRun, watcher: Watcher) -> Outcome:
    try:
        worker, spec, options = _prepare(state, run)
    except STaskError as error:
        return run.finish("failed", _sentence(error))
    except Exception as error:
        return _of_error(run, error)
    limit = spec.timeout or state.settings.timeout
    if limit:
        watcher.limit(run.claim, limit)
    send(task_started, app, task=run.task)
    try:
        try:
            watcher.acting(True)
            _complete(worker.invoke_action(spec.name, run.task, options))
        finally:
            watcher.acting(False)
    except BaseException as error:
        return _of_error(run, error)
    return _marked(run) or run.finish("completed")


def _complete(returned: Any) -> None:
    """Let what a call has only begun run to its end: an ``async def``.

    :raises TypeError: it is a generator. Nobody takes what it yields, so it would not run at all.
    """
    if inspect.iscoroutine(returned):
        import asyncio  # most sites have no such action

        asyncio.run(returned)
    elif inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        raise TypeError(f"{returned.__qualname__} yields. An action runs by itself: write a plain function.")


def _prepare(state: State, run: TaskRun) -> tuple[Any, ActionSpec, Any]:
    """The worker, the action and its options, as they are today: all may have changed since the task was created."""
    claim = run.claim
    cls = state.registry.get(claim.identifier)
    if cls is None:
        raise STaskError(stored.WORKER_GONE % {"worker": claim.identifier})
    found = state.vault.open(claim.secrets.encode() if claim.secrets else None)
    run.pen.hide([*texts(found), *_own_secrets(state, cls)])
    worker = cls()
    spec = find_spec(cls, claim.action)
    options = load(spec, run.task.meta or {}, found, state.storage.upload_path)
    if is_model(options):
        run.pen.hide(secrets_in(options))  # those that are defaults or that the model made of others, too
    run.clear_old_files()
    return worker, spec, options


def _own_secrets(state: State, cls: type[Any]) -> list[Any]:
    """The secrets among the settings of a worker: they must not stand in the journal either."""
    model = getattr(cls, "Settings", None)
    if model is None:
        return []
    values = defaults_of(model), getattr(cls, "defaults", {}), state.roster.stored_config(cls.identifier)
    return [secret for each in values for secret in secrets_in(each)]


def _sentence(error: STaskError) -> str:
    if isinstance(error, InvalidOptions):
        return stored.OPTIONS_CHANGED % {"sentence": error.message}
    return error.message


def _marked(run: TaskRun) -> Outcome | None:
    """The outcome that the action has recorded, if it has."""
    if run.outcome is None:
        return None
    status, message, result = run.outcome
    if status == Status.FAILED:
        run.pen.log("error", message or stored.FAILED)
    return run.finish(_KINDS[status], message, result=result)


def _of_error(run: TaskRun, error: BaseException) -> Outcome:
    """How an attempt ended that an exception ended."""
    run.note(error)
    kind = run.report.interrupted
    if kind is None and isinstance(error, TaskInterrupt) and error.kind == "cancel":
        kind = "cancel"  # by the action itself; any other kind says what only its supervisor knows
    if kind == "cancel":
        return run.finish("cancelled")
    if run.outcome is not None:
        if kind is None:
            _tell(run, "warning", f"After the outcome was recorded: {_traceback(error)}")
        marked = _marked(run)
        assert marked is not None
        return marked
    if kind == "timeout":
        return run.finish("failed", stored.TOO_LONG % {"where": run.where()})
    if kind is not None:
        return run.finish("drained", stored.DRAINED % {"where": run.where()})
    if run.keyboard:  # whoever stopped it here does not want it to start again elsewhere
        return run.finish("cancelled", stored.KEYBOARD % {"where": run.where()})
    passing = isinstance(error, DatabaseBusy | TablesMissing) and not isinstance(error, TransactionOpen)
    if isinstance(error, STaskError) and not passing:
        _tell(run, "error", error.message if isinstance(error, TaskFailed) else _traceback(error))
        return run.finish("failed", error.message)
    _tell(run, "error", _traceback(error))
    return run.finish("error", _reason(run, error), error=f"{type(error).__name__}: {clean(error)}")


def _reason(run: TaskRun, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return stored.PROGRAM_EXIT % {"where": run.where()}
    if isinstance(error, KeyboardInterrupt):
        return stored.KEYBOARD % {"where": run.where()}
    if isinstance(error, MemoryError):
        return stored.NO_MEMORY % {"where": run.where()}
    return stored.PROGRAM_ERROR % {"where": run.where()}


def _tell(run: TaskRun, level: str, text: str) -> None:
    run.pen.log(level, run.pen.text(text, _TRACEBACK))


def _traceback(error: BaseException) -> str:
    """The traceback as text from the action on, whatever the exception's own text does."""
    while error.__traceback__ and _is_ours(error.__traceback__) and error.__traceback__.tb_next:
        error = error.with_traceback(error.__traceback__.tb_next)
    try:
        return clean("".join(traceback.format_exception(error))).rstrip()
    except Exception:
        frames = "".join(traceback.format_tb(error.__traceback__)) if error.__traceback__ else ""
        return clean(f"{frames}{type(error).__name__}: {clean(error, 4000)}")


def _is_ours(step: TracebackType) -> bool:
    return str(step.tb_frame.f_globals.get("__name__", "")).startswith(("stask_web.runner", "stask_web.worker"))


def _close_session(state: State, run: TaskRun) -> None:
    warning = close_session(state.host_db)
    if warning:
        run.pen.log("warning", warning)
