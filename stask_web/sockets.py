"""Socket.IO, namespace ``/stask``: who may watch what, and the way of the relay's news to the browsers.

A socket holds a thread of the web server for as long as the page is open. So there are sockets only where the host
passed its ``SocketIO`` and the server has threads, and never so many that none is left for pages; all others poll.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from typing import Any, Literal

from flask import Flask, request
from flask_socketio import ConnectionRefusedError, Namespace, SocketIO

from . import news, paths, queries
from .access import narrowed, sees_all
from .language import Reader
from .models import Task
from .readers import choose_reader
from .relay import Relay, list_room, stats_room, task_room
from .state import State
from .tail import log_room

NAMESPACE = "/stask"
MARK = "stask=1"
"""In the query of our own client's connections: what we change of the transport, we change for them only."""

THREADS_FOR_PAGES = 16
SOCKETS_WITHOUT_POOL = 1000
LISTS_OF_A_CLIENT = 100
#: Seconds after which a connection is ended and the page makes a new one: who it is and what he may is asked again.
LIFETIME = 600.0
#: Seconds between two looks for connections that are so old.
_SWEEP = 15.0
TASKS_OF_A_CLIENT = 200

_log = logging.getLogger(__name__)
Answer = dict[str, Any]


def transport(state: State, environ: Mapping[str, Any]) -> Literal["socket", "poll"]:
    """How a page that is asked for in ``environ`` becomes live.

    :param state: of the app.
    :param environ: the WSGI environment of the request.
    """
    if state.socketio is None or not environ.get("wsgi.multithread") or not paths.SOCKET_CLIENT.exists():
        return "poll"
    _stand_before(state.socketio)
    return "socket" if _cap(state) > 0 else "poll"


def make_server(app: Flask) -> SocketIO:
    """A Socket.IO server for an app that has none, such as the standalone panel."""
    return SocketIO(app, async_mode="threading")


def register(socketio: SocketIO, app: Flask, state: State) -> LiveNamespace:
    """Put our namespace on the host's ``SocketIO``. Nothing else of it is touched."""
    namespace = LiveNamespace(app, state)
    socketio.on_namespace(namespace)
    _stand_before(socketio)
    return namespace


def _answers(handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """A handler whose failure is an answer and a line in the log, never a broken connection."""

    @wraps(handler)
    def answer(self: LiveNamespace, data: Any = None) -> Answer:
        try:
            return handler(self, data if isinstance(data, dict) else {})
        except Exception:
            _log.exception("A live page asked %r and could not be answered.", handler.__name__)
            return {"error": "failed"}

    return answer


class Client:
    """What one connection watches.

    :param reader: for whom its texts are made.
    :param tasks: task id -> whether it reads the log.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.until = time.monotonic() + LIFETIME * random.uniform(0.8, 1.0)  # not all at once
        self.lock = threading.Lock()
        self.tasks: dict[int, bool] = {}
        self.lists: set[str] = set()
        self.stats = False
        self.gone = False


class LiveNamespace(Namespace):  # type: ignore[misc]  # it ships no types
    """The events of a live page. Each answers with a dict, which a client may ask for as acknowledgement.

    :param app: the app that the news are about.
    :param state: of that app.
    """

    def __init__(self, app: Flask, state: State) -> None:
        super().__init__(NAMESPACE)
        self._state = state
        self._clients: dict[str, Client] = {}
        self._lock = threading.Lock()
        self._sweeps = False
        self.relay = Relay(app, self._emit)

    # -- coming and going

    def on_connect(self, auth: Any = None) -> None:
        """Let in who is signed in, while there is room."""
        if self._user() is None:
            raise ConnectionRefusedError("sign in")
        with self._lock:
            if len(self._clients) >= _cap(self._state):
                raise ConnectionRefusedError("full")
            self._clients[_sid()] = Client(choose_reader())
            if not self._sweeps:
                self._sweeps = True
                self.socketio.start_background_task(self._sweep)

    def on_disconnect(self, reason: Any = None) -> None:
        """End all that the connection watched."""
        with self._lock:
            client = self._clients.pop(_sid(), None)
        if client is None:
            return
        with client.lock:
            client.gone = True
            for task_id, reads in client.tasks.items():
                self.relay.unwatch(task_id, client.reader, reads=reads)
            for text in client.lists:
                self.relay.unwatch_list(text)
            if client.stats:
                self.relay.unwatch_stats(client.reader)

    def _sweep(self) -> None:
        """End old connections, as long as there are any at all."""
        while True:
            self.socketio.sleep(_SWEEP)
            now = time.monotonic()
            with self._lock:
                old = [sid for sid, client in self._clients.items() if now >= client.until]
                if not self._clients:
                    self._sweeps = False
                    return
            for sid in old:
                with suppress(Exception):  # it has just gone by itself
                    self.socketio.server.disconnect(sid, namespace=NAMESPACE)

    # -- what a page asks

    @_answers
    def on_watch(self, data: dict[str, Any]) -> Answer:
        """Watch a task: ``{task, position}``; without a position only its numbers, not its log."""
        task_id, position = _number(data.get("task")), data.get("position")
        if task_id is None or not (position is None or (isinstance(position, str) and news.is_position(position))):
            return {"error": "bad request"}
        user = self._user()
        task = self._find(user, task_id)
        if task is None or user is None or not self._may(user, "view", task):
            return {"gone": True}
        if position is not None and not self._may(user, "view_log", task):
            position = None
        return self._with_client(lambda sid, client: self._watch(sid, client, task_id, position))

    def _watch(self, sid: str, client: Client, task_id: int, position: str | None) -> Answer:
        reads = position is not None
        if task_id in client.tasks:
            self._unwatch(sid, client, task_id)
        elif len(client.tasks) >= TASKS_OF_A_CLIENT:
            return {"error": "too many"}

        def enter() -> None:
            self._enter(sid, task_room(task_id, client.reader))
            if reads:
                self._enter(sid, log_room(task_id, client.reader))

        send = partial(self._send, sid)
        end = self.relay.watch(task_id, position, send, enter, client.reader)
        client.tasks[task_id] = reads
        return {"end": end} if reads else {}

    @_answers
    def on_unwatch(self, data: dict[str, Any]) -> Answer:
        """Watch a task no longer: ``{task}``."""
        task_id = _number(data.get("task"))

        def leave(sid: str, client: Client) -> Answer:
            if task_id in client.tasks:
                self._unwatch(sid, client, task_id)
            return {}

        return self._with_client(leave)

    def _unwatch(self, sid: str, client: Client, task_id: int) -> None:
        self._leave(sid, task_room(task_id, client.reader))
        self._leave(sid, log_room(task_id, client.reader))
        self.relay.unwatch(task_id, client.reader, reads=client.tasks.pop(task_id))

    @_answers
    def on_watch_list(self, data: dict[str, Any]) -> Answer:
        """Watch a list: ``{filter}``; ``list`` tells its digest, now and whenever it changes."""
        text = data.get("filter")
        if not isinstance(text, str) or not self._may(self._user(), "view", None):
            return {"error": "bad request"}
        if not self._sees_all():
            return {"error": "not allowed"}

        def watch(sid: str, client: Client) -> Answer:
            if text in client.lists or len(client.lists) >= LISTS_OF_A_CLIENT:
                return {"error": "too many"} if text not in client.lists else {}
            try:
                found = self.relay.watch_list(text)
            except news.BadFilter:
                return {"error": "bad request"}
            client.lists.add(text)
            self._enter(sid, list_room(text))
            self._emit("list", found, sid)
            return {}

        return self._with_client(watch)

    @_answers
    def on_watch_stats(self, data: dict[str, Any]) -> Answer:
        """Watch the counts; ``stats`` tells them, now and whenever they change."""
        if not self._may(self._user(), "view", None) or not self._sees_all():
            return {"error": "not allowed"}

        def watch(sid: str, client: Client) -> Answer:
            if not client.stats:
                found = self.relay.watch_stats(client.reader)
                client.stats = True
                self._enter(sid, stats_room(client.reader))
                self._emit("stats", dict(found), sid)
            return {}

        return self._with_client(watch)

    # -- inside

    def _with_client(self, act: Callable[[str, Client], Answer]) -> Answer:
        """Do something for the connection that asks, one thing at a time, unless it has gone meanwhile."""
        sid = _sid()
        client = self._clients.get(sid)
        if client is None:
            return {"error": "gone"}
        with client.lock:
            return {"error": "gone"} if client.gone else act(sid, client)

    def _user(self) -> Any:
        return self._state.policy.current_user()

    def _find(self, user: Any, task_id: int) -> Task | None:
        """The task, if the lists of the user may hold it."""
        policy = self._state.policy
        if user is None or sees_all(policy, user):
            return queries.task_or_none(self._state.database, task_id)
        return queries.task_or_none(self._state.database, task_id, lambda select: narrowed(policy, select, user))

    def _may(self, user: Any, permission: str, target: Any) -> bool:
        return user is not None and bool(self._state.policy.may(user, permission, target))

    def _sees_all(self) -> bool:
        """Rooms of lists and counts are one for all; who may not see all tasks polls, and is answered for himself."""
        return sees_all(self._state.policy, self._user())

    def _emit(self, event: str, data: dict[str, Any], room: str) -> None:
        """To clients of this process only: each web process has a relay of its own."""
        self.socketio.emit(event, data, namespace=NAMESPACE, to=room, ignore_queue=True)

    def _send(self, sid: str, event: str, data: dict[str, Any]) -> None:
        self._emit(event, data, sid)

    def _enter(self, sid: str, room: str) -> None:
        self.socketio.server.enter_room(sid, room, namespace=NAMESPACE)

    def _leave(self, sid: str, room: str) -> None:
        self.socketio.server.leave_room(sid, room, namespace=NAMESPACE)


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO puts it there


def _number(value: Any) -> int | None:
    """A task's id as a browser sends it: a number, or its digits."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


# The transport


class PlainSockets:
    """Stands before the Engine.IO server of a ``SocketIO`` and changes what is bad for live pages, for our client only.

    Compression of single small messages triples their latency, so the client's offer to compress is dropped. Under
    gevent a socket's ``send`` may take a part of a large message and lose the rest: it is made to send all.

    :param server: the Engine.IO server.
    """

    def __init__(self, server: Any) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Handle one request below the Socket.IO path."""
        if MARK in environ.get("QUERY_STRING", "").split("&"):
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
            if "gunicorn.socket" in environ:
                environ["gunicorn.socket"] = WholeSends(environ["gunicorn.socket"])
        return self._server.handle_request(environ, start_response)


class WholeSends:
    """A socket whose ``send`` sends all it is given."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.send = sock.sendall

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _stand_before(socketio: SocketIO) -> None:
    """Put :class:`PlainSockets` into the way; nothing to do before the host has called ``SocketIO.init_app``."""
    middleware = getattr(socketio, "sockio_mw", None)
    server = getattr(middleware, "engineio_app", None)
    if middleware is not None and server is not None and not isinstance(server, PlainSockets):
        middleware.engineio_app = PlainSockets(server)


def _cap(state: State) -> int:
    """How many sockets this process may hold."""
    if state.settings.socket_cap is not None:
        return state.settings.socket_cap
    threads = pool_size()
    if threads is None:
        return SOCKETS_WITHOUT_POOL
    return max(threads - THREADS_FOR_PAGES, threads // 2)


def pool_size() -> int | None:
    """How many threads the server has for requests; None when it starts one for each, or greenlets.

    Asked from within a request. A ``ThreadPoolExecutor`` (gunicorn's gthread) gives its threads a weak reference to
    itself.
    """
    arguments = getattr(threading.current_thread(), "_args", None) or (None,)
    executor = arguments[0]() if callable(arguments[0]) else None
    size = getattr(executor, "_max_workers", None)
    return size if isinstance(size, int) else None
