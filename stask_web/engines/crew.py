"""The child processes of a supervisor, and their guard: forked, replaced, reaped, and ended with all they leave."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from flask import Flask

from ..claims import Claim, Outcome
from ..state import State
from . import hand as hands
from . import processes
from .guard import Guard
from .hand import Hand

#: Seconds to wait before the next fork when a child died before its first task.
_PAUSE = 1.0
_log = logging.getLogger("stask_web.worker")


class Died(NamedTuple):
    """A child that died with a task in hand."""

    claim: Claim
    outcome: Outcome


class Crew:
    """Keeps as many children as it should have.

    :param size: how many.
    :param lock: the owner lock's descriptor; children and guard hold it, too.
    :param private: the supervisor's own descriptors, which neither may hold.
    :param alone: called before each fork; must close every connection to a database.
    :param poll: where the pipes to wait for are registered.
    """

    def __init__(
        self,
        app: Flask,
        state: State,
        *,
        size: int,
        lock: int,
        private: Iterable[int],
        alone: Callable[[], None],
        poll: select.poll,
    ) -> None:
        self.size = size
        self.hands: dict[int, Hand] = {}
        self._app, self._state = app, state
        self._lock, self._private = lock, tuple(private)
        self._alone, self._poll = alone, poll
        self._by_fd: dict[int, Hand] = {}
        self._fork_at = 0.0
        alone()
        self._guard = Guard(self._private)

    def close(self) -> None:
        """End everything that is left."""
        for hand in self.hands.values():
            hand.kill()
        self._guard.close()

    def __iter__(self) -> Iterator[Hand]:
        return iter(self.hands.values())

    def free(self) -> list[Hand]:
        """Those that can be given a task."""
        return [hand for hand in self.hands.values() if hand.free]

    def busy(self) -> list[tuple[Hand, Claim]]:
        """Those that have a task in hand."""
        return [(hand, hand.claim) for hand in self.hands.values() if hand.claim is not None]

    # -- forking

    def wait(self) -> float:
        """Seconds until there is something to fork."""
        return max(0.0, self._fork_at - time.monotonic()) if len(self.hands) < self.size else 3600.0

    def fill(self) -> bool:
        """Fork what is missing; whether anything was."""
        if len(self.hands) >= self.size or time.monotonic() < self._fork_at:
            return False
        self._alone()
        self._fork_at = time.monotonic() + _PAUSE  # holds if a fork fails
        while len(self.hands) < self.size:
            hand = hands.fork(self._app, self._lock, self._fds())
            self._guard.watch(hand.pid)
            self.hands[hand.pid] = hand
            self._by_fd[hand.result.fd] = hand
            self._poll.register(hand.result.fd, select.POLLIN)
        self._fork_at = 0.0
        return True

    def _fds(self) -> list[int]:
        held = [fd for hand in self.hands.values() for fd in hand.fds if fd >= 0]
        return [*self._private, self._guard.fd, *held]

    # -- pipes

    def hand_of(self, fd: int) -> Hand | None:
        """The child to which a descriptor belongs."""
        return self._by_fd.get(fd)

    def give(self, hand: Hand, claim: Claim) -> None:
        """Let a child run a task."""
        hand.give(claim)
        if hand.work.left:
            self._by_fd[hand.work.fd] = hand
            self._poll.register(hand.work.fd, select.POLLOUT)

    def flush(self, hand: Hand) -> None:
        """Its work pipe takes more now."""
        hand.work.flush()
        if not hand.work.left:
            self._forget(hand.work.fd)

    def read(self, hand: Hand) -> list[dict[str, Any]]:
        """What a child has told."""
        messages = hand.result.ready()
        if hand.result.ended:
            self._forget(hand.result.fd)
        return messages

    def _forget(self, fd: int) -> None:
        if self._by_fd.pop(fd, None) is not None:
            self._poll.unregister(fd)

    # -- deaths

    def reap(self, told: Callable[[Hand, dict[str, Any]], None]) -> list[Died]:
        """Bury the dead.

        :param told: gets what they had told before, which may be the outcome.
        :returns: the tasks that died with them.
        """
        died: list[Died] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return died
            if pid == 0:
                return died
            hand = self.hands.get(pid)
            if hand is not None:
                died += self._bury(hand, status, told)
            elif pid == self._guard.pid:
                self._replace_guard()

    def _bury(self, hand: Hand, status: int, told: Callable[[Hand, dict[str, Any]], None]) -> list[Died]:
        for message in hand.result.ready():
            told(hand, message)
        self._forget(hand.result.fd)
        self._forget(hand.work.fd)
        del self.hands[hand.pid]
        self._guard.forget(hand.pid)
        claim = hand.claim
        outcome = hand.bury(self._state, status)
        self._kill_orphans()
        if claim is not None and outcome is not None:
            _log.warning("Task %d: its process %d died (%s).", claim.id, hand.pid, hands.describe(status))
            return [Died(claim, outcome)]
        if not hand.retired:
            _log.warning("The idle process %d died (%s).", hand.pid, hands.describe(status))
            if hand.done == 0:
                self._fork_at = time.monotonic() + _PAUSE
        return []

    def _kill_orphans(self) -> None:
        """End what a dead child has left: it has become ours."""
        known = {self._guard.pid, *self.hands}
        for pid in processes.children():
            if pid not in known:
                processes.kill_tree(pid)

    def _replace_guard(self) -> None:
        os.close(self._guard.fd)
        self._alone()
        held = [fd for hand in self.hands.values() for fd in hand.fds if fd >= 0]
        self._guard = Guard([*self._private, *held])
        for pid in self.hands:
            self._guard.watch(pid)

    def kill_all(self) -> None:
        """End every child with its task."""
        for hand in self.hands.values():
            hand.interrupt("drain", 0.0, 0.0)
            hand.kill()

    def retire_idle(self) -> None:
        """Let those without a task end."""
        for hand in self.hands.values():
            if hand.claim is None:
                with contextlib.suppress(OSError):
                    hand.retire()
