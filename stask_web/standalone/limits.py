"""Slows down who guesses passwords."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WINDOW = 300.0
#: Failed tries within the window: for one name from one address, from one address, for one name from anywhere.
PER_PAIR, PER_ADDRESS, PER_NAME = 5, 25, 50
_MOST_KEYS = 10_000


class SignInLimit:
    """Counts failed tries in memory, for this process.

    :param now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, ...], list[float]] = {}

    def wait(self, name: str, address: str) -> float:
        """Seconds until the next try is allowed; 0 when it is now."""
        with self._lock:
            now = self._now()
            return max(self._wait(key, limit, now) for key, limit in _keys(name, address))

    def failed(self, name: str, address: str) -> None:
        """Count a failed try."""
        with self._lock:
            now = self._now()
            self._forget(now)
            for key, limit in _keys(name, address):
                self._failures[key] = [*self._failures.get(key, []), now][-limit:]

    def passed(self, name: str, address: str) -> None:
        """Somebody signed in: forget what failed for this name from this address."""
        with self._lock:
            self._failures.pop(_keys(name, address)[0][0], None)

    def _wait(self, key: tuple[str, ...], limit: int, now: float) -> float:
        times = self._failures.get(key, [])
        return max(0.0, times[-limit] + WINDOW - now) if len(times) >= limit else 0.0

    def _forget(self, now: float) -> None:
        """Drop what is over, when there is much; in the worst case all, rather than grow without end."""
        if len(self._failures) < _MOST_KEYS:
            return
        self._failures = {key: times for key, times in self._failures.items() if times[-1] + WINDOW > now}
        if len(self._failures) >= _MOST_KEYS:
            self._failures.clear()


def _keys(name: str, address: str) -> list[tuple[tuple[str, ...], int]]:
    name = name.strip().lower()[:100]
    return [(("pair", name, address), PER_PAIR), (("address", address), PER_ADDRESS), (("name", name), PER_NAME)]
