"""Widgets: what a worker shows on the dashboard. A broken one gets a card of its own and never breaks the page.

Nor does a slow one: a widget of the worker's own making that took longer than :data:`SLOW` is from then on left out of
pages, and its card says so until the page has fetched it by itself.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from flask import request, url_for
from markupsafe import Markup

from .. import listing, news
from ..database import Database
from ..errors import DatabaseBusy, STaskError, TablesMissing
from ..formatting import action_specs_of
from ..language import reading, tr, trn
from ..models import Task, WorkerRecord
from ..options import ActionSpec
from ..queries import last_tasks, next_fires
from ..readers import choose_reader
from ..state import State, current_state
from ..status import Status
from ..text import clean
from ..worker import BaseWorker
from .environment import draw_for_worker
from .page import Ui, draw
from .shown import Shown, fits_dialog, show_all
from .visitor import Visitor, ask_visitor, known_visitor, partial, running_now, visitor

log = logging.getLogger(__name__)

#: How long a widget shows how its last task ended, before it goes back to rest.
FRESH = timedelta(hours=1)
BUTTONS = 2
#: Seconds that a worker may take to draw its widget within a page, and that all of them together may take.
SLOW, SLOW_TOGETHER = 0.2, 0.5
#: Seconds for which it is remembered that one was slow.
SLOW_FOR = 300.0
_KEY = "stask.widgets"
_slow: WeakKeyDictionary[type[Any], float] = WeakKeyDictionary()
#: Databases of which the log knows that they have no tables.
_told: WeakSet[Database] = WeakSet()


@dataclass(frozen=True)
class ActionButton:
    """One action that the visitor may launch."""

    name: str
    title: str
    help: str
    url: str
    post_url: str
    has_form: bool
    in_dialog: bool
    form_key: str


@dataclass
class Widget:
    """One worker on the dashboard, given to its template as ``widget``.

    :param state: rest, busy, ended or failed: which look it has now.
    :param task: the task that it shows, None at rest.
    :param last: the last task that ended, for the line at rest.
    :param next: when a schedule starts it next.
    :param failure: why the worker could not even be made; then ``worker`` is its class.
    :param later: whether the page shall fetch it by itself, because it is slow.
    """

    worker: Any
    identifier: str
    title: str
    description: str
    icon: Markup
    url: str
    actions: list[ActionButton]
    ui: Ui
    state: str = "rest"
    task: Shown | None = None
    last: Shown | None = None
    next: datetime | None = None
    digest: str = ""
    html: Markup = field(default_factory=Markup)
    error: str = ""
    failure: Exception | None = None
    later: bool = False

    @property
    def buttons(self) -> list[ActionButton]:
        """The actions that have a button of their own."""
        return self.actions[:BUTTONS]

    @property
    def more(self) -> list[ActionButton]:
        """The actions that stand in a menu."""
        return self.actions[BUTTONS:]

    @property
    def part(self) -> str:
        """Where the page fetches this widget anew."""
        return f"{self.url}?part=widget"

    @property
    def list_filter(self) -> str:
        """What tells the page that there is a new task of this worker."""
        return news.list_filter(worker=self.identifier, limit=1)


def widgets(state: State, records: Sequence[WorkerRecord], section: str = "dashboard") -> list[Widget]:
    """The widgets of these workers that the visitor may see; those at work first, then those used lately."""
    person = visitor()
    ui = Ui(section, person)
    classes = {record.identifier: state.registry.get(record.identifier) for record in records}
    newest = _newest(state, person, list(classes))
    tasks = _tasks(state, newest)
    fires = next_fires(state.database)
    waits = waits_for_widget()
    found: list[Widget] = []
    spent = 0.0
    for identifier, cls in classes.items():
        if cls is None or not person.may("view", cls):
            continue
        widget = make_widget(identifier, cls, ui, tasks.get(identifier, []), newest.get(identifier))
        widget.next = fires.get(identifier)
        if not waits and _draws_itself(cls) and (_is_slow(cls) or spent > SLOW_TOGETHER):
            _draw_later(widget)
        else:
            spent += _draw(widget)
        found.append(widget)
    return sorted(found, key=_order)


def _order(widget: Widget) -> tuple[int, float, str]:
    shown = widget.task or widget.last
    rank = {"busy": 0}.get(widget.state, 1)
    used = (
        shown.task.created_at.timestamp()
        if shown and shown.task.created_at > datetime.now(UTC) - timedelta(days=7)
        else 0.0
    )
    return (rank, -used, str(getattr(widget.worker, "scope", "")))


def _newest(state: State, person: Visitor, identifiers: list[str]) -> dict[str, Task]:
    """The newest task of each worker, of those that the person's lists hold."""
    if person.sees_all:
        return last_tasks(state.database, identifiers)
    found = {}
    for identifier in identifiers:
        select = person.narrow(sa.select(Task).where(Task.identifier == identifier))
        if rows := listing.page(state.database, select, size=1).rows:
            found[identifier] = rows[0]
    return found


def _tasks(state: State, newest: Mapping[str, Task]) -> dict[str, list[Shown]]:
    """For each worker the tasks that its widget may show: running ones, then its newest."""
    running = running_now() if newest else []
    wanted = {task.id: task for task in [*running, *newest.values()] if task.identifier in newest}
    found: dict[str, list[Shown]] = {}
    for shown in show_all(state, wanted.values(), places=True):
        found.setdefault(shown.task.identifier, []).append(shown)
    return found


def make_widget(identifier: str, cls: type[Any], ui: Ui, tasks: Sequence[Shown], newest: Task | None) -> Widget:
    """A widget with its look, not yet drawn.

    :param tasks: those it may show, see :func:`_tasks`.
    :param newest: the worker's newest task, see :func:`_newest`.
    """
    worker, failure = _made(cls)
    widget = Widget(
        worker=worker,
        failure=failure,
        identifier=identifier,
        title=clean(cls.title) or identifier,
        description=clean(cls.description),
        icon=Markup(clean(cls.icon)),
        url=url_for("stask.worker", identifier=identifier),
        actions=[action_button(identifier, spec) for spec in action_specs_of(cls).values() if ui.may("launch", spec)],
        ui=ui,
        digest=news.digest_of([newest.id] if newest else []),
    )
    busy = [shown for shown in tasks if not shown.ended]
    ended = [shown for shown in tasks if shown.ended]
    widget.last = ended[0] if ended else None
    if busy:
        widget.state, widget.task = "busy", busy[0]
    elif ended and _is_news(ended[0].task):
        widget.state, widget.task = "failed" if ended[0].failed else "ended", ended[0]
    return widget


def _made(cls: type[Any]) -> tuple[Any, Exception | None]:
    """A worker; where it cannot be made its class, which has the same words, and why."""
    try:
        return cls(), None
    except Exception as error:
        return cls, error


def _is_news(task: Task) -> bool:
    """A failure is news until somebody has opened it, any other end for an hour."""
    if task.status == Status.FAILED:
        return task.seen_at is None
    return (
        task.status == Status.COMPLETED
        and task.finished_at is not None
        and task.finished_at > datetime.now(UTC) - FRESH
    )


def action_button(identifier: str, spec: ActionSpec) -> ActionButton:
    """What starts an action: its form, or a start at once when it asks for nothing."""
    return ActionButton(
        name=spec.name,
        title=clean(spec.title),
        help=clean(spec.description),
        url=url_for("stask.run", identifier=identifier, action=spec.name),
        post_url=url_for("stask.launch", identifier=identifier, action=spec.name),
        has_form=bool(spec.confirm or (spec.model is not None and spec.model.model_fields)),
        in_dialog=fits_dialog(spec),
        form_key=secrets.token_urlsafe(18),
    )


def waits_for_widget() -> bool:
    """Whether a slow widget is what was asked for: by a page that fetches it, or by a person without JavaScript."""
    return partial() == "widget" or request.args.get("widget") == "now"


def _draws_itself(cls: type[Any]) -> bool:
    """Whether the widget is of the worker's own making; ours is never left out."""
    return getattr(cls, "render_widget", None) is not BaseWorker.render_widget


def _is_slow(cls: type[Any]) -> bool:
    return time.monotonic() < _slow.get(cls, 0.0)


def _draw(widget: Widget) -> float:
    """Let the worker draw itself; whatever goes wrong in it stays in its card -> how many seconds it took."""
    request.environ.setdefault(_KEY, {})[widget.identifier] = widget
    begin = time.monotonic()
    try:
        if widget.failure is not None:
            raise widget.failure
        widget.html = _html_of(widget)
    except Exception as error:
        log.exception("The widget of the worker %r could not be drawn.", widget.identifier)
        _leave_usable(error)
        if widget.ui.may("manage_workers", _class_of(widget)):
            widget.error = clean(f"{type(error).__name__}: {clean(error)}", 300)
        widget.html = Markup(draw("widgets/broken.html", widget.ui, widget=widget, worker=widget.worker))
    spent = time.monotonic() - begin
    if spent > SLOW:
        _slow[_class_of(widget)] = time.monotonic() + SLOW_FOR
    else:
        _slow.pop(_class_of(widget), None)
    return spent


def _html_of(widget: Widget) -> Markup:
    """What the worker draws: ours where it gives None, nothing where it gives an empty text."""
    found = widget.worker.render_widget()
    if found is None:
        found = draw("widgets/default.html", widget.ui, widget=widget, worker=widget.worker)
    if not isinstance(found, str) and not hasattr(found, "__html__"):
        raise TypeError(f"render_widget() gave a {type(found).__name__}, not HTML")
    return Markup(found if str(found).strip() else "")


def _class_of(widget: Widget) -> type[Any]:
    return widget.worker if isinstance(widget.worker, type) else type(widget.worker)


def _leave_usable(error: Exception) -> None:
    """After a statement that failed in the host's session: the next widget, and the host's own user, need that."""
    session = getattr(current_state().host_db, "session", None)
    if isinstance(error, sa.exc.SQLAlchemyError) and session is not None:
        with suppress(Exception):
            session.rollback()


def _draw_later(widget: Widget) -> None:
    """A card in its place. Without a digest the page takes it for old news, and fetches it."""
    widget.later, widget.digest = True, ""
    widget.html = Markup(draw("widgets/later.html", widget.ui, widget=widget))


def render_widget_template(template: str, **context: Any) -> str:
    """A worker's template, with ``widget`` and ``ui`` beside what the worker gives.

    :param template: the default one, or the worker's own.
    :param context: of the worker; ``worker`` says whose widget it is.
    """
    worker = context.get("worker")
    widget = request.environ.get(_KEY, {}).get(getattr(worker, "identifier", None))
    if widget is None and worker is not None:
        ui = Ui("dashboard", visitor())
        newest = _newest(current_state(), visitor(), [worker.identifier])
        tasks = _tasks(current_state(), newest).get(worker.identifier, [])
        widget = make_widget(worker.identifier, type(worker), ui, tasks, newest.get(worker.identifier))
    ours = {"widget": widget, "ui": widget.ui if widget else None, "tr": tr, "trn": trn}
    return draw_for_worker(worker, template, ours | context)


def stask_widget(identifier: str) -> Markup:
    """The widget of a worker, for a host's own page; nothing for people who may not see it.

    :raises STaskError: there is no worker of that identifier.
    """
    return _on_a_page_of_the_host(f"stask_widget({identifier!r})", lambda person: _alone(identifier))


def stask_progress(task: Task | int) -> Markup:
    """The live progress of a task, for a host's own page; nothing for people who may not see it."""
    return _on_a_page_of_the_host(f"stask_progress({task!r})", lambda person: _progress_alone(person, task))


def stask_assets() -> Markup:
    """The stylesheet and the script that widgets on a host's page need; once a page, in its head or body."""
    return Markup(draw("_assets.html", Ui(area="host")))


def _on_a_page_of_the_host(call: str, made: Callable[[Visitor], str]) -> Markup:
    """What is drawn for who looks; nothing when that cannot be done: the page is the host's, and comes all the same.

    :param call: what stands in the host's template, for the log.
    """
    try:
        person = known_visitor() or ask_visitor()
        if person is None:
            return Markup("")
        current_state().database.require()
        with reading(choose_reader()):
            return Markup(made(person))
    except TablesMissing as error:
        _tell_once(call, error)
    except DatabaseBusy as error:
        log.warning("%s drew nothing: %s", call, error)
    except STaskError:
        raise  # a mistake in the template
    except Exception:
        log.exception("%s drew nothing.", call)
    return Markup("")


def _tell_once(call: str, error: TablesMissing) -> None:
    database = current_state().database
    if database not in _told:
        _told.add(database)
        log.warning("%s and its like draw nothing: %s", call, error)


def _alone(identifier: str) -> str:
    state = current_state()
    record = state.roster.get(identifier)
    if record is None and state.registry.get(identifier) is None:
        raise STaskError(f"stask_widget({identifier!r}): there is no such worker. See `flask stask discover`.")
    found = widgets(state, [record]) if record is not None and record.active else []
    return draw("widgets/alone.html", found[0].ui, widget=found[0]) if found else ""


def _progress_alone(person: Visitor, task: Task | int) -> str:
    state = current_state()
    number = task if isinstance(task, int) else task.id
    row = task if isinstance(task, Task) and person.sees_all else person.find(number)
    if row is None or not person.may("view", row):
        return ""
    shown = show_all(state, [row], places=True)[0]
    return draw("widgets/progress_alone.html", Ui("", person), t=shown)
