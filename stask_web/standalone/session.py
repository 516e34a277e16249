"""Who is signed in: Flask-Login for a standalone panel, which is a host of its own."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, login_user

from ..access import RolePolicy
from ..models import Account
from ..state import current_state
from .accounts import Accounts


class Person(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """A signed-in account.

    :param account: its row.
    """

    def __init__(self, account: Account) -> None:
        self.id = account.id
        self.name = account.name
        self.role = account.role
        self.has_password = account.password_hash is not None
        self._session_key = account.session_key

    def get_id(self) -> str:
        """What the session keeps: with a new password the key changes, so that older sessions end."""
        return f"{self.id}:{self._session_key}"


class StandalonePolicy(RolePolicy):
    """Roles of our own accounts."""

    def find_user(self, user_id: Any) -> Any:
        """The person of a stored id."""
        account = accounts().get(user_id) if isinstance(user_id, int) else None
        return Person(account) if account is not None else None

    def logout_url(self) -> str | None:
        """Where a POST signs out."""
        return url_for("account.sign_out")


class SessionInterface(SecureCookieSessionInterface):
    """Flask's own, which marks the cookie as secure wherever the page came by HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether the cookie may travel over HTTPS only."""
        return super().get_cookie_secure(app) or request.is_secure


def accounts() -> Accounts:
    """The accounts of the current app."""
    return Accounts(current_state().database)


def set_up(app: Flask) -> None:
    """Give the app sessions and Flask-Login."""
    app.session_interface = SessionInterface()
    login = LoginManager(app)
    login.login_view = "account.sign_in"
    login.login_message = None
    login.session_protection = "basic"
    login.user_loader(_load)


def _load(session_id: str) -> Person | None:
    """The person of a session, unless the account is gone or its password was changed since."""
    number, _, key = session_id.partition(":")
    if not number.isdigit() or not current_state().database.ready():
        return None
    account = accounts().get(int(number))
    return Person(account) if account is not None and key and key == account.session_key else None


def sign_in(account: Account, *, remember: bool = False) -> None:
    """Begin a session anew: nothing that was in it before, by whomever, goes on."""
    session.clear()
    accounts().note_sign_in(account)
    login_user(Person(account), remember=remember)


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.remote_addr or ""
