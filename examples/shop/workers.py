"""The shop's worker: what its people do with products in the background."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, Field, model_validator

from examples.shop.catalogue import OPTIONAL, REQUIRED, Layout, as_cells
from examples.shop.models import Product, db
from stask_web import BaseWorker, DryRun, Task, TaskFailed, TaskInterrupt, Upload, action
from stask_web.errors import InvalidOptions
from stask_web.tables import Table, TableError, read_table


class Delimiter(StrEnum):
    """What stands between two values of a line."""

    AUTOMATIC = "auto"
    COMMA = ","
    SEMICOLON = ";"
    TAB = "tab"
    PIPE = "|"


class ImportOptions(BaseModel):
    """What an import asks for."""

    file: Annotated[Path, Upload(".csv")] = Field(
        title="CSV file",
        description="Columns: sku, name, price. If there are more: stock, year (or released), genre, active.",
    )
    delimiter: Delimiter = Field(Delimiter.AUTOMATIC, title="Delimiter")
    dry_run: Annotated[bool, DryRun()] = False

    @model_validator(mode="after")
    def is_a_price_list(self) -> ImportOptions:
        """Say at the form's field what is wrong with the file, rather than minutes later in the log."""
        if self.file.is_file():
            try:
                Layout(read_table(self.file, self.delimiter))
            except TableError as error:
                raise InvalidOptions({"file": error.message}) from None
        return self


class ExportOptions(BaseModel):
    """What an export asks for."""

    format: Literal["csv", "json"] = Field("csv", title="Format")
    active_only: bool = Field(True, title="Active products only")


class ProductSettings(BaseModel):
    """What an admin may set."""

    batch_size: int = Field(200, ge=1, le=5000, title="Batch size", description="How many rows are saved at once")


class ProductWorker(BaseWorker):
    """Import, export and stock of the shop's products."""

    identifier = "product"
    scope = "shop"
    icon = '<i class="fa fa-cube"></i>'
    title = "Product management"
    description = "Import and export products from and to CSV files"
    Settings = ProductSettings

    @action("Import products", description="Adds new products and changes those whose SKU the shop already has.")
    def task_import(self, task: Task, options: ImportOptions) -> None:
        """Take a price list in, batch by batch; what is wrong with a row is noted, and the others are taken."""
        table, layout = _open_table(options)
        total = table.count()
        dry_run = options.dry_run
        run = _Import(self, task, self.get_config("batch_size"), dry_run=dry_run)
        if table.encoding not in ("utf-8", "utf-8-sig"):
            self.log(task, "info", f"The file is not in UTF-8; it was read as {table.encoding}.")
        try:
            for row in self.track(task, table.rows(), total, "Checking" if dry_run else "Importing"):
                try:
                    run.add(layout.product(row), row.line)
                except ValueError as error:
                    run.refuse(str(error), row.values, row.line)
            run.save()
        except TaskInterrupt:
            run.save()
            self.log(task, "warning", f"Stopped. {run.so_far()}")
            raise
        except Exception:
            db.session.rollback()
            self.log(task, "error", f"Broken off. {run.so_far()}")
            raise
        if run.refused == total:
            raise TaskFailed(f"Nothing was imported: all {total:,} rows were refused. See the reasons in the log.")
        self.mark_finished(task, message=run.summary())

    @action("Export products", description="Writes the shop's products into a file.")
    def task_export(self, task: Task, options: ExportOptions) -> None:
        """Write all products, or the active ones, by SKU."""
        shown = [Product.active.is_(True)] if options.active_only else []
        total = db.session.scalar(sa.select(sa.func.count(Product.id)).where(*shown)) or 0
        query = sa.select(Product).where(*shown).order_by(Product.sku).execution_options(yield_per=500)
        products = self.track(task, db.session.scalars(query), total, "Exporting")
        path = self.result_path(task, f"products.{options.format}")
        write = _write_json if options.format == "json" else _write_csv
        count = write(path, (as_cells(_values(product)) for product in products))
        self.mark_finished(task, path, f"{count:,} products exported")

    @action(
        "Sync stock", description="Asks the warehouse how many of each product there are. Sold-out products are hidden."
    )
    def task_sync_stock(self, task: Task, options: dict[str, Any]) -> None:
        """Set each product's stock to what the source says."""
        source = options.get("source", "warehouse")
        task.update(status=20, message=f"Syncing stock from {source}")
        items = list(_fetch_stock(str(source)))
        changed = 0
        for number, (sku, quantity) in enumerate(self.track(task, items), 1):
            changed += _update_stock(sku, quantity)
            if number % 200 == 0:
                db.session.commit()
        db.session.commit()
        self.mark_finished(task, None, f"Synced stock for {len(items):,} products, {changed:,} changed")


class _Import:
    """The state of one import: what waits for its batch, and what is already in the shop.

    Counters grow with each commit, so that they never tell of rows which a rollback took back.
    """

    def __init__(self, worker: BaseWorker, task: Task, size: int, *, dry_run: bool) -> None:
        self._worker, self._task, self._size, self._dry_run = worker, task, size, dry_run
        self._batch: list[dict[str, Any]] = []
        self._lines: list[int] = []
        self._new_skus: set[str] = set()
        self.created = self.updated = self.refused = 0

    @property
    def taken(self) -> int:
        return self.created + self.updated

    def add(self, product: dict[str, Any], line: int) -> None:
        self._batch.append(product)
        self._lines.append(line)
        if len(self._batch) >= self._size:
            self.save()

    def refuse(self, reason: str, row: dict[str, str], line: int) -> None:
        self.refused += 1
        self._worker.reject(self._task, reason, row=row, line=line)
        self._worker.count(self._task, refused=1)

    def save(self) -> None:
        """Put the batch into the shop in a transaction of its own, and say so."""
        if not self._batch:
            return
        created, updated = self._apply()
        if not self._dry_run:
            db.session.commit()
        self.created += created
        self.updated += updated
        # A check must not claim what it did not do.
        names = ("to_create", "to_update") if self._dry_run else ("created", "updated")
        found = dict(zip(names, (created, updated), strict=True))
        self._worker.count(self._task, **{name: number for name, number in found.items() if number})
        verb = "checked" if self._dry_run else "saved"
        lines = f"Lines {self._lines[0]:,} to {self._lines[-1]:,} {verb}: {created:,} new, {updated:,} known"
        self._worker.log(self._task, "info", lines)
        self._batch, self._lines = [], []

    def _apply(self) -> tuple[int, int]:
        known = {product.sku: product for product in db.session.scalars(_with_skus(self._batch))}
        created = 0
        for values in self._batch:
            sku = values["sku"]
            if sku not in known and sku not in self._new_skus:
                created += 1
            if self._dry_run:
                self._new_skus.add(sku)  # nothing is written, so the next batch must not count it as new again
                continue
            if sku not in known:
                known[sku] = Product(sku=sku, genre="", active=True)
                db.session.add(known[sku])
            for column, value in values.items():
                setattr(known[sku], column, value)
        return created, len(self._batch) - created

    def summary(self) -> str:
        if self._dry_run:
            return f"Nothing was saved. {self.taken:,} would be imported, {self.refused:,} refused"
        return f"{self.taken:,} imported" + (f", {self.refused:,} refused" if self.refused else "")

    def so_far(self) -> str:
        if self._dry_run:
            return "Nothing was saved."
        return f"{self.taken:,} rows are saved and stay; the rest of the file was not touched."


def _open_table(options: ImportOptions) -> tuple[Table, Layout]:
    """The price list, looked through once: a file that is broken anywhere is refused before a row of it is taken."""
    name = getattr(options.file, "original_name", options.file.name)
    if not options.file.is_file():
        raise TaskFailed(f"The file “{name}” is not there any more. Choose it again.")
    try:
        table = read_table(options.file, options.delimiter)
        layout = Layout(table)
        table.count()
    except TableError as error:
        raise TaskFailed(f"{error.message} Nothing was imported.") from error
    return table, layout


def _with_skus(batch: list[dict[str, Any]]) -> sa.Select[tuple[Product]]:
    return sa.select(Product).where(Product.sku.in_([values["sku"] for values in batch]))


def _values(product: Product) -> dict[str, Any]:
    return {column: getattr(product, column) for column in (*REQUIRED, *OPTIONAL)}


def _write_csv(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, (*REQUIRED, *OPTIONAL), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_json(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for count, row in enumerate(rows, 1):
            file.write(("\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")
    return count


def _fetch_stock(source: str) -> Iterator[tuple[str, int]]:
    """What a warehouse's API would say: here a number made of the source and the SKU, the same at each call."""
    for sku in db.session.scalars(sa.select(Product.sku).order_by(Product.sku)):
        yield sku, zlib.crc32(f"{source}/{sku}".encode()) % 120


def _update_stock(sku: str, quantity: int) -> int:
    """Set one product's stock -> 1 if that changed it."""
    differs = sa.or_(Product.stock.is_(None), Product.stock != quantity)
    update = sa.update(Product).where(Product.sku == sku, differs).values(stock=quantity, active=quantity > 0)
    return int(db.session.execute(update).rowcount)  # type: ignore[attr-defined]
