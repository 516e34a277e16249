"""Takes the picture of the README: the example shop's dashboard while an import runs.

``python docs/make_picture.py`` writes ``docs/panel.png``. It needs Chromium and the extra ``dev``; the shop is real, in
a folder of its own that is removed afterwards, with its own web server and worker processes.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "panel.png"
LARGEST = 200_000
#: So that the import takes long enough to be caught in the middle.
TIMES = 40
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def main() -> None:
    """Set the shop up, let some tasks end and one run, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        instance = Path(folder)
        os.environ["SHOP_INSTANCE"] = str(instance)
        sys.path.insert(0, str(HERE.parent))
        link = prepare(instance)
        with served(instance) as base, sync_playwright() as playwright:
            chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
            page.goto(base + link)
            run_some(page, instance)
            catch(page, instance)
            browser.close()
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,} bytes")
    if PICTURE.stat().st_size > LARGEST:
        sys.exit(f"It may have {LARGEST:,} bytes at most.")


def prepare(instance: Path) -> str:
    """Make the shop's database and one person -> the path that signs her in."""
    from examples.shop.app import create_app
    from examples.shop.models import User, db
    from examples.shop.setup import set_up
    from examples.shop.signin import new_link

    app = create_app()
    set_up(app)
    with app.app_context():
        user = User(name="Olena Koval", role="admin")
        db.session.add(user)
        db.session.commit()
        return f"/sign-in/{new_link(user)}"


@contextmanager
def served(instance: Path) -> Iterator[str]:
    """The shop with two worker processes, as ``flask stask up`` runs it -> its address."""
    command = [sys.executable, "-m", "flask", "--app", "examples.shop.app", "stask", "up", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--concurrency", "2"], cwd=HERE.parent, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    try:
        said = ""
        while not (found := re.search(r"Running at (http://[\d.]+:\d+)", said)):
            line = process.stdout.readline()
            if not line:
                sys.exit(said)
            said += line
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def run_some(page: Page, instance: Path) -> None:
    """Import the price list and export the products, by the forms that people use."""
    page.goto(page.url.replace("/stask/", "/stask/workers/product/run/import"))
    for button in ("_check", None):
        launch_import(page, instance / "products.csv", button)
        page.wait_for_selector("text=/Nothing was saved|imported, /")
        page.goto(re.sub(r"/stask/.*", "/stask/workers/product/run/import", page.url))
    page.goto(re.sub(r"/stask/.*", "/stask/workers/product/run/export", page.url))
    page.click("form[data-launch] button.btn-primary")
    page.wait_for_selector("text=products exported")


def launch_import(page: Page, file: Path, button: str | None = None) -> None:
    """Choose a file and press a button of the import form."""
    page.set_input_files("[data-upload]", str(file))
    page.wait_for_selector("[data-chip]")
    page.click(f"button[name={button}]" if button else "form[data-launch] button.btn-primary")
    page.wait_for_url("**/tasks/*")


def catch(page: Page, instance: Path) -> None:
    """Start a long import, and take the picture in its middle."""
    page.goto(re.sub(r"/stask/.*", "/stask/workers/product/run/import", page.url))
    launch_import(page, longer(instance / "products.csv", instance / "autumn-list.csv"))
    page.goto(re.sub(r"/stask/.*", "/stask/", page.url))
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-field=percent]')].some(e => parseInt(e.textContent) >= 37)",
        timeout=120_000,
    )
    page.screenshot(path=str(PICTURE), full_page=True)


def longer(source: Path, target: Path) -> Path:
    """The same price list many times over, each time with SKUs of its own."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for number in range(TIMES):
            writer.writerows({**row, "sku": f"{row['sku']}-{number}"} for row in rows)
    return target


if __name__ == "__main__":
    main()
