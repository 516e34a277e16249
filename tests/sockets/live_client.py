"""What a browser does with the live news, in Python: by socket and by polling, with the positions' rules."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any

import engineio
import socketio

NAMESPACE = "/stask"
PATIENCE = 20.0


class Shown:
    """The log of one task as a page shows it, and its newest numbers.

    :param url: the panel's address.
    :param person: who looks.
    :param position: what the page already has.
    """

    def __init__(self, url: str, task_id: int, *, person: str = "reader", position: str = "-:0") -> None:
        self.url = url
        self.task_id = task_id
        self.headers = {"X-Person": person, "Accept": "application/json"}
        self.position = position
        self.lines: list[str] = []
        self.tasks: list[dict[str, Any]] = []
        self.fetched = 0
        self.begun_anew = 0
        self.news = threading.Condition(threading.RLock())

    def get(self, path: str) -> Any:
        """Ask the panel for JSON."""
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, headers=self.headers), timeout=10
        ) as answer:
            return json.load(answer)

    def take(self, piece: dict[str, Any]) -> None:
        """Apply the rules to a piece of the journal."""
        with self.news:
            mine, start, end = (split(text) for text in (self.position, piece["start"], piece["end"]))
            if piece["start"] != self.position:
                if mine[0] == start[0] and end[1] <= mine[1]:
                    return
                if mine[0] == start[0] or not piece["first"]:
                    self.fill()
                    return
                self.begin_anew()
            self.show(piece)

    def fill(self) -> None:
        """Fetch what follows our position."""
        more = True
        while more:
            self.fetched += 1
            piece = self.get(f"/tasks/{self.task_id}/log?from={self.position}")
            if piece["start"] != self.position:
                self.begin_anew()
            self.show(piece)
            more = piece["more"]

    def begin_anew(self) -> None:
        """Another journal begins."""
        self.lines.clear()
        self.begun_anew += 1

    def show(self, piece: dict[str, Any]) -> None:
        """Append lines."""
        self.lines += [line["message"] for line in piece["lines"]]
        self.position = piece["end"]
        self.news.notify_all()

    def saw(self, task: dict[str, Any]) -> None:
        """New numbers."""
        with self.news:
            self.tasks.append(task)
            self.news.notify_all()

    def wait(self, met: Callable[[], bool], what: str = "news") -> None:
        """Wait until a condition holds."""
        with self.news:
            assert self.news.wait_for(met, PATIENCE), f"no {what} after {PATIENCE} s; {len(self.lines)} lines"

    def poll(self, *, stats: bool = False) -> dict[str, Any]:
        """Ask once as a polling page does, until there is no more."""
        while True:
            found: dict[str, Any] = self.get(f"/live?tasks={self.task_id}:{self.position}{'&stats=1' if stats else ''}")
            answer = found["tasks"][0]
            if answer.get("gone"):
                return found
            self.saw(answer["task"])
            if "journal" in answer:
                self.take(answer["journal"])
                if answer["journal"]["more"]:
                    continue
            return found

    def poll_until(self, met: Callable[[], bool], what: str = "news", every: float = 0.05) -> None:
        """Poll until a condition holds."""
        end = time.monotonic() + PATIENCE
        while not met():
            assert time.monotonic() < end, f"no {what} after {PATIENCE} s; {len(self.lines)} lines"
            self.poll()
            time.sleep(every)


class Socket:
    """A connection of a page that shows one log.

    :param shown: what the page has; it may outlive several connections.
    :param narrow: take only little at once, as a slow line does.
    """

    def __init__(self, shown: Shown, *, narrow: bool = False) -> None:
        self.shown = shown
        self.client = Client(narrow=narrow)
        self.events: list[tuple[str, Any]] = []
        on: Any = self.client.on
        on("journal", shown.take, namespace=NAMESPACE)
        on("task", shown.saw, namespace=NAMESPACE)
        for name in ("stats", "list", "gone"):
            on(name, lambda data, name=name: self.heard(name, data), namespace=NAMESPACE)
        go(self.client, f"{shown.url.removesuffix('/stask')}?stask=1", shown.headers, NAMESPACE)

    def heard(self, name: str, data: Any) -> None:
        """Keep an event."""
        with self.shown.news:
            self.events.append((name, data))
            self.shown.news.notify_all()

    def of(self, name: str) -> list[Any]:
        """The data of all events of a name."""
        return [data for event, data in self.events if event == name]

    def ask(self, event: str, data: Any = None) -> dict[str, Any]:
        """Send an event and wait for the answer."""
        answer: dict[str, Any] = self.client.call(event, data, namespace=NAMESPACE, timeout=10)
        return answer

    def watch(self, *, log: bool = True) -> dict[str, Any]:
        """Watch the page's task from where it is, and fetch what the server left out."""
        wanted: dict[str, Any] = {"task": self.shown.task_id}
        if log:
            wanted["position"] = self.shown.position
        answer = self.ask("watch", wanted)
        if answer.get("end"):
            end = answer["end"]
            self.shown.take({"start": end, "end": end, "first": False, "lines": []})
        return answer

    def close(self) -> None:
        """Leave."""
        leave(self.client)


def go(client: Client, address: str, headers: dict[str, str], namespace: str) -> None:
    """Connect by websocket only, as our pages do."""
    try:
        client.connect(address, headers=headers, namespaces=[namespace], transports=["websocket"], wait_timeout=10)
    except BaseException:
        leave(client)
        raise


def leave(client: Client) -> None:
    """Disconnect and close."""
    client.disconnect()
    for connection in client.eio.opened:
        connection.close()


class Engine(engineio.Client):  # type: ignore[misc]
    """Remembers its connections: one that was refused is otherwise left open."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.opened: list[Any] = []
        super().__init__(*arguments, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "ws" and value is not None:
            self.opened.append(value)
        super().__setattr__(name, value)


class Client(socketio.Client):  # type: ignore[misc]
    """One that does not reconnect by itself."""

    def __init__(self, *, narrow: bool = False) -> None:
        options = {"sockopt": [(SOL_SOCKET, SO_RCVBUF, 2048)]} if narrow else {}
        super().__init__(reconnection=False, websocket_extra_options=options)

    def _engineio_client_class(self) -> type[Engine]:
        return Engine


def split(position: str) -> tuple[str, int]:
    """Generation and offset."""
    generation, _, offset = position.partition(":")
    return generation, int(offset)


def status_of(url: str, person: str = "reader") -> int:
    """The HTTP status of a GET."""
    request = urllib.request.Request(url, headers={"X-Person": person, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
