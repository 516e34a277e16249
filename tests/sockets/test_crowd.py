"""Many pages at one web process of greenlets: all are told, those without a place poll, and nobody waits for a lock."""

from __future__ import annotations

import threading
import time
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.watchers import Crowd
from stask_web.status import Status

from .conftest import GEVENT, Server, Writer
from .live_client import Shown, status_of
from .test_sockets import Serve

PLACES, MORE = 30, 5


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve(*GEVENT, STASK_TEST_MODE="gevent", STASK_TEST_CAP=str(PLACES))


def panel_of(server: Server) -> Any:
    """What the benchmark knows of a server."""
    return SimpleNamespace(port=server.listener.getsockname()[1], cookie="person=reader", said=server.said)


def test_thirty_watchers_hear_each_report_and_those_above_the_cap_poll(server: Server, task: Writer) -> None:
    crowd = Crowd(panel_of(server))
    crowd.come(PLACES + MORE, task.id)
    watchers = [watcher for watcher in crowd.watchers if watcher.ready]
    assert len(watchers) == PLACES
    assert sum(watcher.refused for watcher in crowd.watchers) == MORE
    for number in range(1, 6):
        task.report(processed=number, message=f"{time.time():.6f}")
        end = time.monotonic() + 20
        while any(watcher.heard < number for watcher in watchers):
            assert time.monotonic() < end, [watcher.heard for watcher in watchers]
            crowd.look(0.01)
    assert {watcher.heard for watcher in watchers} == {5}
    for _ in range(MORE):
        page = Shown(server.url, task.id)
        page.poll()
        assert page.tasks[-1]["processed"] == 5
    crowd.leave()


def test_a_page_that_waits_for_a_locked_database_does_not_stop_the_others(server: Server, task: Writer) -> None:
    task.set(status=Status.FAILED, finished_at=time.time(), seen_at=None)
    answered = threading.Event()

    def open_page() -> None:
        """Opening a failed task notes that it was seen, and so waits for the lock."""
        request = urllib.request.Request(f"{server.url}/tasks/{task.id}", headers={"X-Person": "reader"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
        answered.set()

    with task.state.database.write():
        page = threading.Thread(target=open_page)
        page.start()
        for _ in range(20):
            assert status_of(f"{server.url}/live") == 200
        assert not answered.wait(0.5), "it was to wait"
        assert status_of(f"{server.url}/live") == 200
    page.join(20)
    assert answered.is_set()
    with task.state.database.read() as connection:
        assert connection.exec_driver_sql(f"SELECT seen_at FROM s_tasks WHERE id = {task.id}").scalar() is not None
