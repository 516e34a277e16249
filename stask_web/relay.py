"""The relay: one thread a web process that reads watched journals and rows, and hands on what is new.

It starts at the first watcher and ends when none is left. It knows nothing of sockets: it is given a callable that
emits an event to a room.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from . import news, queries
from .language import Reader, reading
from .models import Task
from .state import State, state_of
from .status import Status
from .tail import ENGLISH, Emit, Send, Tail
from .told import task_json

TICK = 0.02
ROWS_EVERY = 0.25
COUNTS_EVERY = 1.0
COMPLAIN_EVERY = 30.0

_log = logging.getLogger(__name__)


def task_room(task_id: int, reader: Reader = ENGLISH) -> str:
    """The room of those who watch a task and read the same language by the same clock."""
    return f"task:{task_id}:{reader.name}"


def list_room(filter_text: str) -> str:
    """The room of those who show a list."""
    return f"list:{filter_text}"


def stats_room(reader: Reader = ENGLISH) -> str:
    """The room of those who show the counts, whose day begins at the same time."""
    return f"stats:{_of_zone(reader).name}"


@dataclass
class Watched:
    """One task that somebody watches.

    :param tail: of its journal.
    :param task: its row as it was read last.
    :param who: the name of the person who started it.
    :param readers: how many watch it, by language and zone: its news are made once for each of these.
    :param told: for each kind of reader the last news, without what changes with every look.
    """

    id: int
    tail: Tail
    readers: Counter[Reader] = field(default_factory=Counter)
    task: Task | None = None
    who: str | None = None
    told: dict[Reader, dict[str, Any]] = field(default_factory=dict)


class Relay:
    """Follows what is watched.

    :param app: the app; news are made in its context.
    :param emit: gets each event with its room.
    :param spawn: starts the loop; under gevent without patched threads, the server's own way.
    :param sleep: waits, in the same manner.
    """

    def __init__(
        self,
        app: Flask,
        emit: Emit,
        *,
        spawn: Callable[[Callable[[], None]], Any] | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        self._app = app
        self._emit = emit
        self._spawn = spawn or _start_thread
        self._sleep = sleep or _sleep
        self._lock = threading.Lock()
        self._running = False
        self._tasks: dict[int, Watched] = {}
        self._lists: Counter[str] = Counter()
        self._digests: dict[str, str] = {}
        self._stats: Counter[Reader] = Counter()
        self._counts: dict[Reader, dict[str, int]] = {}
        self._around: news.Around | None = None
        self._rows_due = 0.0
        self._counts_due = 0.0
        self._complained: dict[str, float] = {}

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._running

    # -- who watches

    def watch(
        self, task_id: int, position: str | None, send: Send, enter: Callable[[], None], reader: Reader = ENGLISH
    ) -> str | None:
        """Begin to watch a task.

        :param position: what the client has of the log; None when it shows no log.
        :param send: tells this client alone: what it misses, and the task as it is.
        :param enter: puts it into its rooms; called when it has all that the rooms were told before.
        :param reader: for whom the texts are made.
        :returns: how far the log goes. More may lie before it than was sent: then the client fetches it.
        """
        watched = self._hold(task_id, reader, reads=position is not None)
        try:
            end = None
            if position is None:
                enter()
            else:
                with watched.tail.lock, reading(reader):
                    end = watched.tail.catch_up(position, send, enter)
            with reading(reader):
                self._tell_one(watched, send)
        except BaseException:
            self.unwatch(task_id, reader, reads=position is not None)
            raise
        return end

    def unwatch(self, task_id: int, reader: Reader = ENGLISH, *, reads: bool) -> None:
        """End what one :meth:`watch` began.

        :param reader: for whom it was.
        :param reads: whether it was given a position.
        """
        with self._lock:
            watched = self._tasks.get(task_id)
            if watched is None:
                return
            _take(watched.readers, reader)
            if reads:
                _take(watched.tail.readers, reader)
            if not watched.readers:
                del self._tasks[task_id]

    def watch_list(self, filter_text: str) -> dict[str, Any]:
        """Begin to watch a list -> its news now.

        :raises news.BadFilter: when the filter says nothing we know.
        """
        with self._app.app_context():
            found = news.list_news(self._state, filter_text)
        with self._lock:
            self._lists[filter_text] += 1
            self._digests.setdefault(filter_text, found["digest"])
        self._start()
        return found

    def unwatch_list(self, filter_text: str) -> None:
        """End what one :meth:`watch_list` began."""
        with self._lock:
            self._lists[filter_text] -= 1
            if self._lists[filter_text] <= 0:
                del self._lists[filter_text]
                self._digests.pop(filter_text, None)

    def watch_stats(self, reader: Reader = ENGLISH) -> dict[str, int]:
        """Begin to watch the counts -> as they are now.

        :param reader: whose day is meant.
        """
        with self._app.app_context(), reading(reader):
            found = news.counts(self._state)
        with self._lock:
            self._stats[_of_zone(reader)] += 1
        self._start()
        return found

    def unwatch_stats(self, reader: Reader = ENGLISH) -> None:
        """End what one :meth:`watch_stats` began."""
        with self._lock:
            _take(self._stats, _of_zone(reader))

    def _hold(self, task_id: int, reader: Reader, *, reads: bool) -> Watched:
        with self._lock:
            watched = self._tasks.get(task_id)
            if watched is None:
                tail = Tail(task_id, self._state.journals.of(task_id), self._emit)
                watched = self._tasks[task_id] = Watched(task_id, tail)
            watched.readers[reader] += 1
            if reads:
                watched.tail.readers[reader] += 1
        self._start()
        return watched

    @property
    def _state(self) -> State:
        return state_of(self._app)

    # -- one client

    def _tell_one(self, watched: Watched, send: Send) -> None:
        with self._app.app_context():
            task = queries.task_or_none(self._state.database, watched.id)
            if task is None:
                send("gone", {"task": watched.id})
                return
            numbers = watched.tail.numbers or self._state.journals.of(task.id).progress()
            who = news.name_of(self._state, task.started_by)
            send("task", news.task_news(self._state, task, numbers, news.around(self._state), who=who))

    # -- the loop

    def _start(self) -> None:
        with self._lock:
            if self._running or not self._wanted():
                return
            self._running = True
            self._rows_due = self._counts_due = 0.0
        self._spawn(self._run)

    def _wanted(self) -> bool:
        return bool(self._tasks or self._lists or self._stats)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted():
                    self._running = False
                    return
                tasks = list(self._tasks.values())
            started = time.monotonic()
            self._attempt("read the journals", self._look_at_journals, tasks)
            if started >= self._rows_due:
                self._rows_due = started + ROWS_EVERY
                self._attempt("read the tasks", self._look_at_rows, tasks)
            if started >= self._counts_due:
                self._counts_due = started + COUNTS_EVERY
                self._attempt("count", self._look_at_counts)
                self._attempt("compare the lists", self._look_at_lists)
            self._sleep(max(0.001, TICK - (time.monotonic() - started)))

    def _attempt(self, what: str, step: Callable[..., None], *arguments: Any) -> None:
        """Run one step; a failure is logged, at most once in a while, and never ends the loop."""
        try:
            step(*arguments)
        except Exception:
            now = time.monotonic()
            if now - self._complained.get(what, -COMPLAIN_EVERY) >= COMPLAIN_EVERY:
                self._complained[what] = now
                _log.exception("The live relay could not %s. It goes on trying.", what)

    def _look_at_journals(self, tasks: list[Watched]) -> None:
        moved = []
        for watched in tasks:
            if watched.tail.unchanged() or not watched.tail.lock.acquire(blocking=False):
                continue
            try:
                if watched.tail.read_on():
                    moved.append(watched)
            finally:
                watched.tail.lock.release()
        for watched in moved:
            if watched.task is None or watched.task.status != Status.RUNNING:
                self._rows_due = 0.0  # it has just begun: look at its row at once
        if moved and self._around is not None:
            with self._app.app_context():
                for watched in moved:
                    self._tell(watched)

    def _look_at_rows(self, tasks: list[Watched]) -> None:
        if not tasks:
            return
        with self._app.app_context():
            state = self._state
            self._around = news.around(state)
            rows = queries.tasks_by_id(state.database, [watched.id for watched in tasks])
            for watched in tasks:
                task = rows.get(watched.id)
                if task is None:
                    self._forget(watched)
                    continue
                if watched.who is None or watched.task is None or watched.task.started_by != task.started_by:
                    watched.who = news.known_name(state, task.started_by)
                watched.task = task
                self._tell(watched)

    def _tell(self, watched: Watched) -> None:
        if watched.task is None or self._around is None:
            return
        task = watched.task
        around = news.look_around(self._state, task, watched.tail.numbers, self._around)
        for reader in list(watched.readers):
            with reading(reader):
                found = task_json(task, around, who=news.shown_name(task.started_by, watched.who or ""))
            steady = {key: value for key, value in found.items() if key != "duration"}
            if steady != watched.told.get(reader):
                watched.told[reader] = steady
                self._emit("task", found, task_room(watched.id, reader))

    def _forget(self, watched: Watched) -> None:
        """The task was deleted."""
        for reader in list(watched.readers):
            self._emit("gone", {"task": watched.id}, task_room(watched.id, reader))
        with self._lock:
            self._tasks.pop(watched.id, None)

    def _look_at_counts(self) -> None:
        with self._lock:
            readers = list(self._stats)
        told, self._counts = self._counts, {}
        with self._app.app_context():
            for reader in readers:
                with reading(reader):
                    found = self._counts[reader] = news.counts(self._state)
                if found != told.get(reader):
                    self._emit("stats", dict(found), stats_room(reader))

    def _look_at_lists(self) -> None:
        with self._lock:
            filters = list(self._lists)
        if not filters:
            return
        with self._app.app_context():
            for text in filters:
                found = news.list_news(self._state, text)
                if self._digests.get(text) != found["digest"]:
                    self._digests[text] = found["digest"]
                    self._emit("list", found, list_room(text))


def _of_zone(reader: Reader) -> Reader:
    """Whose counts are the same: language is nothing to them."""
    return ENGLISH._replace(zone=reader.zone)


def _take(readers: Counter[Reader], reader: Reader) -> None:
    """One of these readers has gone."""
    readers[reader] -= 1
    if readers[reader] <= 0:
        del readers[reader]


def _start_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="stask-relay", daemon=True).start()


def _sleep(seconds: float) -> None:
    time.sleep(seconds)  # looked up late: gevent may patch it after this module was imported
