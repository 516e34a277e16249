"""Action names: the method ``task_<action>`` runs the action, however its name is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from stask_web import BaseWorker, Task, action, stask
from stask_web.errors import UnknownAction


class ShopWorker(BaseWorker):
    identifier = "shop"

    def task_import(self, task, options): ...

    def task_export(self, task, options): ...

    def task_sync(self, task, options): ...

    def task_sync_stock(self, task, options): ...

    @action("Send the newsletter", confirm="It goes to every customer.", max_attempts=1, priority="low")
    def task_send_emails(self, task, options):
        """Send the newsletter to everybody who wants it."""

    def task_generate_report(self, task, options): ...

    def task_cleanup_old_data(self, task, options): ...

    def _task_hidden(self, task, options): ...

    def helper(self, task, options): ...


NAMES = {
    "import": "task_import",
    "export": "task_export",
    "sync": "task_sync",
    "sync_stock": "task_sync_stock",
    "send_emails": "task_send_emails",
    "generate_report": "task_generate_report",
    "cleanup-old-data": "task_cleanup_old_data",
}


@pytest.mark.parametrize(("name", "method"), NAMES.items())
def test_an_action_is_the_method_of_its_name(app: Flask, use: Callable[..., None], name: str, method: str) -> None:
    use(ShopWorker)
    task = stask.create("shop", name)
    assert f"task_{task.action}" == method
    assert stask.execute(task)


@pytest.mark.parametrize("spelling", ["sync_stock", "sync-stock", "Sync_Stock"])
def test_one_action_may_be_spelled_in_several_ways(app: Flask, use: Callable[..., None], spelling: str) -> None:
    use(ShopWorker)
    assert stask.create("shop", spelling).action == "sync_stock"
    assert Task.by_identifier("shop").by_action(spelling).count() == 1


@pytest.mark.parametrize("name", ["hidden", "helper", "_task_hidden", "__init__", "settings", "", "imp"])
def test_nothing_else_can_be_called(app: Flask, use: Callable[..., None], name: str) -> None:
    use(ShopWorker)
    with pytest.raises(UnknownAction, match="'import', 'export', 'sync'"):
        stask.create("shop", name)
    with pytest.raises(UnknownAction):
        ShopWorker().invoke_action(name, Task(), {})


def test_an_action_says_its_own_words(app: Flask, use: Callable[..., None]) -> None:
    use(ShopWorker)
    spec = ShopWorker().actions()["send_emails"]
    assert (spec.title, spec.confirm) == ("Send the newsletter", "It goes to every customer.")
    assert spec.description == "Send the newsletter to everybody who wants it."
    assert ShopWorker().actions()["generate_report"].title == "Generate report"
    task = stask.create("shop", "send-emails")
    assert (task.priority, task.max_attempts) == ("low", 1)
