"""A child process as its supervisor sees it: its pipes, the task it has in hand, and how it is made to stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask

from .. import stored
from ..claims import Claim, Outcome
from ..errors import STaskError
from ..runner.pen import Pen
from ..runner.run import at_row
from ..state import State
from . import child, processes
from .capture import Capture
from .wire import Reader, Writer

#: What follows an interrupt: the signal to the process group, then the end of everything.
_TERM, _KILL = "term", "kill"


class Hand:
    """One child process.

    :param pid: also its process group and session.
    """

    def __init__(self, pid: int, work: int, control: int, result: int, output: int) -> None:
        self.pid = pid
        self.born = time.monotonic()
        self.claim: Claim | None = None
        self.done = 0
        self.retired = False
        self.told: dict[str, Any] | None = None
        self.unsaved = False
        #: Sealed: what must not stand in the log of its task, beside the secrets among its options.
        self.hidden: str | None = None
        #: Whether the database does not know yet when its task began: it was claimed before.
        self.unnoted = False
        self.given_at = 0.0
        self.limit_at: float | None = None
        self.stopping: str | None = None
        self.stage_at: float | None = None
        self.work, self.control = Writer(work), Writer(control)
        self.result = Reader(result)
        self._capture = Capture(output)
        self._next_stage = _TERM
        self._kill_grace = 0.0

    @property
    def free(self) -> bool:
        """Whether it can be given a task."""
        return self.claim is None and not self.retired

    @property
    def fds(self) -> tuple[int, ...]:
        """Everything that the supervisor holds of it."""
        return (self.work.fd, self.control.fd, self.result.fd, self._capture.fd)

    def give(self, claim: Claim) -> None:
        """Let it run a task."""
        self.claim = claim
        self.given_at = time.monotonic()
        self.told, self.unsaved, self.hidden = None, False, None
        self.limit_at = self.stage_at = self.stopping = None
        self._next_stage = _TERM
        self.work.send(claim)

    def take(self) -> Claim | None:
        """The task is out of its hand."""
        claim, self.claim = self.claim, None
        self.unnoted = False
        self.done += 1
        self.limit_at = self.stage_at = None
        return claim

    def retire(self) -> None:
        """Let it end as soon as it is idle."""
        if not self.retired:
            self.retired = True
            if not self.work.left:
                os.close(self.work.fd)
                self.work = Writer(-1)

    # -- stopping a task

    def interrupt(self, kind: str, grace: float, kill_grace: float) -> None:
        """Ask the task to stop; after ``grace`` seconds SIGTERM to its group, after ``kill_grace`` more the end.

        A task that is being stopped goes on being stopped, with what is sooner.
        """
        if self.claim is None:
            return
        now = time.monotonic()
        if self.stopping is None:
            self.stopping = kind
            self.control.send({"interrupt": kind, "token": self.claim.token})
            self.stage_at, self._kill_grace = now + grace, kill_grace
        elif self.stage_at is not None:
            self.stage_at, self._kill_grace = min(self.stage_at, now + grace), min(self._kill_grace, kill_grace)

    def next_stage(self) -> str | None:
        """Go one stage further, if it is time; gives the signal that was sent."""
        if self.stage_at is None or time.monotonic() < self.stage_at:
            return None
        if self._next_stage == _TERM:
            self._next_stage = _KILL
            self.stage_at = time.monotonic() + self._kill_grace
            processes.signal_group(self.pid, signal.SIGTERM)
            return "SIGTERM"
        self.stage_at = None
        processes.kill_tree(self.pid)
        return "SIGKILL"

    def kill(self) -> None:
        """End it with everything below it, at once."""
        processes.kill_tree(self.pid)

    # -- its end

    def bury(self, state: State, status: int) -> Outcome | None:
        """After its death: close its pipes, keep its last words, and tell how its task ended, if it had one."""
        processes.signal_group(self.pid, signal.SIGKILL)
        outcome = None
        if self.claim is not None:
            pen = _pen(state, self.claim, self.hidden)
            self._capture.finish(pen)
            outcome = self._outcome(state, status)
            if outcome.kind in ("crashed", "failed"):
                pen.log("error", outcome.message)
            pen.close()
        for fd in self.fds:
            with suppress(OSError):
                os.close(fd)
        return outcome

    def _outcome(self, state: State, status: int) -> Outcome:
        told = self.told or {}
        where = at_row(told.get("processed"), told.get("total"))
        known: dict[str, Any] = {name: told.get(name) for name in ("progress", "processed", "total", "counts")}
        known["warnings"] = told.get("warnings") or 0
        if self.stopping == "cancel":
            return Outcome("cancelled", **known)
        if self.stopping == "timeout":
            return Outcome("failed", stored.TOO_LONG % {"where": where}, **known)
        if self.stopping == "lost":
            return Outcome("lost", stored.NO_ANSWER, **known)
        if self.stopping == "drain":
            message = stored.DRAINED % {"where": where}
            return Outcome("drained", message, **known)
        how = describe(status)
        return Outcome("crashed", stored.CRASHED % {"where": where, "how": how}, how, **known)


def describe(status: int) -> str:
    """How a process ended, from what ``waitpid`` gave."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return stored.KILLED % {"signal": name}
    return stored.EXIT_CODE % {"code": os.WEXITSTATUS(status)}


def fork(app: Flask, lock: int, close: Iterable[int]) -> Hand:
    """Make a child. No connection to a database may be open.

    :param lock: the owner lock's descriptor, which the child goes on holding.
    :param close: what the supervisor holds and the child must not.
    """
    work_read, work = os.pipe()
    control_read, control = os.pipe()
    result, result_write = os.pipe()
    output, output_write = os.pipe()
    for fd in (work, control, result, output):
        os.set_blocking(fd, False)
    pid = os.fork()
    if pid == 0:
        pipes = child.ChildPipes(work_read, control_read, result_write, output_write, output)
        child.main(app, pipes, lock, [*close, work, control, result])
    for fd in (work_read, control_read, result_write, output_write):
        os.close(fd)
    return Hand(pid, work, control, result, output)


def _pen(state: State, claim: Claim, hidden: str | None) -> Pen:
    pen = Pen(partial(state.journals.of, claim.id), claim.attempt_no)
    for sealed in (claim.secrets, hidden):
        if sealed:
            with suppress(STaskError):  # without its key the child could not read them either
                pen.hide(state.vault.open(sealed.encode()).values())
    return pen
