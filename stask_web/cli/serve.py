"""``flask stask work`` and ``flask stask up``: the processes that do the work and show it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from flask import Flask, current_app, url_for
from flask.cli import ScriptInfo, pass_script_info
from werkzeug.routing import BuildError

from ..state import State, current_state
from .database import prepare
from .group import stask_group
from .lifeline import tie_to_parent
from .output import Failure
from .ports import base_url, listen
from .reload import Sources
from .workers import ready_state

if TYPE_CHECKING:
    from .herd import Child

#: Seconds that tasks get to end when ``up`` is stopped; what is unfinished then starts again with the next ``up``.
UP_DRAIN = 2.5

concurrency_option = click.option(
    "--concurrency", type=click.IntRange(min=1), help="Processes that run tasks; by default the number of cores."
)


@stask_group.command("work")
@concurrency_option
@click.option("--drain", type=click.FloatRange(min=0), help="Seconds that tasks get to end at a stop; see STASK_DRAIN.")
@click.option("--parent", type=int, hidden=True)
@pass_script_info
def work(info: ScriptInfo, concurrency: int | None, drain: float | None, parent: int | None) -> None:
    """Run tasks until stopped.

    SIGTERM or Ctrl-C lets running tasks end for the drain time and gives back the others; a second one ends at once.
    With flask --debug it starts anew when the code changes.
    """
    if parent is not None:
        tie_to_parent(parent)
    _need_posix()
    state = ready_state()
    _find_workers(state)
    if parent is None and current_app.debug and info.create_app is None:
        from .herd import Herd

        wait = state.settings.drain if drain is None else drain
        child = _worker(info.app_import_path, concurrency, drain)
        raise SystemExit(Herd([child], drain=wait, say=click.echo, sources=_sources()).run())
    from ..engines.supervisor import Supervisor

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    supervisor = Supervisor(app, concurrency=concurrency, drain=drain)
    if parent is None:
        n = supervisor.concurrency
        click.echo(f"Running tasks in {n} {'process' if n == 1 else 'processes'}. Ctrl-C stops.", err=True)
    raise SystemExit(supervisor.run())


@stask_group.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8000, envvar="PORT", show_default=True, help="Port to listen on.")
@concurrency_option
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    default=UP_DRAIN,
    show_default=True,
    help="Seconds tasks get to end at a stop.",
)
@pass_script_info
def up(info: ScriptInfo, host: str, port: int, concurrency: int | None, drain: float) -> None:
    """Prepare the database, then serve the site and run its tasks until Ctrl-C."""
    _need_posix()
    from .herd import Herd

    if info.create_app is not None:
        raise Failure("This command starts the site anew and needs its import name: flask --app NAME stask up.")
    with listen(host, port) as listener:
        state = current_state()
        for line in prepare(state):
            click.echo(line)
        _find_workers(state)
        address = base_url(listener)
        notes = [f"Running at {address}{_panel_path()}. Stop with Ctrl-C.", *_sign_in_notes(address)]
        reader, writer = os.pipe()
        herd = Herd(
            _children(info.app_import_path, state, listener.fileno(), writer, concurrency, drain),
            drain=drain,
            say=click.echo,
            on_ready=lambda: click.echo("\n".join(notes)),
            ready_fd=reader,
            sources=_sources(),
        )
        raise SystemExit(herd.run())


def _children(
    app: str | None, state: State, listener: int, ready: int, concurrency: int | None, drain: float
) -> list[Child]:
    from .herd import Child

    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    name = ["--app", app] if app else []
    parent = ["--parent", str(os.getpid())]
    serve = [sys.executable, "-m", f"{__package__}.web", *name, "--fd", str(listener), "--ready", str(ready), *parent]
    children = [Child("web server", serve, environ, fds=(listener, ready))]
    if state.settings.engine == "database":
        children.append(_worker(app, concurrency, drain))
    return children


def _worker(app: str | None, concurrency: int | None, drain: float | None) -> Child:
    from .herd import Child

    command = [sys.executable, "-m", "flask", *(["--app", app] if app else []), "stask", "work"]
    for name, value in (("--concurrency", concurrency), ("--drain", drain), ("--parent", os.getpid())):
        if value is not None:
            command += [name, str(value)]
    return Child("worker", command, {**os.environ, "PYTHONUNBUFFERED": "1"})


def _sources() -> Sources | None:
    """What to look at for changes, while debugging."""
    return Sources() if current_app.debug else None


def _find_workers(state: State) -> None:
    """Register what is new where nobody has to agree: with STASK_AUTO_ACTIVATE, and while debugging."""
    if current_app.debug:
        state.roster.discover()
    else:
        state.roster.register_new()


def _panel_path() -> str:
    with current_app.test_request_context():
        try:
            return url_for("stask.dashboard")
        except BuildError:
            return "/"


def _sign_in_notes(address: str) -> list[str]:
    """What the host wants to tell the one who starts it, such as a one-time link; see ``stask_sign_in_note``."""
    note: Callable[[str], str | None] | None = current_app.extensions.get("stask_sign_in_note")
    text = note(address) if note else None
    return [text] if text else []


def _need_posix() -> None:
    if not hasattr(os, "fork"):
        raise Failure("Tasks run on Linux and macOS only. On Windows the web part works alone: flask run.")
