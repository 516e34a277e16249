"""The supervisor: one thread that keeps child processes, gives them tasks and writes down how these end.

It waits in one ``poll`` for its children's pipes, wake-ups and signals. Each step of the loop fails for itself; an
outcome stays in memory until it is written, however long the database is locked or away.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Flask

from ..announce import announce_end
from ..outcomes import Claim, Outcome, backoff, outcome_from
from ..state import state_of
from ..stored import NO_ANSWER
from ..vitals import facts_of_this
from . import processes, seals
from .crew import Crew
from .given import Given
from .hand import Hand
from .ledger import Away, Ledger
from .listener import Listener
from .owner import OwnerLock
from .reaper import Reaper
from .scheduler import Scheduler
from .settler import Settler
from .signals import Signals
from .ticks import Ticks
from .wake import WakeSocket

#: Seconds between two writes of progress into the rows.
REPORT_EVERY = 0.5
#: The longest time that a drained task gets to end before SIGTERM, and then before SIGKILL. Both are part of the drain.
DRAIN_GRACE = 1.0
#: When to look for dead supervisors after the start: a guard may still be at work for one that was killed just now.
_EARLY_LOOKS = (0.1, 0.3, 0.6, 1.0, 2.0)
#: How soon after a wake-up to look for stopped and waiting tasks; those that can start are claimed at once.
LOOK_AFTER = 0.02
#: Seconds after its start in which a task that was claimed ahead is over, or its start is written for itself.
NOTE_AFTER = 0.05
#: How long a second signal still tries to give tasks back.
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
        self._app = app
        self._state = state_of(app)
        self._settings = self._state.settings
        self.concurrency = concurrency or self._settings.concurrency or os.cpu_count() or 1
        self._drain = self._settings.drain if drain is None else drain
        self._recycle = recycle or self._settings.recycle
        self._due: float | None = None
        self._drain_at: float | None = None
        self._watched: int | None = None

    def run(self) -> int:
        """Work until a signal ends it.

        :returns: the exit code: 0, or 1 when a second signal cut the drain short.
        :raises TablesMissing: says what to run.
        """
        self._prepare()
        try:
            while self._crew.hands or not self._settler.idle or not self._signals.stops:
                if self._signals.stops > 1:
                    return self._end_now()
                self._turn()
            return 0
        finally:
            self._close()

    # -- beginning and end

    def _prepare(self) -> None:
        state = self._state
        with self._app.app_context():
            state.database.require()
            state.storage.prepare()
            state.registry.classes()
        processes.name_process("stask-worker")
        processes.become_subreaper()
        self._owner = OwnerLock(state.storage.run)
        info = facts_of_this(state.registry)
        self._ledger = Ledger(state.database, self._owner.id, partial(announce_end, state), info)
        self._reaper = Reaper(self._ledger, state.storage.run, state.journals, self._settings.lease)
        self._seals = seals.Seals(self._ledger, state.storage.run)
        self._listener = Listener(state.database)
        self._wake = WakeSocket(state.storage.run, self._owner.id)
        self._scheduler = Scheduler(self._app, state, self._ledger)
        self._scheduler.start()
        self._signals = Signals()
        self._poll = select.poll()
        for fd in (self._wake.fd, self._signals.fd):
            self._poll.register(fd, select.POLLIN)
        gc.collect()
        gc.freeze()
        self._given = Given(state.storage.run, self._owner.id)
        self._crew = Crew(
            self._app,
            state,
            size=self.concurrency,
            lock=self._owner.fd,
            private=(self._wake.fd, self._given.fd, *self._signals.fds),
            alone=self._disconnect,
            poll=self._poll,
        )
        self._settler = Settler(state, self._ledger, self._crew, self._given, self._again)
        self._ticks = self._plan()
        self._fill()
        _log.info("Worker %s runs %d processes.", self._owner.id[:8], self.concurrency)

    def _plan(self) -> Ticks:
        ticks = Ticks()
        ticks.every("beat", self._settings.heartbeat, self._beat)
        ticks.every("look", self._settings.poll, self._look)
        ticks.every("reap", self._settings.heartbeat, self._reap, early=_EARLY_LOOKS)
        ticks.every("schedules", self._settings.poll, self._fire_schedules)
        ticks.every("seals", seals.EVERY, self._erase_secrets)
        ticks.on_demand("reports", self._write_reports)
        ticks.on_demand("starts", self._note_starts)
        ticks.on_demand("settle", self._settle)
        return ticks

    def _disconnect(self) -> None:
        """Close every connection, ours and the host's: what is open in a fork belongs to two processes."""
        self._ledger.close()
        self._unwatch()
        self._unlisten()
        self._state.database.engine.dispose()
        if self._state.host_db is not None:
            with self._app.app_context(), contextlib.suppress(Exception):
                for engine in self._state.host_db.engines.values():
                    engine.dispose()

    def _close(self) -> None:
        self._crew.close()
        known = True
        with contextlib.suppress(Away):
            self._ledger.remove(self._owner.id)
            known = False
        self._disconnect()
        self._wake.close()
        if not known:
            self._given.close()
        self._owner.release(keep=known)
        self._signals.close()

    def _end_now(self) -> int:
        """A second signal: kill what runs, give it back as well as we can."""
        self._crew.kill_all()
        until = time.monotonic() + _LAST_TRY
        while (self._crew.hands or not self._settler.idle) and time.monotonic() < until:
            self._step(self._reap_children)
            self._step(self._settler.look)
            self._step(self._settle)
            time.sleep(0.005)
        return 1

    # -- the loop

    def _turn(self) -> None:
        """Wait for something to happen, and deal with it."""
        woken = False
        for fd, event in self._poll.poll(self._timeout() * 1000):
            hand = self._crew.hand_of(fd)
            if hand is not None:
                self._step(self._crew.flush if event & select.POLLOUT else self._read, hand)
            elif fd == self._signals.fd:
                self._signals.drain()
                self._step(self._reap_children)
            elif fd != self._watched:
                woken = True
        self._step(self._settler.look)
        if woken:
            self._step(self._woken)
        if self._signals.stops:
            self._step(self._drain_step)
        if not self._ticks.pending("settle"):
            self._step(self._settle)
        self._step(self._next_stages)
        for tick in self._ticks.due():
            self._step(tick)
        self._step(self._settler.look)
        self._watch_answer()
        self._step(self._fill)
        self._step(self._settler.look)

    def _watch_answer(self) -> None:
        """Let the answer to a commit wake the loop, as long as one is under way."""
        fd = None if self._ledger.waits is None else self._ledger.fd
        if fd != self._watched:
            self._unwatch()
            if fd is not None:
                self._poll.register(fd, select.POLLIN)
                self._watched = fd

    def _unwatch(self) -> None:
        """Before another file gets the same number."""
        if self._watched is not None:
            self._poll.unregister(self._watched)
            self._watched = None

    def _step(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Away as error:
            if step == self._settle:
                self._ticks.once("settle", self._settler.failed(error))
        except Exception:
            _log.exception("A step of the worker failed; it goes on.")
            time.sleep(0.01)

    def _timeout(self) -> float:
        now = time.monotonic()
        wait = self._ticks.wait()
        if not self._ticks.pending("settle") or self._ledger.waits is not None:
            wait = min(wait, self._settler.wait())
        for hand in self._crew:
            for at in (hand.stage_at, hand.limit_at):
                if at is not None:
                    wait = min(wait, at - now)
        if self._signals.stops:
            wait = min(wait, (self._drain_at or now) - now)
        else:
            wait = min(wait, self._crew.wait())
            if self._due is not None:
                wait = min(wait, max(0.001, self._due - time.time()))
        return max(0.0, wait)

    # -- children

    def _fill(self) -> None:
        if not self._signals.stops and self._crew.fill():
            self._settler.wake()
        if self._listener.fd is None:
            self._listen()

    def _read(self, hand: Hand) -> None:
        for message in self._crew.read(hand):
            self._told(hand, message)

    def _told(self, hand: Hand, message: dict[str, Any]) -> None:
        claim = hand.claim
        if claim is None or message["token"] != claim.token:
            return
        if "done" in message:
            hand.take()
            self._ended(claim, outcome_from(message["done"]), time.monotonic() - hand.given_at)
            if message["last"] or hand.done >= self._recycle:
                hand.retire()
        elif "report" in message:
            hand.told, hand.unsaved = message["report"], True
            self._ticks.once("reports", REPORT_EVERY, sooner=False)
        elif "hidden" in message:
            hand.hidden = message["hidden"]
        elif "limit" in message:
            hand.limit_at = time.monotonic() + message["limit"]

    def _reap_children(self) -> None:
        for claim, outcome in self._crew.reap(self._told):
            self._ended(claim, outcome, time.time() - claim.started_at)

    # -- tasks

    def _ended(self, claim: Claim, outcome: Outcome, seconds: float) -> None:
        if outcome.kind in ("error", "crashed"):
            outcome = replace(outcome, delay=backoff(claim.attempts, self._settings.backoff))
        self._settler.ended(claim, outcome, seconds)

    def _settle(self) -> None:
        """Write what has ended and give tasks to the free children."""
        self._settler.settle(stopping=bool(self._signals.stops))
        if not self._ticks.pending("starts") and any(hand.unnoted for hand in self._crew):
            self._ticks.once("starts", NOTE_AFTER)

    def _again(self, at: float) -> None:
        self._due = at if self._due is None else min(self._due, at)

    def _note_starts(self) -> None:
        """Write the start of what was claimed ahead and is not over soon after."""
        before = time.monotonic() - NOTE_AFTER
        late = [(hand, claim) for hand, claim in self._crew.busy() if hand.unnoted and hand.given_at <= before]
        if late:
            self._ledger.note_starts([claim for _, claim in late])
        for hand, _ in late:
            hand.unnoted = False
        if any(hand.unnoted for hand in self._crew):
            self._ticks.once("starts", NOTE_AFTER)

    def _write_reports(self) -> None:
        unsaved = [(hand, claim, hand.told) for hand, claim in self._crew.busy() if hand.unsaved and hand.told]
        if not unsaved:
            return
        try:
            self._ledger.report([(claim, told) for _, claim, told in unsaved])
        except Away:
            self._ticks.once("reports", REPORT_EVERY)
            raise
        for hand, _, told in unsaved:
            hand.unsaved = hand.told is not told

    def _woken(self) -> None:
        try:
            woken = self._wake.drain() | self._listener.drain()
        except Exception:  # PostgreSQL has cut the connection
            self._unlisten()
            woken = True
        if woken:
            self._settler.wake()
            self._ticks.once("look", LOOK_AFTER)
            self._settler.look_ahead()

    def _look(self) -> None:
        """The net below the wake-ups: has anything changed? Is a task due? With nothing to do, the log is tidied."""
        if not self._settler.hungry and not self._crew.busy() and self._ledger.rest():
            self._beat()
        if self._ledger.changed():
            self._settler.wake()
            self._look_for_stops()
            self._due = self._ledger.promote()
        elif self._due is not None and self._due <= time.time():
            self._settler.wake()
            self._due = self._ledger.promote()

    def _fire_schedules(self) -> None:
        """Create the tasks of schedules that are due, and come back when the next one is."""
        wait = None if self._signals.stops else self._scheduler.tick()
        if wait is not None:
            self._ticks.once("schedules", wait)

    def _look_for_stops(self) -> None:
        """Stop the tasks that somebody stopped, and those that are not ours any more."""
        busy = self._crew.busy()
        self._settler.look_ahead()
        if not busy:
            return
        running = self._ledger.running()
        for hand, claim in busy:
            _, stopped = running.get(claim.token, (0, False))
            if stopped and hand.stopping != "cancel":
                hand.interrupt("cancel", self._settings.cancel_grace, self._settings.kill_grace)
            elif claim.token not in running:
                _log.warning("Task %d is not ours any more, so its process is ended.", claim.id)
                hand.interrupt("drain", 0.0, 0.0)
                hand.kill()

    def _next_stages(self) -> None:
        now = time.monotonic()
        for hand in self._crew:
            if hand.limit_at is not None and hand.limit_at <= now:
                hand.limit_at = None
                hand.interrupt("timeout", self._settings.cancel_grace, self._settings.kill_grace)
            sent = hand.next_stage()
            if sent is not None and hand.claim is not None:
                _log.warning("Task %d does not stop; its process gets %s.", hand.claim.id, sent)

    def _drain_step(self) -> None:
        """Stop claiming, let running tasks end, then give back what is left; all within the drain time."""
        now = time.monotonic()
        grace = min(DRAIN_GRACE, self._drain / 4)
        if self._drain_at is None:
            self._drain_at = now + self._drain - 2 * grace
            self._ticks.once("beat", 0.0)
            _log.info("The worker stops; running tasks get %g s to end.", self._drain)
        self._crew.retire_idle()
        if now >= self._drain_at:
            self._drain_at = now + 3600.0
            for hand, _ in self._crew.busy():
                hand.interrupt("drain", grace, grace)

    # -- signs of life

    def _beat(self) -> None:
        busy = len(self._crew.busy())
        self._ledger.beat(concurrency=self.concurrency, busy=busy, stopping=bool(self._signals.stops))
        self._give_back_strays()
        # To claim from an empty queue costs 0.2 ms. Not done for ten minutes, it costs 1 ms when a task comes at last:
        # nothing of it is left in the processor's caches.
        self._settler.wake()

    def _give_back_strays(self) -> None:
        """Tasks that the database says are ours and that no child has: a commit whose answer was lost."""
        strays = self._ledger.running().keys() - self._settler.known()
        if strays:
            self._ledger.give_back(self._owner.id, Outcome("lost", NO_ANSWER), set(strays))
            self._settler.wake()

    def _erase_secrets(self) -> None:
        self._seals.erase()

    def _reap(self) -> None:
        if self._reaper.look():
            self._settler.wake()

    # -- PostgreSQL's notices

    def _listen(self) -> None:
        fd = self._listener.open()
        if fd is not None:
            self._poll.register(fd, select.POLLIN)
            self._settler.wake()  # what came in between was not heard

    def _unlisten(self) -> None:
        if self._listener.fd is not None:
            self._poll.unregister(self._listener.fd)
        self._listener.close()
