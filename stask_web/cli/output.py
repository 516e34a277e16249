"""What the commands print: one line for an error, one JSON document with ``--json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from ..errors import STaskError
from ..text import clean

F = TypeVar("F", bound=Callable[..., Any])


class STaskGroup(AppGroup):
    """The group of our commands: a known error becomes one line on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except STaskError as error:
            raise Failure(error.message) from error
        except SQLAlchemyError as error:
            raise Failure(f"The database says: {getattr(error, 'orig', None) or error}") from error


class Failure(click.ClickException):
    """The command failed; the message is one line.

    :param message: what happened, which, and what to do.
    """

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(clean(message).split()))


def json_option(command: F) -> F:
    """Give a command the option ``--json``."""
    return click.option("as_json", "--json", is_flag=True, help="Print one JSON document.")(command)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def warn(text: object) -> None:
    """Print one line to stderr."""
    click.echo(" ".join(clean(text).split()), err=True)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns as wide as their widest cell, without a frame."""
    lines = [list(head), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
