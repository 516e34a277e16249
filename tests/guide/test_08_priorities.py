"""Task priorities: all high before any normal, all normal before any low, inside one the oldest first."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from flask import Flask

from stask_web import BaseWorker, Task, stask


class AnyWorker(BaseWorker):
    ran: list[int] = []  # noqa: RUF012

    def task_send_urgent(self, task, options):
        self.ran.append(task.id)

    def task_generate(self, task, options):
        self.ran.append(task.id)

    def task_archive_old_data(self, task, options):
        self.ran.append(task.id)


class NotificationWorker(AnyWorker):
    identifier = "notification"


class ReportWorker(AnyWorker):
    identifier = "report"


class CleanupWorker(AnyWorker):
    identifier = "cleanup"


@pytest.fixture(autouse=True)
def workers(use: Callable[..., None]) -> None:
    AnyWorker.ran.clear()
    use(NotificationWorker, ReportWorker, CleanupWorker)


def test_the_order_is_by_priority(app: Flask) -> None:
    # low priority: processed last
    background = stask.create(identifier="cleanup", action="archive_old_data", data={}, priority="low")

    # normal priority: the default
    normal = stask.create(identifier="report", action="generate", data={}, priority="normal")

    # high priority: processed first
    urgent = stask.create(
        identifier="notification", action="send_urgent", data={"email": "admin@example.com"}, priority="high"
    )

    assert stask.process_pending_tasks() == 3
    assert AnyWorker.ran == [urgent.id, normal.id, background.id]


def test_a_high_one_that_comes_later_passes_all_others(app: Flask) -> None:
    rank = {"high": 1, "normal": 2, "low": 3}
    words = random.Random(5).choices(list(rank), k=60)
    tasks = [stask.create("report", "generate", priority=word) for word in words]
    order = [task.id for task in sorted(tasks, key=lambda task: (rank[task.priority], task.id))]
    assert [task.id for task in stask.get_pending_tasks(limit=60)] == order
    stask.process_pending_tasks(batch_size=30)
    late = stask.create("notification", "send_urgent", priority="high")
    stask.process_pending_tasks(batch_size=31)
    assert AnyWorker.ran == [*order[:30], late.id, *order[30:]]


def test_another_word_is_refused(app: Flask) -> None:
    with pytest.raises(ValueError, match="priority is 'urgent', but must be one of high, normal, low"):
        stask.create("report", "generate", priority="urgent")
    assert Task.query().count() == 0
