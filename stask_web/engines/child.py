"""A child process: one task in hand at a time, everything it tells goes through pipes, nothing of ours to the database.

The main thread waits on the work pipe and runs the action. An attendant thread reads the control pipe (interrupts),
tells the newest progress ten times a second and drains captured output. The end of the control pipe is the supervisor's
end: then everything of the task is killed.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import select
import signal
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

from flask import Flask

from .. import stored
from ..announce import announce_child
from ..claims import Claim, outcome_values
from ..errors import TaskInterrupt
from ..progress import INTERVAL
from ..runner import TaskRun, Watcher, run_claimed
from ..runner.logs import install
from ..runner.pen import Pen
from ..state import state_of
from . import capture, processes
from .leftovers import Surroundings, threads_left
from .wire import Reader, pack, write_all

#: Seconds between two reports to the supervisor, which writes them into the row.
REPORT_EVERY = 0.5
#: After so many seconds without a task the attendant sleeps until there is one.
_LULL = 1.0


@dataclass(frozen=True)
class ChildPipes:
    """The file descriptors that a child works with.

    :param work: read end; claims come from here.
    :param control: read end; interrupts come from here.
    :param result: write end; reports and outcomes go here.
    :param output: write end of the output pipe.
    :param output_read: its read end, non-blocking.
    """

    work: int
    control: int
    result: int
    output: int
    output_read: int


class Child(Watcher):
    """What a forked child does until its work pipe ends."""

    alone = True

    def __init__(self, app: Flask, pipes: ChildPipes) -> None:
        self._app = app
        self._pipes = pipes
        self._work = Reader(pipes.work)
        self._capture = capture.Capture(pipes.output_read)
        self._sending = threading.Lock()
        self._run: TaskRun | None = None
        self._told: tuple[Claim, dict[str, Any]] | None = None
        self._told_at = 0.0
        self._acting = False
        self._interrupt: str | None = None
        self._early: dict[str, Any] | None = None
        self._pid, self._main = os.getpid(), threading.get_ident()
        self._pen: Pen | None = None
        self._tainted = False
        self._alarm_read, self._alarm = os.pipe()
        self._awake = False

    def settle_in(self) -> None:
        """Remember how the process is, for the next task must find it so."""
        self._surroundings = Surroundings()

    def work(self) -> None:
        """Run tasks until the supervisor closes the work pipe."""
        threading.Thread(target=self._attend, name="stask-attendant", daemon=True).start()
        while True:
            message = self._work.next()
            if message is None:
                return
            claim = Claim._make(message)
            outcome = run_claimed(self._app, claim, self)
            tainted = self._tainted
            self._send({"done": outcome_values(outcome), "token": claim.token, "last": tainted})
            if tainted:
                return

    # -- the runner tells

    def begin(self, run: TaskRun) -> None:
        """Let the attendant look after this run."""
        self._interrupt = None
        self._tainted = False
        self._told = None
        self._pen = run.pen
        self._run = run
        early = self._early
        if early is not None and early["token"] == run.claim.token:
            self._stop(run, early["interrupt"])
        if not self._awake:
            self._awake = True
            os.write(self._alarm, b"!")

    def limit(self, claim: Claim, seconds: float) -> None:
        """Ask the supervisor to watch the time."""
        self._send({"limit": seconds, "token": claim.token})

    def report(self, claim: Claim, values: dict[str, Any]) -> None:
        """Tell the supervisor at most every :data:`REPORT_EVERY` seconds; the attendant tells the last one later."""
        now = time.monotonic()
        if now - self._told_at < REPORT_EVERY:
            self._told = (claim, values)
            return
        self._told, self._told_at = None, now
        self._send({"report": values, "token": claim.token})

    def hidden(self, claim: Claim, secrets: list[str]) -> None:
        """Tell the supervisor, who writes down the last words if we die; sealed, for it goes through a pipe."""
        sealed = state_of(self._app).vault.seal(dict(enumerate(secrets)))
        if sealed is not None and os.getpid() == self._pid:  # what an action forks has secrets of its own
            self._send({"hidden": sealed.decode(), "token": claim.token})

    def acting(self, acting: bool) -> None:
        """From now on a signal may interrupt, or may not any more."""
        self._acting = acting

    def end(self, run: TaskRun) -> None:
        """End what the task has left running, then take the rest of its output."""
        self._run = None
        self._tainted = processes.end_descendants()
        capture.flush()
        self._surroundings.restore()
        capture.flush()  # of what it had put in place of the output, and of the output
        threads = threads_left()
        if threads:  # what they do could stand in the log of another task
            self._tainted = True
            run.pen.log("warning", stored.THREADS_LEFT % {"threads": ", ".join(threads)})
        self._capture.finish(run.pen)
        self._pen = None

    # -- the attendant

    def _attend(self) -> None:
        control = Reader(self._pipes.control)
        poll = select.poll()
        for fd in (self._pipes.control, self._pipes.output_read, self._alarm_read):
            poll.register(fd, select.POLLIN)
        busy_at = time.monotonic()
        while True:
            events = dict(poll.poll(INTERVAL * 1000 if self._awake else None))
            if events.pop(self._alarm_read, None):
                os.read(self._alarm_read, 16)
                busy_at = time.monotonic()
                if not events:
                    continue  # a task begins, and needs the interpreter for itself: there is nothing to tell of it yet
            if self._pipes.control in events:
                self._control(control)
            with suppress(Exception):  # whatever is wrong with one look, the next comes
                self._capture.drain(self._pen)
                self._tick()
            if self._run is not None:
                busy_at = time.monotonic()
            elif time.monotonic() - busy_at > _LULL:
                self._awake = False
                self._awake = self._run is not None  # it may have begun just now

    def _tick(self) -> None:
        run = self._run
        if run is not None:
            run.report.tick()
            told = self._told
            if told is not None:
                self.report(*told)

    def _control(self, control: Reader) -> None:
        message = control.next()
        if message is None:
            self._orphaned()
        run = self._run
        if run is not None and message["token"] == run.claim.token:
            self._stop(run, message["interrupt"])
        else:
            self._early = message  # of a task that has not begun yet, or is over

    def _stop(self, run: TaskRun, interrupt: str) -> None:
        self._interrupt = interrupt
        run.report.interrupt(interrupt)

    def _orphaned(self) -> None:
        """The supervisor is dead: nothing of ours may outlive it."""
        processes.kill_tree(os.getpid())

    # -- signals

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the action if the supervisor said so before: a signal to a whole service must not cut its drain."""
        if self._acting and self._interrupt:
            raise TaskInterrupt(self._interrupt)

    def _send(self, message: Any) -> None:
        if os.getpid() != self._pid:
            os._exit(1)  # a fork of the action that came back here: only one may speak
        if threading.get_ident() != self._main:
            self._write(message)
            return
        acting, self._acting = self._acting, False  # no interrupt in the middle of a message
        try:
            self._write(message)
        finally:
            self._acting = acting

    def _write(self, message: Any) -> None:
        with self._sending, suppress(BrokenPipeError):  # the attendant sees the supervisor's end
            write_all(self._pipes.result, pack(message))


def main(app: Flask, pipes: ChildPipes, lock: int, close: Iterable[int]) -> None:
    """The life of a child, right after the fork. Does not return.

    :param lock: the descriptor of the owner lock, held as long as the child lives.
    :param close: what the supervisor holds and the child must not.
    """
    status = 1
    try:
        os.setsid()
        _let_go(close)
        processes.name_process("stask-child")
        processes.become_subreaper()
        child = Child(app, pipes)
        _take_signals(child)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        capture.redirect(pipes.output)
        faulthandler.enable(file=2)
        _forget_connections(app)
        install(capture.spare)
        ours = (*pipes.__dict__.values(), lock, child._alarm, child._alarm_read)
        os.register_at_fork(after_in_child=lambda: _become_ordinary(ours))
        gc.enable()
        announce_child(state_of(app))
        child.settle_in()
        child.work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        capture.flush()
        os._exit(status)


def _let_go(fds: Iterable[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)


def _become_ordinary(ours: Iterable[int]) -> None:
    """What an action forks is no child of the supervisor's: its pipes and lock are not for it, and signals end it."""
    _let_go(ours)
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_signals(child: Child) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup wants it
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, child.on_signal)


def _forget_connections(app: Flask) -> None:
    """Connections that were open before the fork belong to the supervisor."""
    state = state_of(app)
    state.database.forget()
    if state.host_db is not None:
        with app.app_context(), suppress(Exception):
            for engine in state.host_db.engines.values():
                engine.dispose(close=False)
