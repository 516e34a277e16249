"""Commands for workers: find them, list them, turn them on and off."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import click

from ..discovery import class_name
from ..formatting import action_specs_of
from ..models import WorkerRecord
from ..state import State, current_state
from .group import stask_group
from .output import Failure, json_option, print_json, print_table, warn

_log = logging.getLogger(class_name.__module__)


@stask_group.command("discover")
@json_option
def discover(as_json: bool) -> None:
    """Register worker classes that are new, and tell which modules are broken."""
    state = ready_state()
    _log.setLevel(logging.ERROR)  # what is broken we tell ourselves
    new = state.roster.discover()
    if as_json:
        print_json({"new": [worker_json(record) for record in new], "broken": _broken(state)})
    else:
        _print_found(new, "New: ", "No new worker.")
        if off := [record.identifier for record in new if not record.active]:
            click.echo(f"Turn it on with: flask stask activate {off[0]}")
    _fail_if_broken(state)


@stask_group.command("rescan")
@json_option
def rescan(as_json: bool) -> None:
    """Write down anew what the classes of registered workers say of themselves."""
    state = ready_state()
    _log.setLevel(logging.ERROR)
    changed = state.roster.rescan()
    if as_json:
        print_json({"changed": [worker_json(record) for record in changed], "broken": _broken(state)})
    else:
        _print_found(changed, "Changed: ", "Nothing changed.")
    _fail_if_broken(state)


@stask_group.command("workers")
@json_option
def workers(as_json: bool) -> None:
    """List the registered workers and their actions."""
    state = ready_state()
    records = state.roster.all()
    if as_json:
        print_json([worker_json(record) for record in records])
    elif records:
        rows = [(record.identifier, _state(record), " ".join(_actions(record)), record.title) for record in records]
        print_table(("worker", "state", "actions", "title"), rows)
    else:
        click.echo("No worker is registered. Run: flask stask discover")


@stask_group.command("activate")
@click.argument("identifier")
@json_option
def activate(identifier: str, as_json: bool) -> None:
    """Turn a worker on."""
    _switch(identifier, True, as_json)


@stask_group.command("deactivate")
@click.argument("identifier")
@json_option
def deactivate(identifier: str, as_json: bool) -> None:
    """Turn a worker off: it gets no new tasks."""
    _switch(identifier, False, as_json)


def ready_state() -> State:
    """The state of the current app, with its tables in place.

    :raises TablesMissing: says what to run.
    """
    state = current_state()
    state.database.require()
    return state


def worker_json(record: WorkerRecord) -> dict[str, Any]:
    """A registered worker as JSON."""
    cls = record.worker_class
    return {
        "identifier": record.identifier,
        "scope": record.scope,
        "title": record.title,
        "active": record.active,
        "class": class_name(cls) if cls else None,
        "actions": _actions(record),
    }


def _switch(identifier: str, active: bool, as_json: bool) -> None:
    record = ready_state().roster.set_active(identifier, active)
    if as_json:
        print_json(worker_json(record))
    else:
        click.echo(f"{record.title} ({record.identifier}) is {'on' if active else 'off'}.")


def _print_found(records: Iterable[WorkerRecord], before: str, none: str) -> None:
    lines = [f"{before}{record.identifier}, {record.title} ({_state(record)})" for record in records]
    click.echo("\n".join(lines or [none]))


def _state(record: WorkerRecord) -> str:
    if record.worker_class is None:
        return "class is gone"
    return "on" if record.active else "off"


def _actions(record: WorkerRecord) -> list[str]:
    cls = record.worker_class
    return list(action_specs_of(cls)) if cls else []


def _broken(state: State) -> list[dict[str, str]]:
    return [{"name": item.name, "reason": item.reason} for item in state.registry.broken]


def _fail_if_broken(state: State) -> None:
    broken = state.registry.broken
    for item in broken[:-1]:
        warn(f"{item.name} is skipped: {item.reason}")
    if broken:
        raise Failure(f"{broken[-1].name} is skipped: {broken[-1].reason}")
