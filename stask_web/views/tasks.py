"""The list of tasks, newest first, in pages by key: what is asked for, what is shown, and what it is called."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from .. import listing, news, tally
from ..formatting import action_specs_of
from ..models import Task
from ..queries import worker_records
from ..state import State, current_state
from ..text import clean
from ..times import clock
from . import bulk
from .live import list_news
from .notices import take_notice
from .page import render
from .shown import show_all
from .task_list import ENDED, PERIODS, SIZE, Wish, choices, look_chips, set_chips
from .visitor import Visitor, need, partial, the_task, wants_json

#: Buttons on the page of a site where nothing has run yet.
FIRST_ACTS = 8


class Pager(NamedTuple):
    """The ways on from a page: addresses, None where there is none.

    :param further: the page ended early; this address looks further back.
    :param back_to: how far it looked, in words.
    """

    newer: str | None
    older: str | None
    further: str | None
    back_to: str


def tasks() -> ResponseReturnValue:
    """One page of tasks."""
    person = need("view")
    state, wish = current_state(), Wish.read(request.args)
    if partial() == "row":
        return _row(state, person)
    before, after = _key("before"), _key("after")
    if not wants_json() and partial() is None and _is_untidy(wish):
        return redirect(wish.address())
    select = wish.select(state, person)
    found = listing.page(state.database, select, size=SIZE, before=before, after=after, look=wish.look)
    if after is not None and not found.more and found.stopped is None and not wants_json():
        return redirect(wish.address())  # the front, which takes new rows in
    pager = _pager(state, wish, found, before, after)
    first_page = before is None and after is None
    rows = found.rows
    if first_page and wish.number is not None:
        rows = _with_number(state, person, wish, rows)
    shown, whole = show_all(state, rows), wish.is_simple and person.sees_all
    if wants_json():
        links = {"newer": pager.newer, "older": pager.older or pager.further}
        return jsonify(tasks=[t.json for t in shown], **{name: url for name, url in links.items() if url})
    context = {
        "tasks": shown,
        "pager": pager,
        "wish": wish,
        "chooses": _chooses(person),
        "list_filter": wish.live if first_page else None,
        "digest": _digest(state, person, wish, rows) if first_page and wish.live else "",
        "list_url": wish.address(),
        "is_new": not rows and not wish.params and first_page,
    }
    if context["is_new"]:
        context["actions"] = _first_acts(state, person)
    if partial() is not None:
        return render("tasks/_list.html", "tasks", **context)
    return render("tasks/page.html", "tasks", **context, **_filters(state, person, wish, whole=whole))


def _row(state: State, person: Visitor) -> str:
    """One row of the list, as it is now."""
    number = _key("id")
    row = the_task(number) if number is not None else abort(422)
    return render("tasks/_row.html", "tasks", t=show_all(state, [row])[0], chooses=_chooses(person))


def _filters(state: State, person: Visitor, wish: Wish, *, whole: bool) -> dict[str, Any]:
    """What stands above the list.

    :param whole: whether nothing but look, worker and action narrows it.
    """
    counts = None
    if not wish.q:
        select = wish.select(state, person, all_looks=True)
        counts = tally.look_counts(state.database, select, wish.worker, wish.action, simple=whole)
    return {
        "chips": look_chips(wish, counts, live=whole and not wish.worker),
        "set_chips": set_chips(state, person, wish),
        "workers": choices(state, person, wish),
        "periods": PERIODS,
        "ended": ENDED,
        "notice": take_notice(),
        "matches": counts[wish.status] if counts is not None else None,
    }


def _chooses(person: Visitor) -> bool:
    """Whether there is anything that he may do to several tasks at once."""
    return any(person.may(act.right) for act in bulk.ACTS.values())


def _pager(state: State, wish: Wish, found: listing.Page, before: int | None, after: int | None) -> Pager:
    rows, newer, older, further, back_to = found.rows, None, None, None, ""
    if after is not None:
        older = rows[-1].id if rows else after + 1
        newer = rows[0].id if found.more else found.stopped
    else:
        older = rows[-1].id if found.more else None
        further = found.stopped
        newer = (rows[0].id if rows else before - 1) if before is not None else None
    if further is not None:
        back_to = clock(listing.created_at(state.database, further))
    return Pager(
        wish.address(after=newer) if newer is not None else None,
        wish.address(before=older) if older is not None else None,
        wish.address(before=further) if further is not None else None,
        back_to,
    )


def _with_number(state: State, person: Visitor, wish: Wish, rows: list[Task]) -> list[Task]:
    """The task of that number first, however old it is, then what has the number in its words."""
    exact = wish.but(q="").select(state, person).where(Task.id == wish.number)
    found = listing.page(state.database, exact, size=1).rows
    return [*found, *(row for row in rows if row.id != wish.number)]


def _digest(state: State, person: Visitor, wish: Wish, rows: list[Task]) -> str:
    """The digest of what the page is told of; where that is more than it shows, of the whole."""
    if wish.is_simple:
        return news.digest_of(task.id for task in rows)
    return str(list_news(state, person, wish.live or "")["digest"])


def _first_acts(state: State, person: Visitor) -> list[tuple[str, str]]:
    """What can be started, for a list that is still empty: titles and addresses of forms."""
    found = []
    for record in worker_records(state.database, active_only=True):
        cls = state.registry.get(record.identifier)
        for spec in action_specs_of(cls).values() if cls is not None and person.may("view", cls) else ():
            if person.may("launch", spec):
                address = url_for("stask.run", identifier=record.identifier, action=spec.name)
                found.append((clean(spec.title), address))
    return found[:FIRST_ACTS]


def _is_untidy(wish: Wish) -> bool:
    """Whether the address is one that the form made: with empty values, or one value that says two things."""
    args = request.args
    return (
        any(not value for value in args.values())
        or args.get("worker", "") != wish.worker
        or args.get("period", "") != wish.period
    )


def _key(name: str) -> int | None:
    text = request.args.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        abort(422)
    return int(text) if text else None
