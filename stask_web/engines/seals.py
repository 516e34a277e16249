"""Erases the secrets of tasks that ended a day ago: each supervisor does it, and whoever comes first has done it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from ..pruning import ERASED, KEEP_SECRETS
from .ledger import Ledger

#: Seconds between two looks.
EVERY = 600.0
_AT_ONCE = 500


class Seals:
    """Remembers in a file how far it has come, so that the history is not read again and again.

    :param ledger: the supervisor's.
    :param folder: the storage's ``run/``.
    """

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger = ledger
        self._mark = folder / "secrets-erased"
        self._sealed = ledger.claims.sql(
            "SELECT id FROM s_tasks WHERE finished_at >= ? AND finished_at < ? AND length(secrets) > 0 LIMIT ?"
        )
        self._erase = ledger.claims.sql("UPDATE s_tasks SET secrets = ? WHERE id = ? AND finished_at < ?")

    def erase(self) -> int:
        """Erase what is due -> of how many tasks.

        :raises Away: what was not erased is so at the next look.
        """
        since, before = self._since(), time.time() - KEEP_SECRETS
        erased = 0
        while ids := self._ids(since, before):
            with self._ledger.transaction() as cursor:
                for task_id in ids:
                    cursor.execute(self._erase, (ERASED, task_id, before))
            erased += len(ids)
        with suppress(OSError):  # then the next look reads more than it must
            self._mark.write_text(str(before))
        return erased

    def _ids(self, since: float, before: float) -> list[int]:
        with self._ledger.reading() as cursor:
            cursor.execute(self._sealed, (since, before, _AT_ONCE))
            return [row[0] for row in cursor.fetchall()]

    def _since(self) -> float:
        try:
            return float(self._mark.read_text())
        except (OSError, ValueError):
            return 0.0
