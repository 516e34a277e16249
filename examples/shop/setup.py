"""`python -m examples.shop.setup`: makes everything that the shop needs, or brings it up to date. Safe at every start.

It never makes a password: it prints a link that signs in once, within an hour, until somebody has set a password.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import flask_migrate
import sqlalchemy as sa
from flask import Flask
from flask.cli import ScriptInfo

from examples.shop.app import create_app
from examples.shop.models import User, db
from examples.shop.movies import write_price_list
from examples.shop.signin import new_link
from stask_web import stask

ADMIN = "admin"


def set_up(app: Flask) -> list[str]:
    """Make the database, the price list and the first person -> what there is to say, in lines."""
    instance = Path(app.instance_path)
    instance.mkdir(parents=True, exist_ok=True)
    with app.app_context():
        logging.getLogger("alembic").setLevel(logging.WARNING)
        flask_migrate.upgrade()
        app.cli.main(["stask", "init-db"], obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
        stask.discover_workers()  # so that the first page shows them, however soon it is opened
        return [*prepare_films(instance / "products.csv"), *invite(first_person())]


def prepare_films(target: Path) -> list[str]:
    """Write the price list to try the import with, once."""
    if target.exists():
        return []
    count, real = write_price_list(target)
    kind = "films" if real else "made-up films (npm did not bring the real ones)"
    return [f"{count:,} {kind} to import: {_short(target)}"]


def first_person() -> User:
    """The person whom the first start makes: an admin, without a password."""
    user = db.session.scalar(sa.select(User).where(User.name == ADMIN))
    if user is None:
        user = User(name=ADMIN, role="admin")
        db.session.add(user)
        db.session.commit()
    return user


def invite(user: User, port: str | None = None) -> list[str]:
    """How this person gets in: by a fresh one-time link, or by the password that he has."""
    base = f"http://127.0.0.1:{port or os.environ.get('PORT') or 8000}"
    if user.password_hash:
        return [f"Sign in as {user.name}: {base}/sign-in"]
    return ["Sign in here; the link works once, within an hour:", f"{base}/sign-in/{new_link(user)}"]


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    os.umask(0o077)  # databases, price lists and keys are nobody else's business
    sys.stdout.write("\n".join(set_up(create_app())) + "\n")
