"""Tells the host's receivers what became of tasks; costs nothing while nobody listens."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from blinker import NamedSignal
from flask import current_app, has_app_context

from . import signals
from .queries import tasks_by_id
from .state import State

_log = logging.getLogger(__name__)


def announce(state: State, signal: NamedSignal, task_ids: Iterable[int]) -> None:
    """Send a signal for each task, as it stands in the database now. Never fails."""
    if not signal.receivers:
        return
    try:
        with _app_context(state.app) as app:
            for task in tasks_by_id(state.database, task_ids).values():
                signals.send(signal, app, task=task)
    except Exception:
        _log.exception("The signal %s could not be sent.", signal.name)


def announce_end(state: State, status: int, task_id: int) -> None:
    """Send the signal of an end, if this status is one."""
    signal = signals.ENDS.get(status)
    if signal is not None:
        announce(state, signal, [task_id])


def announce_child(state: State) -> None:
    """Tell in a child process that it begins. Never fails."""
    if signals.child_started.receivers:
        try:
            with _app_context(state.app) as app:
                signals.send(signals.child_started, app)
        except Exception:
            _log.exception("The signal %s could not be sent.", signals.child_started.name)


@contextmanager
def _app_context(app: Any) -> Iterator[Any]:
    """The current context when it is this app's, else one of its own."""
    if has_app_context() and current_app._get_current_object() is app:  # type: ignore[attr-defined]
        yield app
    else:
        with app.app_context():
            yield app
