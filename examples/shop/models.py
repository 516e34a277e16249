"""The shop's own tables. stask-web's tables are not among them, though they live in the same database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.security import check_password_hash, generate_password_hash


class Base(DeclarativeBase):
    """The base of the shop's models."""


db = SQLAlchemy(model_class=Base)


class Money(sa.types.TypeDecorator[Decimal]):
    """An amount with two decimals, kept as cents: SQLite's own numbers would round it."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(Decimal(value).scaleb(2).to_integral_exact())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


class Product(db.Model):  # type: ignore[name-defined]  # Flask-SQLAlchemy makes the base at run time
    """Something the shop sells."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    price: Mapped[Decimal] = mapped_column(Money)
    stock: Mapped[int | None]
    year: Mapped[int | None]
    genre: Mapped[str] = mapped_column(sa.String(40), default="")
    active: Mapped[bool] = mapped_column(default=True)


class User(UserMixin, db.Model):  # type: ignore[name-defined]
    """Somebody who works in the shop. The role says what they may do."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    role: Mapped[str] = mapped_column(sa.String(20))
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))

    def set_password(self, password: str) -> None:
        """Keep a hash of the password."""
        self.password_hash = generate_password_hash(password)

    def has_password(self, password: str) -> bool:
        """Whether it is the right one; nobody without a password can sign in by one."""
        return bool(self.password_hash) and check_password_hash(str(self.password_hash), password)


class SignInLink(db.Model):  # type: ignore[name-defined]
    """A link that signs one person in, once, within an hour. Only its hash is kept."""

    __tablename__ = "sign_in_links"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    expires_at: Mapped[float] = mapped_column(sa.Double)
    used_at: Mapped[float | None] = mapped_column(sa.Double)

    def __repr__(self) -> str:
        return f"<SignInLink until {datetime.fromtimestamp(self.expires_at, UTC):%H:%M} UTC>"
