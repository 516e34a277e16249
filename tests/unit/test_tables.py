"""Tables as people save them: encodings, delimiters, decimal commas, quotes, and what is wrong said in a sentence."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest

from stask_web.tables import Row, TableError, parse_decimal, read_table

PRICES = 'sku;name;price\r\nA1;"Привіт,\r\nсвіте";12,50\r\nA2;Кава мелена;1 234,50\r\n'


def table_of(tmp_path: Path, content: bytes | str, delimiter: str = "auto"):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, delimiter)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-sig", "cp1251", "koi8_u"])
def test_reads_every_common_encoding(tmp_path, encoding):
    content = b"\xfe\xff" + PRICES.encode("utf-16-be") if encoding == "utf-16-be-sig" else PRICES.encode(encoding)
    table = table_of(tmp_path, content)
    assert table.header == ["sku", "name", "price"]
    assert list(table.rows()) == [
        Row(2, {"sku": "A1", "name": "Привіт,\r\nсвіте", "price": "12,50"}),
        Row(4, {"sku": "A2", "name": "Кава мелена", "price": "1 234,50"}),
    ]
    assert table.count() == 2


def test_reads_western_accents_that_are_not_utf_8(tmp_path):
    table = table_of(tmp_path, "sku,name\nA,Café crème\nB,Zoë Müller\n".encode("cp1252"))
    assert [row.values["name"] for row in table.rows()] == ["Café crème", "Zoë Müller"]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_finds_the_delimiter_and_honours_quotes(tmp_path, mark):
    other = ";" if mark != ";" else ","
    table = table_of(tmp_path, f'sku{mark}"a{other}b{other}c{other}d"{mark}price\n1{mark}"x{mark}y"{mark}2\n')
    assert table.delimiter == mark
    assert next(table.rows()).values == {"sku": "1", f"a{other}b{other}c{other}d": f"x{mark}y", "price": "2"}


def test_decimal_commas_do_not_count_as_delimiters(tmp_path):
    table = table_of(tmp_path, "sku;price\nA;1,5\nB;2,5\n")
    assert (table.delimiter, table.decimal_mark) == (";", ",")


def test_a_chosen_delimiter_is_used(tmp_path):
    assert table_of(tmp_path, "a;b,c\n1;2,3\n", ",").header == ["a;b", "c"]
    assert table_of(tmp_path, "a\tb\n1\t2\n", "tab").header == ["a", "b"]
    with pytest.raises(TableError, match="Choose one of: comma, semicolon, tab, pipe"):
        table_of(tmp_path, "a,b\n1,2\n", "x")


def test_excels_own_delimiter_line_is_honoured(tmp_path):
    table = table_of(tmp_path, "sep=|\na|b\n1|2\n")
    assert list(table.rows()) == [Row(3, {"a": "1", "b": "2"})]


def test_line_ends_of_an_old_mac_are_line_ends(tmp_path):
    assert list(table_of(tmp_path, "a,b\r1,2\r").rows()) == [Row(2, {"a": "1", "b": "2"})]


def test_lines_are_counted_in_the_file_not_in_rows(tmp_path):
    table = table_of(tmp_path, 'a,b\n\n1,"x\ny\nz"\n,\n2,w\n')
    assert [(row.line, row.values["b"]) for row in table.rows()] == [(3, "x\ny\nz"), (7, "w")]
    assert table.count() == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\n \n", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"\xff\xfe", "The file is empty"),
        (b",,\n", "The file is empty"),
        (b"a,b\n", "no rows below"),
        (b"a,b\n\n,\n", "no rows below"),
        (b"MZ\x90\x00\x03\x00", "not a text table"),
        (b"x" * (1 << 20), "Line 1 never ends"),
        (b"a,b\n1," + b"x" * (1 << 20), "Line 2 never ends"),
        (b"a,A\n1,2\n", "Column 'A' appears twice"),
        ("ціна,b\n1,2\n".encode() + b"\xd0", "damaged at line 3"),
        (b"\xff\xfea\0,\0b\0\n\0" + b"1\0,\0" + b"\x00\xd8", "damaged near line 2"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(tmp_path, content, sentence):
    with pytest.raises(TableError, match=sentence):
        table_of(tmp_path, content)


def test_a_quote_never_closed_is_found_before_anything_is_done(tmp_path):
    table = table_of(tmp_path, 'a,b\n1,2\n3,4\n5,"six\n7,8\n')
    with pytest.raises(TableError, match=r"Line 4: a quote \(\"\) is opened and never closed"):
        table.count()


def test_a_row_of_wrong_form_says_so_and_does_not_stop_the_others(tmp_path):
    rows = list(table_of(tmp_path, 'a,b\n1\n1,2,3\n4,"5"6\n7,8\n').rows())
    assert [row.problem for row in rows] == [
        "The line has 1 value, the header 2 columns",
        "The line has 3 values, the header 2 columns",
        "The quotes in this line do not match",
        None,
    ]
    assert rows[0].values == {"a": "1", "b": ""}
    assert rows[1].values == {"a": "1", "b": "2", "column 3": "3"}
    assert rows[3].values == {"a": "7", "b": "8"}


def test_a_missing_column_is_named_with_those_found_and_the_nearest(tmp_path):
    table = table_of(tmp_path, "sku,name,pryce\n1,2,3\n")
    with pytest.raises(TableError) as error:
        table.require("sku", "price")
    assert error.value.message == "Column 'price' is missing. Found: sku, name, pryce. Did you mean 'pryce'?"
    with pytest.raises(TableError) as error:
        table.require("warehouse")
    assert error.value.message == "Column 'warehouse' is missing. Found: sku, name, pryce."


def test_columns_are_found_by_any_case_and_by_alias(tmp_path):
    table = table_of(tmp_path, "SKU,Назва\n1,2\n")
    assert table.require("sku", "name", aliases={"name": ("title", "назва")}) == {"sku": "SKU", "name": "Назва"}


def test_a_big_table_is_read_in_constant_memory(tmp_path):
    path = tmp_path / "big.csv"
    with path.open("w") as target:
        target.write("sku,name\n")
        target.writelines(f"M{n},{'x' * 100}\n" for n in range(50_000))
    table = read_table(path)
    tracemalloc.start()
    try:
        assert table.count() == 50_000
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("12.50", None, "12.50"),
        ("12,50", None, "12.50"),
        ("1 234,50", None, "1234.50"),
        ("1\u00a0234,50", None, "1234.50"),
        ("1\u202f234", None, "1234"),
        ("1,234.50", None, "1234.50"),
        ("1.234,50", ".", "1234.50"),
        ("1'234.50", None, "1234.50"),
        ("1,234,567", None, "1234567"),
        ("0,125", ".", "0.125"),
        ("1,234", ",", "1.234"),
        ("1,234", ".", "1234"),
        ("1.234", None, "1.234"),
        ("$ 5", None, "5"),
        ("−3", None, "-3"),
        (" .5 ", None, "0.5"),
        ("1,2E+03", None, "1200"),
    ],
)
def test_numbers_are_read_as_people_write_them(text, mark, number):
    assert parse_decimal(text, mark) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "abc", "NaN", "Infinity", "1,2,3", "1,23,456", "1 23", "12.", "1-2", "9" * 50, "1e999"]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="is not a number"):
        parse_decimal(text)


def test_a_number_that_means_two_things_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="can be read as two numbers"):
        parse_decimal("1,234")
    with pytest.raises(ValueError, match="can be read as two numbers"):
        parse_decimal("1.234", ",")


def test_reads_central_european_letters(tmp_path):
    table = table_of(tmp_path, "sku,name\nA,Łódź\nB,żółw\nC,książka\n".encode("cp1250"))
    assert [row.values["name"] for row in table.rows()] == ["Łódź", "żółw", "książka"]
