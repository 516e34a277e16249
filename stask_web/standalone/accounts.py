"""Accounts and one-time links of a standalone panel, in tables of our own. Nothing here knows a request."""

from __future__ import annotations

import hashlib
import secrets
import time
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from ..database import Database
from ..errors import STaskError
from ..language import tr, trn
from ..models import Account, SignInLink
from ..text import clean

ROLES = ("viewer", "operator", "admin")
LINK_LIFE = 3600.0
SHORTEST_PASSWORD = 10
#: A hash of more would only cost time.
LONGEST_PASSWORD = 1000
LONGEST_NAME = 100


class AccountError(STaskError):
    """The account cannot be made or changed."""


class Accounts:
    """The accounts of one database.

    :param database: ours.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- accounts

    def all(self) -> list[Account]:
        """All accounts by name."""
        with self._database.session() as session:
            return list(session.scalars(sa.select(Account).order_by(Account.name)))

    def any(self) -> bool:
        """Whether there is an account at all."""
        with self._database.read() as connection:
            return connection.execute(sa.select(Account.id).limit(1)).first() is not None

    def get(self, account_id: int) -> Account | None:
        """The account of that id."""
        with self._database.session() as session:
            return session.get(Account, account_id)

    def find(self, name: str) -> Account | None:
        """The account of that name; also in another case, where the database knows the letters' cases."""
        name = " ".join(clean(name).split())
        same = sa.or_(Account.name == name, sa.func.lower(Account.name) == name.lower())
        with self._database.session() as session:
            return session.scalars(sa.select(Account).where(same).order_by(Account.name != name)).first()

    def named(self, name: str) -> Account:
        """The account of that name.

        :raises AccountError: there is none.
        """
        account = self.find(name)
        if account is None:
            raise AccountError(f"There is no account {name!r}. See: flask stask user list")
        return account

    def add(self, name: str, role: str, password: str | None = None) -> Account:
        """Make an account; without a password one signs in by a link first.

        :raises AccountError: a bad or taken name, a role there is not, a short password.
        """
        values = _values(name, role, password)
        if self.find(values["name"]) is not None:
            raise AccountError(tr("The name '%(name)s' is taken.", name=values["name"]))
        try:
            with self._database.write() as connection:
                connection.execute(sa.insert(Account).values(**values))
        except IntegrityError:
            raise AccountError(tr("The name '%(name)s' is taken.", name=values["name"])) from None
        return self.named(values["name"])

    def remove(self, name: str) -> None:
        """Remove an account and its links.

        :raises AccountError: there is none, or it is the only admin.
        """
        account = self.named(name)
        with self._database.write() as connection:
            others = sa.select(Account.id).where(Account.role == "admin", Account.id != account.id).limit(1)
            if account.role == "admin" and connection.execute(others).first() is None:
                raise AccountError(
                    f"{account.name!r} is the only admin. Make another first: flask stask user add NAME --role admin"
                )
            connection.execute(sa.delete(SignInLink).where(SignInLink.account_id == account.id))
            connection.execute(sa.delete(Account).where(Account.id == account.id))

    def set_password(self, account: Account, password: str) -> Account:
        """Change the password; sessions that were signed in before end.

        :raises AccountError: it is too short or too long.
        """
        check_length(password)
        values = {"password_hash": generate_password_hash(password), "session_key": secrets.token_hex(16)}
        with self._database.write() as connection:
            connection.execute(sa.update(Account).where(Account.id == account.id).values(**values))
        return self.named(account.name)

    def check(self, name: str, password: str) -> Account | None:
        """The account, if name and password fit together. Takes as long for a name that there is not."""
        account = self.find(name) if len(name) <= LONGEST_NAME else None
        stored = account.password_hash if account is not None else None
        right = check_password_hash(stored or _no_ones_hash(), password[:LONGEST_PASSWORD])
        return account if right and stored else None

    def note_sign_in(self, account: Account) -> None:
        """Note when somebody signed in."""
        with self._database.write() as connection:
            connection.execute(sa.update(Account).where(Account.id == account.id).values(signed_in_at=time.time()))

    # -- links

    def new_link(self, account: Account | None, *, unless_newer_than: float | None = None) -> str:
        """A fresh one-time token; earlier links of the same account end.

        :param account: whom it signs in; None: it makes the first account.
        :param unless_newer_than: seconds: give no second link, but "", when an unused one is that young.
        """
        token = secrets.token_urlsafe(32)
        now = time.time()
        same = SignInLink.account_id == account.id if account is not None else SignInLink.account_id.is_(None)
        with self._database.write() as connection:
            if unless_newer_than is not None:
                young = sa.select(SignInLink.token_hash).where(
                    same, SignInLink.used_at.is_(None), SignInLink.created_at > now - unless_newer_than
                )
                if connection.execute(young.limit(1)).first() is not None:
                    return ""
            connection.execute(sa.delete(SignInLink).where(sa.or_(same, SignInLink.expires_at < now)))
            values = {"created_at": now, "expires_at": now + LINK_LIFE, "used_at": None}
            account_id = account.id if account is not None else None
            connection.execute(sa.insert(SignInLink).values(token_hash=_hash(token), account_id=account_id, **values))
        return token

    def link(self, token: str) -> SignInLink | None:
        """The link of that token while it is good. Looking does not use it up."""
        with self._database.session() as session:
            return session.scalars(sa.select(SignInLink).where(*_good(token))).first()

    def use_link(self, token: str) -> Account | None:
        """Use up the link of an account -> whom it signs in; None when it is not good any more."""
        link = self.link(token)
        if link is None or link.account_id is None:
            return None
        with self._database.write() as connection:
            if not _use(connection, token):
                return None
        return self.get(link.account_id)

    def make_first(self, token: str, name: str, password: str) -> Account | None:
        """Use up the first link and make the first admin, both or neither; None when the link is not good any more.

        :raises AccountError: a bad name or password; the link stays good.
        """
        values = _values(name, "admin", password)
        with self._database.write() as connection:
            link = connection.execute(sa.select(SignInLink.account_id).where(*_good(token))).first()
            taken = connection.execute(sa.select(Account.id).limit(1)).first()
            if link is None or link.account_id is not None or taken is not None or not _use(connection, token):
                return None
            connection.execute(sa.insert(Account).values(**values))
        return self.named(values["name"])


def check_length(password: str) -> None:
    """Refuse a password that is too short or too long.

    :raises AccountError: says which.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise AccountError(
            trn(
                "Take a password of at least %(num)s character.",
                "Take a password of at least %(num)s characters.",
                SHORTEST_PASSWORD,
            )
        )
    if len(password) > LONGEST_PASSWORD:
        raise AccountError(
            trn(
                "Take a password of at most %(num)s character.",
                "Take a password of at most %(num)s characters.",
                LONGEST_PASSWORD,
            )
        )


def _values(name: str, role: str, password: str | None) -> dict[str, Any]:
    name = " ".join(clean(name).split())
    if not name or len(name) > LONGEST_NAME:
        raise AccountError(tr("A name has 1 to %(most)s characters.", most=LONGEST_NAME))
    if role not in ROLES:
        raise AccountError(f"There is no role {role!r}. The roles are {', '.join(ROLES)}.")
    if password is not None:
        check_length(password)
    return {
        "name": name,
        "role": role,
        "password_hash": None if password is None else generate_password_hash(password),
        "session_key": secrets.token_hex(16),
        "created_at": time.time(),
    }


def _good(token: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        SignInLink.token_hash == _hash(token),
        SignInLink.used_at.is_(None),
        SignInLink.expires_at > time.time(),
    )


def _use(connection: sa.Connection, token: str) -> bool:
    """Of several that use the same link at once, one changes the row."""
    return connection.execute(sa.update(SignInLink).where(*_good(token)).values(used_at=time.time())).rowcount == 1


def _hash(token: str) -> str:
    """A token has 256 random bits, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@cache
def _no_ones_hash() -> str:
    return generate_password_hash(secrets.token_hex(16))
