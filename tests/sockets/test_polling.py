"""Live pages by polling, on ``gunicorn -w 4`` without threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from stask_web.status import Status

from .conftest import SYNC, Server, Writer
from .live_client import Shown
from .test_sockets import digest, write_20000


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server]) -> Server:
    return serve(*SYNC, STASK_TEST_MODE="")


def test_a_polling_page_sees_every_line_once_and_the_end(server: Server, task: Writer) -> None:
    shown = Shown(server.url, task.id)
    task.say("one")
    shown.poll()
    task.say("two")
    task.report(progress=40, processed=4, total=10)
    shown.poll()
    assert shown.lines == ["one", "two"]
    assert shown.tasks[-1]["fields"]["percent"] == "40 %"
    task.say("three")
    task.set(status=Status.COMPLETED)
    shown.poll()
    assert shown.tasks[-1]["status"] == 30
    assert shown.lines == ["one", "two", "three"]


def test_a_polling_page_begins_anew_with_a_cleared_log(server: Server, task: Writer) -> None:
    shown = Shown(server.url, task.id)
    task.say("old")
    shown.poll()
    task.journal.clear()
    shown.poll()
    assert shown.lines == []
    task.say("new")
    shown.poll()
    assert shown.lines == ["new"]


def test_20000_lines_by_polling_over_five_restarts_are_shown_as_they_are_in_the_file(
    server: Server, task: Writer
) -> None:
    shown = Shown(server.url, task.id)
    writing = threading.Thread(target=write_20000, args=(task,))
    writing.start()
    for restart in range(6):
        target = 20_000 if restart == 5 else (restart + 1) * 3000
        shown.poll_until(lambda target=target: len(shown.lines) >= target, f"line {target}")
        if restart < 5:
            server.kill()
            server.start()
    writing.join()
    assert digest(shown.lines) == digest(line["message"] for line in task.journal.lines())
    assert len(shown.lines) == 20_000
