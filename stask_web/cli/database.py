"""``flask stask init-db``: creates and updates the tables."""

from __future__ import annotations

import logging

import click

from ..database import upgrade
from ..state import State, current_state
from .group import stask_group
from .output import json_option, print_json


@stask_group.command("init-db")
@json_option
def init_db(as_json: bool) -> None:
    """Create or update the tables; safe on every deploy."""
    lines = prepare(current_state())
    if as_json:
        print_json({"ready": True, "changes": lines})
    else:
        click.echo("\n".join(lines or ["The tables are up to date."]))


def prepare(state: State) -> list[str]:
    """Bring the tables up to date -> what was done, in lines for people; nothing when nothing was to do."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    lines = upgrade(state.database, wal=state.settings.sqlite_wal)
    state.database.require()
    return lines
