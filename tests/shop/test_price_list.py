"""The price list that the set-up makes of real films, or of made-up ones where npm did not bring them."""

from __future__ import annotations

import pytest

from examples.shop.catalogue import Layout
from examples.shop.movies import FILMS, as_products, made_up_films, write_price_list
from stask_web.tables import read_table


def outcomes(path):
    table = read_table(path)
    layout = Layout(table)
    taken, refused = [], []
    for row in table.rows():
        try:
            taken.append(layout.product(row))
        except ValueError as error:
            refused.append(str(error))
    return taken, refused


@pytest.mark.skipif(not FILMS.is_file(), reason="needs node_modules/vega-datasets, which npm ci brings")
def test_real_films_keep_their_oddities(tmp_path):
    assert write_price_list(tmp_path / "p.csv") == (3201, True)
    taken, refused = outcomes(tmp_path / "p.csv")
    assert (len(taken), len(refused)) == (3161, 40)
    assert {product["name"] for product in taken} >= {"1776", "21", "300", "20,000 Leagues Under the Sea"}
    kinds = {reason.split(" “")[0].split(" 20")[0] for reason in refused}
    assert {"The name is missing", "The price is missing", "The stock is missing", "The year"} <= kinds


def test_without_npm_a_made_up_list_has_the_same_size_and_oddities(tmp_path):
    assert write_price_list(tmp_path / "p.csv", tmp_path / "absent.json") == (3201, False)
    taken, refused = outcomes(tmp_path / "p.csv")
    assert (len(taken), len(refused)) == (3161, 40)
    assert "1776" in {product["name"] for product in taken}


def test_the_made_up_list_is_the_same_every_time():
    assert made_up_films() == made_up_films()
    assert len({product["sku"] for product in as_products(made_up_films())}) == 3201
