"""What it takes to embed stask-web, and what it leaves alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import flask_migrate
import pytest
import sqlalchemy as sa

from examples.shop.models import Product, db

from .conftest import person, token_of

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"


def test_embedding_takes_at_most_ten_lines():
    marked, unmarked = [], []
    for path in [*SHOP.glob("*.py"), *SHOP.rglob("*.html")]:
        if path.name == "workers.py":  # what the workers do is the shop's business, not embedding
            continue
        for line in path.read_text().splitlines():
            if re.search(r"# stask( #})?$", line):
                marked.append(line)
            elif re.search(
                r"\bSTASK_|\bSTask\b|stask\.init_app|socketio\b.*=|socketio\.init_app|RolePolicy|SocketIO", line
            ):
                unmarked.append(line)
    assert unmarked == []
    assert 5 <= len(marked) <= 10


def test_the_shops_next_migration_finds_nothing_of_ours(shop, tmp_path, capsys):
    folder = tmp_path / "migrations"
    shutil.copytree(SHOP / "migrations", folder)
    before = sorted(path.name for path in (folder / "versions").glob("*.py"))
    with shop.app_context():
        assert "s_tasks" in sa.inspect(db.engine).get_table_names()
        flask_migrate.migrate(directory=str(folder), message="anything new?")
    assert sorted(path.name for path in (folder / "versions").glob("*.py")) == before


def test_the_shops_own_changes_are_still_found(shop, tmp_path):
    folder = tmp_path / "migrations"
    shutil.copytree(SHOP / "migrations", folder)
    with shop.app_context():
        with db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE products DROP COLUMN genre")
        flask_migrate.migrate(directory=str(folder))
    (new,) = set((folder / "versions").glob("*.py")) - {folder / "versions" / "0001_shop.py"}
    assert "genre" in new.read_text()
    assert "s_tasks" not in new.read_text()


def test_the_shop_can_drop_its_tables_without_ours(shop):
    with shop.app_context():
        db.drop_all()
        assert "s_tasks" in sa.inspect(db.engine).get_table_names()


def test_the_set_up_may_run_at_every_start(shop, instance):
    from examples.shop.setup import set_up

    prices = (instance / "products.csv").stat().st_mtime_ns
    said = set_up(shop)
    assert len(said) == 2
    assert (instance / "products.csv").stat().st_mtime_ns == prices


def test_the_panel_lies_in_the_shops_own_pages(shop):
    page = person(shop, "operator").get("/stask/")
    assert page.status_code == 200
    assert "Reel &amp; Co." in page.text
    assert "Product management" in page.text


def test_strangers_are_sent_to_sign_in(shop):
    answer = shop.test_client().get("/stask/")
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in?next=")


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 302)])
def test_products_are_switched_by_those_who_may(shop, role, status):
    with shop.app_context():
        db.session.add(Product(sku="M1", name="Wings", price=1, genre=""))
        db.session.commit()
    client = person(shop, role)
    answer = client.post("/products/1/active", data={"csrf_token": token_of(client)})
    assert answer.status_code == status
    with shop.app_context():
        assert db.session.get(Product, 1).active is (role == "viewer")


def test_products_are_listed_and_found(shop):
    with shop.app_context():
        names = ["100 % Wolf", "<b>Bold</b>", *(f"Film {number:02d}" for number in range(30))]
        db.session.add_all(Product(sku=name, name=name, price=1, genre="") for name in names)
        db.session.commit()
    client = person(shop, "viewer")
    assert "&lt;b&gt;Bold&lt;/b&gt;" in client.get("/").text
    assert "Film 29" in client.get("/?page=2").text
    found = client.get("/", query_string={"q": "0 % W"}).text
    assert "100 % Wolf" in found
    assert "Film 01" not in found
    assert "Nothing is called" in client.get("/?q=zzz").text
