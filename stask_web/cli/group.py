"""The command group, which loads a module of commands when one of its commands is asked for.

A supervisor, a web server and the host's own commands have the group without paying for what they do not run.
"""

from __future__ import annotations

from importlib import import_module

import click

from .output import STaskGroup

#: Command -> the module of this package that adds it to the group.
COMMANDS = {
    "activate": "workers",
    "cancel": "tasks",
    "create": "tasks",
    "deactivate": "workers",
    "discover": "workers",
    "health": "inspection",
    "init-db": "database",
    "log": "inspection",
    "prune": "inspection",
    "rescan": "workers",
    "retry": "tasks",
    "run": "tasks",
    "schedules": "schedules",
    "show": "inspection",
    "tasks": "inspection",
    "up": "serve",
    "user": "users",
    "work": "serve",
    "workers": "workers",
}


class LazyGroup(STaskGroup):
    """Knows the names of all commands, and loads a command with its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, those that a host added, too."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name."""
        load(cmd_name)
        return super().get_command(ctx, cmd_name)


def load(*names: str) -> None:
    """Load the modules of some commands, of all when none is named."""
    for name in names or COMMANDS:
        if name in COMMANDS and name not in stask_group.commands:
            import_module(f"{__package__}.{COMMANDS[name]}")


stask_group = LazyGroup("stask", help="Run and look after background tasks.")
