"""``flask stask schedules``: lists the schedules; its subcommands make, switch, start and remove them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import InvalidOptions
from ..formatting import task_title
from ..models import Schedule
from ..schedules import RUNS, Schedules, schedule_json
from ..status import PRIORITIES
from ..told import task_json
from .group import stask_group
from .output import Failure, json_option, print_json
from .tasks import read_options
from .workers import ready_state

_RULES = ("cron", "hourly", "daily", "weekly", "once", "every", "rule")


@stask_group.group("schedules", invoke_without_command=True)
@click.option("--worker", help="Only those of this worker.")
@json_option
@click.pass_context
@with_appcontext
def schedules(context: click.Context, worker: str | None, as_json: bool) -> None:
    """List the schedules with their rules in words and their next runs; see the commands below to change them."""
    if context.invoked_subcommand is not None:
        return
    door = _door()
    found = door.all(worker)
    if as_json:
        print_json([schedule_json(schedule, door.problem(schedule)) for schedule in found])
        return
    for schedule in found:
        click.echo("\n".join(_lines(door, schedule)))
    if not found:
        click.echo("There is no schedule. Make one, for example: flask stask schedules add WORKER ACTION --daily 18:00")


@schedules.command("add")
@click.argument("identifier")
@click.argument("action")
@click.option("--cron", metavar="EXPRESSION", help='A cron expression of five fields: "15 2 * * mon-fri".')
@click.option("--hourly", metavar="MM", help="Every hour at this minute.")
@click.option("--daily", metavar="HH:MM", help="Every day at this time.")
@click.option("--weekly", metavar="DAYS@HH:MM", help="On these days: mon,thu@18:00.")
@click.option("--once", metavar="MOMENT", help='One single time: "2026-12-31 18:30".')
@click.option("--every", metavar="MINUTES", help="Again and again within the window of --from and --to.")
@click.option("--from", "begin", metavar="HH:MM", default="00:00", help="Begin of the window of --every.")
@click.option("--to", "end", metavar="HH:MM", default="24:00", help="End of the window of --every.")
@click.option("--rule", metavar="JSON", help='Any rule: {"type": "manual"}; see the documentation.')
@click.option("--tz", metavar="ZONE", help="Time zone, such as Europe/Kyiv; by default STASK_TIMEZONE.")
@click.option("--option", "pairs", metavar="NAME=VALUE", multiple=True, help="One option; may be repeated.")
@click.option("--data", metavar="JSON", help="All options as one JSON object; - reads it from stdin.")
@click.option("--priority", type=click.Choice(list(PRIORITIES)), help="By default the action's own.")
@click.option("--title", default="", help="A note for people.")
@click.option("--off", is_flag=True, help="Do not turn it on yet.")
@json_option
def add(
    identifier: str,
    action: str,
    tz: str | None,
    pairs: tuple[str, ...],
    data: str | None,
    priority: str | None,
    title: str,
    off: bool,
    as_json: bool,
    **when: str | None,
) -> None:
    """Let an action start by itself."""
    door = _door()
    rule, options = _rule(when), read_options(pairs, data)
    try:
        made = door.create(
            identifier, action, rule, options, timezone=tz, title=title, priority=priority, enabled=not off
        )
    except InvalidOptions as error:
        raise Failure("; ".join(f"{name}: {text}" if name else text for name, text in error.errors.items())) from error
    _show(door, made, as_json)


@schedules.command("enable")
@click.argument("schedule_id", type=int, metavar="ID")
@json_option
def enable(schedule_id: int, as_json: bool) -> None:
    """Turn a schedule on."""
    door = _door()
    _show(door, door.enable(schedule_id), as_json)


@schedules.command("disable")
@click.argument("schedule_id", type=int, metavar="ID")
@json_option
def disable(schedule_id: int, as_json: bool) -> None:
    """Turn a schedule off; it stays in the list."""
    door = _door()
    _show(door, door.disable(schedule_id), as_json)


@schedules.command("remove")
@click.argument("schedule_id", type=int, metavar="ID")
@json_option
def remove(schedule_id: int, as_json: bool) -> None:
    """Delete a schedule; its tasks stay in the history."""
    door = _door()
    old = door.get(schedule_id)
    door.remove(old)
    if as_json:
        print_json({"removed": old.id})
    else:
        click.echo(f"Schedule {old.id} is removed: {old.identifier}.{old.action}, {old.words}")


@schedules.command("run")
@click.argument("schedule_id", type=int, metavar="ID")
@json_option
def run(schedule_id: int, as_json: bool) -> None:
    """Start what a schedule starts, now; its next runs stay as they are."""
    task = _door().run_now(schedule_id)
    if as_json:
        print_json(task_json(task))
    else:
        click.echo(f"Task {task.id} waits: {task_title(task)}")


@schedules.command("tick")
@json_option
def tick(as_json: bool) -> None:
    """Fire what is due now. Worker processes do so by themselves; this is for a site that has none."""
    created = _door().tick()
    if as_json:
        print_json({"created": created})
    else:
        click.echo(f"Created: task {', '.join(map(str, created))}" if created else "Nothing is due.")


def _door() -> Schedules:
    door: Schedules = ready_state().schedules
    return door


def _show(door: Schedules, schedule: Schedule, as_json: bool) -> None:
    if as_json:
        print_json(schedule_json(schedule, door.problem(schedule)))
    else:
        click.echo("\n".join(_lines(door, schedule)))


def _lines(door: Schedules, schedule: Schedule) -> list[str]:
    title = f' "{schedule.title}"' if schedule.title else ""
    state = "" if schedule.enabled else ", off"
    lines = [f"{schedule.id}  {schedule.identifier}.{schedule.action}{title}: {schedule.words}{state}"]
    lines += [f"   next  {moment:%a %Y-%m-%d %H:%M %z}" for moment in schedule.next_runs(RUNS)]
    problem = door.problem(schedule)
    if problem:
        lines.append(f"   !  {' '.join(problem.split())}")
    return lines


def _rule(when: Mapping[str, str | None]) -> dict[str, Any]:
    given = [name for name in _RULES if when[name] is not None]
    if len(given) != 1:
        names = ", ".join(f"--{name}" for name in _RULES)
        raise Failure(f"Say when, by one of {names}.")
    name, value = given[0], str(when[given[0]])
    if name == "rule":
        return _json_rule(value)
    days, _, time = value.rpartition("@")
    rules: dict[str, dict[str, Any]] = {
        "cron": {"type": "cron", "cron": value},
        "hourly": {"type": "periodic", "frequency": "hourly", "time": value},
        "daily": {"type": "periodic", "frequency": "daily", "time": value},
        "weekly": {"type": "periodic", "frequency": "weekly", "days": days, "time": time},
        "once": {"type": "once", "datetime": value},
        "every": {"type": "regular", "interval": value, "start_time": when["begin"], "end_time": when["end"]},
    }
    return rules[name]


def _json_rule(text: str) -> dict[str, Any]:
    try:
        rule = json.loads(text)
    except ValueError as error:
        raise Failure(f"--rule is no JSON: {error}.") from error
    if not isinstance(rule, dict):
        raise Failure("--rule must be a JSON object such as {'type': 'manual'}.")
    return rule
