"""What a loop does from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


class Ticks:
    """Named steps and when they are next due, by the monotonic clock."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[float | None, Callable[[], None]]] = {}
        self._at: dict[str, float] = {}
        self._early: dict[str, list[float]] = {}

    def every(
        self,
        name: str,
        period: float | None,
        step: Callable[[], None],
        *,
        start: bool = True,
        early: Sequence[float] = (),
    ) -> None:
        """Add a step.

        :param period: seconds; None for one that only :meth:`once` starts.
        :param start: whether it is due at once.
        :param early: seconds from now at which it is due before the period counts.
        """
        now = time.monotonic()
        self._steps[name] = (period if start else None, step)
        if period is not None and start:
            self._early[name] = [now + wait for wait in early]
            self._at[name] = now

    def once(self, name: str, wait: float, *, sooner: bool = True) -> None:
        """Make a step due in ``wait`` seconds.

        :param sooner: whether this holds too when it is due anyway, but later.
        """
        at = time.monotonic() + wait
        if name not in self._at or (sooner and at < self._at[name]):
            self._at[name] = at

    def pending(self, name: str) -> bool:
        """Whether a step waits for its time."""
        return name in self._at

    def wait(self) -> float:
        """Seconds until the next step is due; an hour at most."""
        return max(0.0, min(self._at.values(), default=3600.0 + time.monotonic()) - time.monotonic())

    def due(self) -> list[Callable[[], None]]:
        """The steps that are due; each is planned anew."""
        now = time.monotonic()
        names = [name for name, at in self._at.items() if at <= now]
        for name in names:
            self._plan(name, now)
        return [self._steps[name][1] for name in names]

    def _plan(self, name: str, now: float) -> None:
        period, _ = self._steps[name]
        del self._at[name]
        early = self._early.get(name, [])
        while early and early[0] <= now:
            early.pop(0)
        if early:
            self._at[name] = early[0]
        elif period is not None:
            self._at[name] = now + period
