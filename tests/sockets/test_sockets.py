"""Live pages by socket, on a real gunicorn with real clients."""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import socketio

from stask_web.sockets import LIFETIME
from stask_web.state import State
from stask_web.status import Status

from .conftest import GEVENT, THREADS, Server, Writer
from .live_client import NAMESPACE, PATIENCE, Shown, Socket, status_of

Serve = Callable[..., Server]
Connect = Callable[..., Socket]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve(*THREADS)


def test_two_pages_one_of_them_late_see_every_line_once(server: Server, connect: Connect, task: Writer) -> None:
    early, late = Shown(server.url, task.id), Shown(server.url, task.id)
    connect(early).watch()
    task.say(*(f"first {number}" for number in range(30)))
    early.wait(lambda: early.lines == task.written, "first lines")
    connect(late).watch()
    for number in range(30):
        task.say(f"second {number}")
    for shown in (early, late):
        shown.wait(lambda shown=shown: len(shown.lines) >= 60, "second lines")
        assert shown.lines == task.written


def test_a_page_that_reconnects_goes_on_where_it_was(server: Server, connect: Connect, task: Writer) -> None:
    shown = Shown(server.url, task.id)
    first = connect(shown)
    first.watch()
    task.say("one")
    shown.wait(lambda: shown.lines == ["one"])
    first.close()
    task.say("two", "three")
    connect(shown).watch()
    task.say("four")
    shown.wait(lambda: len(shown.lines) >= 4)
    assert shown.lines == ["one", "two", "three", "four"]


def test_a_page_outlives_the_web_server(server: Server, connect: Connect, task: Writer) -> None:
    shown = Shown(server.url, task.id)
    connect(shown).watch()
    task.say("before")
    shown.wait(lambda: shown.lines == ["before"])
    server.kill()
    task.say("meanwhile")
    server.start()
    connect(shown).watch()
    task.say("after")
    shown.wait(lambda: len(shown.lines) >= 3)
    assert shown.lines == ["before", "meanwhile", "after"]


def test_a_cleared_log_begins_anew_on_the_page(server: Server, connect: Connect, task: Writer) -> None:
    shown = Shown(server.url, task.id)
    connect(shown).watch()
    task.say("old", "older")
    shown.wait(lambda: len(shown.lines) == 2)
    task.journal.clear()
    task.say("new")
    shown.wait(lambda: shown.lines == ["new"])
    assert shown.begun_anew >= 1


def test_numbers_and_state_reach_the_page(server: Server, connect: Connect, task: Writer) -> None:
    shown = Shown(server.url, task.id)
    connect(shown).watch()
    task.report(progress=37, processed=1204, total=3201, eta=120.0, message="Importing")
    shown.wait(lambda: bool(shown.tasks) and shown.tasks[-1]["progress"] == 37)
    assert shown.tasks[-1]["fields"]["amount"] == "1,204 of 3,201"
    assert shown.tasks[-1]["fields"]["by"] == "Name of reader"
    running = shown.tasks[-1]["version"]
    task.set(status=Status.COMPLETED, message="Done", progress=100, duration=3.5)
    shown.wait(lambda: shown.tasks[-1]["status"] == 30)
    assert shown.tasks[-1]["version"] != running


def test_a_page_that_leaves_a_task_hears_no_more_of_it(
    server: Server, connect: Connect, task: Writer, state: State
) -> None:
    other = Writer(state)
    shown, second = Shown(server.url, task.id), Shown(server.url, other.id)
    page, other_page = connect(shown), connect(second)
    page.watch()
    other_page.watch()
    assert page.ask("unwatch", {"task": task.id}) == {}
    task.say("unheard")
    other.say("heard")
    second.wait(lambda: second.lines == ["heard"])
    assert shown.lines == []


# Rights


def test_an_anonymous_page_is_refused(server: Server, task: Writer) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        Socket(Shown(server.url, task.id, person="nobody"))


def test_who_may_not_see_all_tasks_is_told_of_no_list_and_no_count(
    server: Server, connect: Connect, task: Writer
) -> None:
    page = connect(Shown(server.url, task.id, person="narrow"))
    assert page.ask("watch_stats") == {"error": "not allowed"}
    assert page.ask("watch_list", {"filter": "limit=8"}) == {"error": "not allowed"}
    assert connect(Shown(server.url, task.id)).ask("watch_stats") == {}


def test_without_the_right_to_the_log_only_numbers_come(server: Server, connect: Connect, task: Writer) -> None:
    reader, counter = Shown(server.url, task.id), Shown(server.url, task.id, person="counter")
    assert connect(counter).watch() == {}
    connect(reader).watch()
    task.say("secret line")
    task.report(progress=50)
    reader.wait(lambda: reader.lines == ["secret line"])
    counter.wait(lambda: counter.tasks[-1]["progress"] == 50)
    assert counter.lines == []


def test_a_task_that_is_foreign_or_unknown_is_gone(server: Server, connect: Connect, task: Writer) -> None:
    stranger = connect(Shown(server.url, task.id, person="stranger"))
    assert stranger.watch() == {"gone": True}
    assert stranger.ask("watch_stats")["error"]
    assert stranger.ask("watch_list", {"filter": ""})["error"]
    assert connect(Shown(server.url, task.id + 1000)).watch() == {"gone": True}
    task.say("not for strangers")
    assert stranger.shown.tasks == stranger.shown.lines == []


@pytest.mark.parametrize(
    "data",
    [None, 7, [], {}, {"task": "x"}, {"task": True}, {"task": -1}, {"task": 2**70}, {"task": 1, "position": "a:b"},
     {"task": 1, "position": 5}, {"task": {"$gt": 1}, "position": "-:0"}, {"task": "9" * 40}],
)  # fmt: skip
def test_nonsense_gets_an_answer_and_the_connection_stays(server: Server, connect: Connect, data: Any) -> None:
    page = connect(Shown(server.url, 1))
    assert page.ask("watch", data) in ({"error": "bad request"}, {"gone": True})
    assert page.ask("unwatch", data) == {}
    assert page.ask("watch_list", data).get("error") == "bad request"
    assert page.ask("watch_stats", data) == {}


def test_a_socket_is_ended_after_its_time_and_leaves_its_place(serve: Serve, connect: Connect, task: Writer) -> None:
    """Then the page connects anew, and so is asked again who it is and what he may."""
    assert LIFETIME <= 600
    server = serve(*THREADS, STASK_TEST_CAP="1", STASK_TEST_LIFETIME="2")
    for _ in range(2):
        page = connect(Shown(server.url, task.id))
        began, ended = time.monotonic(), threading.Event()
        page.client.on("disconnect", lambda reason, ended=ended: ended.set(), namespace=NAMESPACE)
        page.watch()
        assert ended.wait(PATIENCE), "the socket lives on"
        assert time.monotonic() - began > 1
        page.close()
        connect_soon(server, task)
        threading.Event().wait(0.5)  # nobody is there: the sweeping ends, unseen, and begins anew with the next comer


# Lists and counts


def test_counts_and_lists_follow(server: Server, connect: Connect, state: State) -> None:
    shown = Shown(server.url, 1)
    page = connect(shown)
    page.ask("watch_stats")
    page.ask("watch_list", {"filter": "limit=8"})
    shown.wait(lambda: bool(page.of("stats") and page.of("list")))
    running, before = page.of("stats")[0]["running"], page.of("list")[0]["digest"]
    Writer(state)
    shown.wait(lambda: page.of("stats")[-1]["running"] == running + 1 and page.of("list")[-1]["digest"] != before)


# The transport


def test_above_the_cap_a_page_is_refused_and_pages_still_answer(serve: Serve, connect: Connect, task: Writer) -> None:
    server = serve(*THREADS, STASK_TEST_CAP="2")
    pages = [connect(Shown(server.url, task.id)) for _ in range(2)]
    with pytest.raises(socketio.exceptions.ConnectionError):
        Socket(Shown(server.url, task.id))
    assert status_of(f"{server.url}/live") == 200
    pages[0].close()
    pages[1].ask("unwatch", {"task": task.id})
    connect_soon(server, task)


def connect_soon(server: Server, task: Writer) -> None:
    """Connect when the server has noticed that another left."""
    for _ in range(100):
        try:
            Socket(Shown(server.url, task.id)).close()
        except socketio.exceptions.ConnectionError:
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError("the place did not become free")


def test_without_a_cap_threads_are_kept_for_pages(serve: Serve, task: Writer) -> None:
    server = serve("-k", "gthread", "--threads", "20", "-w", "1")
    pages = []
    with pytest.raises(socketio.exceptions.ConnectionError):
        for _ in range(20):
            pages.append(Socket(Shown(server.url, task.id)))
    assert len(pages) == 10
    assert status_of(f"{server.url}/live") == 200
    for page in pages:
        page.close()


def agreed_extensions(server: Server, query: str) -> str:
    """What the server answers to a browser's offer to compress."""
    connection = http.client.HTTPConnection("127.0.0.1", server.listener.getsockname()[1], timeout=10)
    headers = {
        "X-Person": "reader", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions": "permessage-deflate",
    }  # fmt: skip
    connection.request("GET", f"/socket.io/?EIO=4&transport=websocket{query}", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 101
    found = answer.headers.get("Sec-WebSocket-Extensions", "none")
    answer.close()
    connection.close()
    return found


def test_small_messages_are_not_compressed_but_the_hosts_own_sockets_are_left_alone(server: Server) -> None:
    assert agreed_extensions(server, "&stask=1") == "none"
    assert agreed_extensions(server, "").startswith("permessage-deflate")


def test_under_gevent_large_messages_arrive_whole_on_a_slow_line(serve: Serve, connect: Connect, task: Writer) -> None:
    server = serve(*GEVENT, STASK_TEST_MODE="gevent")
    shown = Shown(server.url, task.id)
    task.say(*(f"{number} " + "x" * 8000 for number in range(400)))
    connect(shown, narrow=True).watch()
    task.say("last")
    shown.wait(lambda: bool(shown.lines) and shown.lines[-1] == "last", "last line")
    assert shown.lines == task.written
    assert shown.fetched == 0


# The long run


def test_20000_lines_over_five_reconnects_are_shown_as_they_are_in_the_file(
    server: Server, connect: Connect, task: Writer
) -> None:
    shown = Shown(server.url, task.id)
    numbers = random.Random(5)
    writing = threading.Thread(target=write_20000, args=(task,))
    writing.start()
    for reconnect in range(6):
        page = connect(shown)
        page.watch()
        target = 20_000 if reconnect == 5 else (reconnect + 1) * 3000 + numbers.randrange(500)
        shown.wait(lambda target=target: len(shown.lines) >= target, f"line {target}")
        page.close()
    writing.join()
    assert digest(shown.lines) == digest(line["message"] for line in task.journal.lines())
    assert len(shown.lines) == 20_000


def write_20000(task: Writer) -> None:
    """20,000 different lines, in uneven handfuls, with reports between them."""
    numbers, number = random.Random(3), 0
    while number < 20_000:
        end = min(20_000, number + numbers.randrange(1, 90))
        task.say(*(f"Row {row}: {'ü' * numbers.randrange(60)}" for row in range(number, end)))
        task.report(progress=end // 200, processed=end, total=20_000)
        number = end


def digest(lines: Any) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
