"""Commands that show tasks, their logs and the state of the whole, and that clear away what is old."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import click

from .. import logfile
from ..encoding import plain
from ..formatting import counts_text, look, outcome, task_title
from ..journal import grouped, public_line
from ..models import Task
from ..queries import attempts, live_processes, stats
from ..state import State
from ..status import Status
from ..text import clean
from ..times import ago, clock, duration
from ..told import task_json
from .group import stask_group
from .output import Failure, json_option, print_json, print_table, warn
from .watch import INTERRUPTED, end_of, newest
from .workers import ready_state

_LOOK = 0.2


@stask_group.command("tasks")
@click.option("--status", type=click.Choice([status.text for status in Status]), help="Only those.")
@click.option("--worker", help="Only those of this worker.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="How many at most.")
@json_option
def tasks(status: str | None, worker: str | None, limit: int, as_json: bool) -> None:
    """List the newest tasks."""
    state = ready_state()
    query = Task.query()
    if status:
        query = query.filter(Task.status == Status[status.upper()])
    if worker:
        query = query.by_identifier(worker)
    found = [newest(state, task) for task in query.order_by(Task.id.desc()).limit(limit)]
    if as_json:
        print_json([task_json(task) for task in found])
        return
    alive = bool(live_processes(state.database, state.settings.lease))
    rows = [_row(task, alive) for task in found]
    if rows:
        print_table(("task", "state", "worker", "action", "created", "duration", "message"), rows)
    else:
        click.echo("No task." if not (status or worker) else "No task matches.")


@stask_group.command("show")
@click.argument("task_id", type=int, metavar="TASK")
@json_option
def show(task_id: int, as_json: bool) -> None:
    """Show one task with its options and attempts."""
    state = ready_state()
    task = newest(state, state.tasks.get(task_id))
    starts = attempts(state.database, task_id)
    if as_json:
        names = ("number", "started_at", "ended_at", "outcome", "message")
        numbers = [{name: getattr(start, name) for name in names} for start in starts]
        print_json(
            {
                **task_json(task),
                "options": plain(task.meta),
                "result": task.result,
                "files": task.files or [],
                "attempts": numbers,
            }
        )
        return
    click.echo(f"Task {task.id}: {task_title(task)} ({task.identifier}.{task.action})")
    for name, value in _facts(task):
        if value:
            click.echo(f"  {name:<10} {' '.join(clean(value).split())}")
    for start in starts:
        ended = f"{start.outcome}, {clean(start.message or '', 200)}" if start.outcome else "is running"
        click.echo(f"  attempt {start.number:<2} {clock(start.started_at)}: {' '.join(ended.split())}")


@stask_group.command("log")
@click.argument("task_id", type=int, metavar="TASK")
@click.option("--follow", "-f", is_flag=True, help="Go on until the task ends.")
@json_option
def log(task_id: int, follow: bool, as_json: bool) -> None:
    """Print a task's log; with --follow exit 0 only if the task completed, and --json gives an object a line."""
    state = ready_state()
    task = state.tasks.get(task_id)
    journal = state.journals.of(task_id)
    if follow:
        end_of(_follow(state, task, _say_json if as_json else _say_line), quiet=True)
    elif as_json:
        print_json(journal.lines())
    else:
        for piece in logfile.text(journal):
            click.echo(piece, nl=False)


def _number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A number that is one: NaN lies in every range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number of days.")
    return value


@stask_group.command("prune")
@click.option(
    "--days",
    type=click.FloatRange(0, 36_500),
    callback=_number,
    help="Keep what ended within so many days; see STASK_RETENTION_DAYS.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([end.text for end in Status if end.ended]),
    help="Delete only what ended so; may be given several times.",
)
@json_option
def prune(days: float | None, statuses: tuple[str, ...], as_json: bool) -> None:
    """Delete old ended tasks with their logs, uploads and results."""
    state = ready_state()
    days = state.settings.retention_days if days is None else days
    deleted = state.tasks.clean_old_tasks(days, statuses or None)
    if as_json:
        print_json({"deleted": deleted})
    else:
        click.echo(f"Deleted {deleted:,} {'task' if deleted == 1 else 'tasks'} that ended more than {days:g} days ago.")


@stask_group.command("health")
@json_option
def health(as_json: bool) -> None:
    """Tell whether worker processes are alive and what waits; fails when tasks wait and no process is alive."""
    state = ready_state()
    processes = live_processes(state.database, state.settings.lease)
    numbers = stats(state.database)
    wrong = "Tasks wait and no worker process is alive. Start one: flask stask work"
    ok = bool(processes) or not numbers["pending"] or state.settings.engine != "database"
    if as_json:
        alive = [{"host": p.host, "pid": p.pid, "concurrency": p.concurrency, "busy": p.busy} for p in processes]
        print_json({"ok": ok, "processes": alive, "tasks": numbers})
    else:
        for process in processes:
            busy = f"{process.busy} of {process.concurrency} busy"
            click.echo(f"{process.host} {process.pid}: {busy}, seen {ago(process.beat_at)}")
        click.echo(", ".join(f"{number:,} {word}" for word, number in numbers.items()))
    if not ok:
        raise Failure(wrong)


def _row(task: Task, alive: bool) -> tuple[object, ...]:
    said = outcome(task) if task.is_finished() else task.message or ""
    message = clean(" ".join(said.split()), 60)
    return (
        task.id,
        look(task, alive=alive).word,
        task.identifier,
        task.action,
        ago(task.created_at),
        duration(task.duration),
        message,
    )


def _facts(task: Task) -> list[tuple[str, Any]]:
    return [
        ("state", look(task).word),
        ("message", outcome(task) if task.is_finished() else task.message),
        ("counts", counts_text(task)),
        ("options", ", ".join(f"{name}={value}" for name, value in plain(task.meta or {}).items())),
        ("priority", task.priority),
        ("created", clock(task.created_at)),
        ("duration", duration(task.duration)),
        ("result", task.result),
    ]


def _follow(state: State, task: Task, say: Callable[[list[dict[str, Any]]], None]) -> Task:
    """Say each line as it comes, until the task ends -> the ended task."""
    journal, position = state.journals.of(task.id), None
    part: list[dict[str, Any]] = []
    try:
        while True:
            ended = task.is_finished()  # before the look: what was written until then is in it
            chunk = journal.read(position)
            # The parts of a long line are written in one go; only the end of a chunk may fall between them.
            groups = list(grouped([*part, *chunk.lines]))
            part = groups.pop() if chunk.more and groups else []
            for group in groups:
                say(group)
            position = chunk.end
            if chunk.more:
                continue
            if ended:
                return task
            time.sleep(_LOOK)
            task = state.tasks.get(task.id)
    except KeyboardInterrupt:
        warn(f"Task {task.id} goes on without you. Stop it with: flask stask cancel {task.id}")
        raise SystemExit(INTERRUPTED) from None


def _say_line(group: list[dict[str, Any]]) -> None:
    at = time.strftime("%H:%M:%S", time.localtime(group[0]["t"]))
    click.echo(f"{at} {group[0].get('l', 'info'):<7} {''.join(record['m'] for record in group)}")


def _say_json(group: list[dict[str, Any]]) -> None:
    click.echo(json.dumps(public_line(group), ensure_ascii=False, default=str))
