"""Watching one task from a terminal until it ends."""

from __future__ import annotations

import shutil
import sys
import time

import click

from .. import news
from ..formatting import Surroundings, counts_text, outcome, task_title, waiting_for
from ..models import Task
from ..queries import live_processes, place_in_queue
from ..state import State
from ..status import Status
from ..text import clean
from ..told import Texts
from .output import Failure, warn

_LOOK = 0.15
_BAR = 24
#: What a shell expects after Ctrl-C.
INTERRUPTED = 130


def watch(state: State, task: Task, *, quiet: bool) -> Task:
    """Show a task's progress until it ends: one live line in a terminal, else a plain line a second.

    :param quiet: show nothing.
    :returns: the ended task.
    """
    line = _Silent() if quiet else _Live() if sys.stdout.isatty() else _Plain()
    try:
        while not task.is_finished():
            line.show(_text(state, task))
            time.sleep(_LOOK)
            task = newest(state, state.tasks.get(task.id))
    except KeyboardInterrupt:
        line.close()
        warn(f"Task {task.id} goes on without you. Stop it with: flask stask cancel {task.id}")
        raise SystemExit(INTERRUPTED) from None
    line.close()
    return task


def newest(state: State, task: Task) -> Task:
    """The task with the numbers of its journal: its row is behind them while the action holds the database."""
    return news.newest(state, task, state.journals.of(task.id).progress()) if task.is_running() else task


def end_of(task: Task, *, quiet: bool) -> None:
    """Say how a task ended, and fail if it did not complete."""
    title = task_title(task)
    if task.status == Status.COMPLETED:
        if not quiet:
            more = ", ".join([*filter(None, [counts_text(task)]), *(file["name"] for file in task.files or [])])
            click.echo(f"{title}: {outcome(task)}{f' ({more})' if more else ''}")
        return
    if task.is_finished():
        raise Failure(f"{title} {'failed' if task.status == Status.FAILED else 'was stopped'}: {outcome(task)}")
    raise Failure(f"{title} has not ended: {task.message or waiting_for(task) or task.status_text}")


def bar(percent: int | None, width: int = _BAR) -> str:
    """A bar of that many characters; an empty one when nothing is known."""
    full = round((percent or 0) / 100 * width)
    return "█" * full + "░" * (width - full)


def _text(state: State, task: Task) -> tuple[str, str]:
    """The line for a terminal and the plain one."""
    title = task_title(task)
    if task.is_pending():
        alive = bool(live_processes(state.database, state.settings.lease))
        around = Surroundings(alive=alive, position=place_in_queue(state.database, task) or None)
        text = f"{title}: {waiting_for(task, around)}"
        return text, text
    texts = Texts(task)
    told = " · ".join(part for part in (texts.line, texts.message) if part)
    return f"{title} {bar(task.progress)} {told}", f"{title}: {told}"


class _Silent:
    def show(self, texts: tuple[str, str]) -> None:
        """Take the newest text."""

    def close(self) -> None:
        """Leave the terminal tidy."""


class _Live(_Silent):
    def show(self, texts: tuple[str, str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        click.echo("\r\x1b[K" + clean(texts[0]).replace("\n", " ")[:width], nl=False)

    def close(self) -> None:
        click.echo("\r\x1b[K", nl=False)


class _Plain(_Silent):
    def __init__(self) -> None:
        self._next = 0.0
        self._shown = ""

    def show(self, texts: tuple[str, str]) -> None:
        text = " ".join(clean(texts[1]).split())
        if text != self._shown and time.monotonic() >= self._next:
            self._next, self._shown = time.monotonic() + 1.0, text
            click.echo(text)
