"""Each watcher is told in his own language and by his own clock; what is made for one is made once for all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from stask_web import relay as relay_module
from stask_web.language import Reader
from stask_web.relay import Relay, task_room
from stask_web.tail import log_room

from .conftest import THREADS, Server, Writer
from .live_client import Shown, Socket
from .test_relay import Heard, wait_for_end

Serve = Callable[..., Server]
Connect = Callable[..., Socket]
KYIV, TOKYO = Reader("uk", ZoneInfo("Europe/Kyiv")), Reader("en", ZoneInfo("Asia/Tokyo"))


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve(*THREADS)


def reader_of(server: Server, task_id: int, **headers: str) -> Shown:
    """A page of somebody whose browser sends these headers."""
    shown = Shown(server.url, task_id)
    shown.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    return shown


def test_two_watchers_of_two_languages_each_get_theirs(server: Server, connect: Connect, task: Writer) -> None:
    english = reader_of(server, task.id)
    ukrainian = reader_of(server, task.id, Accept_Language="uk-UA,uk;q=0.9", Cookie="stask_zone=Europe/Kyiv")
    for shown in (english, ukrainian):
        connect(shown).watch()
    task.report(progress=37, processed=1204, total=3201)

    def line(shown: Shown) -> str:
        return str(shown.tasks[-1]["fields"]["amount"]) if shown.tasks else ""

    english.wait(lambda: line(english) == "1,204 of 3,201")
    ukrainian.wait(lambda: line(ukrainian) == "1\xa0204 з 3\xa0201")
    assert (english.tasks[-1]["word"], ukrainian.tasks[-1]["word"]) == ("Running", "Виконується")


def test_the_own_choice_counts_for_a_socket_too(server: Server, connect: Connect, task: Writer) -> None:
    shown = reader_of(server, task.id, Accept_Language="uk", Cookie="stask_language=en")
    connect(shown).watch()
    shown.wait(lambda: bool(shown.tasks))
    assert shown.tasks[-1]["word"] == "Running"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def relay(app: Flask, heard: Heard) -> Iterator[Relay]:
    made = Relay(app, heard)
    yield made
    made._tasks.clear()
    wait_for_end(made)


def watch(relay: Relay, task_id: int, reader: Reader, send: Any = None) -> None:
    relay.watch(task_id, "-:0", send or (lambda event, data: None), lambda: None, reader)


def test_news_are_made_once_for_all_who_read_the_same(
    relay: Relay, task: Writer, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = relay_module.task_json

    def counting(*arguments: Any, **options: Any) -> dict[str, Any]:
        found = real(*arguments, **options)
        made.append(found["fields"]["amount"])
        return found

    monkeypatch.setattr(relay_module, "task_json", counting)
    for reader in [KYIV] * 50 + [TOKYO] * 50:
        watch(relay, task.id, reader)
    task.report(progress=1, processed=1500, total=3000)
    for reader, amount in ((KYIV, "1\xa0500 з 3\xa0000"), (TOKYO, "1,500 of 3,000")):
        room = task_room(task.id, reader)
        heard.wait(lambda room=room, amount=amount: any(
            data["fields"]["amount"] == amount for data in heard.of("task", room)
        ))  # fmt: skip
        told = [data for data in heard.of("task", room) if data["fields"]["amount"] == amount]
        assert len(told) == 1
    looks = [amount for amount in made if amount]
    assert 2 <= len(looks) <= 20, "with a hundred watchers, as often as it is looked at for two kinds of readers"


def test_each_reads_the_log_by_his_own_clock(relay: Relay, task: Writer, heard: Heard) -> None:
    for reader in (KYIV, TOKYO):
        watch(relay, task.id, reader)
    task.say("one")
    hours = []
    for reader in (KYIV, TOKYO):
        room = log_room(task.id, reader)
        heard.wait(lambda room=room: any(data["lines"] for data in heard.of("journal", room)))
        lines = [line for data in heard.of("journal", room) for line in data["lines"]]
        assert [line["message"] for line in lines] == ["one"]
        hours.append(int(lines[0]["time"][:2]))
    assert (hours[1] - hours[0]) % 24 in (6, 7)


def test_the_last_reader_of_a_language_ends_its_news(relay: Relay, task: Writer, heard: Heard) -> None:
    watch(relay, task.id, KYIV)
    watch(relay, task.id, KYIV)
    watch(relay, task.id, TOKYO)
    relay.unwatch(task.id, KYIV, reads=True)
    assert dict(relay._tasks[task.id].readers) == {KYIV: 1, TOKYO: 1}
    relay.unwatch(task.id, KYIV, reads=True)
    assert dict(relay._tasks[task.id].readers) == dict(relay._tasks[task.id].tail.readers) == {TOKYO: 1}
    relay.unwatch(task.id, TOKYO, reads=True)
    assert relay._tasks == {}


def test_a_watcher_who_comes_gets_the_task_in_his_language(relay: Relay, task: Writer) -> None:
    told: list[dict[str, Any]] = []
    task.set(message="Its process ended unexpectedly: exit code 3", started_at=time.time())
    watch(relay, task.id, KYIV, lambda event, data: told.append(data) if event == "task" else None)
    assert told[-1]["message"] == "Процес несподівано завершився: код завершення 3"
