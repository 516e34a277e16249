"""The supervisor: one thread that keeps child processes, gives them tasks and writes down how these end.

It waits in one ``poll`` for its children's pipes, wake-ups and signals. Each step of the loop fails for itself; an
outcome stays in memory until it is written, however long the database is locked or away.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import select
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Flask

from ..claims import Claim, Ended, Outcome, outcome_from
from ..state import state_of
from . import hand as hands
from . import processes
from .guard import Guard
from .hand import Hand
from .ledger import Away, Ledger, Reported
from .listener import Listener
from .owner import OwnerLock
from .reaper import Reaper
from .ticks import Ticks
from .wake import WakeSocket

#: Seconds between two writes of progress into the rows.
REPORT_EVERY = 0.5
#: Seconds that a drained task gets to end before SIGTERM, and then before SIGKILL.
DRAIN_GRACE = 1.0
#: Longest wait between two attempts of a task, in seconds.
LONGEST_BACKOFF = 3600.0
_LAST_TRY = 2.0
_log = logging.getLogger("stask_web.worker")


class Supervisor:
    """Runs tasks until it is told to stop.

    :param app: the host's app, with stask-web set up.
    :param concurrency: child processes; by default STASK_CONCURRENCY, or the number of cores.
    :param drain: seconds that running tasks get at the end; by default STASK_DRAIN.
    :param recycle: tasks after which a child is replaced; by default STASK_RECYCLE.
    """

    def __init__(
        self, app: Flask, *, concurrency: int | None = None, drain: float | None = None, recycle: int | None = None
    ) -> None:
        self.app = app
        self.state = state_of(app)
        settings = self.state.settings
        self.settings = settings
        self.concurrency = concurrency or settings.concurrency or os.cpu_count() or 1
        self.drain = settings.drain if drain is None else drain
        self.recycle = recycle or settings.recycle
        self.hands: dict[int, Hand] = {}
        self.reported: list[Reported] = []
        self._by_fd: dict[int, Hand] = {}
        self._poll = select.poll()
        self._hungry = True
        self._signals = 0
        self._drain_at: float | None = None
        self._fork_at = 0.0
        self._due: float | None = None
        self._failures = 0
        self._away = False

    def run(self) -> int:
        """Work until a signal ends it.

        :returns: the exit code: 0, or 1 when a second signal cut the drain short.
        :raises TablesMissing: says what to run.
        """
        self._prepare()
        try:
            while self.hands or self.reported or not self._stopping:
                if self._signals > 1:
                    return self._end_now()
                self._turn()
            return 0
        finally:
            self._close()

    # -- beginning and end

    def _prepare(self) -> None:
        state = self.state
        with self.app.app_context():
            state.database.require()
            state.storage.prepare()
            state.registry.classes()
        processes.name_process("stask-worker")
        processes.become_subreaper()
        self._owner = OwnerLock(state.storage.run)
        self._ledger = Ledger(state.database, self._owner.id)
        self._listener = Listener(state.database)
        self._reaper = Reaper(self._ledger, state.storage.run, state.journals, self.settings.lease)
        self._wake = WakeSocket(state.storage.run, self._owner.id)
        self._take_signals()
        for fd in (self._wake.fd, self._signal_fd):
            self._poll.register(fd, select.POLLIN)
        self._dispose()
        gc.collect()
        gc.freeze()
        self._guard = Guard(self._private_fds())
        self._ticks = Ticks()
        self._ticks.every("beat", self.settings.heartbeat, self._beat)
        self._ticks.every("look", self.settings.poll, self._look)
        self._ticks.every("reports", REPORT_EVERY, self._write_reports, start=False)
        self._ticks.every("reap", self.settings.heartbeat, self._reap, early=(0.0, 0.1, 0.3, 0.6, 1.0, 2.0))
        self._ticks.every("stops", None, self._look_for_stops)
        self._ticks.every("settle", None, self._settle)
        self._fill()
        _log.info("Worker %s runs %d processes.", self._owner.id[:8], self.concurrency)

    def _dispose(self) -> None:
        """Close every connection, ours and the host's: what is open in a fork belongs to two processes."""
        self._ledger.close()
        self._unlisten()
        self.state.database.engine.dispose()
        if self.state.host_db is not None:
            with self.app.app_context(), contextlib.suppress(Exception):
                for engine in self.state.host_db.engines.values():
                    engine.dispose()

    def _close(self) -> None:
        for hand in list(self.hands.values()):
            hand.kill()
        self._guard.close()
        with contextlib.suppress(Away):
            self._ledger.remove(self._owner.id)
        self._ledger.close()
        self._unlisten()
        self._wake.close()
        self._owner.release()
        self._leave_signals()

    def _end_now(self) -> int:
        """A second signal: kill what runs, give it back as well as we can."""
        for hand in self.hands.values():
            hand.interrupt("drain", 0.0, 0.0)
            hand.kill()
        until = time.monotonic() + _LAST_TRY
        while (self.hands or self.reported) and time.monotonic() < until:
            self._step(self._reap_children)
            self._step(self._settle)
            if self.hands or self.reported:
                time.sleep(0.01)
        return 1

    # -- signals

    def _take_signals(self) -> None:
        self._signal_fd, self._signal_write = os.pipe()
        for fd in (self._signal_fd, self._signal_write):
            os.set_blocking(fd, False)
        self._old_fd = signal.set_wakeup_fd(self._signal_write, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._on_signal) for number in _STOPS}
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _on_signal(self, number: int, frame: Any) -> None:
        self._signals += 1

    def _leave_signals(self) -> None:
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        os.close(self._signal_fd)
        os.close(self._signal_write)

    @property
    def _stopping(self) -> bool:
        return self._signals > 0

    # -- the loop

    def _turn(self) -> None:
        """Wait for something to happen, and deal with it."""
        events = self._poll.poll(self._timeout() * 1000)
        woken = False
        for fd, event in events:
            hand = self._by_fd.get(fd)
            if hand is not None:
                if event & select.POLLOUT:
                    self._flush(hand)
                else:
                    self._step(self._read, hand)
            elif fd == self._signal_fd:
                _empty(fd)
                self._step(self._reap_children)
            else:
                woken = True
        if woken:
            self._step(self._woken)
        if self._stopping:
            self._step(self._drain_step)
        if (self.reported or (self._hungry and self._free())) and not self._ticks.pending("settle"):
            self._step(self._settle)
        self._step(self._next_stages)
        for tick in self._ticks.due():
            self._step(tick)
        self._step(self._fill)

    def _step(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
            if step == self._settle and self._away:
                self._away = False
                _log.warning("The database answers again.")
        except Away as error:
            if step == self._settle:
                self._try_again(error)
        except Exception:
            _log.exception("A step of the worker failed; it goes on.")
            time.sleep(0.01)

    def _try_again(self, error: Away) -> None:
        """Outcomes and claims wait; the longer it lasts, the seldomer we try."""
        self._failures += 1
        wait = min(1.0, 0.01 * 2 ** min(self._failures, 8))
        self._ticks.once("settle", wait * random.uniform(0.5, 1.0))
        if not error.busy and not self._away:
            self._away = True
            _log.warning("The database is away; outcomes are kept until it is back. %s", error)

    def _timeout(self) -> float:
        now = time.monotonic()
        wait = self._ticks.wait()
        for hand in self.hands.values():
            for at in (hand.stage_at, hand.limit_at):
                if at is not None:
                    wait = min(wait, at - now)
        if self._drain_at is not None:
            wait = min(wait, self._drain_at - now)
        if self._due is not None and not self._stopping:
            wait = min(wait, max(0.001, self._due - time.time()))
        if len(self.hands) < self.concurrency and not self._stopping:
            wait = min(wait, self._fork_at - now)
        return max(0.0, wait)

    # -- children

    def _fill(self) -> None:
        if self._stopping or len(self.hands) >= self.concurrency or time.monotonic() < self._fork_at:
            return
        self._dispose()
        while len(self.hands) < self.concurrency:
            hand = hands.fork(self.app, self._owner.fd, self._private_fds())
            self._guard.watch(hand.pid)
            self.hands[hand.pid] = hand
            self._by_fd[hand.result.fd] = hand
            self._poll.register(hand.result.fd, select.POLLIN)
        self._listen()
        self._hungry = True

    def _private_fds(self) -> list[int]:
        """What a child or the guard must not hold."""
        fds = [self._wake.fd, self._signal_fd, self._signal_write]
        for hand in self.hands.values():
            fds += [fd for fd in hand.fds if fd >= 0]
        guard = getattr(self, "_guard", None)
        return fds if guard is None else [*fds, guard.fd]

    def _free(self) -> list[Hand]:
        return [] if self._stopping else [hand for hand in self.hands.values() if hand.free]

    def _read(self, hand: Hand) -> None:
        for message in hand.result.ready():
            self._message(hand, message)
        if hand.result.ended:
            with contextlib.suppress(KeyError):
                self._poll.unregister(hand.result.fd)
            self._by_fd.pop(hand.result.fd, None)

    def _message(self, hand: Hand, message: dict[str, Any]) -> None:
        claim = hand.claim
        if claim is None:
            return
        if "done" in message:
            if message["token"] == claim.token:
                hand.take()
                self._ended(claim, outcome_from(message["done"]))
                if message["last"] or hand.done >= self.recycle:
                    hand.retire()
        elif "report" in message:
            hand.told, hand.unsaved = message["report"], True
            self._ticks.once("reports", REPORT_EVERY, sooner=False)
        elif "limit" in message:
            hand.limit_at = time.monotonic() + message["limit"]

    def _ended(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.kind in ("error", "crashed"):
            outcome = replace(outcome, delay=self._backoff(claim.attempts))
        self.reported.append(Reported(claim, outcome))

    def _backoff(self, attempts: int) -> float:
        wait = min(LONGEST_BACKOFF, self.settings.backoff * 2.0 ** min(attempts - 1, 20))
        return wait * random.uniform(0.8, 1.2)

    def _reap_children(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            hand = self.hands.get(pid)
            if hand is not None:
                self._bury(hand, status)
            elif pid == self._guard.pid:
                self._replace_guard()

    def _bury(self, hand: Hand, status: int) -> None:
        self._read(hand)
        with contextlib.suppress(KeyError):
            self._poll.unregister(hand.result.fd)
        with contextlib.suppress(KeyError, ValueError):
            self._poll.unregister(hand.work.fd)
        self._by_fd.pop(hand.result.fd, None)
        self._by_fd.pop(hand.work.fd, None)
        del self.hands[hand.pid]
        self._guard.forget(hand.pid)
        claim = hand.claim
        outcome = hand.bury(self.state, status)
        if claim is not None and outcome is not None:
            _log.warning("Task %d: its process %d died (%s).", claim.id, hand.pid, hands.describe(status))
            self._ended(claim, outcome)
        elif not hand.retired:
            _log.warning("The idle process %d died (%s).", hand.pid, hands.describe(status))
        if hand.done == 0 and claim is None:
            self._fork_at = time.monotonic() + 1.0  # it died before its first task: do not fork in a loop
        self._kill_orphans()

    def _kill_orphans(self) -> None:
        """End what a dead child has left: it has become ours."""
        known = {self._guard.pid, *self.hands}
        for pid in processes.children():
            if pid not in known:
                processes.kill_tree(pid)

    def _replace_guard(self) -> None:
        os.close(self._guard.fd)
        self._dispose()
        self._guard = Guard(self._private_fds())
        for pid in self.hands:
            self._guard.watch(pid)
        self._listen()

    # -- tasks

    def _settle(self) -> None:
        """Write what has ended and give tasks to the free children, in one transaction."""
        free = self._free() if self._hungry else []
        reported = self.reported
        if not reported and not free:
            return
        settled = self._ledger.settle(reported, [hand.pid for hand in free])
        self.reported = []
        self._failures = 0
        self._hungry = self._hungry and len(settled.claims) == len(free)
        for hand, claim in zip(free, settled.claims, strict=False):
            hand.give(claim)
            if hand.work.left:
                self._by_fd[hand.work.fd] = hand
                self._poll.register(hand.work.fd, select.POLLOUT)
        for (claim, outcome), ended in zip(reported, settled.ended, strict=True):
            self._tell(claim, outcome, ended)

    def _tell(self, claim: Claim, outcome: Outcome, ended: Ended | None) -> None:
        if ended is None:
            _log.warning("Task %d: the outcome %r came too late, so it was dropped.", claim.id, outcome.kind)
            return
        if ended.due_at is not None:
            self._due = ended.due_at if self._due is None else min(self._due, ended.due_at)
        if outcome.kind == "drained":
            self._hungry = True
        if _log.isEnabledFor(logging.INFO):
            name = f"{claim.identifier}.{claim.action}"
            _log.info("Task %d %s: %s. %s", claim.id, name, outcome.kind, ended.message)

    def _flush(self, hand: Hand) -> None:
        hand.work.flush()
        if not hand.work.left:
            self._poll.unregister(hand.work.fd)
            self._by_fd.pop(hand.work.fd, None)

    def _write_reports(self) -> None:
        unsaved = [hand for hand in self.hands.values() if hand.unsaved and hand.claim is not None]
        if not unsaved:
            return
        try:
            self._ledger.report([(hand.claim, hand.told) for hand in unsaved if hand.claim and hand.told])
        except Away:
            self._ticks.once("reports", REPORT_EVERY)
            raise
        for hand in unsaved:
            hand.unsaved = False

    def _woken(self) -> None:
        if self._wake.drain() | self._listener.drain():
            self._hungry = True
            if self._due is None:
                self._ticks.once("look", 0.0)
            if any(hand.claim for hand in self.hands.values()):
                self._ticks.once("stops", 0.02, sooner=False)

    def _look(self) -> None:
        """The net below the wake-ups: has anything changed? Is a task due?"""
        if not self._hungry and not any(hand.claim for hand in self.hands.values()):
            self._ledger.rest()
        if self._ledger.changed():
            self._hungry = True
            self._look_for_stops()
            self._due = self._ledger.promote()
        elif self._due is not None and self._due <= time.time():
            self._due = self._ledger.promote()
            self._hungry = True

    def _look_for_stops(self) -> None:
        """Stop the tasks that somebody stopped, and those that are not ours any more."""
        busy = [hand for hand in self.hands.values() if hand.claim is not None]
        if not busy:
            return
        running = self._ledger.running()
        for hand in busy:
            assert hand.claim is not None
            _, stopped = running.get(hand.claim.token, (0, False))
            if stopped and hand.stopping != "cancel":
                hand.interrupt("cancel", self.settings.cancel_grace, self.settings.kill_grace)
            elif hand.claim.token not in running:
                _log.warning("Task %d is not ours any more, so its process is ended.", hand.claim.id)
                hand.interrupt("drain", 0.0, 0.0)
                hand.kill()

    def _next_stages(self) -> None:
        now = time.monotonic()
        for hand in self.hands.values():
            if hand.limit_at is not None and hand.limit_at <= now:
                hand.limit_at = None
                hand.interrupt("timeout", self.settings.cancel_grace, self.settings.kill_grace)
            stage = hand.next_stage()
            if stage is not None and hand.claim is not None:
                _log.warning("Task %d does not stop; %s.", hand.claim.id, "SIGTERM" if stage == "term" else "SIGKILL")

    def _drain_step(self) -> None:
        """Stop claiming, let running tasks end, then give back what is left."""
        now = time.monotonic()
        if self._drain_at is None:
            self._drain_at = now + self.drain
            _log.info("The worker stops; running tasks get %g s to end.", self.drain)
            self._ticks.once("beat", 0.0)
        for hand in self.hands.values():
            if hand.claim is None:
                hand.retire()
            elif now >= self._drain_at:
                hand.interrupt("drain", DRAIN_GRACE, DRAIN_GRACE)
        if now >= self._drain_at:
            self._drain_at = now + 3600.0

    # -- signs of life

    def _beat(self) -> None:
        busy = sum(hand.claim is not None for hand in self.hands.values())
        self._ledger.beat(concurrency=self.concurrency, busy=busy, stopping=self._stopping)
        self._give_back_strays()

    def _give_back_strays(self) -> None:
        """Tasks that the database says are ours and that no child has: a commit whose answer was lost."""
        known = {claim.token for claim, _ in self.reported}
        known |= {hand.claim.token for hand in self.hands.values() if hand.claim is not None}
        strays = self._ledger.running().keys() - known
        if strays:
            message = "The database did not answer when it was started. The task starts again by itself."
            self._ledger.give_back(self._owner.id, Outcome("lost", message), set(strays))
            self._hungry = True

    def _reap(self) -> None:
        if self._reaper.look():
            self._hungry = True

    # -- PostgreSQL's notices

    def _listen(self) -> None:
        fd = self._listener.open()
        if fd is not None:
            self._poll.register(fd, select.POLLIN)

    def _unlisten(self) -> None:
        fd = self._listener.fd
        if fd is not None:
            self._poll.unregister(fd)
        self._listener.close()


_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _empty(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 512):
            pass
