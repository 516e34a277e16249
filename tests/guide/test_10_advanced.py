"""Advanced examples: chunks, downloads, an API with a key."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.error import URLError

import pytest
from flask import Flask
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, Status, TaskFailed
from stask_web.errors import InvalidOptions, STaskError
from stask_web.state import state_of
from stask_web.testing import run_action
from stask_web.text import human_size

from .site import Product, db


class AdvancedWorker(BaseWorker):
    identifier = "advanced"

    def task_batch_process(self, task, options):
        """Products in chunks of a hundred, each chunk in a transaction of its own."""
        chunk_size, processed = 100, 0
        total = Product.query.count()
        last_id = 0
        while chunk := Product.query.filter(Product.id > last_id).order_by(Product.id).limit(chunk_size).all():
            for product in chunk:
                product.stock += 1
                processed += 1
            last_id = chunk[-1].id
            db.session.commit()
            self.push_progress(
                task,
                {
                    "progress": int(processed / total * 100),
                    "processed": processed,
                    "total": total,
                    "message": f"Processed {processed}/{total} products",
                },
            )
        self.mark_finished(task, None, f"Processed {processed} products")

    def task_download(self, task, options):
        """Download a file, with its size as the progress; half a file is never left behind."""
        url = options["url"]
        name = url.rsplit("/", 1)[-1]
        destination = self.result_path(task, name)
        try:
            with urllib.request.urlopen(url, timeout=30) as source, destination.open("wb") as target:
                size = int(source.headers.get("Content-Length") or 0)
                done = 0
                while piece := source.read(64 * 1024):
                    target.write(piece)
                    done += len(piece)
                    self.push_progress(
                        task,
                        processed=done,
                        total=size or None,
                        message=f"Downloaded {human_size(done)} of {human_size(size)}",
                    )
            if size and done < size:
                raise URLError("the connection was cut")
        except OSError as error:
            destination.unlink(missing_ok=True)
            self.mark_failed(task, f"Download failed: {error}")
        else:
            self.mark_finished(task, destination, f"Downloaded {name}")


class ApiSettings(BaseModel):
    api_key: SecretStr = Field(title="API key")
    timeout: float = Field(30, gt=0, le=600, description="Seconds to wait for an answer")


class ApiWorker(BaseWorker):
    identifier = "api"
    Settings = ApiSettings  # checked before it is stored; secrets are sealed and never shown

    def task_api_sync(self, task, options):
        self.push_progress(task, progress=10, message="Fetching data from API...")
        items = self.fetch(options["api_url"])
        if not isinstance(items, list):
            raise TaskFailed("Invalid API response")
        total = len(items)
        for i, item in enumerate(items, 1):
            sync_item(item)
            if i % 10 == 0:
                self.push_progress(
                    task,
                    progress=10 + i / total * 80,  # 10 % to 90 %
                    processed=i,
                    total=total,
                    message=f"Synced {i}/{total} items",
                )
        self.push_progress(task, progress=95, message="Cleaning up...")
        db.session.commit()
        self.mark_finished(task, None, f"Synced {total} items from API")

    def fetch(self, url):
        key = self.settings()["api_key"].get_secret_value()
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=self.config.timeout) as answer:
            return json.load(answer)


def sync_item(item):
    db.session.add(Product(sku=item["sku"], name=item["name"]))


class PlainSettingsWorker(ApiWorker):
    """The guide's own form: settings as a plain dict."""

    identifier = "plain-api"
    Settings = None
    config = type("Config", (), {"timeout": 30})

    def settings(self):
        return {"api_key": "secret-of-the-shop"}

    def fetch(self, url):
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.settings()['api_key']}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


FILE = bytes(range(256)) * 2000
ITEMS = [{"sku": f"C-{number}", "name": f"Cog {number}"} for number in range(45)]


class Supplier(BaseHTTPRequestHandler):
    """A server of the supplier's: a file, a file that breaks off, an API with a key."""

    keys: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if self.path == "/files/prices.bin":
            self.answer(200, FILE)
        elif self.path == "/files/torn.bin":
            self.answer(200, FILE[:1000], claimed=len(FILE))
        elif self.path == "/api/products":
            self.keys.append(self.headers.get("Authorization", ""))
            allowed = self.headers.get("Authorization") == "Bearer secret-of-the-shop"
            self.answer(200 if allowed else 403, json.dumps(ITEMS).encode())
        elif self.path == "/api/odd":
            self.answer(200, b'{"error": "maintenance"}')
        else:
            self.answer(404, b"")

    def answer(self, status: int, body: bytes, claimed: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def supplier() -> Iterator[str]:
    """The address of a real server on this machine."""
    Supplier.keys.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Supplier) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_products_are_processed_in_chunks(app: Flask, products: None) -> None:
    run = run_action(app, AdvancedWorker, "batch_process")
    assert run.ok and run.message == "Processed 250 products"
    assert (run.task.processed, run.task.total) == (250, 250)
    assert Product.query.filter_by(stock=6).count() == 250


def test_a_file_is_downloaded(app: Flask, supplier: str) -> None:
    run = run_action(app, AdvancedWorker, "download", {"url": f"{supplier}/files/prices.bin"})
    assert run.ok, run.message
    assert run.message == "Downloaded prices.bin" and run.task.result_file.read_bytes() == FILE
    assert (run.task.processed, run.task.total) == (len(FILE), len(FILE))


@pytest.mark.parametrize("path", ["/files/torn.bin", "/files/missing.bin"])
def test_half_a_file_is_not_left_behind(app: Flask, supplier: str, path: str) -> None:
    run = run_action(app, AdvancedWorker, "download", {"url": supplier + path})
    assert run.status == Status.FAILED and run.message.startswith("Download failed: ")
    assert run.files == {} and not list(state_of(app).storage.results.rglob("*.bin"))


def test_a_server_that_is_not_there(app: Flask) -> None:
    run = run_action(app, AdvancedWorker, "download", {"url": "http://127.0.0.1:9/prices.bin"})
    assert run.status == Status.FAILED and "refused" in run.message


@pytest.fixture
def api_worker(app: Flask, use: Callable[..., None]) -> ApiWorker:
    """The worker with the key that an admin has entered."""
    use(ApiWorker)
    worker = ApiWorker()
    worker.update_config({"api_key": "secret-of-the-shop", "timeout": 5})
    return worker


def test_an_api_is_synced(app: Flask, api_worker: ApiWorker, supplier: str) -> None:
    run = run_action(app, ApiWorker, "api_sync", {"api_url": f"{supplier}/api/products"})
    assert run.ok, run.log
    assert run.message == "Synced 45 items from API" and Product.query.count() == 45
    assert Supplier.keys == ["Bearer secret-of-the-shop"]


def test_settings_as_a_plain_dict(app: Flask, supplier: str) -> None:
    run = run_action(app, PlainSettingsWorker, "api_sync", {"api_url": f"{supplier}/api/products"})
    assert run.ok and Supplier.keys == ["Bearer secret-of-the-shop"]


def test_an_odd_answer_fails_for_good(app: Flask, api_worker: ApiWorker, supplier: str) -> None:
    run = run_action(app, ApiWorker, "api_sync", {"api_url": f"{supplier}/api/odd"})
    assert (run.status, run.message) == (Status.FAILED, "Invalid API response")


def test_a_refused_key_starts_again_later_and_does_not_tell_it(
    app: Flask, api_worker: ApiWorker, supplier: str
) -> None:
    api_worker.set_config("api_key", "a-wrong-key-of-ours")
    run = run_action(app, ApiWorker, "api_sync", {"api_url": f"{supplier}/api/products"})
    assert run.status == Status.PENDING and "403" in run.error
    assert Product.query.count() == 0, "nothing was committed"


def test_a_secret_setting_is_sealed_and_never_shown(app: Flask, api_worker: ApiWorker) -> None:
    state = state_of(app)
    with state.database.read() as connection:
        stored = connection.exec_driver_sql("SELECT settings FROM s_workers WHERE identifier = 'api'").scalar()
    assert "secret-of-the-shop" not in stored and '"timeout":5' in stored
    assert "secret-of-the-shop" not in repr(api_worker.settings()) + repr(api_worker.config)
    assert api_worker.get_config("api_key").get_secret_value() == "secret-of-the-shop"
    api_worker.set_config("timeout", 9)
    assert api_worker.config.api_key.get_secret_value() == "secret-of-the-shop", "kept when another is stored"
    for page in ("/stask/", "/stask/workers", "/stask/workers/api"):
        assert b"secret-of-the-shop" not in app.test_client().get(page).data


def test_a_secret_setting_does_not_come_into_the_log(app: Flask, api_worker: ApiWorker) -> None:
    class Loose(ApiWorker):
        def task_tell(self, task, options):
            self.log(task, "info", f"the key is {self.config.api_key.get_secret_value()}")
            raise ValueError(self.config.api_key.get_secret_value())

    run = run_action(app, Loose, "tell")
    assert run.log[0]["message"] == "the key is ********"
    assert "secret-of-the-shop" not in repr(run.log) + str(run.error)


def test_settings_are_checked_before_they_are_stored(app: Flask, use: Callable[..., None]) -> None:
    use(ApiWorker)
    worker = ApiWorker()
    with pytest.raises(InvalidOptions, match=r"timeout: Enter 600 or less\."):
        worker.set_config("timeout", 1000)
    assert worker.get_config("timeout") == 30, "the default"
    worker.set_config("timeout", 60)
    assert worker.get_config("timeout") == 60
    with pytest.raises(InvalidOptions, match="api_key: Fill this in"):
        worker.settings()


def test_a_lost_secret_key_is_said(app: Flask, api_worker: ApiWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    from stask_web.vault import Vault

    monkeypatch.setattr(state_of(app), "vault", Vault(["another key"]))
    with pytest.raises(STaskError, match="SECRET_KEY_FALLBACKS"):
        api_worker.settings()
    with suppress(STaskError):
        api_worker.set_config("timeout", 1)
    monkeypatch.undo()
    assert api_worker.config.timeout == 5
