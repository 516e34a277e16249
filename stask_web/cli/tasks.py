"""Commands that start, stop and repeat tasks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from flask import current_app

from ..errors import InvalidOptions
from ..formatting import task_title
from ..formfields import FILE_KINDS
from ..models import Task
from ..options import alias_names
from ..state import State
from ..status import PRIORITIES
from ..told import task_json
from ..worker import find_spec
from .group import stask_group
from .output import Failure, json_option, print_json, warn
from .watch import INTERRUPTED, end_of, watch
from .workers import ready_state

#: A task that is to run here is kept from the worker processes for so long; should this process die, they take it then.
_HEAD_START = 60.0


def options_of_a_task(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that say what to start."""
    for decorate in (
        json_option,
        click.option("--priority", type=click.Choice(list(PRIORITIES)), help="By default the action's own."),
        click.option("--data", metavar="JSON", help="All options as one JSON object; - reads it from stdin."),
        click.option("--option", "pairs", metavar="NAME=VALUE", multiple=True, help="One option; may be repeated."),
        click.argument("action"),
        click.argument("identifier"),
    ):
        command = decorate(command)
    return command


@stask_group.command("create")
@options_of_a_task
def create(
    identifier: str, action: str, pairs: tuple[str, ...], data: str | None, priority: str | None, as_json: bool
) -> None:
    """Queue a task and print its number."""
    task = _create(ready_state(), identifier, action, read_options(pairs, data), priority)
    if as_json:
        print_json(task_json(task))
    else:
        click.echo(f"Task {task.id} waits: {task_title(task)}")


@stask_group.command("run")
@options_of_a_task
@click.option("--wait", is_flag=True, help="Show its progress until it ends; exit 0 only if it completed.")
@click.option("--here", is_flag=True, help="Run it in this process, so that breakpoints work.")
def run(
    identifier: str,
    action: str,
    pairs: tuple[str, ...],
    data: str | None,
    priority: str | None,
    as_json: bool,
    wait: bool,
    here: bool,
) -> None:
    """Start an action."""
    state = ready_state()
    start_at = time.time() + _HEAD_START if here else None
    task = _create(state, identifier, action, read_options(pairs, data), priority, start_at)
    if here:
        from ..engines.inline import execute

        # What the action prints is no part of the one document that --json gives.
        try:
            with redirect_stdout(sys.stderr) if as_json else nullcontext():
                execute(current_app._get_current_object(), task)  # type: ignore[attr-defined]
        except KeyboardInterrupt:
            warn(f"Task {task.id}: {task.message}")
            raise SystemExit(INTERRUPTED) from None
    elif wait:
        task = watch(state, task, quiet=as_json)
    if as_json:
        print_json(task_json(task))
    if here or wait:
        end_of(task, quiet=as_json)
    elif not as_json:
        click.echo(f"Task {task.id} waits: {task_title(task)}")


@stask_group.command("cancel")
@click.argument("task_id", type=int, metavar="TASK")
@json_option
def cancel(task_id: int, as_json: bool) -> None:
    """Withdraw a waiting task, or ask a running one to stop."""
    task = ready_state().tasks.cancel(task_id)
    _tell(task, as_json, f"Task {task.id} {'stops' if task.is_running() else 'is withdrawn'}: {task_title(task)}")


@stask_group.command("retry")
@click.argument("task_id", type=int, metavar="TASK")
@json_option
def retry(task_id: int, as_json: bool) -> None:
    """Start a failed or stopped task again."""
    task = ready_state().tasks.retry(task_id)
    _tell(task, as_json, f"Task {task.id} waits again: {task_title(task)}")


def read_options(pairs: tuple[str, ...], data: str | None) -> dict[str, Any]:
    """The options of a task: ``--data`` as a whole, ``--option`` one by one over it; a repeated name makes a list.

    :raises Failure: says which one cannot be read.
    """
    values = _read_json(data) if data is not None else {}
    given: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Failure(f"--option {pair!r} must be NAME=VALUE.")
        given.setdefault(name, []).append(value)
    return {**values, **{name: found if len(found) > 1 else found[0] for name, found in given.items()}}


def _read_json(text: str) -> dict[str, Any]:
    if text == "-":
        text = sys.stdin.read()
    try:
        values = json.loads(text)
    except ValueError as error:
        raise Failure(f"--data is no JSON: {error}.") from error
    if not isinstance(values, dict):
        raise Failure(f"--data must be a JSON object such as {{'format': 'csv'}}, not a {type(values).__name__}.")
    return values


def _known(state: State, identifier: str, action: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, with files by their whole path: the worker process stands in another folder.

    :raises InvalidOptions: names an option that the action does not have, or a file that is not there.
    """
    cls = state.registry.get(identifier)
    spec = find_spec(cls, action) if cls is not None else None
    if spec is None or spec.model is None:
        return data
    kinds = {field.name: field.kind for field in spec.fields()}
    names = {*kinds, *alias_names(spec.model), *([spec.dry_run] if spec.dry_run else [])}
    errors: dict[str, str] = {}
    values = dict(data)
    for name in data:
        if name not in names and spec.model.model_config.get("extra") != "allow":
            near = get_close_matches(name, names, 1)
            errors[name] = f"there is no such option{f'; did you mean {near[0]!r}?' if near else ''}"
        elif kinds.get(name) in FILE_KINDS:
            given = data[name] if isinstance(data[name], list) else [data[name]]
            paths = [Path(str(each)).expanduser().absolute() for each in given if each]
            lost = [str(path) for path in paths if not path.is_file()]
            if lost:
                errors[name] = f"there is no file {lost[0]}"
            values[name] = paths if isinstance(data[name], list) or kinds[name] == "files" else next(iter(paths), None)
    if errors:
        raise InvalidOptions(errors)
    return values


def _create(
    state: State,
    identifier: str,
    action: str,
    data: Mapping[str, Any],
    priority: str | None,
    start_at: float | None = None,
) -> Task:
    try:
        data = _known(state, identifier, action, data)
        task: Task = state.tasks.create(identifier, action, data, priority, start_at=start_at)
    except InvalidOptions as error:
        raise Failure(
            "; ".join(f"--option {name}: {text}" if name else text for name, text in error.errors.items())
        ) from error
    return task


def _tell(task: Task, as_json: bool, text: str) -> None:
    if as_json:
        print_json(task_json(task))
    else:
        click.echo(text)
