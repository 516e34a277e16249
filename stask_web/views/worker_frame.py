"""The frame of a worker's pages: its head, its banners, and its tabs, each with an address of its own.

A page of it extends ``workers/frame.html``, fills the blocks ``worker_title`` and ``worker_tab``, and gives its
template what :func:`frame` returns beside its own values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from flask import current_app, url_for
from markupsafe import Markup

from ..discovery import Broken
from ..language import mark, tr
from ..models import WorkerRecord
from ..state import current_state
from .notices import take_notice
from .visitor import visitor


class Tab(NamedTuple):
    """One page of a worker.

    :param right: the permission that it needs, asked for the worker.
    :param needs_class: whether there is nothing on it once the worker's class is gone.
    """

    key: str
    word: str
    endpoint: str
    right: str
    needs_class: bool = False


#: In the order in which they stand. One whose endpoint is not there is left out.
TABS = (
    Tab("history", mark("History"), "stask.worker", "view"),
    Tab("schedules", mark("Schedules"), "stask.worker_schedules", "schedule"),
    Tab("statistics", mark("Statistics"), "stask.worker_statistics", "audit"),
    Tab("settings", mark("Settings"), "stask.worker_settings", "configure", needs_class=True),
    Tab("about", mark("About"), "stask.worker_about", "view"),
)


class ShownTab(NamedTuple):
    """A tab as its link shows it."""

    word: str
    url: str
    here: bool


def frame(record: WorkerRecord, tab: str) -> dict[str, Any]:
    """What ``workers/frame.html`` needs of a worker.

    :param tab: the key of the tab that is shown.
    :returns: record, identifier, cls (None when it is gone), icon, tab, tabs, broken, notice.
    """
    state = current_state()
    cls = state.registry.get(record.identifier)
    return {
        "record": record,
        "identifier": record.identifier,
        "cls": cls,
        "icon": Markup(record.icon),
        "tab": tab,
        "tabs": list(_tabs(record, cls, tab)),
        "broken": None if cls is not None else broken_module(record, state.registry.broken),
        "notice": take_notice(),
    }


def _tabs(record: WorkerRecord, cls: type[Any] | None, current: str) -> Iterable[ShownTab]:
    person = visitor()
    for each in TABS:
        if each.endpoint not in current_app.view_functions or (each.needs_class and cls is None):
            continue
        if person.may(each.right, cls or record):
            yield ShownTab(tr(each.word), url_for(each.endpoint, identifier=record.identifier), each.key == current)


def broken_module(record: WorkerRecord, broken: Iterable[Broken]) -> Broken | None:
    """Why a worker's class is not there: what is broken of where it stood, its module or a package above it."""
    module = record.class_name.partition(":")[0]
    for item in broken:
        names = {item.name, item.name.partition(" = ")[2].partition(":")[0]}
        if record.class_name in names or any(name and f"{module}.".startswith(f"{name}.") for name in names):
            return item
    return None
