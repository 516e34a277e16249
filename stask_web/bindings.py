"""What workers are given in a real app: the services, bound to the app's state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import IllegalMove
from .state import State


class AppServices:
    """The services of one app; see :class:`stask_web.services.Services`.

    :param state: the app's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def log(self, task: Any, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to a task's journal."""
        self._state.tasks.log(task, level, message, context)

    def report(self, task: Any, values: Mapping[str, Any]) -> None:
        """Tell the progress of a task from outside its run."""
        self._state.tasks.report(task, values)

    def mark(self, task: Any, status: int, message: str | None, result: Any = None) -> None:
        """Only a task's own action may end it."""
        raise IllegalMove(f"Task {task.id} is not being run here; only its own action can end it.")

    def stored_config(self, identifier: str) -> dict[str, Any]:
        """The stored settings of a worker."""
        settings: dict[str, Any] = self._state.roster.stored_config(identifier)
        return settings

    def store_config(self, identifier: str, values: Mapping[str, Any]) -> None:
        """Replace the stored settings of a worker."""
        self._state.roster.store_config(identifier, values)

    def create(self, identifier: str, action: str, data: Mapping[str, Any] | None, **more: Any) -> Any:
        """Create a task."""
        return self._state.tasks.create(identifier, action, data, **more)

    def render(self, template: str, **context: Any) -> str:
        """Render a template of a worker, with what our own widgets need."""
        from .views.widgets import render_widget_template

        return render_widget_template(template, **context)

    def result_path(self, task: Any, name: str) -> Path:
        """Where a result of that name is written."""
        return self._state.storage.result_path(task.id, name)
