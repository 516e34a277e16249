"""What the chapters share: the site with its tables, and workers made known to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from stask_web.database import upgrade
from stask_web.state import state_of

from .site import Product, create_app, db


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The site, inside its app context; what fails may start again at once."""
    app = create_app(tmp_path, STASK_BACKOFF=0)
    with app.app_context():
        upgrade(state_of(app).database)
        db.create_all()
        yield app
        state_of(app).database.engine.dispose()
        db.engine.dispose()


@pytest.fixture
def use(app: Flask) -> Callable[..., None]:
    """Make workers known and turn them on, as discovery and an admin do."""

    def use(*workers: type[Any]) -> None:
        for worker in workers:
            state_of(app).registry.add(worker)
            state_of(app).roster.set_active(worker.identifier, True)

    return use


@pytest.fixture
def products(app: Flask) -> None:
    """Two hundred and fifty products."""
    for number in range(250):
        db.session.add(Product(sku=f"A-{number}", name=f"Product {number}", price=number, stock=5))
    db.session.commit()


@pytest.fixture
def products_csv(tmp_path: Path) -> Path:
    """A file of twenty-five products."""
    path = tmp_path / "products.csv"
    lines = ["sku,name,price,stock", *(f"B-{number},Bolt {number},{number}.50,10" for number in range(25))]
    path.write_text("\n".join(lines) + "\n")
    return path
