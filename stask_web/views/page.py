"""What every page needs around its content: layout, navigation, rights, token, theme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from flask import current_app, render_template, request, url_for
from markupsafe import Markup, escape

from ..formatting import ago, clock
from ..language import reader, tr, trn
from ..paths import STATIC
from ..state import State, current_state
from .checks import csrf_token
from .icons import icon
from .shown import Shown, show_all
from .visitor import Visitor, known_visitor, running_now, visitor

THEMES = ("system", "light", "dark")
TRAY = 5
#: What only the pages of one section need of CSS.
STYLES: dict[str, Sequence[str]] = {
    "statistics": ("sheet", "statistics"),
    "system": ("sheet", "system"),
    "workers": ("sheet", "statistics"),
}
_FONT_AWESOME = STATIC / "vendor" / "fontawesome" / "css" / "all.min.css"


class NavItem(NamedTuple):
    """One entry of the navigation."""

    section: str
    word: str
    icon: str
    url: str
    key: str


class Ui:
    """Given to every template as ``ui``.

    :param section: which entry of the navigation is current.
    :param person: who looks; None on a page for nobody, such as an error before signing in.
    """

    def __init__(self, section: str = "", person: Visitor | None = None) -> None:
        self.section = section
        self.person = person
        self.state: State = current_state()

    icon: Callable[[str], Markup] = staticmethod(icon)
    tr = staticmethod(tr)
    trn = staticmethod(trn)
    ago = staticmethod(ago)
    clock = staticmethod(clock)

    @property
    def language(self) -> str:
        """The language of the page, e.g. ``"uk"``."""
        return reader().language

    @property
    def styles(self) -> Sequence[str]:
        """The stylesheets of this section's pages, beside ``stask.css``: names in ``static/css``, without ending."""
        return STYLES.get(self.section, ())

    @property
    def embedded(self) -> bool:
        """Whether the panel lies in the host's own layout."""
        return self.state.settings.base_template is not None

    @property
    def base(self) -> str | None:
        """The host's base template."""
        return self.state.settings.base_template

    @property
    def layout(self) -> str:
        """The layout that pages extend."""
        return "stask_web/embedded.html" if self.embedded else "stask_web/layout.html"

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
            NavItem("dashboard", "Dashboard", "dashboard", self.home, "D"),
            NavItem("tasks", "Tasks", "list", url_for("stask.tasks"), "T"),
        ]
        if self.person is not None and self.person.may("manage_workers"):
            entries.append(NavItem("workers", "Workers", "worker", url_for("stask.workers"), "W"))
        if self.person is not None and self.person.may("audit"):
            entries.append(NavItem("statistics", tr("Statistics"), "chart", url_for("stask.statistics"), "I"))
        if self.person is not None and self.person.may("manage_workers"):
            entries.append(NavItem("system", tr("System"), "gauge", url_for("stask.system"), "Y"))
        return entries if self.person is not None else []

    @property
    def theme(self) -> str:
        """The chosen theme: light, dark or system."""
        chosen = request.cookies.get("stask_theme", "system")
        return chosen if chosen in THEMES else "system"

    @cached_property
    def transport(self) -> str:
        """How the page keeps itself live: by socket where the server has threads for it and the client is there."""
        if self.state.socketio is None:
            return "poll"
        from ..sockets import transport

        return transport(self.state, request.environ)

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
            "offline": "The site did not answer. What you typed is kept; try again.",
        }
        return Markup(" ").join(Markup(f'data-{name}="{escape(value)}"') for name, value in values.items())

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


def draw(template: str, ui: Ui | None, **context: Any) -> str:
    """A template of ours with what each of them uses: ``ui``, and ``tr`` and ``trn`` for its texts."""
    return render_template(f"stask_web/{template}", ui=ui, tr=tr, trn=trn, **context)


def render(template: str, section: str = "", **context: Any) -> str:
    """A page or a part of one.

    :param section: see :class:`Ui`.
    """
    return draw(template, Ui(section, visitor()), **context)


def render_message(status: int, words: Any, code: str | None = None, note: str | None = None) -> str:
    """A page that says one thing. It asks nothing of the database or the user, for either may be what is broken."""
    ui = Ui("", known_visitor() if status < 500 else None)
    ui.__dict__["tray"] = []
    return draw("message.html", ui, status=status, words=words, code=code, note=note)
