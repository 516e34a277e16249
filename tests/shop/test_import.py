"""Imports as people do them: real films, files of every making, and what is refused comes back mended."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from examples.shop.models import Product, db
from examples.shop.movies import write_price_list
from examples.shop.workers import ProductWorker
from stask_web.errors import InvalidOptions, TaskInterrupt
from stask_web.testing import run_action

from .conftest import HEADER


@pytest.fixture
def price_list(tmp_path: Path):
    """Write a price list -> its path."""

    def write(content: bytes | str) -> Path:
        path = tmp_path / "prices.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def do_import(shop, path, **options):
    return run_action(shop, ProductWorker, "import", {"file": str(path), **options})


def products(shop) -> dict[str, Product]:
    with shop.app_context():
        return {product.sku: product for product in db.session.query(Product).order_by(Product.sku)}


def file_of(run, name: str) -> bytes:
    return run.files[name].read_bytes()


def test_real_films_come_in_and_the_odd_ones_are_named(shop, tmp_path):
    write_price_list(tmp_path / "films.csv")
    run = do_import(shop, tmp_path / "films.csv")
    assert run.ok
    assert run.message == "3,161 imported, 40 refused"
    assert run.counts == {"created": 3161, "refused": 40}
    assert run.warnings == 40
    known = products(shop)
    with (tmp_path / "films.csv").open(newline="") as file:
        rows = {row["sku"]: row for row in csv.DictReader(file)}
    for sku, product in known.items():
        row = rows[sku]
        assert (product.name, str(product.price), product.genre) == (row["name"], row["price"], row["genre"])
        assert (product.stock, product.year) == (int(row["stock"]), int(row["released"][-4:]))


def test_mended_rows_come_in_exactly_and_nothing_else_changes(shop, tmp_path):
    write_price_list(tmp_path / "films.csv")
    run = do_import(shop, tmp_path / "films.csv")
    with shop.app_context():
        db.session.query(Product).filter_by(sku="M0001").update({"name": "Changed by hand"})
        db.session.commit()
    refused = file_of(run, "refused.csv")
    rows = list(csv.DictReader(io.StringIO(refused.decode("utf-8-sig"), newline="")))
    assert len(rows) == 40
    lines = (tmp_path / "films.csv").read_text().splitlines()
    original = {row["sku"]: row for row in csv.DictReader(lines)}
    for row in rows:
        assert {name: row[name] for name in original[row["sku"]]} == original[row["sku"]]
        assert lines[int(row["line"]) - 1].startswith(row["sku"] + ",")
        assert row["reason"]
        row.update(name=row["name"][:64] or "Untitled", price="1.00", stock=row["stock"] or "0", released="1999")
    mended = tmp_path / "mended.csv"
    with mended.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    again = do_import(shop, mended)
    assert again.message == "40 imported"
    assert again.counts == {"created": 40}
    now = products(shop)
    assert len(now) == 3201
    assert now["M0001"].name == "Changed by hand"
    assert {now[row["sku"]].name for row in rows} == {row["name"] for row in rows}


def test_refused_rows_that_are_still_wrong_can_be_mended_again(shop, price_list, tmp_path):
    run = do_import(shop, price_list("sku,name,price\nA,,1\nB,Wings,2\n"))
    for _ in range(2):
        (tmp_path / "refused.csv").write_bytes(file_of(run, "refused.csv"))
        run = do_import(shop, tmp_path / "refused.csv")
        assert run.message == "Nothing was imported: all 1 rows were refused. See the reasons in the log."
    assert file_of(run, "refused.csv").decode("utf-8-sig").splitlines() == [
        "sku,name,price,reason,line",
        "A,,1,The name is missing,2",
    ]


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", ","), ("utf-8-sig", ";"), ("cp1251", ";"), ("utf-16", "\t"), ("utf-8", "|")]
)
def test_files_of_every_making_are_read(shop, price_list, encoding, mark):
    rows = [
        ["SKU", "Назва", "Ціна", "Залишок"],
        ["A1", "Тіні забутих предків", '"1 234,50"', "5"],
        ["A2", "Земля", '"12,5"', "0"],
    ]
    content = "\r\n".join(mark.join(row) for row in rows)
    run = do_import(shop, price_list(content.encode(encoding)))
    assert run.message == "2 imported"
    found = products(shop)
    assert (found["A1"].name, found["A1"].price, found["A1"].stock) == ("Тіні забутих предків", Decimal("1234.50"), 5)
    assert (found["A2"].name, found["A2"].price, found["A2"].stock) == ("Земля", Decimal("12.50"), 0)


def test_a_quoted_line_break_stays_and_lines_are_counted_right(shop, price_list):
    run = do_import(shop, price_list('sku,name,price\nA,"Two\nlines",1\nB,,2\nC,"say ""hi"", ok",3\n'))
    assert run.message == "2 imported, 1 refused"
    assert products(shop)["A"].name == "Two\nlines"
    assert products(shop)["C"].name == 'say "hi", ok'
    assert [line["message"] for line in run.log if line["level"] == "warning"] == ["Line 4: The name is missing"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A,Wings,abc,1,1927,", "The price “abc” is not a number"),
        ("A,Wings,0,1,1927,", "The price is 0, but must be more than 0"),
        ("A,Wings,-3,1,1927,", "The price is -3, but must be more than 0"),
        ("A,Wings,1.999,1,1927,", "more than two decimals"),
        ('A,Wings,"1,234",1,1927,', "can be read as two numbers"),
        ("A,Wings,99999999,1,1927,", "may be at most 9,999,999.99"),
        ("A,Wings,1,-1,1927,", "The stock is -1, but must be between 0"),
        ("A,Wings,1,1.5,1927,", "The stock “1.5” is not a whole number"),
        ("A,Wings,1,,1927,", "The stock is missing"),
        ("A,Wings,1,1,soon,", "“soon” has no year"),
        ("A,Wings,1,1,Aug 01 2044,", "The year 2044 is not between 1888 and 2010"),
        (",Wings,1,1,1927,", "The sku is missing"),
        (f"A,{'x' * 65},1,1,1927,", "The name is longer than 64 characters"),
        ("A,Wings,1,1", "The line has 4 values, the header 6 columns"),
        ("A,Wings,1,1,1927,Drama,more", "The line has 7 values, the header 6 columns"),
        ('A,"Wings"s,1,1,1927,', "The quotes in this line do not match"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_line_and_the_others_come_in(shop, price_list, row, reason):
    run = do_import(shop, price_list(f"{HEADER}{row}\nB,Metropolis,1,2,1927,Drama\n"))
    assert run.message == "1 imported, 1 refused"
    (warning,) = (line["message"] for line in run.log if line["level"] == "warning")
    assert warning.startswith("Line 2: ")
    assert reason in warning
    assert list(products(shop)) == ["B"]
    assert row.rpartition(",")[2].encode() in file_of(run, "refused.csv")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (HEADER, "The file has a header, but no rows below it."),
        ("sku,name,pryce\nA,B,1\n", "Column 'price' is missing. Found: sku, name, pryce. Did you mean 'pryce'?"),
        (b"MZ\x90\x00\x03", "This is not a text table"),
    ],
)
def test_a_file_that_is_no_price_list_is_refused_at_its_field(shop, price_list, content, sentence):
    with pytest.raises(InvalidOptions) as refused:
        do_import(shop, price_list(content))
    assert sentence in refused.value.errors["file"]


def test_a_file_broken_further_down_is_not_imported_at_all(shop, price_list):
    run = do_import(shop, price_list('sku,name,price\nA,Wings,1\nB,"Metropolis,2\nC,M,3\n'))
    assert not run.ok
    assert run.message == (
        'Line 3: a quote (") is opened and never closed. Close it, then try again. Nothing was imported.'
    )
    assert products(shop) == {}


def test_a_file_that_is_gone_is_said(shop, tmp_path):
    run = do_import(shop, tmp_path / "gone.csv")
    assert run.message == "The file “gone.csv” is not there any more. Choose it again."


def test_a_check_writes_nothing_and_says_what_would_happen(shop, price_list):
    path = price_list("sku,name,price\nA,Wings,1\nA,Wings,2\nB,,1\n")
    run = do_import(shop, path, dry_run=True)
    assert run.message == "Nothing was saved. 2 would be imported, 1 refused"
    assert run.counts == {"to_create": 1, "to_update": 1, "refused": 1}
    assert products(shop) == {}


def test_a_known_sku_is_changed_only_where_the_list_says_something(shop, price_list):
    do_import(shop, price_list(f"{HEADER}A,Wings,1,5,1927,War\n"))
    run = do_import(shop, price_list("sku,name,price\nA,Wings,2.50\n"))
    assert run.counts == {"updated": 1}
    product = products(shop)["A"]
    assert (product.price, product.stock, product.year, product.genre) == (Decimal("2.50"), 5, 1927, "War")


def test_a_stopped_import_keeps_and_names_what_it_did(shop, price_list, monkeypatch):
    seen = []
    whole = ProductWorker.track

    def stops(self, task, rows, *more):
        for number, row in enumerate(whole(self, task, rows, *more), 1):
            if number > 450:
                raise TaskInterrupt("cancel")
            seen.append(row)
            yield row

    monkeypatch.setattr(ProductWorker, "track", stops)
    rows = "".join(f"S{number},Film {number},1\n" for number in range(1000))
    run = do_import(shop, price_list(f"sku,name,price\n{rows}"))
    assert not run.ok
    assert len(products(shop)) == 450 == len(seen)
    assert "Stopped. 450 rows are saved and stay; the rest of the file was not touched." in [
        line["message"] for line in run.log
    ]
    assert run.counts["created"] == 450


def test_a_database_error_takes_back_its_batch_only_and_says_so(shop, price_list, monkeypatch):
    commits = []
    whole = db.session.commit

    def fails():
        commits.append(1)
        if len(commits) == 3:
            raise RuntimeError("disk I/O error")
        whole()

    monkeypatch.setattr(db.session, "commit", fails)
    rows = "".join(f"S{number},Film {number},1\n" for number in range(1000))
    run = do_import(shop, price_list(f"sku,name,price\n{rows}"))
    monkeypatch.undo()
    assert not run.ok
    assert len(products(shop)) == 400
    assert "Broken off. 400 rows are saved and stay; the rest of the file was not touched." in [
        line["message"] for line in run.log
    ]
    assert run.counts["created"] == 400
