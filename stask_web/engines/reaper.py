"""Takes tasks back from supervisors that are dead: at once when their lock is free, by lease when it cannot be seen."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..claims import Claim, Outcome
from ..journal import Journals
from ..runner.pen import Pen
from ..stored import LOST
from . import owner
from .given import tokens_given
from .ledger import Ledger

_log = logging.getLogger(__name__)


class Reaper:
    """Looks for dead supervisors.

    :param folder: the storage's ``run/``.
    :param lease: seconds without a new sign of life after which one that cannot be seen counts as dead. They are
        counted by our own monotonic clock, so a clock that jumps or differs takes nobody's tasks.
    """

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        journals: Journals,
        lease: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._folder = folder
        self._journals = journals
        self._lease = lease
        self._clock = clock
        self._seen: dict[str, tuple[float | None, float]] = {}

    def look(self) -> int:
        """Take back what dead supervisors had in hand; returns how many tasks.

        :raises Away: the database is locked or away; look again later.
        """
        others = self._ledger.others()
        self._seen = {name: seen for name, seen in self._seen.items() if name in others}
        found = sum(self._look_at(process_id, beat) for process_id, beat in others.items())
        for process_id in owner.strays(self._folder, {self._ledger.owner, *others}):
            lock = owner.take(self._folder, process_id)
            if lock is not None:
                owner.forget(self._folder, process_id, lock)
        return found

    def _look_at(self, process_id: str, beat: float | None) -> int:
        alive = owner.is_alive(self._folder, process_id)
        if alive or (alive is None and not self._silent(process_id, beat)):
            return 0
        lock = owner.take(self._folder, process_id)
        if lock is None and alive is False:
            return 0  # somebody else is at it
        try:
            begun = tokens_given(self._folder, process_id)
            gone = self._ledger.give_back(process_id, Outcome("lost", LOST), begun=begun)
            self._ledger.remove(process_id)
        except BaseException:
            if lock is not None:
                owner.unlock(lock)
            raise
        owner.forget(self._folder, process_id, lock)
        self._tell(process_id, gone)
        return len(gone)

    def _silent(self, process_id: str, beat: float | None) -> bool:
        now = self._clock()
        last, since = self._seen.get(process_id, (None, now))
        if process_id not in self._seen or last != beat:
            self._seen[process_id] = (beat, now)
            return False
        return now - since > self._lease

    def _tell(self, process_id: str, gone: list[Claim]) -> None:
        words = "one task was" if len(gone) == 1 else f"{len(gone)} tasks were"
        _log.warning("The worker %s is dead; %s taken back from it.", process_id[:8], words)
        for claim in gone:
            pen = Pen(partial(self._journals.of, claim.id), claim.attempt_no)
            pen.log("warning", LOST)
            pen.close()
