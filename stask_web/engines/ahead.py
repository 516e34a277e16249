"""Tasks that were claimed before a child is free: a few, for a few milliseconds, and only while tasks are very short.

A transaction costs more than a task that does nothing. So while the tasks that end are very short, one transaction
claims for the next ones, too. What waits here is held by this supervisor alone; so it is little, it is given to
children in the order of the queue, and what does not begin within :data:`LATE` goes back to where it was.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..batches import place
from ..outcomes import Claim

#: Seconds that a task takes on average at most, from its child's getting it to its end, to be very short.
SHORT = 0.003
#: So many have to end before the first is claimed ahead.
_SEEN = 8
#: The part of a new run in the average.
_WEIGHT = 0.125
#: Seconds within which what waits here should be gone.
_SOON = 0.008
#: Seconds after which a claim is not begun any more.
LATE = 0.02
#: The most for each child.
MOST = 16


class _Waiting(NamedTuple):
    place: tuple[int, int]
    claim: Claim
    since: float


class Ahead:
    """What is claimed and not begun. Times are those of the monotonic clock: one that was stopped for long is late."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        #: How many wait since when, the oldest first.
        self._times: dict[float, int] = {}
        self._average = 0.0
        self._seen = 0
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def claims(self) -> list[Claim]:
        """All that waits, in the order of the queue."""
        return [each.claim for each in self._waiting]

    @property
    def rank(self) -> int:
        """The priority of the last one."""
        return self._waiting[-1].claim.priority if self._waiting else 0

    # -- how much

    def saw(self, seconds: float) -> None:
        """A task has ended after so long."""
        self._average += (seconds - self._average) * (_WEIGHT if self._seen else 1.0)
        self._seen += 1

    def wanted(self, children: int) -> int:
        """How many should wait here for so many children."""
        if self._seen < _SEEN or self._average > SHORT:
            return 0
        return int(min(max(2, self._size), MOST, _SOON / max(self._average, 1e-6)) * children)

    def grow(self) -> None:
        """It was used up in time."""
        self._size = min(max(2, self._size) * 2, MOST)

    # -- what

    def add(self, claims: Iterable[Claim], now: float) -> None:
        """Claims that were made just now."""
        for claim in claims:
            insort(self._waiting, _Waiting(place(claim), claim, now))
            self._times[now] = self._times.get(now, 0) + 1

    def next(self, now: float, held: Callable[[Claim], bool]) -> Claim | None:
        """Take the first one, unless it must not begin yet, or not any more."""
        if not self._waiting or held(self._waiting[0].claim) or now - self._waiting[0].since > LATE:
            return None
        claim, since = self._waiting.pop(0)[1:]
        self._times[since] -= 1
        if not self._times[since]:
            del self._times[since]
        return claim

    def oldest(self) -> float | None:
        """Since when the one waits that waits longest."""
        return next(iter(self._times), None)

    def late(self, now: float) -> bool:
        """Whether one has waited too long."""
        oldest = self.oldest()
        return oldest is not None and now - oldest > LATE

    def renew(self, held: Callable[[Claim], bool], now: float) -> None:
        """Those that were held may begin from now on."""
        self._waiting = [each._replace(since=now) if held(each.claim) else each for each in self._waiting]
        self._count()

    def take(self, tokens: set[str] | None = None) -> list[Claim]:
        """Take these out, or all; then it begins small again."""
        taken = [each.claim for each in self._waiting if tokens is None or each.claim.token in tokens]
        if taken:
            self._waiting = [each for each in self._waiting if tokens is not None and each.claim.token not in tokens]
            self._size = self._seen = 0
            self._count()
        return taken

    def _count(self) -> None:
        self._times = {}
        for since in sorted(each.since for each in self._waiting):
            self._times[since] = self._times.get(since, 0) + 1
