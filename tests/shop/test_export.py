"""Exports: byte for byte what is in the shop, and an import reads them back."""

from __future__ import annotations

import json

import pytest

from examples.shop.models import Product, db
from examples.shop.workers import ProductWorker
from stask_web.testing import run_action


@pytest.fixture
def stocked(shop):
    """A shop with products that are hard on a CSV file."""
    names = ['say "hi", ok', "two\nlines", "=1+1", "Ціна", "a;b", "  padded"]
    with shop.app_context():
        for number, name in enumerate(names):
            db.session.add(
                Product(sku=f"S{number}", name=name, price=number + 1, stock=None if number else 3, genre="")
            )
        db.session.add(Product(sku="T", name="Hidden", price="0.10", stock=0, year=1927, genre="War", active=False))
        db.session.commit()
    return shop


def export(shop, **options) -> bytes:
    run = run_action(shop, ProductWorker, "export", options)
    assert run.ok
    (path,) = run.files.values()
    return path.read_bytes()


def test_a_csv_export_is_right_byte_for_byte(stocked):
    assert export(stocked, active_only=False) == (
        b"sku,name,price,stock,year,genre,active\n"
        b'S0,"say ""hi"", ok",1.00,3,,,yes\n'
        b'S1,"two\nlines",2.00,,,,yes\n'
        b"S2,=1+1,3.00,,,,yes\n" + "S3,Ціна,4.00,,,,yes\n".encode() + b"S4,a;b,5.00,,,,yes\n"
        b"S5,  padded,6.00,,,,yes\n"
        b"T,Hidden,0.10,0,1927,War,no\n"
    )


def test_only_active_products_unless_all_are_asked_for(stocked):
    assert b"Hidden" not in export(stocked)
    run = run_action(stocked, ProductWorker, "export", {})
    assert run.message == "6 products exported"
    assert run.progress == 100


def test_a_json_export_says_the_same(stocked):
    rows = json.loads(export(stocked, format="json", active_only=False))
    assert [row["name"] for row in rows][:3] == ['say "hi", ok', "two\nlines", "=1+1"]
    assert rows[-1] == {
        "sku": "T",
        "name": "Hidden",
        "price": "0.10",
        "stock": 0,
        "year": 1927,
        "genre": "War",
        "active": "no",
    }


def test_an_empty_shop_exports_a_header_and_an_empty_list(shop):
    assert export(shop) == b"sku,name,price,stock,year,genre,active\n"
    assert json.loads(export(shop, format="json")) == []


def test_what_was_exported_can_be_imported(stocked, tmp_path):
    with stocked.app_context():
        db.session.query(Product).filter(Product.stock.is_(None)).update({"stock": 7, "name": "plain"})
        db.session.commit()
    before = export(stocked, active_only=False)
    (tmp_path / "p.csv").write_bytes(before)
    with stocked.app_context():
        db.session.query(Product).delete()
        db.session.commit()
    run = run_action(stocked, ProductWorker, "import", {"file": str(tmp_path / "p.csv")})
    assert run.message == "7 imported"
    assert export(stocked, active_only=False) == before


def test_stock_comes_from_the_source_and_sold_out_products_are_hidden(stocked):
    run = run_action(stocked, ProductWorker, "sync_stock", {"source": "api"})
    assert run.ok
    assert run.message.startswith("Synced stock for 7 products")
    with stocked.app_context():
        assert all(product.active == (product.stock > 0) for product in db.session.query(Product))
    again = run_action(stocked, ProductWorker, "sync-stock", {"source": "api"})
    assert again.message == "Synced stock for 7 products, 0 changed"
