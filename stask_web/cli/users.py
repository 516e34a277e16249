"""``flask stask user ...``: the accounts of a standalone panel."""

from __future__ import annotations

import sys

import click
from flask import current_app
from flask.cli import AppGroup

from ..standalone import PATHS_KEY
from ..standalone.accounts import ROLES, Accounts
from .group import stask_group
from .output import Failure, STaskGroup, json_option, print_json, print_table
from .workers import ready_state

user_group: AppGroup = STaskGroup("user", help="Accounts of a standalone panel.")
stask_group.add_command(user_group)


@user_group.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What the person may do.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin; without it a link is printed.")
@json_option
def add(name: str, role: str, password_stdin: bool, as_json: bool) -> None:
    """Make an account."""
    accounts = _accounts()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    account = accounts.add(name, role, password)
    path = None if password else _path(accounts.new_link(account))
    if as_json:
        print_json({"name": account.name, "role": account.role, "link": path})
        return
    click.echo(f"{account.name} ({account.role}) was added.")
    if path:
        click.echo(f"Sign in at this path of the site, once, within an hour: {path}")


@user_group.command("link")
@click.argument("name", required=False)
@json_option
def link(name: str | None, as_json: bool) -> None:
    """Print a one-time sign-in link; without NAME, while there is no account, the one that makes the first."""
    accounts = _accounts()
    if name is None and accounts.any():
        raise Failure("Say for whom: flask stask user link NAME")
    path = _path(accounts.new_link(accounts.named(name) if name is not None else None))
    if as_json:
        print_json({"link": path})
    else:
        click.echo(f"Works once, within an hour, at this path of the site: {path}")


@user_group.command("list")
@json_option
def list_users(as_json: bool) -> None:
    """List the accounts."""
    found = _accounts().all()
    if as_json:
        print_json([{"name": one.name, "role": one.role, "signed_in_at": one.signed_in_at} for one in found])
    elif found:
        rows = [
            (one.name, one.role, f"{one.signed_in_at:%Y-%m-%d %H:%M}" if one.signed_in_at else "never") for one in found
        ]
        print_table(("name", "role", "signed in (UTC)"), rows)
    else:
        click.echo("There is no account yet. Make the first: flask stask user link")


@user_group.command("remove")
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove an account; its sessions end."""
    _accounts().remove(name)
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"{name} was removed.")


def _accounts() -> Accounts:
    if PATHS_KEY not in current_app.extensions:
        raise Failure("This site has accounts of its own; make and remove people there, not here.")
    return Accounts(ready_state().database)


def _path(token: str) -> str:
    path: str = current_app.extensions[PATHS_KEY](token)
    return path
