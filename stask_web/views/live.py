"""What a page asks while it is open: progress, the log from a position on, and everything at once for polling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Response, abort, jsonify, request

from .. import news
from ..journal import NOTHING
from ..models import Task
from ..state import State, current_state
from .visitor import Visitor, need, the_task, visible, visitor

TASKS_AT_ONCE = 200
LISTS_AT_ONCE = 200
LINES_AT_ONCE = 1000


class Wanted(NamedTuple):
    """One task of a page, and what the page has of its log; None when it shows no log."""

    id: int
    position: str | None


def progress(task_id: int) -> Response:
    """One task with its newest numbers."""
    task = the_task(task_id)
    state = current_state()
    return _fresh(news.task_news(state, task, _numbers(state, task), news.around(state)))


def log(task_id: int) -> Response:
    """The journal from a position on (``?from=``), or the lines before one (``?before=``, at most ``n``).

    With ``?attempt=`` only that attempt's lines are among them; the positions stay those of the journal.
    """
    task = the_task(task_id, "view_log")
    journal = current_state().journals.of(task.id)
    before = request.args.get("before")
    if before is None:
        return _fresh(_of_attempt(news.read_piece(journal, _position(request.args.get("from") or NOTHING))))
    count = request.args.get("n", "200")
    if not count.isdecimal() or not 1 <= int(count[:6]) <= LINES_AT_ONCE:
        abort(422)
    return _fresh(_of_attempt(news.piece(journal.before(_position(before), int(count)))))


def _of_attempt(piece: dict[str, Any]) -> dict[str, Any]:
    """The piece with the lines of the wanted attempt, of all when none is named."""
    number = request.args.get("attempt")
    if number is None:
        return piece
    return {**piece, "lines": [line for line in piece["lines"] if str(line["attempt"]) == number]}


def live() -> Response:
    """Everything that a page polls: ``?tasks=ID:POSITION,...&list=FILTER&stats=1``.

    A task without a position gives no lines. One that is unknown or not the visitor's comes back as gone.
    """
    need("view")
    wanted = list(_wanted(request.args.get("tasks", "")))
    filters = request.args.getlist("list")
    if len(wanted) > TASKS_AT_ONCE or len(filters) > LISTS_AT_ONCE or request.args.get("stats", "1") not in ("0", "1"):
        abort(422)
    state = current_state()
    found: dict[str, Any] = {"tasks": _tasks(state, wanted)}
    if filters:
        found["lists"] = [_list(state, text) for text in filters]
    if request.args.get("stats") == "1":
        found["stats"] = counts(state, visitor())
    return _fresh(found)


def counts(state: State, person: Visitor) -> dict[str, int]:
    """The counts of the tasks that somebody may see."""
    return news.counts(state) if person.sees_all else news.counts_within(state, person.narrow(sa.select(Task)))


def list_news(state: State, person: Visitor, text: str) -> dict[str, Any]:
    """The news of a list, of the tasks that somebody may see; see :func:`stask_web.news.list_news`."""
    return news.list_news(state, text, None if person.sees_all else person.narrow)


def _wanted(text: str) -> Iterator[Wanted]:
    """Read ``7:ab12:1024,8``: a position holds a colon itself."""
    for part in filter(None, text.split(",")):
        number, colon, position = part.partition(":")
        if not number.isdecimal() or len(number) > 18:
            abort(422)
        yield Wanted(int(number), _position(position) if colon else None)


def _position(text: str) -> str:
    if not news.is_position(text):
        abort(422)
    return text


def _tasks(state: State, wanted: list[Wanted]) -> list[dict[str, Any]]:
    person = visitor()
    rows = person.find_all({each.id for each in wanted})
    mine = {task.id for task in visible(list(rows.values()))}
    now = news.around(state) if mine else None
    answers = []
    for each in wanted:
        if now is None or each.id not in mine:
            answers.append({"id": each.id, "gone": True})
            continue
        answers.append(_task(state, person, rows[each.id], each.position, now))
    return answers


def _task(state: State, person: Visitor, task: Task, position: str | None, now: news.Around) -> dict[str, Any]:
    who = person.name_of(task.started_by)
    answer: dict[str, Any] = {"id": task.id}
    if position is not None and person.may("view_log", task):
        answer["journal"] = news.read_piece(state.journals.of(task.id), position)
    answer["task"] = news.task_news(state, task, _numbers(state, task), now, who=who)
    return answer


def _numbers(state: State, task: Task) -> dict[str, Any] | None:
    return news.newest_numbers(state, [task]).get(task.id)


def _list(state: State, text: str) -> dict[str, Any]:
    try:
        return list_news(state, visitor(), text)
    except news.BadFilter:
        abort(422)


def _fresh(data: Any) -> Response:
    """JSON that a browser asks for again and again: 304 when nothing changed."""
    answer = jsonify(data)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.add_etag()
    answer.make_conditional(request)
    return answer
