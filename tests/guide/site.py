"""The site of the guide: a shop with products in its database, whose people may do everything."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from stask_web import AccessPolicy, STask

db = SQLAlchemy()


class Product(db.Model):  # type: ignore[name-defined, misc]
    """A product of the shop."""

    id = db.Column(db.Integer, primary_key=True)
    sku = db.Column(db.String(40), unique=True, nullable=False)
    name = db.Column(db.String(200), nullable=False, default="")
    price = db.Column(db.Numeric(10, 2), nullable=False, default=0)
    stock = db.Column(db.Integer, nullable=False, default=0)


class Owner(AccessPolicy):
    """The shop has one person, who may do everything."""

    id = 7

    def current_user(self) -> Any:
        """That person."""
        return self

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        """Everything."""
        return True


def create_app(folder: Any, **config: Any) -> Flask:
    """The app, as a host writes it."""
    app = Flask("shop", instance_path=str(folder))
    app.config.update(SECRET_KEY="guide", SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/shop.db", TESTING=True)
    app.config.update(config)
    db.init_app(app)
    STask().init_app(app, db=db, access=Owner())
    return app
