"""A worker's own schedule: what its settings say under ``"schedule"``, as a row of ``s_schedules``.

The settings say what is wanted, in code (``defaults``) or as an admin has stored it; the row is what fires. It is
brought up to date when settings are stored, when a worker is turned on, and when a worker process starts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from .. import rules
from ..columns import to_json
from ..encoding import read
from ..errors import InvalidSchedule, STaskError
from ..keeping import keep
from ..models import Schedule
from ..queries import worker_records
from ..state import State
from ..text import clean
from ..worker import BaseWorker

#: What a worker may call the action that starts by itself, when it has several and its settings name none.
MAKE = "make"
_log = logging.getLogger("stask_web.schedules")


def sync(state: State, identifier: str | None = None) -> None:
    """Bring the rows of the workers' own schedules up to date.

    :param identifier: only this worker's.
    """
    known = {str(record.identifier) for record in worker_records(state.database)}
    with state.database.session() as session:
        rows = {str(row.owner): row for row in session.scalars(sa.select(Schedule).where(Schedule.owner.is_not(None)))}
    for name in sorted(known | rows.keys()) if identifier is None else [identifier]:
        try:
            wanted = _wanted(state, name) if name in known else None
        except Exception:
            _log.exception("The schedule of the worker %r cannot be told.", name)
            continue
        _store(state, name, wanted, rows.get(name))


def _wanted(state: State, identifier: str) -> dict[str, Any] | None:
    """The columns of the row that there should be; None when there should be none."""
    cls = state.registry.get(identifier)
    if cls is None or not issubclass(cls, BaseWorker):
        return None
    config = cls().get_schedule()
    if str(config.get("type") or "manual").lower() == "manual":
        return None
    zone = str(config.get("timezone") or state.settings.timezone)
    row: dict[str, Any] = {
        "identifier": identifier,
        "action": clean(config.get("action") or "", 100),
        "rule": dict(config),
        "timezone": clean(zone, 64),
        "enabled": config.get("enabled") is True,
        "meta": {},
        "last_error": None,
    }
    try:
        rules.find_zone(zone)
        rule = rules.read_rule(config, zone)
        row["rule"] = dict(rule.data)
        row["action"] = _action(cls, config)
        options = read(_options(config), state.storage.upload_path)
        spec = state.tasks.spec(identifier, row["action"])
        _, row["meta"], row["secrets"] = keep(spec, options, check_choices=False)
    except STaskError as error:
        _log.error("The worker %r has a schedule that cannot be used: %s", identifier, error.message)
        row |= {"last_error": error.message, "broken": True}
    return row


def _action(cls: type[BaseWorker], config: Mapping[str, Any]) -> str:
    names = list(cls().actions())
    name = config.get("action") or (MAKE if MAKE in names else names[0] if len(names) == 1 else None)
    if name is None:
        raise InvalidSchedule({"action": f"Say which action starts by itself: {', '.join(names)}."})
    return str(cls().spec(str(name)).name)


def _options(config: Mapping[str, Any]) -> Mapping[str, Any]:
    options = config.get("options") or {}
    if not isinstance(options, Mapping):
        raise InvalidSchedule({"options": "Give the options of the action as name and value."})
    return options


def _store(state: State, identifier: str, wanted: dict[str, Any] | None, row: Schedule | None) -> None:
    if wanted is None:
        if row is not None:
            _delete(state, row.id)
        return
    broken, secrets = wanted.pop("broken", False), wanted.pop("secrets", {})
    if row is not None and _same(state, wanted, secrets, row):
        return
    now = time.time()
    last = row.last_fire_at.timestamp() if row is not None and row.last_fire_at is not None else 0.0
    first, zone = None, wanted["timezone"]
    if wanted["enabled"] and not broken:
        first = rules.next_after(rules.read_rule(wanted["rule"], zone), zone, max(now, last))
    values = {**wanted, "secrets": state.vault.seal(secrets), "next_fire_at": first, "updated_at": now}
    try:
        with state.database.write() as connection:
            if row is None:
                connection.execute(sa.insert(Schedule).values(**values, owner=identifier, title="", created_at=now))
            else:
                connection.execute(sa.update(Schedule).where(Schedule.id == row.id).values(**values))
    except IntegrityError:
        pass  # another process was faster


def _same(state: State, wanted: Mapping[str, Any], secrets: Mapping[str, Any], row: Schedule) -> bool:
    names = ("action", "rule", "timezone", "enabled", "meta")
    try:
        sealed = state.vault.open(row.secrets)
    except STaskError:
        return False
    if bool(wanted["last_error"]) and wanted["last_error"] != row.last_error:
        return False
    return sealed == secrets and all(to_json(wanted[name]) == to_json(getattr(row, name)) for name in names)


def _delete(state: State, schedule_id: int) -> None:
    with state.database.write() as connection:
        connection.execute(sa.delete(Schedule).where(Schedule.id == schedule_id))
