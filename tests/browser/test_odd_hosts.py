"""The panel inside the layout of a host with a stylesheet of its own: neither changes what the other one looks like."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import render_template
from jinja2 import DictLoader
from werkzeug.serving import make_server

from stask_web.status import Status
from tests.views.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.needs("chromium")]

HOST = (Path(__file__).parent / "odd_host.css").read_text()
BASE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{% block title %}{% endblock %}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/host.css"></head>
<body><header>The shop <button>Basket</button></header>
<main><p>Text with <a href="#">a link</a></p><form><label>Mail <input></label></form>
<table><tr><td>cell</td></tr></table>{% block content %}{% endblock %}</main></body></html>"""
SHOP = """{% extends "base.html" %}{% block content %}{% if assets %}{{ stask_assets() }}{% endif %}
{{ stask_widget("product") }}{{ stask_progress(1) }}{% endblock %}"""
PAGES = (
    "/stask/",
    "/stask/tasks",
    "/stask/tasks/1",
    "/stask/tasks/3",
    "/stask/workers",
    "/stask/workers/product/about",
    "/stask/workers/product/run/labels",
    "/stask/schedules/new",
    "/stask/statistics",
    "/stask/system",
)
#: What people see of an element, read for all within a place.
LOOK = """([place, outside]) => {
  const names = ["display", "position", "boxSizing", "color", "backgroundColor", "marginTop", "marginLeft",
    "paddingTop", "paddingLeft", "borderTopWidth", "borderBottomWidth", "borderTopLeftRadius", "fontFamily", "fontSize",
    "fontWeight", "lineHeight", "letterSpacing", "textAlign", "textTransform", "textDecorationLine",
    "textIndent", "boxShadow", "listStyleType", "float", "fill", "stroke"];
  const found = [];
  for (const root of document.querySelectorAll(place)) {
    for (const element of [root, ...root.querySelectorAll("*:not(time, [data-field])")]) {
      if (outside && element.closest(".stask")) continue;
      const style = getComputedStyle(element);
      const after = getComputedStyle(element, "::after").content;
      const look = names.map((name) => `${name}: ${style[name]}`);
      found.push([element.tagName, element.getAttribute("class"), after, ...look].join("; "));
    }
  }
  return found;
}"""
_ROOM = "body { margin: 0; } main { box-sizing: border-box; max-width: 1100px; margin: auto; padding: 0 16px; }"
LIGHT, DARK = (
    f"{_ROOM} body {{ {colours} }}" for colours in ("background: #fff; color: #333;", "background: #111; color: #dde;")
)


class Host:
    """A host on a port, whose stylesheet may be another one at each look."""

    def __init__(self, folder: Path) -> None:
        self.css = ""
        self.assets = True
        site = self.site = Site(folder)
        site.app.jinja_loader = DictLoader({"base.html": BASE, "shop.html": SHOP})
        site.state.settings = replace(site.state.settings, base_template="base.html")
        site.app.add_url_rule("/host.css", "css", lambda: (self.css, {"Content-Type": "text/css"}))
        site.app.add_url_rule("/shop", "shop", lambda: render_template("shop.html", assets=self.assets))
        with site.app.app_context():
            site.fill()
            site.running(progress=37, processed=1204, total=3201, message="Importing")
            site.ended(warnings=3, counts={"imported": 4})
            site.ended(Status.FAILED, message="It failed", error="ValueError: x")
            site.task()
        self.server = make_server("127.0.0.1", 0, self._signed_in, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _signed_in(self, environ: dict[str, Any], start: Any) -> Any:
        return self.site.app({**environ, "HTTP_X_USER": "admin"}, start)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"))
    thread = threading.Thread(target=host.server.serve_forever)
    thread.start()
    yield host
    host.server.shutdown()
    thread.join()
    host.server.server_close()


@pytest.fixture
def see(host: Host, browser: Any) -> Iterator[Callable[..., Any]]:
    contexts = []

    def see(address: str, css: str, *, width: int = 1440, theme: str = "system") -> Any:
        host.css = css
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        contexts.append(context)
        context.add_cookies([{"name": "stask_theme", "value": theme, "url": host.url}])
        page = context.new_page()
        page.goto(host.url + address, wait_until="load")
        if page.locator("script[type=module]").count():
            page.wait_for_selector(".stask[data-page]", state="attached")
        return page

    yield see
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("address", PAGES)
def test_no_stylesheet_of_the_host_changes_the_panel(see: Callable[..., Any], address: str, width: int) -> None:
    plain = see(address, LIGHT, width=width).evaluate(LOOK, [".panel-bar, #stask-main", False])
    odd = see(address, HOST + LIGHT, width=width).evaluate(LOOK, [".panel-bar, #stask-main", False])
    assert len(odd) == len(plain) > 20
    assert [pair for pair in zip(plain, odd, strict=True) if pair[0] != pair[1]] == []


def test_nor_the_widget_and_the_progress_on_its_own_page(see: Callable[..., Any]) -> None:
    plain = see("/shop", LIGHT).evaluate(LOOK, [".stask > *", False])
    odd = see("/shop", HOST + LIGHT).evaluate(LOOK, [".stask > *", False])
    assert len(plain) > 20
    assert [pair for pair in zip(plain, odd, strict=True) if pair[0] != pair[1]] == []


def test_our_stylesheets_change_nothing_of_the_host(see: Callable[..., Any], host: Host) -> None:
    with_ours = see("/shop", HOST + LIGHT).evaluate(LOOK, ["html", True])
    host.assets = False
    try:
        without = see("/shop", HOST + LIGHT).evaluate(LOOK, ["html", True])
    finally:
        host.assets = True
    ours = [line for line in with_ours if not line.startswith(("LINK", "SCRIPT"))]
    assert ours == [line for line in without if not line.startswith(("LINK", "SCRIPT"))]


def scheme(page: Any, place: str = ".stask") -> str:
    return str(page.evaluate("(place) => getComputedStyle(document.querySelector(place)).colorScheme", place))


@pytest.mark.parametrize(("css", "expected"), [(LIGHT, "light"), (DARK, "dark")])
@pytest.mark.parametrize("address", ["/stask/", "/shop"])
def test_as_the_system_is_as_the_hosts_page(see: Callable[..., Any], address: str, css: str, expected: str) -> None:
    assert scheme(see(address, css)) == expected


def test_a_host_that_turns_dark_takes_the_panel_with_it(see: Callable[..., Any]) -> None:
    page = see("/stask/", LIGHT + "html.night body { background: #111; color: #eee; }")
    page.evaluate("document.documentElement.classList.add('night')")
    page.wait_for_selector(".stask[data-page=dark]")
    assert scheme(page) == "dark"


@pytest.mark.parametrize(("css", "theme"), [(LIGHT, "dark"), (DARK, "light")])
def test_other_colours_than_the_hosts_have_a_ground_of_their_own(see: Callable[..., Any], css: str, theme: str) -> None:
    ground = "(place) => getComputedStyle(document.querySelector(place)).backgroundColor"
    page = see("/stask/", css, theme=theme)
    assert scheme(page) == theme
    assert page.evaluate(ground, ".is-panel") != "rgba(0, 0, 0, 0)"
    widget = see("/shop", css, theme=theme)
    assert scheme(widget) != theme, "a widget stands in the host's page and looks as that does"


@pytest.mark.parametrize("width", [360, 1440])
def test_colours_and_keys_are_within_reach(see: Callable[..., Any], width: int) -> None:
    page = see("/stask/", HOST + LIGHT, width=width)
    page.locator(".panel-bar summary:has(.icon-auto)").click()
    page.locator("[data-theme-choice=dark]").click()
    assert scheme(page) == "dark"
    page.locator("[data-keys-open]").click()
    assert page.locator("dialog[open]").is_visible()


#: A host whose own things fill the first screen.
TALL = LIGHT + "header { display: block; height: 3000px; }"
FOCUS = "() => [document.activeElement.id || document.activeElement.tagName, scrollY]"


def test_a_form_on_its_page_waits_for_what_is_typed_and_moves_nothing(see: Callable[..., Any]) -> None:
    page = see("/stask/workers/product/run/labels", TALL)
    page.wait_for_function("document.activeElement !== document.body")
    assert page.evaluate(FOCUS) == ["field-name", 0]


def test_whoever_is_somewhere_already_stays_there(see: Callable[..., Any], host: Host, browser: Any) -> None:
    page = see("/stask/", LIGHT)
    focus = "() => document.querySelector('header button').focus()"
    page.add_init_script(f"addEventListener('DOMContentLoaded', {focus})")
    page.goto(host.url + "/stask/workers/product/run/labels", wait_until="load")
    page.wait_for_selector(".stask[data-page]", state="attached")
    assert page.evaluate(FOCUS)[0] == "BUTTON"


def test_a_widget_on_a_page_of_the_host_takes_no_focus_and_moves_nothing(see: Callable[..., Any], host: Host) -> None:
    page = see("/shop", TALL)
    assert page.evaluate(FOCUS) == ["BODY", 0]
    drawn = page.evaluate("() => (window.before = document.querySelector('.widget')) && true")
    assert drawn
    with host.site.app.app_context():
        host.site.state.tasks.cancel(host.site.get(1), by="Olena")
    page.wait_for_function("() => document.querySelector('.widget') !== window.before", timeout=30_000)
    assert page.evaluate(FOCUS) == ["BODY", 0]
