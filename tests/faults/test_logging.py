"""What an action says by Python's logging is in its log once, whatever the host's logging is like."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from stask_web import Status
from stask_web.engines.inline import process_pending

from .site import Site

SAID = [
    "by one that does not propagate", "by one with a handler", "by one with a level", "by a plain one", "by the root",
    "by the app's", "by the app's error", "by a warning", "by a captured warning", "by a thread", "by print",
]  # fmt: skip


def said(log: list[str], text: str) -> int:
    """How many lines say it; a warning has its place around it."""
    return sum(line == text or f"UserWarning: {text}" in line for line in log)


@pytest.mark.parametrize("host", [{}, {"LOG_LEVEL": logging.ERROR}, {"LOG_DISABLE": logging.CRITICAL}])
def test_every_logger_reaches_the_log_of_each_task_once(make_site: Callable[..., Site], host: dict[str, int]) -> None:
    site = make_site(**host)
    first, second = site.create("loggers"), site.create("loggers")
    worker = site.start(concurrency=1)
    for task in (first, second):
        assert site.wait(task).status == Status.COMPLETED
        log = site.log(task)
        assert {text: said(log, text) for text in SAID} == dict.fromkeys(SAID, 1), (task, log)
        assert "UNSEEN" not in log
    shown = [text in worker.output() for text in ("by a plain one", "by one with a handler")]
    assert shown == [not host] * 2, "the host's handlers show what they would without us"


@pytest.fixture
def hosts_logging() -> Iterator[io.StringIO]:
    """A host that shows errors only; what it shows."""
    root, shown = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(shown), root.level
    root.addHandler(handler)
    root.setLevel(logging.ERROR)
    yield shown
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_task_beside_others_changes_nothing_of_the_hosts_logging(site: Site, hosts_logging: io.StringIO) -> None:
    task = site.create("sleep", seconds=60)
    before = logging.Logger.callHandlers
    thread = threading.Thread(target=process_pending, args=(site.app, 1))
    thread.start()
    site.wait_note("started")
    logging.getLogger("shop").warning("a warning of a request")
    logging.getLogger("shop").error("an error of a request")
    (site.notes_folder / "enough").touch()
    thread.join(10)
    assert site.log(task) == []
    assert hosts_logging.getvalue() == "an error of a request\n"
    assert logging.Logger.callHandlers is before
    assert logging.getLogger().level == logging.ERROR


def test_the_hosts_wish_to_log_nothing_does_not_hold_for_a_tasks_log(site: Site, hosts_logging: io.StringIO) -> None:
    task = site.create("print")
    logging.disable(logging.CRITICAL)
    try:
        process_pending(site.app, 1)
        assert logging.root.manager.disable == logging.CRITICAL
    finally:
        logging.disable(logging.NOTSET)
    assert "from logging" in site.log(task)
    assert hosts_logging.getvalue() == ""
