"""Which workers are registered, and which of them are turned on."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from .discovery import class_name
from .encoding import dump, with_secrets
from .errors import UnknownWorker
from .models import WorkerRecord
from .queries import worker_record, worker_records
from .state import State
from .text import clean

#: Where the sealed secrets lie among a worker's stored settings.
_SEALED = "$sealed"


class Roster:
    """The registered workers of one app.

    :param state: the app's state.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def discover(self) -> list[WorkerRecord]:
        """Register worker classes that are new; they are turned off unless ``STASK_AUTO_ACTIVATE`` is set.

        :returns: the newly registered.
        """
        known = {record.identifier for record in self.all()}
        classes = self.state.registry.rescan()
        new = [cls for identifier, cls in classes.items() if identifier not in known]
        for cls in new:
            self._insert(cls)
        return [record for record in self.all() if record.identifier in {str(cls.identifier) for cls in new}]

    def rescan(self) -> list[WorkerRecord]:
        """Write down anew what the classes of the registered workers say of themselves.

        :returns: those whose row changed.
        """
        classes = self.state.registry.rescan()
        changed = []
        for record in self.all():
            cls = classes.get(record.identifier)
            if cls is None:
                continue
            facts = _facts(cls)
            if any(getattr(record, name) != value for name, value in facts.items()):
                self._update(record.identifier, facts)
                changed.append(record.identifier)
        return [record for record in self.all() if record.identifier in changed]

    def orphaned(self) -> list[WorkerRecord]:
        """The registered workers whose class no longer exists, after looking once more."""
        classes = self.state.registry.rescan()
        return [record for record in self.all() if record.identifier not in classes]

    def clean_orphaned(self, only: Collection[str] | None = None) -> int:
        """Forget workers whose class no longer exists; their tasks stay in the history.

        :param only: the identifiers of those to forget; by default all of them.
        :returns: how many were forgotten.
        """
        orphans = [record.identifier for record in self.orphaned() if only is None or record.identifier in only]
        with self.state.database.write() as connection:
            connection.execute(sa.delete(WorkerRecord).where(WorkerRecord.identifier.in_(orphans)))
        return len(orphans)

    def all(self, *, active_only: bool = False) -> list[WorkerRecord]:
        """The registered workers by scope and identifier."""
        return worker_records(self.state.database, active_only=active_only)

    def get(self, identifier: str) -> WorkerRecord | None:
        """One registered worker."""
        return worker_record(self.state.database, identifier)

    def set_active(self, identifier: str, active: bool) -> WorkerRecord:
        """Turn a worker on or off; one whose class exists is registered on the way.

        :raises UnknownWorker: when there is none.
        """
        if self.get(identifier) is None and (cls := self.state.registry.get(identifier)) is not None:
            self._insert(cls)
        self._update(identifier, {"active": active})
        self._sync_schedule(identifier)
        record = self.get(identifier)
        if record is None:
            raise UnknownWorker(f"There is no worker {identifier!r}. See `flask stask discover`.")
        return record

    def stored_config(self, identifier: str) -> dict[str, Any]:
        """The stored settings of a worker; empty when it has none. Secrets come as ``SecretStr``.

        :raises STaskError: when SECRET_KEY has changed and secrets cannot be read.
        """
        record = self.get(identifier)
        stored = dict(record.settings or {}) if record else {}
        sealed = stored.pop(_SEALED, None)
        if sealed:
            from pydantic import SecretStr  # loaded with the first secret, see stask_web.typed

            found = self.state.vault.open(sealed.encode())
            stored = with_secrets(stored, {path: SecretStr(secret) for path, secret in found.items()})
        return stored

    def store_config(self, identifier: str, values: Mapping[str, Any]) -> None:
        """Replace the stored settings of a worker. What is a ``SecretStr`` is stored sealed.

        :raises UnknownWorker: when it is not registered.
        """
        if self.get(identifier) is None:
            raise UnknownWorker(f"The worker {identifier!r} is not registered. Run `flask stask discover` first.")
        stored, secrets = dump(values)
        sealed = self.state.vault.seal(secrets)
        self._update(identifier, {"settings": stored if sealed is None else {**stored, _SEALED: sealed.decode()}})
        self._sync_schedule(identifier)

    def register_new(self) -> None:
        """At the start of a process: register what is new when ``STASK_AUTO_ACTIVATE`` says so."""
        if self.state.settings.auto_activate:
            known = {record.identifier for record in self.all()}
            for identifier, cls in self.state.registry.classes().items():
                if identifier not in known:
                    self._insert(cls)

    def _sync_schedule(self, identifier: str) -> None:
        """The worker's own schedule is part of its settings."""
        if self.state.schedules is not None:
            self.state.schedules.sync(identifier)

    def _insert(self, cls: type[Any]) -> None:
        now = time.time()
        row = {"identifier": str(cls.identifier), "active": self.state.settings.auto_activate, "settings": {}}
        try:
            with self.state.database.write() as connection:
                connection.execute(sa.insert(WorkerRecord).values(**row, **_facts(cls), created_at=now, updated_at=now))
        except IntegrityError:
            return  # another process was faster

    def _update(self, identifier: str, values: Mapping[str, Any]) -> None:
        with self.state.database.write() as connection:
            change = sa.update(WorkerRecord).where(WorkerRecord.identifier == identifier)
            connection.execute(change.values(**values, updated_at=datetime.now(UTC)))


def _facts(cls: type[Any]) -> dict[str, Any]:
    return {
        "scope": clean(getattr(cls, "scope", ""), 100),
        "class_name": clean(class_name(cls), 255),
        "stored_title": clean(getattr(cls, "title", ""), 255),
        "stored_description": clean(getattr(cls, "description", ""), 10_000),
        "stored_icon": clean(getattr(cls, "icon", ""), 255),
    }
