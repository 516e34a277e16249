"""A host app on a real SQLite file; people are named by a header, tasks are rows written by hand."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask, request
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, Choices, DryRun, RolePolicy, STask, Upload, action
from stask_web.database import upgrade
from stask_web.models import Task
from stask_web.state import State, state_of
from stask_web.status import Status

JSON = {"Accept": "application/json"}

# When these tests run. Beside midnight they go to a later hour: what ended some minutes ago is to have ended today.
NOW = datetime.now(UTC)
while {NOW.hour, NOW.astimezone().hour} & {22, 23, 0}:
    NOW += timedelta(hours=3)
TODAY = NOW.date()


_MADE = Path(tempfile.mkdtemp(prefix="stask-tables-")) / "tables.db"
atexit.register(shutil.rmtree, _MADE.parent, ignore_errors=True)


class Person(NamedTuple):
    """A user of the host."""

    id: int
    name: str
    role: str


PEOPLE = {
    "viewer": Person(1, "Vera Lind", "viewer"),
    "operator": Person(2, "Max Berg", "operator"),
    "other": Person(3, "Oda Holm", "operator"),
    "admin": Person(4, "Olena Koval", "admin"),
    "nobody": Person(5, "Nils Nobody", "none"),
}


class HeaderPolicy(RolePolicy):
    """The user is named by a header; who has none is sent to /sign-in."""

    def current_user(self) -> Person | None:
        return PEOPLE.get(request.headers.get("X-User", ""))

    def user_name(self, user_id: Any) -> str | None:
        return next((person.name for person in PEOPLE.values() if person.id == user_id), None)

    def login_url(self, next: str) -> str:
        return f"/sign-in?next={next}"


def shops() -> list[tuple[str, str]]:
    """Choices that are computed when they are asked for."""
    return [("kyiv", "Kyiv"), ("lviv", "Lviv")]


class ImportOptions(BaseModel):
    """A file and a choice."""

    file: Annotated[Path, Upload(".csv")] = Field(title="CSV file", description="One product a row")
    delimiter: Literal["auto", ",", ";"] = "auto"
    rows: Literal[10, 20] = 10
    dry_run: Annotated[bool, DryRun()] = False


class PlainOptions(BaseModel):
    """No file, most other kinds."""

    name: str = Field(min_length=2, title="Name")
    count: int = Field(5, ge=1, le=9)
    price: Decimal | None = None
    shop: Annotated[str, Choices(shops)] = "kyiv"
    urgent: bool = True
    tags: list[Literal["new", "sale"]] = Field(default_factory=list)
    token: SecretStr | None = None
    extra: dict[str, Any] | None = None


class ProductWorker(BaseWorker):
    """The usual worker."""

    identifier = "product"
    scope = "shop"
    title = "Product management"
    description = "Import and export products"

    @action("Import products", description="Brings products in")
    def task_import(self, task: Any, options: ImportOptions) -> None: ...

    @action("Order labels")
    def task_labels(self, task: Any, options: PlainOptions) -> None: ...

    @action("Sync stock")
    def task_sync_stock(self, task: Any, options: Any) -> None: ...

    @action("Rebuild everything", role="admin")
    def task_rebuild(self, task: Any, options: Any) -> None: ...

    @action("Only one", unique=True)
    def task_only_one(self, task: Any, options: Any) -> None: ...


class Site:
    """The app, its state, and ways to fill it."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.app = Flask("host", instance_path=str(folder / "instance"))
        self.app.config.update(
            SECRET_KEY="test",
            SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'host.db'}",
            WTF_CSRF_ENABLED=False,
            **config,
        )
        self.db = SQLAlchemy(self.app)
        STask(self.app, db=self.db, access=HeaderPolicy(own_only=config.get("OWN_ONLY", False)))
        self.state: State = state_of(self.app)

    def fill(self) -> None:
        """Tables and one active worker. The tables are made once and then copied, which is much faster."""
        if not _MADE.is_file():
            upgrade(self.state.database)
            self.state.database.engine.dispose()
            shutil.copy(self.folder / "host.db", _MADE)
        else:
            shutil.copy(_MADE, self.folder / "host.db")
        self.state.storage.prepare()
        self.add(ProductWorker)

    def add(self, cls: type[BaseWorker], *, active: bool = True) -> None:
        """Register a worker."""
        self.state.registry.add(cls)
        self.state.roster.set_active(cls.identifier, active)

    def client(self, name: str = "") -> FlaskClient:
        """A browser of that person."""
        client = self.app.test_client()
        if name:
            client.environ_base["HTTP_X_USER"] = name
        return client

    def task(self, **values: Any) -> int:
        """A row as it is given; by default a task of the operator that waits."""
        row = {
            "identifier": "product",
            "action": "sync_stock",
            "status": Status.PENDING,
            "created_at": datetime.now(UTC) - timedelta(minutes=10),
            "meta": {},
            "started_by": 2,
            **values,
        }
        if row["status"] == Status.PENDING and "due_at" not in row:
            row.setdefault("lane", 2)
        with self.state.database.write() as connection:
            return int(connection.execute(sa.insert(Task).values(**row)).inserted_primary_key[0])

    def running(self, **values: Any) -> int:
        """A task that runs."""
        facts = {
            "started_at": datetime.now(UTC) - timedelta(seconds=30),
            "attempts": 1,
            "attempt_no": 1,
            "claim_token": "t",
        }
        return self.task(**{"status": Status.RUNNING, **facts, **values})

    def ended(self, status: Status = Status.COMPLETED, **values: Any) -> int:
        """A task that is over."""
        now = datetime.now(UTC)
        facts = {"started_at": now - timedelta(minutes=9), "finished_at": now - timedelta(minutes=6), "duration": 180.0}
        return self.task(**{"status": status, "attempts": 1, "attempt_no": 1, **facts, **values})

    def file(self, task_id: int, name: str, data: bytes, kind: str = "result") -> Path:
        """A file of a task, in its place and written down after those it has."""
        path = self.state.storage.result_path(task_id, name)
        path.write_bytes(data)
        record = {"name": name, "path": str(path), "size": len(data), "kind": kind}
        files = [*(self.get(task_id).files or []), record]
        with self.state.database.write() as connection:
            connection.execute(sa.update(Task).where(Task.id == task_id).values(files=files))
        return path

    def get(self, task_id: int) -> Task:
        """The row now."""
        task: Task = self.state.tasks.get(task_id)
        return task

    def all(self) -> list[Task]:
        """Every row."""
        return Task.query().order_by(Task.id).all()


@pytest.fixture(autouse=True, scope="module")
def _far_from_midnight() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A host with tables and one worker, inside its app context."""
    yield from _serve(Site(tmp_path))


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """The same, but operators and viewers see only what they started."""
    yield from _serve(Site(tmp_path, OWN_ONLY=True))


def _serve(site: Site) -> Iterator[Site]:
    with site.app.app_context():
        site.fill()
    context = site.app.app_context()
    context.push()
    yield site
    context.pop()
    site.state.database.engine.dispose()
    with site.app.app_context():
        site.db.engine.dispose()


@pytest.fixture
def admin(site: Site) -> FlaskClient:
    return site.client("admin")


@pytest.fixture
def operator(site: Site) -> FlaskClient:
    return site.client("operator")


@pytest.fixture
def viewer(site: Site) -> FlaskClient:
    return site.client("viewer")


@pytest.fixture
def anonymous(site: Site) -> FlaskClient:
    return site.client()
