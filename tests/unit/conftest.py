"""A small host app on a real SQLite file, with a few workers registered by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, Choices, DryRun, STask, TaskFailed, Upload, action
from stask_web.database import upgrade
from stask_web.state import State, state_of


def shops() -> list[tuple[str, str]]:
    """Choices that are computed when they are asked for."""
    return [("kyiv", "Kyiv"), ("lviv", "Lviv")]


class ImportOptions(BaseModel):
    """One field of each kind that matters here."""

    file: Annotated[Path, Upload(".csv")] = Field(title="CSV file")
    delimiter: Literal["auto", ",", ";"] = "auto"
    shop: Annotated[str, Choices(shops)] = "kyiv"
    batch: int = Field(100, ge=1, le=1000, description="Rows in one go")
    token: SecretStr | None = None
    dry_run: Annotated[bool, DryRun()] = False


class ProductWorker(BaseWorker):
    """Imports and syncs."""

    identifier = "product"
    scope = "shop"
    title = "Product management"
    defaults: ClassVar[dict[str, Any]] = {"api": {"timeout": 30, "url": "https://example.com"}, "batch_size": 100}

    @action("Import products", priority="high", max_attempts=2)
    def task_import(self, task: Any, options: ImportOptions) -> None:
        """Bring products in."""
        for _ in self.track(task, range(10), message="Importing"):
            self.count(task, created=1)
        self.mark_finished(task, None, "10 imported")

    def task_sync_stock(self, task: Any, options: dict[str, Any]) -> None:
        if options.get("fail"):
            raise TaskFailed("The stock server is closed.")

    @action(unique=True)
    def task_rebuild(self, task: Any, options: dict[str, Any]) -> None: ...

    @action(unique=["shop"])
    def task_report(self, task: Any, options: dict[str, Any]) -> None: ...


class Host:
    """The app, its db and the state of stask-web on it."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.app = Flask("host", instance_path=str(folder / "instance"))
        self.app.config.update(
            TESTING=True, SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'host.db'}", **config
        )
        self.db = SQLAlchemy(self.app)
        STask(self.app, db=self.db, access=lambda user, permission, target: True)
        self.state: State = state_of(self.app)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with tables, inside its app context."""
    host = Host(tmp_path)
    host.state.registry.add(ProductWorker)
    with host.app.app_context():
        upgrade(host.state.database)
        host.state.roster.set_active("product", True)
        yield host
        host.state.database.engine.dispose()
        host.db.engine.dispose()
