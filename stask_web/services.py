"""What a worker is given: one object through which everything of ours is reached, and the run of one task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from .progress import Report


class Run(Protocol):
    """One run of one task, as its action sees it through the worker's methods."""

    report: Report
    #: The outcome that was recorded, or None: ``(status, message, result)``. The first one wins.
    outcome: tuple[int, str | None, Any] | None

    def mark(self, status: int, message: str | None, result: Any = None) -> None:
        """Record the outcome; a second one is ignored."""

    def log(self, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to the task's journal."""

    def reject(self, reason: str, row: Any = None, line: int | None = None) -> None:
        """Note one refused input."""

    def count(self, **amounts: int) -> None:
        """Add to named counters."""

    def result_path(self, name: str) -> Path:
        """Where a result of that name is written."""


class Services(Protocol):
    """What a worker may ask for. The extension binds the real one, a test a recording one."""

    def log(self, task: Any, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to a task's journal."""

    def report(self, task: Any, values: Mapping[str, Any]) -> None:
        """Tell the progress of a task that is not being run right here."""

    def mark(self, task: Any, status: int, message: str | None, result: Any = None) -> None:
        """Record the outcome of a task."""

    def stored_config(self, identifier: str) -> dict[str, Any]:
        """The stored settings of a worker."""

    def store_config(self, identifier: str, values: Mapping[str, Any]) -> None:
        """Replace the stored settings of a worker."""

    def create(self, identifier: str, action: str, data: Mapping[str, Any] | None, **more: Any) -> Any:
        """Create a task."""

    def render(self, template: str, **context: Any) -> str:
        """Render a template of a worker."""

    def result_path(self, task: Any, name: str) -> Path:
        """Where a result of that name is written."""
