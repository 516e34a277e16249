"""The supervisor's side of schedules: cheap while nothing is due, and every supervisor may do it."""

from __future__ import annotations

import logging
import time

from flask import Flask
from sqlalchemy.exc import DBAPIError

from ..errors import DatabaseBusy
from ..schedules import Firing
from ..state import State
from .ledger import Away, Ledger
from .line import BUSY

#: Seconds by which the clock may drift from the time that passes before we take it for set anew.
_JUMP = 60.0
#: Seconds until the next look after something was fired.
_AGAIN = 0.05
_log = logging.getLogger("stask_web.worker")


class Scheduler:
    """Fires schedules on behalf of a supervisor.

    :param ledger: the supervisor's, for the cheap look.
    """

    def __init__(self, app: Flask, state: State, ledger: Ledger) -> None:
        self._app = app
        self._state = state
        self._ledger = ledger
        self._firing = Firing(state, wait=BUSY)
        self._drift = _drift()

    def start(self) -> None:
        """Take over the workers' own schedules, and compute the next instants by the zones' rules of today."""
        try:
            with self._app.app_context():
                self._state.schedules.sync()
                Firing(self._state).realign(time.time())
        except Exception:
            _log.exception("The schedules could not be looked through; those that are there are fired nevertheless.")

    def tick(self) -> float | None:
        """Fire what is due -> in how many seconds to look again, None when no schedule will fire.

        :raises Away: what was not fired stays due.
        """
        try:
            self._look_at_clock()
            now = time.time()
            due = self._next()
            if due is None or due > now:
                return None if due is None else due - now
            with self._app.app_context():
                self._firing.tell(self._firing.fire(now).task_ids)
        except (DatabaseBusy, DBAPIError) as error:
            raise Away(error) from error
        return _AGAIN

    def _next(self) -> float | None:
        with self._ledger.reading() as cursor:
            cursor.execute("SELECT MIN(next_fire_at) FROM s_schedules")
            row = cursor.fetchone()
        return None if row is None or row[0] is None else float(row[0])

    def _look_at_clock(self) -> None:
        """A clock that ran ahead has moved schedules on too far: once it is right again, they come back."""
        drift = _drift()
        if abs(drift - self._drift) < _JUMP:
            self._drift = drift
            return
        _log.warning("The clock was set by %+.0f s; the next runs of schedules are computed anew.", drift - self._drift)
        with self._app.app_context():
            self._firing.realign(time.time())
        self._drift = drift


def _drift() -> float:
    return time.time() - time.monotonic()
