"""What stask-web keeps for one app: made by the extension, used by everything below it."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import current_app

from .config import Settings
from .database import Database
from .discovery import Registry
from .errors import STaskError
from .journal import Journals
from .services import Services
from .storage import Storage
from .vault import Vault

if TYPE_CHECKING:
    from flask import Flask

STATE_KEY = "stask_state"
#: When this process loaded stask-web: about when it was started.
STARTED = time.time()


@dataclass
class State:
    """Everything of one app.

    The extension fills in what higher layers own: policy, tasks, roster, services, socketio.
    """

    app_name: str
    settings: Settings
    database: Database
    storage: Storage
    registry: Registry
    vault: Vault
    journals: Journals
    host_db: Any = None
    socketio: Any = None
    policy: Any = None
    tasks: Any = None
    roster: Any = None
    schedules: Any = None
    services: Services = field(init=False)
    _app: weakref.ref[Flask] | None = None

    @property
    def app(self) -> Flask:
        """The app; it is not kept alive by us."""
        app = self._app() if self._app is not None else None
        if app is None:
            raise STaskError(f"The app {self.app_name!r} is gone.")
        return app

    def task_log(self, task: Any) -> Any:
        """The log of a task, for users' code."""
        return self.tasks.task_log(task)


def state_of(app: Flask) -> State:
    """The state of an app.

    :raises STaskError: when the extension was not set up on it.
    """
    state: State | None = app.extensions.get(STATE_KEY)
    if state is None:
        raise STaskError(
            f"stask-web is not set up on the app {app.name!r}. Call STask().init_app(app, access=...) first."
        )
    return state


def current_state() -> State:
    """The state of the current app; needs an app context."""
    return state_of(current_app)
