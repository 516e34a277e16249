"""The five statuses of a task, the only legal moves between them, and the three priorities."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What a task is, as a number in the database (the numbers of sTask for PHP)."""

    PENDING = 10
    RUNNING = 20
    COMPLETED = 30
    FAILED = 40
    CANCELLED = 50

    @property
    def text(self) -> str:
        """The status as a lower-case word, e.g. ``"pending"``."""
        return self.name.lower()

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the task by itself."""
        return self >= Status.COMPLETED


#: Every legal move and why it happens; nothing else changes a status.
MOVES: dict[tuple[Status, Status], str] = {
    (Status.PENDING, Status.RUNNING): "a worker process claimed it",
    (Status.PENDING, Status.CANCELLED): "somebody withdrew it before it started",
    (Status.RUNNING, Status.COMPLETED): "its action ended well",
    (Status.RUNNING, Status.FAILED): "its action said so, or no attempt is left",
    (Status.RUNNING, Status.CANCELLED): "somebody stopped it",
    (Status.RUNNING, Status.PENDING): "the attempt ended early and the task starts again",
    (Status.FAILED, Status.PENDING): "somebody retried it",
    (Status.CANCELLED, Status.PENDING): "somebody retried it",
}

#: Priority word -> rank; a smaller rank starts first.
PRIORITIES: dict[str, int] = {"high": 1, "normal": 2, "low": 3}

#: Rank -> priority word.
PRIORITY_WORDS: dict[int, str] = {rank: word for word, rank in PRIORITIES.items()}
