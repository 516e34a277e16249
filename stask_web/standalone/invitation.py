"""The one-time link that makes the first account: who starts the site gets it, on its terminal or in its log."""

from __future__ import annotations

import os
import sys

from flask import Flask, url_for
from sqlalchemy.exc import SQLAlchemyError

from ..errors import STaskError
from ..state import state_of
from .accounts import LINK_LIFE, Accounts

#: Several web processes start at the same moment, and one line is enough.
_SAME_START = 15.0


def link_path(app: Flask, token: str) -> str:
    """The path at which a link is opened."""
    with app.test_request_context():
        return url_for("account.link", token=token)


def note(app: Flask, address: str) -> str | None:
    """What ``flask stask up`` tells: how to make the first account; nothing when there is one.

    :param address: of the site, without a slash at the end.
    """
    accounts = Accounts(state_of(app).database)
    if accounts.any():
        return None
    path = link_path(app, accounts.new_link(None))
    return f"Make the first account here; the link works once, within an hour: {address}{path}"


def announce(app: Flask) -> None:
    """Print the first link to stderr, when this process serves the site and nobody else did a moment ago."""
    if not serves():
        return
    try:
        _print_link(app, _SAME_START)
    except (STaskError, SQLAlchemyError) as error:
        _print(f"The panel cannot be used yet: {error}")


def announce_if_lost(app: Flask) -> None:
    """Somebody looks at a panel without an account: see to it that the log has a link that is still good."""
    _print_link(app, LINK_LIFE)


def _print_link(app: Flask, unless_newer_than: float) -> None:
    database = state_of(app).database
    database.require()
    accounts = Accounts(database)
    if accounts.any():
        return
    token = accounts.new_link(None, unless_newer_than=unless_newer_than)
    if token:
        _print(
            "The panel has no account yet. Make the first at this path of the site, once, within an hour: "
            + link_path(app, token)
        )


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def serves() -> bool:
    """Whether this process serves pages under gunicorn, and is not one of ``flask``'s own commands."""
    return "gunicorn" in os.environ.get("SERVER_SOFTWARE", "") and os.environ.get("FLASK_RUN_FROM_CLI") != "true"
