"""What every page needs around its content: layout, navigation, rights, token, theme."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from flask import current_app, request, url_for
from jinja2 import Undefined
from markupsafe import Markup, escape

from ..language import forms, reader, tr, trn
from ..numbers import number
from ..paths import STATIC
from ..state import State, current_state
from ..text import clean
from ..times import age_words, ago, clock, exact
from . import kept
from .checks import csrf_token
from .environment import host_names, host_template, our_template
from .icons import icon
from .reader import Choice, language_choices
from .shown import Shown, show_all
from .visitor import Visitor, known_visitor, running_now, visitor

THEMES = ("system", "light", "dark")
TRAY = 5
#: What pages need of CSS beside ``stask.css``: names in ``static/css``, by the folder of the template, else by the
#: section. ``host`` are the host's own pages. What a dialog needs it names itself, ``data-style``.
STYLES: dict[str, Sequence[str]] = {
    "dashboard": ("widgets", "dashboard"),
    "host": ("widgets",),
    "launch": ("form",),
    "schedules": ("form", "list", "schedules"),
    "statistics": ("sheet", "statistics"),
    "system": ("sheet", "system"),
    "task": ("task",),
    "tasks": ("list",),
    "workers": ("widgets", "form", "list", "schedules", "sheet", "statistics", "workers"),
}
#: The behaviours in ``static/js`` that a page is sure to need: they come with it and not after it, see ``parts.js``.
SCRIPTS: dict[str, Sequence[str]] = {
    "dashboard": ("hours",),
    "launch": ("forms",),
    "schedules": ("forms", "schedule"),
    "task": ("logs",),
    "tasks": ("rows",),
}
_FONT_AWESOME = STATIC / "vendor" / "fontawesome" / "css" / "all.min.css"


class NavItem(NamedTuple):
    """One entry of the navigation."""

    section: str
    word: str
    icon: str
    url: str
    key: str


class Key(NamedTuple):
    """One line of the help on keys."""

    keys: tuple[str, ...]
    words: str


class Ui:
    """Given to every template as ``ui``.

    :param section: which entry of the navigation is current.
    :param person: who looks; None on a page for nobody, such as an error before signing in.
    :param area: the folder of the page's template.
    """

    def __init__(self, section: str = "", person: Visitor | None = None, area: str = "") -> None:
        self.section = section
        self.area = area
        self.person = person
        self.state: State = current_state()
        self.title: str | None = None

    icon: Callable[[str], Markup] = staticmethod(icon)
    tr = staticmethod(tr)
    trn = staticmethod(trn)
    forms = staticmethod(forms)
    ago = staticmethod(ago)
    clock = staticmethod(clock)
    exact = staticmethod(exact)
    number = staticmethod(number)

    @property
    def language(self) -> str:
        """The language of the page, e.g. ``"uk"``."""
        return reader().language

    @property
    def languages(self) -> list[Choice]:
        """The languages that one may choose from."""
        return language_choices()

    @property
    def here(self) -> str:
        """The address of this page, to come back to; of what was sent, that of its form."""
        if request.method == "GET":
            return request.script_root + (request.full_path if request.query_string else request.path)
        return request.script_root + request.path if request.endpoint == "stask.launch" else self.home

    @property
    def styles(self) -> Sequence[str]:
        """The stylesheets of this page beside ``stask.css``: names in ``static/css``, without ending."""
        return STYLES.get(self.area) or STYLES.get(self.section, ())

    @property
    def scripts(self) -> Sequence[str]:
        """The behaviours of this page beside those of all: names in ``static/js``, without ending."""
        return SCRIPTS.get(self.area) or SCRIPTS.get(self.section, ())

    @property
    def embedded(self) -> bool:
        """Whether the panel lies in the host's own layout."""
        return self.state.settings.base_template is not None

    @property
    def layout(self) -> str:
        """The layout that pages extend."""
        return "stask_web/panel.html" if self.embedded else "stask_web/layout.html"

    def entitle(self, title: str) -> str:
        """Keep the title of the page for the host's layout, which comes around the panel when that is drawn."""
        self.title = title
        return ""

    @cached_property
    def token(self) -> str:
        """The CSRF token."""
        return csrf_token()

    @cached_property
    def token_field(self) -> Markup:
        """The CSRF token as a hidden field."""
        name = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
        return Markup('<input type="hidden" name="{}" value="{}">').format(name, self.token)

    @cached_property
    def home(self) -> str:
        """The dashboard's address."""
        return url_for("stask.dashboard")

    @cached_property
    def nav(self) -> list[NavItem]:
        """The entries that this person may use."""
        entries = [
            NavItem("dashboard", tr("Dashboard"), "dashboard", self.home, "D"),
            NavItem("tasks", tr("Tasks"), "list", url_for("stask.tasks"), "T"),
        ]
        if self.person is not None and self.person.may("manage_workers"):
            entries.append(NavItem("workers", tr("Workers"), "worker", url_for("stask.workers"), "W"))
        if self.person is not None and self.person.may("schedule"):
            entries.append(NavItem("schedules", tr("Schedules"), "calendar", url_for("stask.schedules"), "S"))
        if self.person is not None and self.person.may("audit"):
            entries.append(NavItem("statistics", tr("Statistics"), "chart", url_for("stask.statistics"), "I"))
        if self.person is not None and self.person.may("manage_workers"):
            entries.append(NavItem("system", tr("System"), "gauge", url_for("stask.system"), "Y"))
        return entries if self.person is not None else []

    @property
    def keys(self) -> list[tuple[str, list[Key]]]:
        """The help on keys: titles, and what each key does. Only keys that lead where this person may go."""
        return [
            (tr("Go to"), [Key((item.key,), item.word) for item in self.nav if item.key]),
            (
                tr("On a page"),
                [
                    Key(("/",), tr("Search")),
                    Key(("R",), tr("To the button that repeats a task; elsewhere load the page anew")),
                    Key(("?",), tr("Show these keys")),
                    Key(("Esc",), tr("Close what is open")),
                ],
            ),
            (
                tr("In the list of tasks"),
                [
                    Key(("J", "K"), tr("Next and previous task")),
                    Key(("Enter",), tr("Open the task")),
                    Key(("X",), tr("Choose the task")),
                    Key(("Shift", tr("Click")), tr("Choose all from the last chosen one on")),
                    Key(("Esc",), tr("Choose none")),
                ],
            ),
        ]

    @property
    def keys_help(self) -> Markup:
        """The help on keys, drawn."""
        sections = tuple(item.section for item in self.nav)
        return kept.piece(self, ("keys", self.language, sections), lambda: draw("_keys.html", self))

    @property
    def theme(self) -> str:
        """The chosen theme: light, dark or system."""
        chosen = request.cookies.get("stask_theme", "system")
        return chosen if chosen in THEMES else "system"

    @cached_property
    def transport(self) -> str:
        """How the page keeps itself live: by socket where the server has threads for it and the client is there."""
        if self.state.socketio is None or (self.area != "task" and not self._sees_all):
            return "poll"
        from ..sockets import transport

        return transport(self.state, request.environ)

    @property
    def _sees_all(self) -> bool:
        """Whether lists and counts may come by socket: their rooms are one for all."""
        return self.person is None or self.person.sees_all

    @cached_property
    def socket_path(self) -> str:
        """Where the host's Socket.IO server answers."""
        options = getattr(self.state.socketio, "server_options", None) or {}
        path = str(options.get("path") or options.get("resource") or "socket.io").strip("/")
        return f"{request.script_root}/{path}"

    @cached_property
    def has_font_awesome(self) -> bool:
        """Whether workers' icons of Font Awesome can be shown."""
        return _FONT_AWESOME.is_file()

    def rows(self, tasks: Sequence[Shown], chooses: bool | Undefined) -> Markup:
        """The rows of a list of tasks, see :func:`stask_web.views.kept.rows`."""
        return kept.rows(self, tasks, bool(chooses))

    def words(self, text: Any) -> str:
        """An author's text, also a lazy one whose words cannot be made."""
        return clean(text)

    def static(self, name: str) -> str:
        """The address of a file of ours."""
        return url_for("stask.static", filename=name)

    @cached_property
    def root_data(self) -> Markup:
        """The ``data-`` attributes of the panel's root element."""
        values = {
            "stask": "",
            "live": f"{self.home}live" if self.person is not None else "",
            "transport": self.transport,
            "socket-path": self.socket_path,
            "csrf": self.token,
            "log-url": f"{self.home}tasks/0/log",
            "theme": self.theme,
            "utc-offset": str(_utc_offset()),
            "offline": tr("The site did not answer. What you typed is kept; try again."),
            "ago-words": json.dumps(age_words(), ensure_ascii=False),
        }
        pairs = [Markup(f'data-{name}="{escape(value)}"') for name, value in values.items()]
        return Markup(" ").join([Markup(f'lang="{self.language}"'), *pairs])

    @cached_property
    def tray(self) -> list[Shown]:
        """My running tasks, for the header."""
        if self.person is None:
            return []
        mine = [task for task in running_now() if task.started_by == self.person.id]
        return show_all(self.state, mine[-TRAY:][::-1])

    @cached_property
    def logout_url(self) -> str | None:
        """Where a POST signs out."""
        return self.person.policy.logout_url() if self.person is not None else None

    def may(self, permission: str, target: Any = None) -> bool:
        """Whether this person may do that."""
        return self.person is not None and self.person.may(permission, target)


def _utc_offset() -> int:
    """Minutes that the clock of this page is ahead of UTC now."""
    offset = datetime.now(UTC).astimezone(reader().zone).utcoffset()
    return round(offset.total_seconds() / 60) if offset is not None else 0


def draw(template: str, ui: Ui | None, **context: Any) -> str:
    """A template of ours with what each of them uses: ``ui``, and ``tr`` and ``trn`` for its texts."""
    return our_template(f"stask_web/{template}").render(ui=ui, tr=tr, trn=trn, **context)


def _answer(template: str, ui: Ui, context: Mapping[str, Any]) -> str:
    """A whole page, which the host's base template may come around, or a part of one."""
    html = draw(template, ui, **context)
    if ui.title is None:
        return html
    base = host_template(str(ui.state.settings.base_template))
    ours = {"stask_base": base, "stask_title": ui.title, "stask_page": Markup(html)}
    return our_template("stask_web/embedded.html").render({**host_names(), **ours})


def render(template: str, section: str = "", **context: Any) -> str:
    """A page or a part of one.

    :param section: see :class:`Ui`.
    """
    return _answer(template, Ui(section, visitor(), template.partition("/")[0]), context)


def render_message(status: int, words: Any, code: str | None = None, note: str | None = None) -> str:
    """A page that says one thing. It asks nothing of the database or the user, for either may be what is broken."""
    ui = Ui("", known_visitor() if status < 500 else None)
    ui.__dict__["tray"] = []
    return _answer("message.html", ui, {"status": status, "words": words, "code": code, "note": note})
