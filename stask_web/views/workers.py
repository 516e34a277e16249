"""The list of workers: what there is and how it does, turning on and off, looking for new ones, forgetting old ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from .. import news
from ..discovery import Broken
from ..errors import InvalidOptions
from ..formatting import action_specs_of
from ..language import tr, trn
from ..models import Task, WorkerRecord
from ..numbers import number
from ..queries import last_tasks, recent_tasks, worker_records
from ..state import State, current_state
from ..tally import WorkerCounts, worker_counts
from ..text import clean
from .notices import leave_notice, take_notice
from .page import render
from .shown import Shown, show_all
from .visitor import Visitor, need, partial, the_worker, visitor, wants_json
from .worker_frame import broken_module

#: Names of workers that one sentence holds.
_NAMED = 5


class Row(NamedTuple):
    """What the list shows of one worker.

    :param cls: its class, None when it is gone.
    :param broken: why it is gone, for those who may know.
    :param counts: links with numbers: how many tasks wait, run, have completed, have failed.
    """

    record: WorkerRecord
    cls: Any
    icon: Markup
    broken: Broken | None
    counts: list[CountLink]
    last: Shown | None


class CountLink(NamedTuple):
    """How many tasks a worker has of one status, as a link to them.

    :param tone: the colour of its number when it is not zero.
    """

    word: str
    text: str
    n: int
    url: str
    tone: str


def workers() -> ResponseReturnValue:
    """Every registered worker that is asked for, and the modules that could not be loaded."""
    person = need("view")
    state = current_state()
    every = _visible(state, person)
    q, scope = request.args.get("q", "").strip()[:200], request.args.get("scope", "")
    found = [record for record in every if _matches(state, record, q, scope)]
    counts = _counts(state)
    if wants_json():
        return jsonify(workers=with_numbers(state, found))
    context = {
        "rows": _rows(state, person, found, counts),
        "is_filtered": bool(q or scope),
        "part_url": url_for("stask.workers", q=q or None, scope=scope or None),
        "digest": news.digest_of(task.id for task in recent_tasks(state.database, 1, person.narrow(sa.select(Task)))),
    }
    if partial() == "list":
        return render("workers/_list.html", "workers", **context)
    admin = person.may("manage_workers")
    return render(
        "workers/page.html",
        "workers",
        q=q,
        scope=scope,
        scopes=sorted({record.scope for record in every if record.scope}),
        has_filter=bool(every),
        broken=state.registry.broken if admin else [],
        unregistered=_unregistered(state) if admin else 0,
        orphans=sum(1 for record in every if state.registry.get(record.identifier) is None) if admin else 0,
        notice=take_notice(),
        **context,
    )


def row_part(record: WorkerRecord) -> str:
    """The row of one worker alone."""
    state = current_state()
    [row] = _rows(state, visitor(), [record], _counts(state))
    return render("workers/_row.html", "workers", row=row, record=record)


# -- on and off


def activate(identifier: str) -> ResponseReturnValue:
    """Turn a worker on."""
    return _switch(identifier, True)


def deactivate(identifier: str) -> ResponseReturnValue:
    """Turn a worker off: it gets no new tasks."""
    return _switch(identifier, False)


def _switch(identifier: str, active: bool) -> ResponseReturnValue:
    the_worker(identifier, "manage_workers")
    record = current_state().roster.set_active(identifier, active)
    if wants_json():
        undo = {
            "url": url_for("stask.deactivate" if active else "stask.activate", identifier=identifier),
            "label": tr("Undo"),
        }
        words = (
            tr("%(worker)s is on.", worker=record.title) if active else tr("%(worker)s is off.", worker=record.title)
        )
        return jsonify(worker_json(record) | {"message": words, "undo": undo})
    back = request.form.get("_back") == "worker"
    return redirect(url_for("stask.worker", identifier=identifier) if back else url_for("stask.workers"), 303)


# -- what is there


def discover() -> ResponseReturnValue:
    """Look for worker classes that are new, and register them."""
    need("manage_workers")
    state = current_state()
    found = state.roster.discover()
    if not found:
        words = tr("No new workers.")
    elif all(record.active for record in found):
        words = tr("Found %(workers)s.", workers=_names(found))
    else:
        words = tr("Found %(workers)s. What is new is off until you turn it on.", workers=_names(found))
    return _answer(state, words, found)


def rescan() -> ResponseReturnValue:
    """Write down anew what the classes of the registered workers say of themselves."""
    need("manage_workers")
    state = current_state()
    changed = state.roster.rescan()
    if changed:
        words = tr("Brought up to date: %(workers)s.", workers=_names(changed))
    else:
        words = tr("Looked at every class. Nothing has changed.")
    return _answer(state, words, changed)


def orphaned() -> ResponseReturnValue:
    """The question before workers whose class is gone are forgotten: which, and what stays."""
    need("manage_workers")
    state = current_state()
    found = state.roster.orphaned()
    if wants_json():
        return jsonify(workers=[worker_json(record) for record in found])
    rows = [(record, broken_module(record, state.registry.broken)) for record in found]
    template = "workers/_orphaned.html" if partial() is not None else "workers/orphaned.html"
    return render(template, "workers", orphans=rows, in_dialog=partial() is not None)


def clean_orphaned() -> ResponseReturnValue:
    """Forget workers whose class is gone: those that the question named, or as JSON without names all of them."""
    need("manage_workers")
    state = current_state()
    named = _named_orphans()
    if not named and not wants_json():
        return redirect(url_for("stask.orphaned"), 303)
    count = state.roster.clean_orphaned(named)
    if count:
        words = trn(
            "%(num)s worker was forgotten. Its tasks stay in the history.",
            "%(num)s workers were forgotten. Their tasks stay in the history.",
            count,
            num=number(count),
        )
    else:
        words = tr("No worker has lost its class. Nothing was changed.")
    if wants_json():
        return jsonify(message=words, count=count)
    leave_notice(words)
    return redirect(url_for("stask.workers"), 303)


def _named_orphans() -> list[str] | None:
    """The identifiers that were sent; None when a program named none, which means all."""
    if not request.is_json:
        return request.form.getlist("identifier") or None
    body = request.get_json(silent=True)
    named = body.get("identifiers") if isinstance(body, dict) else None
    if isinstance(body, dict) and "identifiers" not in body:
        return None
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InvalidOptions({"identifiers": tr("Send a list of identifiers.")})
    return named


def _answer(state: State, words: str, records: Sequence[WorkerRecord]) -> ResponseReturnValue:
    """What was found, and how many modules could not be loaded."""
    failed = len(state.registry.broken)
    if failed:
        more = trn(
            "%(num)s module could not be loaded.", "%(num)s modules could not be loaded.", failed, num=number(failed)
        )
        words = f"{words} {more}"
    if wants_json():
        return jsonify(message=words, workers=[worker_json(record) for record in records])
    leave_notice(words, "attention" if failed else "done")
    return redirect(url_for("stask.workers"), 303)


def _names(records: Sequence[WorkerRecord]) -> str:
    names = ", ".join(record.title for record in records[:_NAMED])
    more = len(records) - _NAMED
    return tr("%(names)s and %(num)s more", names=names, num=number(more)) if more > 0 else names


# -- the rows


def _visible(state: State, person: Visitor) -> list[WorkerRecord]:
    records = worker_records(state.database)
    return [record for record in records if person.may("view", state.registry.get(record.identifier) or record)]


def _matches(state: State, record: WorkerRecord, q: str, scope: str) -> bool:
    """Whether a worker is of that scope and has all the words in its names, description, class or actions."""
    if scope and record.scope != scope:
        return False
    if not q:
        return True
    cls = state.registry.get(record.identifier)
    actions = [clean(spec.title) for spec in action_specs_of(cls).values()] if cls is not None else []
    texts = [record.identifier, record.title, record.scope, record.description, record.class_name, *actions]
    text = "\n".join(texts).casefold()
    return all(word in text for word in q.casefold().split())


def _rows(
    state: State, person: Visitor, records: list[WorkerRecord], counts: dict[str, WorkerCounts] | None
) -> list[Row]:
    last = _last(state, records)
    rows = []
    for record in records:
        cls = state.registry.get(record.identifier)
        may_know = cls is None and person.may("manage_workers", record)
        rows.append(
            Row(
                record,
                cls,
                Markup(record.icon),
                broken_module(record, state.registry.broken) if may_know else None,
                _links(record, counts) if counts is not None else [],
                last.get(record.identifier),
            )
        )
    return rows


def _counts(state: State) -> dict[str, WorkerCounts] | None:
    """How many tasks each worker has; None for who may not see all of them."""
    return worker_counts(state.database) if visitor().sees_all else None


def _links(record: WorkerRecord, counts: dict[str, WorkerCounts]) -> list[CountLink]:
    n = counts.get(record.identifier) or WorkerCounts(0, 0, 0, 0, whole=True)
    waiting = f"{number(n.waiting)}" if n.whole else f"{number(n.waiting)}+"
    shown = (
        (tr("Waiting"), waiting, n.waiting, "pending", ""),
        (tr("Running"), number(n.running), n.running, "running", "running"),
        (tr("Completed"), number(n.completed), n.completed, "completed", ""),
        (tr("Failed"), number(n.failed), n.failed, "failed", "failed"),
    )
    return [
        CountLink(word, text, value, url_for("stask.tasks", worker=record.identifier, status=status), tone)
        for word, text, value, status, tone in shown
    ]


def _last(state: State, records: list[WorkerRecord]) -> dict[str, Shown]:
    tasks = last_tasks(state.database, [record.identifier for record in records])
    return {shown.task.identifier: shown for shown in show_all(state, tasks.values())}


def _unregistered(state: State) -> int:
    """How many worker classes were found and are not registered yet."""
    return len(state.registry.classes().keys() - {record.identifier for record in worker_records(state.database)})


def with_numbers(state: State, records: list[WorkerRecord]) -> list[dict[str, Any]]:
    """Workers as JSON, with how many tasks they have and which was the last."""
    counts, last = _counts(state), _last(state, records)
    return [worker_json(record) | _numbers(record, counts, last) for record in records]


def _numbers(record: WorkerRecord, counts: dict[str, WorkerCounts] | None, last: dict[str, Shown]) -> dict[str, Any]:
    n = counts.get(record.identifier, WorkerCounts(0, 0, 0, 0, whole=True)) if counts is not None else None
    shown = last.get(record.identifier)
    return {
        "counts": n and {"pending": n.waiting, "running": n.running, "completed": n.completed, "failed": n.failed},
        "last_task": shown.id if shown else None,
    }


def worker_json(record: WorkerRecord) -> dict[str, Any]:
    """A worker as JSON answers have it."""
    cls = record.worker_class
    specs = action_specs_of(cls) if cls is not None else {}
    return {
        "identifier": record.identifier,
        "scope": record.scope,
        "title": record.title,
        "description": record.description,
        "active": record.active,
        "actions": [{"name": spec.name, "title": clean(spec.title)} for spec in specs.values()],
    }
