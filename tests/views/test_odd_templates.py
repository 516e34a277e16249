"""Hosts with another Jinja than the usual one: their marks, strictness and names are theirs, our pages stay ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template
from jinja2 import BytecodeCache, ChoiceLoader, DictLoader, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from stask_web import BaseWorker
from stask_web.status import Status

from .conftest import Site
from .test_pages import addresses

BASE = """<!doctype html><html><head><title>{% block title %}Host{% endblock %}</title></head>
<body><nav>{{ brand }} {{ "shop"|shout }}</nav>{% block content %}{% endblock %}</body></html>"""
#: What ours call their own names, or ask whether it is there.
NAMES = ("ui", "tr", "trn", "is_new", "in_dialog", "notice", "log", "w", "t", "widget", "icon", "chooses", "rows")


class Memory(BytecodeCache):
    """Keeps compiled templates, as hosts do in files."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


def strict(app: Flask) -> None:
    app.jinja_env.undefined = StrictUndefined


def other_marks(app: Flask) -> None:
    env: Any = app.jinja_env
    env.variable_start_string, env.variable_end_string = "[[", "]]"
    env.block_start_string, env.block_end_string = "[%", "%]"
    env.comment_start_string, env.comment_end_string = "[#", "#]"
    env.line_statement_prefix = "#"


def trimmed(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def escapes_other_files(app: Flask) -> None:
    app.jinja_env.autoescape = lambda name: bool(name and name.endswith(".jinja"))


def names_of_ours(app: Flask) -> None:
    def own(*args: Any, **values: Any) -> Any:
        raise RuntimeError("the host's own")

    app.jinja_env.globals.update(dict.fromkeys(NAMES, own))
    for name in ("length", "join", "lower", "upper", "select", "xmlattr", "safe", "string"):
        app.jinja_env.filters[name] = own
    app.jinja_env.tests["none"] = own


def own_url_for(app: Flask) -> None:
    def url_for(endpoint: str, *, version: int) -> str:
        raise RuntimeError("the host's own")

    app.jinja_env.globals["url_for"] = url_for
    app.context_processor(lambda: {"url_for": url_for, **dict.fromkeys(NAMES, url_for)})


def broken_processor(app: Flask) -> None:
    @app.context_processor
    def basket() -> dict[str, Any]:
        raise RuntimeError("the host's own")


def asynchronous(app: Flask) -> None:
    app.jinja_env.is_async = True


def finalized(app: Flask) -> None:
    app.jinja_env.finalize = lambda value: "-" if not value else f"<{value}>"


def own_loader_and_cache(app: Flask) -> None:
    app.jinja_env.loader = DictLoader({})
    app.jinja_env.bytecode_cache = Memory()


ODD = (
    strict,
    other_marks,
    trimmed,
    escapes_other_files,
    names_of_ours,
    own_url_for,
    broken_processor,
    asynchronous,
    finalized,
    own_loader_and_cache,
)
#: Those with which a page of the host's own is drawn, too.
DRAW_THEMSELVES = (strict, other_marks, trimmed, names_of_ours, own_url_for)


def page(site: Site, address: str) -> str:
    answer = site.client("admin").get(address)
    html = answer.get_data(as_text=True)
    assert answer.status_code == (404 if address.endswith("nothing") else 200), (address, html[:2000])
    return html


@pytest.mark.parametrize("make_odd", ODD, ids=lambda made: made.__name__)
def test_every_page_is_drawn_whatever_the_hosts_jinja_is(site: Site, make_odd: Callable[[Flask], None]) -> None:
    make_odd(site.app)
    more = [f"/stask/{name}" for name in ("schedules", "schedules/new", "statistics", "system", "tasks/clean")]
    more += [f"/stask/workers/product/{name}" for name in ("about", "schedules", "settings", "statistics")]
    marks = ("{{", "{%", "&lt;span", "&lt;a ")
    for address in [*addresses(site), *more]:
        html = page(site, address)
        assert not [mark for mark in marks if mark in html], address


def test_a_task_with_a_mark_in_its_text_is_escaped_where_the_host_escapes_nothing(site: Site) -> None:
    site.app.jinja_env.autoescape = False
    task_id = site.ended(Status.FAILED, message="<img src=x>", error="<img src=x>")
    for address in ("/stask/", "/stask/tasks", f"/stask/tasks/{task_id}"):
        html = page(site, address)
        assert "<img src=x>" not in html
        assert "&lt;img src=x&gt;" in html


@pytest.fixture
def layout(site: Site) -> Callable[..., str]:
    """The panel inside a layout of the host's, which uses names that only the host's templates have."""

    def draw(base: str = BASE, make_odd: Callable[[Flask], None] | None = None) -> str:
        app = site.app
        app.jinja_loader = ChoiceLoader([DictLoader({"base.html": base})])
        app.jinja_env.filters["shout"] = lambda text: f"{text.upper()}!"
        app.context_processor(lambda: {"brand": "Films & more"})
        site.state.settings = replace(site.state.settings, base_template="base.html")
        if make_odd is not None:
            make_odd(app)
        site.running(message="<b>")
        return page(site, "/stask/")

    return draw


def test_the_hosts_layout_has_the_hosts_names_filters_and_escaping(layout: Callable[..., str]) -> None:
    html = layout()
    assert "<nav>Films &amp; more SHOP!</nav>" in html
    assert "<title>Dashboard</title>" in html
    assert html.count("<nav>") == html.count("is-embedded") == 1


def test_the_hosts_layout_in_the_hosts_marks(layout: Callable[..., str]) -> None:
    base = BASE.replace("{%", "[%").replace("%}", "%]").replace("{{", "[[").replace("}}", "]]")
    html = layout(base, other_marks)
    assert "<nav>Films &amp; more SHOP!</nav>" in html
    assert "<title>Dashboard</title>" in html


@pytest.mark.parametrize("make_odd", [strict, trimmed, escapes_other_files, names_of_ours, asynchronous])
def test_an_odd_host_has_the_panel_in_its_layout(layout: Callable[..., str], make_odd: Callable[[Flask], None]) -> None:
    html = layout(BASE, make_odd)
    assert "SHOP!" in html
    assert "&lt;b&gt;" in html
    assert '<div class="stask is-embedded is-panel"' in html


def test_a_template_of_ours_that_the_host_replaced_is_drawn_as_the_hosts(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "stask_web"
    (folder / "dashboard").mkdir(parents=True)
    (folder / "layout.html").write_text(
        "<main>[[ brand ]] [[ 'shop'|shout ]] [% block stask_main %][% endblock %]</main>"
    )
    (folder / "dashboard" / "_recent.html").write_text("[[ brand ]] has [[ tasks|length ]] tasks")
    site.app.jinja_loader = FileSystemLoader(tmp_path / "own")
    site.app.jinja_env.filters["shout"] = str.upper
    site.app.context_processor(lambda: {"brand": "Films & more", "is_new": True})
    other_marks(site.app)
    site.ended()
    html = page(site, "/stask/")
    assert "<main>Films &amp; more SHOP" in html
    assert "Films &amp; more has 1 tasks" in html


class Plain(BaseWorker):
    identifier, title = "plain", "Plain"

    def task_go(self, task: Any, options: Any) -> None: ...

    def render_widget(self) -> str:
        return self.render("plain.html", stock="<7>")


def test_a_widget_in_the_hosts_marks_uses_our_parts(site: Site) -> None:
    own = '[% from "stask_web/widget.html" import card %][% call card(widget) %]In stock: [[ stock ]][% endcall %]'
    site.app.jinja_loader = DictLoader({"plain.html": own})
    other_marks(site.app)
    site.add(Plain)
    html = page(site, "/stask/")
    assert "In stock: &lt;7&gt;" in html
    assert "/stask/workers/plain/run/go" in html


@pytest.mark.parametrize("make_odd", DRAW_THEMSELVES, ids=lambda made: made.__name__)
def test_our_helpers_in_an_odd_hosts_page(site: Site, make_odd: Callable[[Flask], None]) -> None:
    make_odd(site.app)
    marks = ("[[", "]]") if make_odd is other_marks else ("{{", "}}")
    calls = ("stask_assets()", "stask_widget('product')", "stask_progress(1)")
    site.app.jinja_loader = DictLoader({"shop.html": "".join(f"{marks[0]} {call} {marks[1]}" for call in calls)})
    site.app.add_url_rule("/shop", "shop", lambda: render_template("shop.html"))
    site.running(progress=12)
    html = page(site, "/shop")
    assert html.count('data-task="1"') == 2
    assert "&lt;span" not in html
