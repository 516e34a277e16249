"""Pieces of pages, kept for the next reader who is to see the very same.

Most tasks of a list wait or ended long ago and look the same in every page that shows them: to draw them again would be
most of the work of a page. A piece is kept under everything that it says and allows; of tasks that run no row is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from ..database import Database
from ..language import reader
from ..times import ago
from .environment import our_template
from .shown import Shown

if TYPE_CHECKING:
    from .page import Ui

#: Pieces that are kept of one app, those that were used last: a few kilobytes each.
MOST = 300
#: Stands where each reader's own token goes, and between rows: no text of a page holds it.
_TOKEN, _END = "\0token\0", "\0end\0"
_kept: WeakKeyDictionary[Database, OrderedDict[Any, str]] = WeakKeyDictionary()


def piece(ui: Ui, key: Hashable, draw: Callable[[], str]) -> Markup:
    """A piece of a page that is the same for all of a key, drawn when it is not known."""
    kept = _kept.setdefault(ui.state.database, OrderedDict())
    html = kept.pop(key, None) or draw()
    _keep(kept, {key: html})
    return Markup(html)  # drawn by a template of ours


def rows(ui: Ui, tasks: Sequence[Shown], chooses: bool) -> Markup:
    """The rows of a list.

    :param chooses: whether each has a box to choose it.
    """
    kept, token = _kept.setdefault(ui.state.database, OrderedDict()), str(ui.token_field)
    keys = [_key(ui, task, chooses) for task in tasks]
    found = [kept.pop(key, None) if key is not None else None for key in keys]
    missing = [task for task, html in zip(tasks, found, strict=True) if html is None]
    drawn = iter(_draw(ui, missing, chooses, token) if missing else ())
    whole = [html if html is not None else next(drawn) for html in found]
    _keep(kept, {key: html for key, html in zip(keys, whole, strict=True) if key is not None})
    return Markup("\n".join(whole).replace(_TOKEN, token))  # made of escaped pieces


def _keep(kept: OrderedDict[Any, str], pieces: Mapping[Any, str]) -> None:
    kept.update(pieces)
    while len(kept) > MOST:
        kept.popitem(last=False)


def _draw(ui: Ui, tasks: Sequence[Shown], chooses: bool, token: str) -> list[str]:
    template: Any = our_template("stask_web/tasks/rows.html")
    html = str(template.module.rows(tasks, ui, chooses, _END))
    return [row.strip() for row in html.replace(token, _TOKEN).split(_END)[:-1]]


def _key(ui: Ui, shown: Shown, chooses: bool) -> Hashable | None:
    """All that a row depends on; None for a task that runs, of which each look shows something else.

    What a task that is over says is known by its end, what a waiting one says by why it waits.
    """
    if shown.running:
        return None
    task = shown.task
    ends = (task.finished_at, task.duration, task.message, task.warnings, task.cancelled_by)
    facts = (task.id, shown.version, *ends, "" if shown.ended else shown.f.waiting_for)
    deletes = chooses and shown.ended and ui.may("delete", task)
    rights = (chooses, shown.may_stop, shown.may_retry, deletes, len(shown.files))
    return (*facts, *rights, shown.title, shown.who, ago(shown.when), ui.home, reader().name)
