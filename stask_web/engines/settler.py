"""What a supervisor has to settle with the database: outcomes that are not written, claims that have not begun.

A commit on PostgreSQL is not waited for: what it has claimed begins at once, and its answer is taken when it comes.
Until then these claims are *unsure*. If the answer does not come, because the server has crashed, whoever runs one is
killed before the server can be back: a task never runs beside itself. What must not happen twice begins only when it is
sure.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from .. import stored
from ..announce import announce_end
from ..outcomes import CANCELLED, Claim, Ended, Outcome
from ..state import State
from .ahead import LATE, Ahead
from .crew import Crew
from .given import Given
from .ledger import Away, Ledger, Reported, Settled
from .line import PATIENCE

#: Seconds that an outcome may wait for the next transaction while claims wait for children.
WRITE_WITHIN = 0.005
_log = logging.getLogger("stask_web.worker")


class _Unsure(NamedTuple):
    """A transaction whose commit is under way."""

    settled: Settled
    reported: list[Reported]
    unused: list[Claim]
    tokens: set[str]
    since: float


def _bare(reported: Reported) -> Reported:
    """An outcome without all that the action said of it, which cannot be written."""
    outcome = reported.outcome
    _log.error("Task %d: its outcome cannot be written as it is: %r", reported.claim.id, outcome)
    return reported._replace(outcome=Outcome(outcome.kind, stored.NOT_STORED, delay=outcome.delay))


class Settler:
    """Writes what has ended and gives tasks to free children.

    :param given: notes what is given to children.
    :param again: called with the moment at which a task of ours starts again by itself.
    """

    def __init__(self, state: State, ledger: Ledger, crew: Crew, given: Given, again: Callable[[float], None]) -> None:
        self.hungry = True
        self.reported: list[Reported] = []
        self.ahead = Ahead()
        self._state, self._ledger, self._crew, self._given, self._again = state, ledger, crew, given, again
        given.live = self.known
        self._unused: list[Claim] = []
        self._unsure: _Unsure | None = None
        self._doubtful: set[str] = set()
        self._since = 0.0
        self._urgent = False
        self._more_left = True
        self._overtaken = False
        self._failures = 0
        self._away = False

    @property
    def idle(self) -> bool:
        """Whether everything is written, and nothing waits here."""
        return not (self.reported or self._unused or len(self.ahead) or self._unsure)

    def known(self) -> set[str]:
        """The tokens of all attempts that this supervisor has in hand or has to write."""
        unsure = self._unsure
        reported = [*self.reported, *(unsure.reported if unsure else ())]
        claims = [each.claim for each in reported] + self._unused + self.ahead.claims
        claims += [claim for _, claim in self._crew.busy()] + (unsure.unused if unsure else [])
        return {claim.token for claim in claims}

    # -- what comes in

    def wake(self) -> None:
        """There may be tasks in the queue. More than there are free children: only if these were all given one."""
        self.hungry = True

    def ended(self, claim: Claim, outcome: Outcome, seconds: float) -> None:
        """An attempt has ended, after so many seconds in its child."""
        if not self.reported:
            self._since = time.monotonic()
        doubt = self._is_unsure(claim) or claim.token in self._doubtful
        self.reported.append(Reported(claim, outcome, time.time(), doubt))
        self._urgent = self._urgent or outcome.kind != "completed" or claim.max_attempts == 1
        self.ahead.saw(seconds)

    def look_ahead(self) -> None:
        """Something was created or stopped: does it concern what waits here?

        :raises Away: it cannot be told, so nothing of it begins.
        """
        if not len(self.ahead):
            return
        try:
            running = self._ledger.running()
            self._overtaken = self._ledger.is_above(self.ahead.rank)
        except Away:
            self.let_go()
            raise
        self.stop({token for token in self._tokens_ahead() if running.get(token, (0, True))[1]})

    def stop(self, tokens: set[str]) -> None:
        """Somebody has stopped these, or they are not ours any more: they do not begin."""
        self._unused += self.ahead.take(tokens)

    def let_go(self) -> None:
        """Give back everything that has not begun."""
        self._unused += self.ahead.take()

    def _tokens_ahead(self) -> set[str]:
        return {claim.token for claim in self.ahead.claims}

    # -- the transaction

    def settle(self, *, stopping: bool) -> None:
        """Write what has ended and claim for the free children, if it is time.

        :raises Away: nothing was changed.
        """
        now = time.monotonic()
        if stopping or (self._unsure is None and self.ahead.late(now)):
            self.let_go()
        self.give(now)
        if self._unsure is not None:
            return
        free = self._crew.free() if self.hungry and not stopping else []
        more = 0 if stopping else self._more(bool(free))
        if free or more or self._unused or self._must_write(now):
            self._settle([hand.pid for hand in free], more)

    def _settle(self, pids: list[int], more: int) -> None:
        reported, unused = self.reported, self._unused
        try:
            settled = self._ledger.settle(reported, pids, more, unused)
        except Away:
            raise
        except Exception:
            # One outcome that no column holds must not keep those of all other tasks.
            self.reported = [each if self._ledger.fits(each) else _bare(each) for each in reported]
            if self.reported == reported:
                raise
            return
        tokens = {claim.token for claim in settled.claims}
        now = time.monotonic()
        self._unsure = _Unsure(settled, reported, unused, tokens, now)
        self.reported, self._unused, self._overtaken, self._urgent = [], [], False, False
        found = len(settled.claims)
        self.hungry = self.hungry and found >= len(pids)
        if pids or more:
            self._more_left = found == len(pids) + more
        if more:
            self.ahead.grow()
        self.ahead.add(settled.claims, now)
        self.give(now)
        self.look()

    def _more(self, empty: bool) -> int:
        """How many to claim besides those that begin at once."""
        if not (self.hungry and self._ledger.batches.able):
            return 0
        if self._overtaken:
            return self._crew.size
        wanted = self.ahead.wanted(self._crew.size) if self._more_left else 0
        there = len(self.ahead)
        return max(0, wanted - there) if empty or there <= wanted // 2 else 0

    def _must_write(self, now: float) -> bool:
        if not self.reported:
            return False
        return self._urgent or not len(self.ahead) or now - self._since >= WRITE_WITHIN

    def give(self, now: float) -> None:
        """Give what waits here to the free children."""
        if not len(self.ahead):
            return
        pairs: list[tuple[int, Claim]] = []
        free = self._crew.free()
        for hand in free:
            claim = self.ahead.next(now, self._is_held)
            if claim is None:
                break
            pairs.append((hand.pid, claim))
        if not pairs:
            return
        self._given.note([claim.token for _, claim in pairs])
        for hand, (pid, claim) in zip(free, pairs, strict=False):
            late = claim.pid != pid
            self._crew.give(hand, claim._replace(pid=pid, started_at=time.time()) if late else claim)
            hand.unnoted = late

    def wait(self) -> float:
        """Seconds until something is to be done here."""
        waits = self._ledger.waits
        if waits is not None:
            return waits
        now = time.monotonic()
        oldest = self.ahead.oldest()
        wait = 3600.0 if oldest is None else max(0.0, oldest + LATE - now)
        return min(wait, max(0.0, self._since + WRITE_WITHIN - now)) if self.reported else wait

    # -- the answer to the commit

    def look(self) -> None:
        """Take the answer to the commit, if it is there."""
        unsure = self._unsure
        if unsure is None:
            return
        answer = self._ledger.answer()
        if answer is None:
            return
        self._unsure = None
        if answer:
            self._sure(unsure)
        else:
            self._doubt(unsure)

    def _sure(self, unsure: _Unsure) -> None:
        if self._failures:
            self._answers_again()
        for each, ended in zip(unsure.reported, unsure.settled.ended, strict=True):
            self._tell(each, ended)
        for claim in unsure.settled.withdrawn:
            announce_end(self._state, CANCELLED, claim.id)
        now = time.monotonic()
        if now - unsure.since < PATIENCE / 2:
            self.ahead.renew(lambda claim: claim.max_attempts == 1, now)
        self.give(now)
        self.reported = [
            each._replace(doubt=False) if each.claim.token in unsure.tokens else each for each in self.reported
        ]

    def _doubt(self, unsure: _Unsure) -> None:
        """The commit stands, or it does not. What it has claimed ends at once; what it has written is written again."""
        tokens = unsure.tokens
        self._doubtful |= tokens
        for hand, claim in self._crew.busy():
            if claim.token in tokens:
                _log.warning("Task %d: nobody knows whether its start was written, so it is killed.", claim.id)
                hand.interrupt("lost", 0.0, 0.0)
                hand.kill()
        self._unused = unsure.unused + self._unused + self.ahead.take(tokens)
        again = [each._replace(doubt=True) for each in unsure.reported]
        if not self.reported:
            self._since = time.monotonic()
        self.reported = again + self.reported
        self._urgent = True
        self.wake()

    def _is_unsure(self, claim: Claim) -> bool:
        return self._unsure is not None and claim.token in self._unsure.tokens

    def _is_held(self, claim: Claim) -> bool:
        """What must not happen twice waits until its claim and the ends of its like are on the disk."""
        return claim.max_attempts == 1 and (self._unsure is not None or self._urgent)

    # -- telling

    def _tell(self, each: Reported, ended: Ended | None) -> None:
        claim, outcome = each.claim, each.outcome
        self._doubtful.discard(claim.token)
        if ended is None:
            if not each.doubt:
                _log.warning("Task %d: the outcome %r came too late, so it was dropped.", claim.id, outcome.kind)
            return
        if ended.due_at is not None:
            self._again(ended.due_at)
        announce_end(self._state, ended.status, claim.id)
        if _log.isEnabledFor(logging.INFO):
            name = f"{claim.identifier}.{claim.action}"
            _log.info("Task %d %s: %s. %s", claim.id, name, outcome.kind, ended.message)

    def failed(self, error: Away) -> float:
        """It could not be written; the longer that lasts, the seldomer we try -> seconds until the next time."""
        self._failures += 1
        if not error.busy and not self._away:
            self._away = True
            _log.warning("The database is away; outcomes are kept until it is back. %s", error)
        return min(1.0, 0.01 * 2.0 ** min(self._failures, 8)) * random.uniform(0.5, 1.0)

    def _answers_again(self) -> None:
        self._failures = 0
        if self._away:
            self._away = False
            _log.warning("The database answers again.")
