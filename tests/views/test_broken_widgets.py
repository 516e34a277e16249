"""A widget of a worker's own making that fails, or gives nothing, has a card of its own and breaks nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Response, render_template_string
from flask.testing import FlaskClient
from markupsafe import Markup

from stask_web import BaseWorker

from .conftest import Site


class Own(BaseWorker):
    identifier, title = "own", "My own"
    answer: Any = ""

    def task_go(self, task: Any, options: Any) -> None: ...

    def render_widget(self) -> Any:
        return self.answer() if isinstance(self.answer, type(lambda: 0)) else self.answer


def with_answer(site: Site, answer: Any) -> None:
    site.add(type("Own", (Own,), {"answer": staticmethod(answer) if callable(answer) else answer}))


def card(client: FlaskClient, identifier: str = "own") -> str:
    page = client.get("/stask/")
    html = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "Product management" in html
    return html.split(f'data-widget="{identifier}"')[1].split('class="widget-slot"')[0].split("Recent tasks")[0]


class Unwilling(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def fails() -> None:
    raise ValueError("<b>no stock</b>")


def fails_unspeakably() -> None:
    raise Unwilling


@pytest.mark.parametrize("answer", [fails, fails_unspeakably, 7, b"<p>", Response("<p>x</p>"), ["<p>"]])
def test_what_is_no_html_is_a_card_that_says_so_and_keeps_its_actions(
    site: Site, admin: FlaskClient, operator: FlaskClient, answer: Any
) -> None:
    with_answer(site, answer)
    for client in (admin, operator):
        html = card(client)
        assert "This widget could not be drawn" in html
        assert "/stask/workers/own/run/go" in html
    assert "<b>no stock" not in card(admin)
    part = operator.get("/stask/workers/own?partial=1&part=widget").get_data(as_text=True)
    assert "This widget could not be drawn" in part


def test_one_that_gives_none_is_drawn_as_ours(site: Site, operator: FlaskClient) -> None:
    with_answer(site, None)
    html = card(operator)
    assert "My own" in html
    assert "/stask/workers/own/run/go" in html
    assert "None" not in html


@pytest.mark.parametrize("answer", ["", "  \n", Markup("")])
def test_one_that_gives_nothing_is_left_out_until_it_has_something(
    site: Site, operator: FlaskClient, answer: str
) -> None:
    site.app.add_url_rule("/shop", "shop", lambda: render_template_string("<h1>Shop</h1>{{ stask_widget('own') }}"))
    with_answer(site, answer)
    slot = card(operator).split(">")[0]
    assert " hidden" in slot
    assert "data-list=" in slot, "the page fetches it anew when there is a task"
    assert operator.get("/shop").status_code == 200


def test_a_worker_that_cannot_be_made_any_more_has_its_card(site: Site, admin: FlaskClient) -> None:
    with_answer(site, "fine")
    cls = site.state.registry.get("own")
    assert "fine" in card(admin)

    def refuse(self: Any) -> None:
        raise OSError("the warehouse is gone")

    cls.__init__ = refuse
    html = card(admin)
    assert "This widget could not be drawn" in html
    assert "the warehouse is gone" in html
    assert "/stask/workers/own/run/go" in html


def test_a_statement_that_fails_leaves_the_hosts_session_to_the_others(site: Site, admin: FlaskClient) -> None:
    class Goods(site.db.Model):  # type: ignore[name-defined]
        id = sa.Column(sa.Integer, primary_key=True)

    site.db.create_all()

    def writes_twice() -> str:
        session = site.db.session
        session.add_all([Goods(id=1), Goods(id=1)])
        session.flush()
        return "never"

    def counts() -> str:
        session = site.db.session
        return f"There are {session.scalar(sa.select(sa.func.count()).select_from(Goods))} goods"

    site.add(type("Bad", (Own,), {"identifier": "bad", "answer": staticmethod(writes_twice)}))
    site.add(type("Good", (Own,), {"identifier": "good", "answer": staticmethod(counts)}))
    assert "This widget could not be drawn" in card(admin, "bad")
    assert "There are 0 goods" in card(admin, "good")
