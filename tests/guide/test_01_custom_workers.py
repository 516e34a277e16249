"""Creating custom workers."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from flask import Flask
from pydantic import BaseModel, Field

from stask_web import BaseWorker, TaskFailed, Upload, nice_eta, stask
from stask_web.errors import InvalidOptions
from stask_web.testing import run_action

from .site import Product, db


class ProductWorker(BaseWorker):
    identifier = "product"  # unique, in the database and in URLs
    scope = "scommerce"  # the part of the site it belongs to
    icon = '<i class="fa fa-cube"></i>'
    title = "Product Management"
    description = "Import and export products from/to CSV files"

    def render_widget(self):
        return self.render("widgets/product_worker.html", batch_size=self.get_config("batch_size"))

    def settings(self):
        return {"batch_size": 100, "timeout": 3600, "retry_on_fail": True}

    def task_import(self, task, options):
        """Import products from a CSV file."""
        file = options.get("file")
        if not file or not Path(file).is_file():
            raise TaskFailed("Import file not found")
        task.update({"status": 20, "message": "Starting import..."})
        with open(file, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        for row in self.track(task, rows, message="Importing products"):
            import_product(row)
        db.session.commit()
        self.mark_finished(task, None, f"Successfully imported {len(rows)} products")

    def task_export(self, task, options):
        """Export products to a CSV file."""
        task.update(message="Starting export...")
        path = self.result_path(task, f"products_{datetime.now():%Y-%m-%d_%H%M%S}.csv")
        products = Product.query.order_by(Product.id).all()
        with path.open("w", newline="", encoding="utf-8") as stream:
            out = csv.writer(stream)
            out.writerow(["ID", "SKU", "Name", "Price", "Stock"])
            for product in self.track(task, products, message="Exporting products"):
                out.writerow([product.id, product.sku, product.name, product.price, product.stock])
        self.mark_finished(task, path, f"Exported {len(products)} products to {path.name}")

    def task_sync_stock(self, task, options):
        """Bring stock levels up to date."""
        source = options.get("source", "api")
        task.update(status=20, message=f"Syncing stock from {source}...")
        items = fetch_stock_from(source)
        for item in self.track(task, items):
            Product.query.filter_by(sku=item["sku"]).update({"stock": item["quantity"]})
        db.session.commit()
        self.mark_finished(task, message=f"Synced stock for {len(items)} products")


def import_product(row):
    product = Product.query.filter_by(sku=row["sku"]).first() or Product(sku=row["sku"])
    product.name, product.price, product.stock = row["name"], row["price"], row["stock"]
    db.session.add(product)


def fetch_stock_from(source):
    return [{"sku": "A-1", "quantity": 40}, {"sku": "A-2", "quantity": 0}]


class StepByStepWorker(BaseWorker):
    """The same import with everything by hand, line for line as in the PHP guide."""

    identifier = "by-hand"

    def task_import(self, task, options):
        try:
            task.update({"status": 20, "message": "Starting import..."})
            with open(options["file"], newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
            total, processed, start = len(rows), 0, time.monotonic()
            for row in rows:
                import_product(row)
                processed += 1
                if processed % 10 == 0 or processed == total:
                    rate = processed / (time.monotonic() - start)
                    self.push_progress(
                        task,
                        {
                            "progress": int(processed / total * 100),
                            "processed": processed,
                            "total": total,
                            "eta": nice_eta((total - processed) / rate),
                            "message": f"Imported {processed} of {total} products",
                        },
                    )
            db.session.commit()
            self.mark_finished(task, None, f"Successfully imported {processed} products")
        except Exception as error:
            self.mark_failed(task, str(error))


class ImportOptions(BaseModel):
    file: Annotated[Path, Upload(".csv")] = Field(title="CSV file")
    mode: Literal["add", "replace"] = "add"


class TypedWorker(BaseWorker):
    identifier = "typed"

    def task_import(self, task, options: ImportOptions):
        """The form, the checks, the API and the command line come from the model."""
        with options.file.open(newline="", encoding="utf-8") as stream:
            for row in self.track(task, list(csv.DictReader(stream))):
                import_product(row)
                self.count(task, imported=1)
        db.session.commit()


def test_an_import_brings_products_in(app: Flask, products_csv: Path) -> None:
    run = run_action(app, ProductWorker, "import", {"file": str(products_csv)})
    assert run.ok, run.log
    assert run.message == "Successfully imported 25 products"
    assert (run.progress, run.task.processed, run.task.total) == (100, 25, 25)
    assert Product.query.filter_by(sku="B-24").one().stock == 10


@pytest.mark.parametrize("options", [{}, {"file": "/no/such/file.csv"}])
def test_an_import_without_its_file_fails_for_good(app: Flask, options: dict[str, Any]) -> None:
    run = run_action(app, ProductWorker, "import", options)
    assert (run.task.status_text, run.message) == ("failed", "Import file not found")


def test_an_export_leaves_a_file_to_download(app: Flask, products: None) -> None:
    run = run_action(app, ProductWorker, "export")
    assert run.ok, run.log
    path = run.task.result_file
    assert path is not None and run.message == f"Exported 250 products to {path.name}"
    lines = path.read_text().splitlines()
    assert len(lines) == 251 and lines[1] == "1,A-0,Product 0,0.00,5"
    answer = app.test_client().get(f"/stask/tasks/{run.task.id}/result")
    assert answer.status_code == 200 and answer.data.splitlines()[0] == b"ID,SKU,Name,Price,Stock"
    answer.close()


def test_stock_levels_are_synced(app: Flask, products: None) -> None:
    run = run_action(app, ProductWorker, "sync_stock", {"source": "warehouse"})
    assert run.ok and run.message == "Synced stock for 2 products"
    assert Product.query.filter_by(sku="A-1").one().stock == 40


def test_everything_by_hand_does_the_same(app: Flask, products_csv: Path) -> None:
    run = run_action(app, StepByStepWorker, "import", {"file": str(products_csv)})
    assert run.ok and run.message == "Successfully imported 25 products"
    assert Product.query.count() == 25
    failed = run_action(app, StepByStepWorker, "import", {"file": "/no/such/file.csv"})
    assert failed.task.status_text == "failed" and "/no/such/file.csv" in failed.message


def test_typed_options_are_checked_before_anything_runs(app: Flask, products_csv: Path) -> None:
    run = run_action(app, TypedWorker, "import", {"file": products_csv, "mode": "replace"})
    assert run.ok and run.counts == {"imported": 25}
    with pytest.raises(InvalidOptions, match="file: Fill this in"):
        run_action(app, TypedWorker, "import", {"mode": "replace"})


def test_the_widget_is_a_template_of_the_workers_own_package(app: Flask, use: Callable[..., None]) -> None:
    use(ProductWorker)
    page = app.test_client().get("/stask/").get_data(as_text=True)
    assert '<p class="product-widget">Product Management: 100 rows at a time</p>' in page


def test_stored_settings_lie_over_those_in_code(app: Flask, use: Callable[..., None]) -> None:
    use(ProductWorker)
    worker = ProductWorker()
    worker.update_config({"batch_size": 20})
    assert worker.settings() == {"batch_size": 20, "timeout": 3600, "retry_on_fail": True}


def test_the_words_of_a_worker_are_shown(app: Flask, use: Callable[..., None]) -> None:
    use(ProductWorker)
    record = stask.get_worker("product")
    assert record is not None
    assert (record.title, record.scope) == ("Product Management", "scommerce")
    assert record.icon == '<i class="fa fa-cube"></i>'
    specs = ProductWorker().actions()
    assert {name: spec.description for name, spec in specs.items()} == {
        "import": "Import products from a CSV file.",
        "export": "Export products to a CSV file.",
        "sync_stock": "Bring stock levels up to date.",
    }


class ApiWorker(BaseWorker):
    identifier = "api"
    defaults: ClassVar[dict[str, Any]] = {"api": {"url": "https://example.com", "timeout": 30}}


def test_settings_have_dotted_keys(app: Flask, use: Callable[..., None]) -> None:
    use(ApiWorker)
    worker = ApiWorker()
    worker.set_config("api.timeout", 60)
    assert worker.get_config("api.timeout", 30) == 60
    assert worker.get_config("api.retries", 3) == 3
    assert worker.settings() == {"api": {"url": "https://example.com", "timeout": 60}}
