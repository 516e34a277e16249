"""What a loop does from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


class Ticks:
    """Named steps and when they are next due, by the monotonic clock."""

    def __init__(self) -> None:
        self._steps: dict[str, Callable[[], None]] = {}
        self._periods: dict[str, float] = {}
        self._early: dict[str, list[float]] = {}
        self._at: dict[str, float] = {}

    def every(self, name: str, period: float, step: Callable[[], None], *, early: Sequence[float] = ()) -> None:
        """Add a step that is due now and then every ``period`` seconds.

        :param early: seconds from now at which it is due before the period counts.
        """
        now = time.monotonic()
        self._steps[name], self._periods[name], self._at[name] = step, period, now
        self._early[name] = [now + wait for wait in early]

    def on_demand(self, name: str, step: Callable[[], None]) -> None:
        """Add a step that is due only after :meth:`once`."""
        self._steps[name] = step

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
        """Seconds until the next step is due."""
        return max(0.0, min(self._at.values()) - time.monotonic())

    def due(self) -> list[Callable[[], None]]:
        """The steps that are due; each is planned anew."""
        now = time.monotonic()
        names = [name for name, at in self._at.items() if at <= now]
        for name in names:
            self._plan(name, now)
        return [self._steps[name] for name in names]

    def _plan(self, name: str, now: float) -> None:
        del self._at[name]
        early = self._early.get(name, [])
        while early and early[0] <= now:
            early.pop(0)
        if early:
            self._at[name] = early[0]
        elif name in self._periods:
            self._at[name] = now + self._periods[name]
