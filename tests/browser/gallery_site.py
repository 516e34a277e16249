"""A site that holds a task in every look, for the gallery: real tables, rows written by hand."""

# ruff: noqa: E501  (rows of a table, one a line where they can be)

from __future__ import annotations

import hashlib
import json
import struct
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import sqlalchemy as sa
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, Choices, DryRun, RolePolicy, STask, Upload, action
from stask_web.database import upgrade
from stask_web.models import Attempt, Process, Schedule, Stat, Task, WorkerRecord
from stask_web.state import State, state_of
from stask_web.status import Status


@dataclass
class Person:
    """A user of the gallery."""

    id: int
    name: str
    role: str


PEOPLE = {
    person.role: person
    for person in (
        Person(1, "Olena Koval", "admin"),
        Person(2, "Max Berg", "operator"),
        Person(3, "Vera Lind", "viewer"),
    )
}


class ImportOptions(BaseModel):
    """As in the shop."""

    file: Annotated[Path, Upload(".csv")] = Field(
        title="CSV file", description="One product a row. The first row names the columns."
    )
    delimiter: Literal["auto", ",", ";", "tab"] = Field("auto", title="Delimiter")
    dry_run: Annotated[bool, DryRun()] = False


class ExportOptions(BaseModel):
    """As in the shop."""

    format: Literal["csv", "json"] = Field("csv", title="Format")
    active_only: bool = Field(True, title="Active products only")


def cities(country: str) -> list[tuple[str, str]]:
    """Choices that depend on another field."""
    known = {"ua": [("kyiv", "Kyiv"), ("lviv", "Lviv")], "pl": [("gda", "Gdańsk"), ("waw", "Warszawa")]}
    return known.get(country, [])


class MailOptions(BaseModel):
    """What a newsletter asks for."""

    subject: str = Field(title="Subject", max_length=80)
    list: Annotated[str, Choices(lambda: [("all", "Everybody"), ("vip", "Best customers")])] = Field(
        "all", title="To whom"
    )
    token: SecretStr | None = Field(None, title="API token")


class EveryOption(BaseModel):
    """A field of every kind."""

    name: str = Field(title="Name", description="As it stands on the invoice", max_length=80)
    count: int = Field(10, title="Count", ge=1, le=100)
    price: Decimal = Field(Decimal("12.50"), title="Price", description="With two decimals")
    urgent: bool = Field(False, title="Urgent")
    reason: str = Field("", title="Why so urgent?", json_schema_extra={"show_if": {"urgent": True}})
    size: Literal["small", "large"] = Field("small", title="Size", json_schema_extra={"kind": "radio"})
    tags: list[Literal["new", "sale", "last"]] = Field(default_factory=list, title="Tags")
    country: Literal["ua", "pl"] = Field("ua", title="Country", json_schema_extra={"group": "Where"})
    city: Annotated[str, Choices(cities)] = Field("kyiv", title="City", json_schema_extra={"group": "Where"})
    site: str = Field("", title="Web site", json_schema_extra={"kind": "url", "group": "Where"})
    day: date | None = Field(None, title="Day", json_schema_extra={"group": "When"})
    clock: time_of_day | None = Field(None, title="Time", json_schema_extra={"group": "When"})
    moment: datetime | None = Field(None, title="Not before", json_schema_extra={"group": "When"})
    mail: str = Field(
        "", title="E-mail for questions", json_schema_extra={"kind": "email", "placeholder": "name@example.com"}
    )
    papers: Annotated[list[Path], Upload(".txt", ".pdf")] = Field(default_factory=list, title="Papers")
    note: str = Field("", title="Note", max_length=2000)
    token: SecretStr | None = Field(None, title="API token")
    extra: dict[str, Any] = Field(default_factory=dict, title="Extra")


class ProductWorker(BaseWorker):
    identifier, scope, title = "product", "shop", "Product management"
    icon = '<i class="fa fa-cube"></i>'
    description = "Import and export products from and to CSV files"

    @action(
        "Import products",
        description="Brings products in from a price list. Rows that do not fit are refused and listed.",
    )
    def task_import(self, task: Any, options: ImportOptions) -> None: ...

    @action("Export products")
    def task_export(self, task: Any, options: ExportOptions) -> None: ...

    @action("Sync stock")
    def task_sync_stock(self, task: Any, options: Any) -> None: ...


class MailWorker(BaseWorker):
    identifier, scope, title = "mail", "shop", "Newsletter"
    icon = '<i class="fa fa-envelope"></i>'
    description = "Sends the weekly newsletter to everybody who asked for it. Each address gets it once, also when it is stopped and started again in the middle."

    @action("Send newsletter", confirm="4,210 people get a mail. This cannot be taken back.", max_attempts=1)
    def task_send(self, task: Any, options: MailOptions) -> None: ...

    @action("Print invoices")
    def task_print(self, task: Any, options: EveryOption) -> None: ...

    @action("Forget readers", confirm="All 4,210 addresses are deleted.")
    def task_forget(self, task: Any, options: Any) -> None: ...


class OrdersWorker(BaseWorker):
    identifier, scope, title = "orders", "erp", "Orders"
    description = "Exchange of orders with the warehouse"

    @action("Fetch orders")
    def task_fetch(self, task: Any, options: Any) -> None: ...

    @action("Send orders")
    def task_send(self, task: Any, options: Any) -> None: ...


class CacheWorker(BaseWorker):
    identifier, scope, title = "cache", "site", "Page cache"
    icon = '<i class="fa fa-bolt"></i>'
    description = "Builds the pages anew"

    @action("Rebuild cache")
    def task_rebuild(self, task: Any, options: Any) -> None: ...


class StockWorker(CacheWorker):
    identifier, title, description = "stock", "Stock", "Stock of all warehouses"


class PriceWorker(CacheWorker):
    identifier, title, description = "price", "Prices", "Prices of all suppliers"


class ImageWorker(CacheWorker):
    identifier, title, description = "image", "Pictures", "Scales pictures for the shop"


class ReportWorker(CacheWorker):
    identifier, scope, title, description = "report", "erp", "Reports", "Monthly reports for the accountant"


class Api(BaseModel):
    """Of the accountant's server."""

    url: str = Field("https://accounts.example.com", title="Address", json_schema_extra={"kind": "url"})
    timeout: float = Field(30, title="Time limit", gt=0, le=600, description="Seconds to wait for an answer")
    key: SecretStr | None = Field(None, title="API key")


class ReportSettings(BaseModel):
    """What an admin may set of the reports."""

    company: str = Field("Kyiv Cinema Shop", title="Company", description="As it stands on top of each report")
    paper: Literal["a4", "letter"] = Field("a4", title="Paper")
    days: int = Field(31, title="Days", ge=1, le=366)
    mail: bool = Field(True, title="Mail it to the accountant")
    columns: list[Literal["sku", "name", "price", "stock"]] = Field(["sku", "price"], title="Columns")
    api: Api = Field(default_factory=Api, title="Accountant's server")


class SetUpWorker(CacheWorker):
    """With settings; its defaults are typed."""

    identifier, scope, title = "setup", "erp", "Reports with settings"
    description = "Monthly reports, set up by whoever knows the accountant"
    Settings = ReportSettings


class PlainWorker(CacheWorker):
    """With plain defaults."""

    identifier, scope, title, description = "plain", "site", "Plain settings", "Settings without a model"
    defaults: ClassVar[dict[str, Any]] = {
        "batch_size": 100,
        "retry": True,
        "api": {"url": "https://x.example", "token": ""},
    }


class LostWorker(CacheWorker):
    """Its class is gone a moment after it was registered."""

    identifier, scope, title, description = "lost", "old", "Fax machine", "Sent faxes until 2009"


class BrokenWorker(CacheWorker):
    identifier, scope, title = "broken", "erp", "Broken widget"

    def render_widget(self) -> str:
        raise RuntimeError("no connection to the warehouse")


WORKERS = (
    ProductWorker,
    MailWorker,
    OrdersWorker,
    CacheWorker,
    StockWorker,
    PriceWorker,
    ImageWorker,
    ReportWorker,
    BrokenWorker,
)

#: Off, so that the dashboard stays as it is.
OFF = (SetUpWorker, PlainWorker, LostWorker)


class GalleryPolicy(RolePolicy):
    """The user is named in the address or a cookie: this is for pictures only."""

    def current_user(self) -> Person | None:
        return PEOPLE.get(request.cookies.get("who", "admin"))

    def user_name(self, user_id: Any) -> str | None:
        return next((person.name for person in PEOPLE.values() if person.id == user_id), None)


@dataclass
class Gallery:
    """The app, and the ids of its tasks by look."""

    app: Flask
    state: State
    ids: dict[str, int] = field(default_factory=dict)
    schedules: dict[str, int] = field(default_factory=dict)


def make_gallery(folder: Path, *, full: bool = True, **config: Any) -> Gallery:
    """The site in ``folder``; ``full=False`` has no worker and no task."""
    app = Flask("gallery", instance_path=str(folder / "instance"))
    app.config.update(SECRET_KEY="gallery", SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'gallery.db'}", **config)
    db = SQLAlchemy(app)
    STask(app, db=db, access=GalleryPolicy())
    gallery = Gallery(app, state_of(app))
    with app.app_context():
        upgrade(gallery.state.database)
        gallery.state.storage.prepare()
        if full:
            _fill(gallery)
    return gallery


def _fill(gallery: Gallery) -> None:
    state = gallery.state
    for cls in WORKERS:
        state.registry.add(cls)
        state.roster.set_active(cls.identifier, True)
    _odd_workers(gallery)
    _runs(gallery)
    _history(gallery)
    now = datetime.now(UTC)
    _process(gallery)
    _schedules(gallery)
    running = {
        "status": Status.RUNNING,
        "started_at": now - timedelta(seconds=42),
        "attempts": 1,
        "attempt_no": 1,
        "claim_token": "t",
    }
    ended = {
        "started_at": now - timedelta(minutes=8),
        "finished_at": now - timedelta(minutes=5),
        "duration": 192.4,
        "attempts": 1,
        "attempt_no": 1,
        "progress": 100,
    }
    done = {"status": Status.COMPLETED, **ended}
    _add(gallery, "waiting", identifier="price", action="rebuild", lane=2)
    _add(
        gallery,
        "scheduled",
        identifier="report",
        action="rebuild",
        due_at=now + timedelta(hours=5),
        start_at=now + timedelta(hours=5),
    )
    _add(
        gallery,
        "retrying",
        identifier="orders",
        action="send",
        due_at=now + timedelta(seconds=20),
        attempts=1,
        attempt_no=1,
        started_at=now - timedelta(minutes=1),
        message="Attempt 1 of 3 stopped: An error in the program, at row 1,205 of 3,201",
    )
    _add(
        gallery,
        "attempts",
        identifier="product",
        action="export",
        **{**done, "attempt_no": 3, "attempts": 3},
        message="Exported 3,201 products to products.csv",
    )
    _add(
        gallery,
        "quiet",
        identifier="report",
        action="rebuild",
        progress=12,
        processed=120,
        total=1000,
        message="Waiting for the accountant's server",
        **{**running, "started_at": now - timedelta(minutes=20)},
    )
    _add(gallery, "unknown", identifier="image", action="rebuild", started_by=2, message="Scaling pictures", **running)
    _add(
        gallery,
        "stopping",
        identifier="stock",
        action="rebuild",
        cancel_at=now,
        progress=62,
        processed=1204,
        total=1941,
        message="Asking the warehouse",
        **running,
    )
    _add(
        gallery,
        "completed",
        identifier="product",
        action="export",
        message="Exported 3,201 products to products.csv",
        files=[_file("products.csv", "result", PRODUCTS.encode("cp1251"))],
        **done,
    )
    _add(
        gallery,
        "checked",
        identifier="product",
        action="import",
        dry_run=True,
        counts={"would be imported": 3201},
        **done,
    )
    _add(
        gallery,
        "failed",
        identifier="cache",
        action="rebuild",
        message="The import stopped because of an error in the program, at row 1,205 of 3,201",
        error="ZeroDivisionError: division by zero (line 41 of workers.py)",
        processed=1204,
        total=3201,
        **{**ended, "status": Status.FAILED, "progress": 37},
    )
    _add(
        gallery,
        "stopped",
        identifier="orders",
        action="fetch",
        processed=1204,
        total=3201,
        cancelled_by="Max Berg",
        cancel_at=now,
        **{**ended, "status": Status.CANCELLED, "progress": 37},
    )
    _add(
        gallery,
        "refused",
        identifier="product",
        action="import",
        counts={"imported": 3161},
        warnings=40,
        processed=3201,
        total=3201,
        message="Imported movies.csv",
        files=[_file("refused.csv", "refused", REFUSED.encode())],
        meta={"file": {"upload": "x", "name": "movies.csv"}, "delimiter": "auto", "dry_run": False},
        **done,
    )
    _add(
        gallery,
        "files",
        identifier="report",
        action="rebuild",
        message="Made the reports of November",
        files=[
            _file("november.csv", "result", PRODUCTS.encode("cp1251")),
            _file("chart.png", "file", picture()),
            _file("page.html", "file", b"<h1>Report</h1>\n<script>window.pwned = 1</script>\n"),
            _file("raw.bin", "file", bytes(range(256)) * 40),
            _file("summary.json", "file", json.dumps(SUMMARY).encode()),
            _file("yesterday.csv", "file", b""),
        ],
        **done,
    )
    _add(
        gallery,
        "hostile",
        identifier="gone",
        action="<b>x</b>",
        message="<script>alert(1)</script>" + "W" * 10_000 + " \u202eעברית 🎉",
        started_by="<i>nobody</i>",
        **done,
    )
    _add(
        gallery,
        "running",
        identifier="mail",
        action="send",
        progress=37,
        processed=1204,
        total=3201,
        eta=118.0,
        message="Sending to readers in Lviv",
        counts={"sent": 1180, "bounced": 24},
        started_by=2,
        **running,
    )


PRODUCTS = "Артикул;Назва;Ціна\r\n" + "".join(
    f"A{number:04};Кабель USB-C, {number} см;{number},50\r\n" for number in range(1, 3202)
)
REFUSED = "sku,title,price,reason,line\n" + "".join(
    f"B{number},Lamp,,the price is missing,{number * 41}\n" for number in range(1, 41)
)
SUMMARY = {"products": 3201, "shops": ["Kyiv", "Lviv", "Odesa"], "prices": {"lowest": 1.5, "highest": 3201.5}}


def _odd_workers(gallery: Gallery) -> None:
    """Workers that are off: with settings that somebody changed; with a module that broke, or a class that is gone."""
    state = gallery.state
    for cls in OFF:
        state.registry.add(cls)
        state.roster.set_active(cls.identifier, False)
    SetUpWorker().update_config({"days": 7, "api": {"timeout": 60, "key": "k-1234"}})
    state.registry._added.pop("lost")
    with state.database.write() as connection:
        row = {"scope": "old", "stored_description": "Sent parcels", "settings": {}, "active": False}
        row |= {"created_at": time.time(), "updated_at": time.time(), "stored_icon": ""}
        connection.execute(
            sa.insert(WorkerRecord).values(
                identifier="parcels", class_name="shop.parcels:ParcelWorker", stored_title="Parcels", **row
            )
        )
    find = state.registry._candidates

    def find_all() -> Any:
        state.registry._report("shop.parcels", "ImportError: No module named 'carrier' (line 7 of parcels.py)")
        yield from find()

    state.registry._candidates = find_all  # type: ignore[method-assign]
    state.registry.rescan()


def _runs(gallery: Gallery) -> None:
    """Twenty runs of one action, of all lengths."""
    now = time.time()
    rows = []
    for number in range(20):
        ended = now - 86_400 * (20 - number)
        took = 20.0 + (number * 37) % 90
        status = Status.FAILED if number % 9 == 4 else Status.CANCELLED if number == 11 else Status.COMPLETED
        rows.append(
            {
                "identifier": "setup",
                "action": "rebuild",
                "status": status,
                "created_at": ended - took - 2,
                "started_at": ended - took,
                "finished_at": ended,
                "duration": took,
                "meta": {},
                "message": "Sent 12 reports" if status == Status.COMPLETED else "The server did not answer",
                "warnings": 3 if number % 7 == 2 and status == Status.COMPLETED else 0,
                "started_by": 2,
                "attempts": 1,
                "attempt_no": 1,
                "progress": 100,
                "seen_at": ended,
            }
        )
    with gallery.state.database.write() as connection:
        connection.execute(sa.insert(Task), rows)


def picture(width: int = 480, height: int = 240) -> bytes:
    """A PNG with a slope of blue."""
    rows = b"".join(
        b"\0" + bytes(channel for x in range(width) for channel in (29, 95 + y // 3, 214 - x // 4))
        for y in range(height)
    )

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _file(name: str, kind: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "data": data, "kind": kind}


def _keep(gallery: Gallery, task_id: int, files: list[dict[str, Any]]) -> None:
    """Put files where results lie, and write them down. One without content is gone."""
    found = []
    for file in files:
        path, data = gallery.state.storage.result_path(task_id, file["name"]), file["data"]
        if data:
            path.write_bytes(data)
        facts = {"size": len(data) or 1024, "sha256": hashlib.sha256(data).hexdigest()}
        found.append({"name": file["name"], "path": str(path), "kind": file["kind"], **facts})
    with gallery.state.database.write() as connection:
        connection.execute(sa.update(Task).where(Task.id == task_id).values(files=found))


def _add(gallery: Gallery, key: str, files: list[dict[str, Any]] | None = None, **values: Any) -> None:
    now = datetime.now(UTC)
    row = {
        "status": Status.PENDING,
        "created_at": now - timedelta(minutes=1),
        "meta": {},
        "started_by": 1,
        "max_attempts": 3,
        **values,
    }
    with gallery.state.database.write() as connection:
        task_id = connection.execute(sa.insert(Task).values(**row)).inserted_primary_key[0]
        if row.get("attempt_no"):
            outcome = {
                Status.COMPLETED: "completed",
                Status.FAILED: "failed",
                Status.CANCELLED: "cancelled",
                Status.PENDING: "error",
            }.get(row["status"])
            for number in range(1, row["attempt_no"] + 1):
                last = number == row["attempt_no"]
                failed = not last or outcome == "error"
                began = row["started_at"] - timedelta(minutes=row["attempt_no"] - number)
                connection.execute(
                    sa.insert(Attempt).values(
                        task_id=task_id,
                        number=number,
                        token=f"t{task_id}.{number}",
                        started_at=began,
                        ended_at=row.get("finished_at") if last and not failed else began + timedelta(seconds=7),
                        outcome="error" if failed else outcome,
                        message="ConnectionRefusedError: [Errno 111] Connection refused" if failed else None,
                        pid=4711,
                    )
                )
    if files:
        _keep(gallery, task_id, files)
    gallery.ids[key] = task_id
    _write_log(gallery, task_id, row)


def _write_log(gallery: Gallery, task_id: int, row: dict[str, Any]) -> None:
    if not row.get("attempt_no"):
        return
    journal = gallery.state.journals.of(task_id)
    if "started_at" in row and row["status"] == Status.RUNNING and row["identifier"] == "report":
        journal.log("info", "Asked the accountant's server", at=time.time() - 200)
        journal.close()
        return
    journal.log("info", "Started as process 4711")
    journal.log("info", "Reading movies.csv: UTF-8, separated by comma, 3,201 rows")
    for line in range(1, 30):
        journal.log(
            "warning" if line % 7 == 0 else "info",
            f"Line {line * 41}: the price is missing" if line % 7 == 0 else f"Row {line * 100} of 3,201 done",
        )
    journal.log("debug", "committed 100 rows in 12 ms")
    for number in range(1, 8):
        journal.log("info", f"printed by the program, {number} of 7", kind="out")
    for _ in range(40):
        journal.log("warning", "The warehouse is slow")
    journal.log("info", "Went on without it")
    if row["status"] == Status.FAILED:
        journal.log(
            "error",
            'Traceback (most recent call last):\n  File "workers.py", line 41, in task_rebuild\n    share = done / total\nZeroDivisionError: division by zero',
        )
    journal.close()


def _process(gallery: Gallery) -> None:
    now = datetime.now(UTC)
    (gallery.state.storage.run / "p1").touch()
    with gallery.state.database.write() as connection:
        connection.execute(
            sa.insert(Process).values(
                id="p1",
                host="web1",
                pid=4700,
                started_at=now,
                beat_at=now + timedelta(hours=1),
                concurrency=2,
                busy=1,
                lock="p1",
                info={},
            )
        )


def _history(gallery: Gallery) -> None:
    """Tasks over the last day, so that the hours have bars."""
    now = time.time()
    rows, failed = [], 0
    for number in range(120):
        ended = now - 3600 * ((number * 7) % 23) - 1800 - number
        status = Status.FAILED if number % 17 == 3 else Status.COMPLETED
        failed += status == Status.FAILED
        rows.append(
            {
                "identifier": "orders",
                "action": "fetch",
                "status": status,
                "created_at": ended - 60,
                "started_at": ended - 55,
                "finished_at": ended,
                "duration": 55.0,
                "meta": {},
                "message": "Fetched 12 orders" if status == Status.COMPLETED else "The warehouse did not answer",
                "started_by": 2,
                "attempts": 1,
                "attempt_no": 1,
                "progress": 100,
                "seen_at": ended,
            }
        )
    with gallery.state.database.write() as connection:
        connection.execute(sa.insert(Task), rows)
        for status, count in ((Status.COMPLETED, len(rows) - failed), (Status.FAILED, failed)):
            connection.execute(
                sa.insert(Stat).values(
                    day=f"{datetime.now(UTC):%Y-%m-%d}",
                    identifier="orders",
                    action="fetch",
                    status=status,
                    n=count,
                    gone=0,
                    seconds=55.0 * count,
                )
            )


DAILY = {"type": "periodic", "frequency": "daily", "time": "06:30"}
#: A schedule of each kind of rule, by the name of its picture.
RULES: dict[str, dict[str, Any]] = {
    "daily": DAILY,
    "weekly": {"type": "periodic", "frequency": "weekly", "days": ["mon", "thu"], "time": "09:00"},
    "monthly": {"type": "periodic", "frequency": "monthly", "day": "last", "time": "22:15"},
    "hourly": {"type": "periodic", "frequency": "hourly", "time": "*:15"},
    "minutes": {"type": "periodic", "frequency": "every_15min"},
    "window": {
        "type": "regular",
        "start_time": "08:00",
        "end_time": "18:00",
        "interval": 45,
        "days": ["mon", "tue", "wed", "thu", "fri"],
    },
    "once": {"type": "once", "datetime": "2031-07-20 03:30"},
    "cron": {"type": "cron", "cron": "15 2 * * mon-fri"},
    "manual": {"type": "manual"},
}
MAIL = {"subject": "Sale", "list": "all"}


def _schedules(gallery: Gallery) -> None:
    """One of each kind, with the tasks that they made; one that is off; problems of several sorts."""
    door, now = gallery.state.schedules, datetime.now(UTC)
    for kind, rule in RULES.items():
        action = ("mail", "send", {**MAIL, "token": "s3cret"}) if kind == "weekly" else ("product", "export", {})
        made = door.create(
            *action[:2],
            rule,
            action[2],
            timezone="Europe/Kyiv",
            user_id=1,
            title="For the shops" if kind == "cron" else "",
        )
        gallery.schedules[kind] = made.id
    statuses = (Status.COMPLETED, Status.COMPLETED, Status.FAILED, Status.COMPLETED, Status.CANCELLED, Status.COMPLETED)
    for days, status in enumerate(statuses):
        at = now - timedelta(days=6 - days)
        _add(
            gallery, f"by-schedule-{days}", identifier="product", action="export", status=status, created_at=at,
            started_at=at, finished_at=at + timedelta(minutes=3), duration=180.0, attempts=1, attempt_no=1, progress=100,
            seen_at=now, schedule_id=gallery.schedules["daily"], message="Exported 3,201 products to products.csv",
        )  # fmt: skip
    off = door.create(
        "cache", "rebuild", DAILY, timezone="America/New_York", title="Only before the sale", enabled=False
    )
    gallery.schedules["off"] = off.id


def add_problems(gallery: Gallery) -> None:
    """Schedules that need a look."""
    door = gallery.state.schedules
    rules = {
        "options": DAILY,
        "gone": DAILY,
        "unread": DAILY,
        "missed": RULES["hourly"],
        "over": RULES["once"],
        "long": DAILY,
    }
    for name, rule in rules.items():
        made = door.create(
            "mail", "send", rule, MAIL, timezone="Europe/Kyiv", title="word" * 40 if name == "long" else ""
        )
        gallery.schedules[name] = made.id
    changes: dict[str, dict[str, Any]] = {
        "options": {"meta": {"subject": "x" * 200}},
        "gone": {"action": "vanished"},
        "unread": {"timezone": "Mars/Olympus", "next_fire_at": None},
        "missed": {"last_error": "Missed at 2026-11-03 06:30: nothing was running that could have started it."},
        "over": {"next_fire_at": None},
    }
    with gallery.state.database.write() as connection:
        for name, values in changes.items():
            connection.execute(sa.update(Schedule).where(Schedule.id == gallery.schedules[name]).values(**values))


def add_many_schedules(gallery: Gallery, number: int = 200) -> None:
    """A lot of schedules."""
    identifiers = ("cache", "stock", "price", "image", "report")
    for n in range(number):
        rule = {"type": "periodic", "frequency": "daily", "time": f"{n % 24:02}:{n * 7 % 60:02}"}
        gallery.state.schedules.create(identifiers[n % 5], "rebuild", rule, timezone="Europe/Kyiv", title=f"Number {n}")


__all__ = ["Gallery", "add_many_schedules", "add_problems", "make_gallery"]
