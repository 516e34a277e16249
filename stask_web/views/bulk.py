"""Several tasks at once: those that were chosen by hand, or all that match a filter.

What destroys is asked first, with its number. So is everything about "all that match", for nobody has seen them. Rights
are asked for each task. What could not be done is said, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from .. import listing, tally
from ..errors import AlreadyRunning, DatabaseBusy, STaskError, TransactionOpen
from ..formatting import action_spec, task_title
from ..language import Counted, mark, markn, tr, tr_counted, trn
from ..models import Task
from ..numbers import number
from ..queries import task_or_none
from ..state import State, current_state
from ..status import Status
from .notices import leave_notice
from .page import render
from .task_list import CHIPS, Wish, set_chips
from .visitor import Visitor, need, partial, tasks_of, wants_json

#: Ids that one request may name.
BY_HAND = 1000
_AT_ONCE = 100
#: Names of what could not be done that one sentence holds.
_NAMED = 4


class Act(NamedTuple):
    """Something that can be done to several tasks.

    :param right: the permission that is asked for each.
    :param verb: on its button.
    :param whole: the verb with the number of tasks.
    :param nothing: that it can be done to none.
    :param done: to how many it was done.
    :param cannot: to how many it cannot be done.
    :param could_not: to how many it could not be done after all.
    :param note: what it means, for whoever is asked.
    :param most: how many at once: each of those that start or stop is a transaction of its own.
    """

    right: str
    verb: str
    whole: Counted
    nothing: str
    done: Counted
    cannot: Counted
    could_not: Counted
    note: str
    most: int


ACTS = {
    "retry": Act(
        "retry",
        mark("Retry"),
        markn("Retry %(num)s task", "Retry %(num)s tasks", "num"),
        mark("Nothing to retry"),
        markn("%(num)s started again.", "%(num)s started again.", "num"),
        markn("%(num)s cannot be retried", "%(num)s cannot be retried", "num"),
        markn("%(num)s could not be retried", "%(num)s could not be retried", "num"),
        mark("They start again as they were."),
        1000,
    ),
    "cancel": Act(
        "cancel",
        mark("Stop"),
        markn("Stop %(num)s task", "Stop %(num)s tasks", "num"),
        mark("Nothing to stop"),
        markn("%(num)s stopped.", "%(num)s stopped.", "num"),
        markn("%(num)s cannot be stopped", "%(num)s cannot be stopped", "num"),
        markn("%(num)s could not be stopped", "%(num)s could not be stopped", "num"),
        mark("Waiting ones are withdrawn. Running ones end at their next safe point; what they have done stays done."),
        1000,
    ),
    "delete": Act(
        "delete",
        mark("Delete"),
        markn("Delete %(num)s task", "Delete %(num)s tasks", "num"),
        mark("Nothing to delete"),
        markn("%(num)s deleted.", "%(num)s deleted.", "num"),
        markn("%(num)s cannot be deleted", "%(num)s cannot be deleted", "num"),
        markn("%(num)s could not be deleted", "%(num)s could not be deleted", "num"),
        mark("Their logs, results and uploaded files go with them. This cannot be undone."),
        5000,
    ),
}


class Chosen(NamedTuple):
    """Which tasks it is about.

    :param ids: newest first.
    :param every: all that match the filter, instead of those chosen by hand.
    :param whole: whether these are all that match.
    """

    ids: list[int]
    every: bool
    whole: bool


class Sorted(NamedTuple):
    """Chosen tasks by whether something can be done to them.

    :param able: those to which it can.
    :param unable: why not: (title, reason) -> how many.
    :param started: of the able ones, those that have started.
    """

    able: list[int]
    unable: Counter[tuple[str, str]]
    started: set[int]


# Asking


def ask() -> ResponseReturnValue:
    """What can be done to the chosen tasks, with numbers; or the question before one act (``?act=``)."""
    person = need("view")
    state, wish = current_state(), Wish.read(request.args)
    name = request.args.get("act", "")
    if name:
        return _question(state, person, wish, _known_act(name, person), request.args)
    chosen = _chosen(state, person, wish, request.args, max(act.most for act in ACTS.values()))
    names = [key for key, act in ACTS.items() if person.may(act.right)]
    found = _sort_out(state, person, chosen.ids, *names)
    able = {name: min(len(found[name].able), ACTS[name].most) for name in names}
    if wants_json():
        return jsonify(count=len(chosen.ids), whole=chosen.whole, **{name: able.get(name, 0) for name in ACTS})
    offers = [
        {
            "name": name,
            "count": able[name],
            "note": tr(ACTS[name].note),
            "whole": _counted(ACTS[name].whole, able[name]),
            "url": wish.address("stask.bulk", **_way(chosen), act=name),
        }
        for name in names
        if able[name]
    ]
    return _render(wish, chosen, person, offers=offers)


def _question(
    state: State, person: Visitor, wish: Wish, name: str, given: Mapping[str, str], *, changed: bool = False
) -> ResponseReturnValue:
    act = ACTS[name]
    chosen = _chosen(state, person, wish, given, act.most)
    found = _sort_out(state, person, chosen.ids, name)[name]
    return _render(
        wish,
        chosen,
        person,
        act=name,
        verb=tr(act.verb),
        whole=_counted(act.whole, len(found.able)),
        nothing=tr(act.nothing),
        note=tr(act.note),
        count=len(found.able),
        not_done=_refusals(act.cannot, found.unable),
        changed=changed,
    )


def _render(wish: Wish, chosen: Chosen, person: Visitor, **context: Any) -> str:
    in_dialog = partial() is not None
    words = [tr(CHIPS[wish.status])] if wish.status else []
    return render(
        "tasks/_bulk.html" if in_dialog else "tasks/bulk.html",
        "tasks",
        wish=wish,
        chosen=chosen,
        newest=max(chosen.ids, default=0),
        words=words + [chip.word for chip in set_chips(current_state(), person, wish)] if chosen.every else [],
        in_dialog=in_dialog,
        **context,
    )


# Acting


def act() -> ResponseReturnValue:
    """Do it. What destroys, and what is done to all that match, needs ``sure``, which the question gives."""
    person = need("view")
    given: MultiDict[str, str] = request.values
    name = _known_act(given.get("act", ""), person)
    state, wish = current_state(), Wish.read(given)
    chosen = _chosen(state, person, wish, given, ACTS[name].most)
    if not (given.get("sure") or wants_json()) and (name == "delete" or chosen.every):
        return _question(state, person, wish, name, given)
    found = _sort_out(state, person, chosen.ids, name)[name]
    if chosen.every and len(found.able) > _number(given.get(f"count_{name}", ""), len(found.able)):
        return _question(state, person, wish, name, given, changed=True)
    done = _DO[name](state, person, found)
    text = _sentence(ACTS[name], done, found.unable)
    if wants_json():
        return jsonify(message=text, done=done, refused=sum(found.unable.values()), **_undo(name, chosen, found))
    leave_notice(text, "attention" if found.unable else "done")
    return redirect(wish.address(), 303)


def _retry(state: State, person: Visitor, found: Sorted) -> int:
    return _each(state, found, tasks_of(state).retry)


def _cancel(state: State, person: Visitor, found: Sorted) -> int:
    return _each(state, found, lambda task_id: tasks_of(state).cancel(task_id, by=person.name))


def _each(state: State, found: Sorted, do: Callable[[int], Any]) -> int:
    """Do it to one after the other; one that has moved on meanwhile is told of like the others."""
    done = 0
    for task_id in found.able:
        try:
            do(task_id)
            done += 1
        except STaskError as error:
            task = task_or_none(state.database, task_id)
            found.unable[task_title(task) if task else "", _WHY.get(type(error), CHANGED)] += 1
    return done


def _delete(state: State, person: Visitor, found: Sorted) -> int:
    done = 0
    for ids in _pieces(found.able):
        done += tasks_of(state).delete(sa.select(Task).where(Task.id.in_(ids)))
    tally.forget_sums(state.database)
    if done < len(found.able):
        found.unable["", CHANGED] += len(found.able) - done
    return done


#: Why one of many could not be done after all.
CHANGED = mark("changed meanwhile")
_WHY: Mapping[type[STaskError], str] = {
    AlreadyRunning: mark("the same waits or runs already"),
    DatabaseBusy: mark("too busy now"),
    TransactionOpen: mark("too busy now"),
}
_DO: Mapping[str, Callable[[State, Visitor, Sorted], int]] = {"retry": _retry, "cancel": _cancel, "delete": _delete}


def _undo(name: str, chosen: Chosen, found: Sorted) -> dict[str, Any]:
    """How to take it back, where that is possible: what was withdrawn before it started can wait again."""
    if name != "cancel" or chosen.every or found.started or not found.able:
        return {}
    address = url_for("stask.bulk_act", act="retry", id=",".join(map(str, found.able)))
    return {"undo": {"url": address, "label": tr("Undo")}}


# Which tasks


def _known_act(name: str, person: Visitor) -> str:
    if name not in ACTS:
        abort(422)
    if not person.may(ACTS[name].right):
        abort(403)
    return name


def _chosen(state: State, person: Visitor, wish: Wish, given: Mapping[str, str], most: int) -> Chosen:
    """The tasks that a request names: ``id`` (several, or with commas between), or ``all`` that match its filter."""
    if given.get("all"):
        select = wish.select(state, person)
        newest = _number(given.get("newest", ""), 0)
        if newest:
            select = select.where(Task.id <= newest)
        ids, whole = listing.gather(state.database, select, most)
        return Chosen(ids, every=True, whole=whole)
    texts = [text for part in _several(given, "id") for text in part.split(",") if text]
    ids = sorted({_number(text, -1) for text in texts}, reverse=True)
    if not ids or ids[-1] < 0 or len(ids) > BY_HAND:
        abort(422)
    return Chosen(ids, every=False, whole=True)


def _several(given: Mapping[str, str], name: str) -> list[str]:
    return given.getlist(name) if isinstance(given, MultiDict) else [given.get(name, "")]


def _number(text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        abort(422)
    return int(text)


def _way(chosen: Chosen) -> dict[str, Any]:
    return {"all": 1} if chosen.every else {"id": ",".join(map(str, chosen.ids))}


def _pieces(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _sort_out(state: State, person: Visitor, ids: list[int], *names: str) -> dict[str, Sorted]:
    """For each act, to which of the tasks it can be done, and why not to the others. Only ids stay in memory."""
    found = {name: Sorted([], Counter(), set()) for name in names}
    for piece in _pieces(ids):
        tasks = person.find_all(piece)
        for task_id in piece:
            task = tasks.get(task_id)
            for name, each in found.items():
                if task is None or not person.may("view", task):
                    each.unable["", mark("gone")] += 1
                elif reason := _reason(person, task, name):
                    each.unable[task_title(task), reason] += 1
                else:
                    each.able.append(task_id)
                    each.started.update([task_id] if task.status != Status.PENDING else [])
    return found


def _reason(person: Visitor, task: Task, name: str) -> str:
    """Why it cannot be done to a task; "" when it can."""
    if not person.may(ACTS[name].right, task):
        return mark("not for your account")
    status = Status(task.status)
    if name == "cancel":
        return mark("over already") if status.ended else mark("stops already") if task.cancel_at is not None else ""
    if not status.ended:
        return mark("still runs") if status == Status.RUNNING else mark("still waits")
    if name == "delete":
        return ""
    if not task.can_retry():
        return mark("completed")
    return "" if action_spec(task.identifier, task.action) is not None else mark("its worker is gone")


# Words


def _counted(text: Counted, n: int) -> str:
    return tr_counted(text, {"num": n}, {"num": number(n)})


def _sentence(act: Act, done: int, unable: Counter[tuple[str, str]]) -> str:
    first = _counted(act.done, done) if done else ""
    return " ".join(part for part in (first, _refusals(act.could_not, unable)) if part)


def _refusals(words: Counted, unable: Counter[tuple[str, str]]) -> str:
    """Why not, e.g. ``"3 could not be retried: 2 × Import products (completed), Sync stock (still runs)."``"""
    if not unable:
        return ""
    named = unable.most_common(_NAMED)
    parts = [_named(title, tr(reason), n) for (title, reason), n in named]
    more = sum(unable.values()) - sum(n for _, n in named)
    parts += [trn("%(num)s more", "%(num)s more", more, num=number(more))] if more else []
    return tr("%(what)s: %(list)s.", what=_counted(words, sum(unable.values())), list=", ".join(parts))


def _named(title: str, reason: str, n: int) -> str:
    if not title:
        return f"{number(n)} {reason}"
    return f"{number(n)} × {title} ({reason})" if n > 1 else f"{title} ({reason})"
