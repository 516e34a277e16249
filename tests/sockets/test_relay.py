"""The tail by itself: when it runs, what it tells, and that nothing ends it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from stask_web import news, relay
from stask_web.relay import Relay, task_room
from stask_web.state import State
from stask_web.status import Status
from stask_web.tail import log_room

from .conftest import Writer

PATIENCE = 5.0


class Heard:
    """All that a relay told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any], str]] = []
        self.more = threading.Condition()

    def __call__(self, event: str, data: dict[str, Any], room: str = "") -> None:
        with self.more:
            self.events.append((event, data, room))
            self.more.notify_all()

    def of(self, event: str, room: str | None = None) -> list[dict[str, Any]]:
        return [data for name, data, to in self.events if name == event and room in (None, to)]

    def wait(self, met: Callable[[], Any]) -> None:
        with self.more:
            assert self.more.wait_for(met, PATIENCE), self.events


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def tail(app: Flask, heard: Heard) -> Iterator[Relay]:
    made = Relay(app, heard)
    yield made
    made._tasks.clear()
    made._lists.clear()
    made._stats.clear()
    wait_for_end(made)


def wait_for_end(tail: Relay) -> None:
    """Wait for the loop's thread."""
    for thread in threading.enumerate():
        if thread.name == "stask-relay":
            thread.join(PATIENCE)
    assert not tail.running


def watch(tail: Relay, task_id: int, position: str | None = "-:0", send: Any = None) -> str | None:
    return tail.watch(task_id, position, send or (lambda event, data: None), lambda: None)


def texts(pieces: list[dict[str, Any]]) -> list[str]:
    return [line["message"] for piece in pieces for line in piece["lines"]]


def test_it_runs_only_while_somebody_watches(tail: Relay, task: Writer) -> None:
    assert not tail.running
    watch(tail, task.id)
    watch(tail, task.id)
    assert tail.running
    tail.unwatch(task.id, reads=True)
    assert tail.running
    tail.unwatch(task.id, reads=True)
    wait_for_end(tail)
    watch(tail, task.id)
    assert tail.running


def test_a_new_line_goes_to_the_readers_room(tail: Relay, task: Writer, heard: Heard) -> None:
    watch(tail, task.id)
    task.say("one", "two")
    heard.wait(lambda: texts(heard.of("journal", log_room(task.id))) == ["one", "two"])


def test_pieces_join_without_gap_or_overlap(tail: Relay, task: Writer, heard: Heard) -> None:
    task.say("before")
    end = watch(tail, task.id)
    for number in range(50):
        task.say(f"line {number}")
    heard.wait(lambda: len(texts(heard.of("journal"))) == 50)
    for piece in heard.of("journal"):
        assert piece["start"] == end
        end = piece["end"]


def test_mere_reports_tell_the_readers_nothing_and_the_next_line_joins(tail: Relay, task: Writer, heard: Heard) -> None:
    task.say("first line")
    end = watch(tail, task.id)
    for number in range(5):
        task.report(progress=number, processed=number, total=10)
        heard.wait(lambda number=number: any(data["processed"] == number for data in heard.of("task")))
    assert heard.of("journal") == []
    late = Heard()
    middle = watch(tail, task.id, "-:0", late)
    assert late.of("journal")[-1]["end"] == middle != end
    task.say("line")
    heard.wait(lambda: texts(heard.of("journal")) == ["line"])
    assert [(piece["start"], len(piece["lines"])) for piece in heard.of("journal")] == [(end, 0), (middle, 1)]


def test_who_comes_late_is_sent_what_the_room_was_told(tail: Relay, task: Writer, heard: Heard) -> None:
    watch(tail, task.id)
    task.say("early")
    heard.wait(lambda: heard.of("journal"))
    late = Heard()
    end = watch(tail, task.id, "-:0", late)
    assert texts(late.of("journal")) == ["early"]
    assert late.of("journal")[-1]["end"] == end == heard.of("journal")[-1]["end"]


def test_no_lines_are_read_when_nobody_reads_the_log(tail: Relay, task: Writer, heard: Heard) -> None:
    watch(tail, task.id, None)
    task.say("unread")
    task.report(progress=10, processed=1, total=10)
    heard.wait(lambda: any(data["progress"] == 10 for data in heard.of("task", task_room(task.id))))
    assert heard.of("journal") == []


def test_a_report_is_told_at_once_not_with_the_next_look_at_the_rows(
    tail: Relay, task: Writer, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(tail, task.id)
    heard.wait(lambda: heard.of("task"))
    monkeypatch.setattr(relay, "ROWS_EVERY", 3600.0)
    tail._rows_due = 10**12
    task.report(progress=37, processed=37, total=100, message="Importing")
    heard.wait(lambda: heard.of("task")[-1]["progress"] == 37)
    assert heard.of("task")[-1]["fields"]["percent"] == "37 %"
    assert heard.of("task")[-1]["fields"]["message"] == "Importing"


def test_a_change_of_the_row_is_told_without_any_journal(tail: Relay, task: Writer, heard: Heard) -> None:
    watch(tail, task.id)
    heard.wait(lambda: heard.of("task"))
    task.set(status=Status.COMPLETED, message="Done")
    heard.wait(lambda: heard.of("task")[-1]["status"] == Status.COMPLETED)


def test_nothing_new_is_not_told_again(tail: Relay, task: Writer, heard: Heard) -> None:
    task.set(status=Status.COMPLETED, duration=2.0)
    watch(tail, task.id)
    looks = []
    look = tail._look_at_rows
    tail._look_at_rows = lambda tasks: (
        look(tasks),
        looks.append(1),
        heard.more.acquire(),
        heard.more.notify_all(),
        heard.more.release(),
    )  # type: ignore[method-assign]
    heard.wait(lambda: len(looks) >= 3)
    assert len(heard.of("task")) == 1


def test_a_deleted_task_is_gone(tail: Relay, task: Writer, heard: Heard) -> None:
    watch(tail, task.id)
    task.delete()
    heard.wait(lambda: heard.of("gone", task_room(task.id)))


def test_a_cleared_journal_begins_anew(tail: Relay, task: Writer, heard: Heard) -> None:
    task.say("old")
    watch(tail, task.id)
    task.journal.clear()
    task.say("new")
    heard.wait(lambda: texts(heard.of("journal")) == ["new"])
    assert next(piece for piece in heard.of("journal") if piece["lines"])["first"]


def test_counts_and_lists_are_told_when_they_change(
    tail: Relay, state: State, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "COUNTS_EVERY", 0.05)
    before = tail.watch_list("worker=product&limit=5")
    other = tail.watch_list("worker=other")
    running = tail.watch_stats()["running"]
    Writer(state)
    heard.wait(lambda: heard.of("list") and heard.of("stats") and heard.of("stats")[-1]["running"] == running + 1)
    assert heard.of("list")[0]["filter"] == "worker=product&limit=5"
    assert heard.of("list")[0]["digest"] != before["digest"]
    assert other["filter"] not in [data["filter"] for data in heard.of("list")]


def test_an_error_in_one_step_ends_nothing_and_is_logged_once(
    tail: Relay, task: Writer, heard: Heard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = []

    def fail(*_: Any) -> None:
        failures.append(1)
        raise RuntimeError("the database is away")

    monkeypatch.setattr(relay, "ROWS_EVERY", 0.01)
    monkeypatch.setattr(relay.queries, "tasks_by_id", fail)
    with caplog.at_level(logging.ERROR):
        watch(tail, task.id)
        task.say("still told")
        heard.wait(lambda: texts(heard.of("journal")) == ["still told"])
        task.say("and on")
        heard.wait(lambda: len(failures) > 3 and texts(heard.of("journal")) == ["still told", "and on"])
    assert len([record for record in caplog.records if "read the tasks" in record.getMessage()]) == 1


@pytest.mark.parametrize(
    "text", ["colour=red", "status=blue", "limit=0", "limit=x", "limit=1000", "worker=" + "x" * 600]
)
def test_an_unknown_filter_is_refused(tail: Relay, text: str) -> None:
    with pytest.raises(news.BadFilter):
        tail.watch_list(text)
    assert not tail.running
