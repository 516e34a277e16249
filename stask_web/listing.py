"""Pages of a big history: whatever is asked of it, a page looks at a bounded number of rows and says where it stopped.

What is asked is any select of tasks. Four of its conditions have an index that keeps their rows in the order of ids:
one status, one worker, one person, one schedule. A page follows the one of them that reaches furthest within
:data:`LOOK` rows, or the ids themselves, and tests the other conditions row by row. When that is not enough to fill it,
the page ends early and :attr:`Page.stopped` tells from where to go on. So no page reads the whole history, and none
sorts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeGuard

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors

from .database import Database
from .models import Task

#: Rows that a page looks at, at most, when conditions without an index of their own are among those asked for.
LOOK = 2_000
#: The same for a search in texts, which may take longer.
SEARCH_LOOK = 200_000

_INDEXED = ("status", "identifier", "started_by", "schedule_id")
#: Columns with an index that would be the wrong one: SQLite picks without knowing how many rows it leads to.
_HIDDEN = frozenset({*_INDEXED, "lane", "due_at", "finished_at", "unique_key", "form_key"})
_RANGES = (operators.lt, operators.le, operators.gt, operators.ge)


class Page(NamedTuple):
    """A piece of a list.

    :param rows: newest first.
    :param more: whether there are more in the direction that was asked for.
    :param stopped: where the next page goes on (as ``before``, or as ``after``) when this one ends early, because
        enough was looked at; None when it is full, or all was looked at.
    """

    rows: list[Any]
    more: bool
    stopped: int | None


class Way(NamedTuple):
    """How a page is found: the select with its bounds, and where the next page goes on; None at the end of all."""

    select: sa.Select[Any]
    edge: int | None


def page(
    database: Database,
    select: sa.Select[Any],
    *,
    size: int,
    before: int | None = None,
    after: int | None = None,
    look: int = LOOK,
) -> Page:
    """A page of tasks.

    :param select: of tasks, without order and limit.
    :param before: only tasks with a smaller id (older).
    :param after: only tasks with a larger id (newer), the nearest ones.
    :param look: how many rows to look at, at most.
    """
    with database.session() as session:
        found = find_way(session.connection(), select, before, after, look)
        rows = list(session.scalars(ordered(found.select, after).limit(size + 1)))
    return _page(rows, found.edge, size, after)


def page_of_ids(
    database: Database, select: sa.Select[Any], *, size: int, before: int | None = None, look: int = LOOK
) -> Page:
    """The same as :func:`page`, with ids only."""
    with database.read() as connection:
        found = find_way(connection, select, before, None, look)
        rows = list(connection.scalars(ordered(found.select.with_only_columns(Task.id)).limit(size + 1)))
    return _page(rows, found.edge, size, None)


def newest_ids(database: Database, select: sa.Select[Any], limit: int) -> list[int]:
    """The ids of the newest tasks of a selection, as far back as a page looks."""
    return page_of_ids(database, select, size=limit).rows


def how_many(connection: sa.Connection, select: sa.Select[Any], limit: int) -> int:
    """How many tasks a selection has, as far as ``limit`` and as far back as a page looks."""
    found = find_way(connection, select, None, None, LOOK)
    some = ordered(found.select.with_only_columns(Task.id)).limit(limit).subquery()
    return int(connection.execute(_NUMBER.select_from(some)).scalar_one())


_NUMBER: Any = sa.select(sa.func.count())


def pages(database: Database, select: sa.Select[Any], *, size: int = 500) -> Iterator[list[Task]]:
    """All tasks of a selection, newest first, piece by piece: each piece is a short read of its own."""
    before = None
    while True:
        found = page(database, select, size=size, before=before, look=SEARCH_LOOK)
        yield found.rows
        before = found.rows[-1].id if found.more else found.stopped
        if before is None:
            return


def gather(database: Database, select: sa.Select[Any], limit: int) -> tuple[list[int], bool]:
    """The ids of the newest ``limit`` tasks of a selection -> them, and whether these are all of it."""
    found = page_of_ids(database, select, size=limit, look=SEARCH_LOOK)
    return found.rows, not found.more and found.stopped is None


def created_at(database: Database, task_id: int) -> datetime | None:
    """When the task of that id was created, or the next one that is still there."""
    with database.read() as connection:
        select = sa.select(Task.created_at).where(Task.id >= task_id).order_by(Task.id).limit(1)
        return connection.scalars(select).first()


def _page(rows: list[Any], edge: int | None, size: int, after: int | None) -> Page:
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows if after is None else rows[::-1], more, None if more else edge)


def ordered(select: sa.Select[Any], after: int | None = None) -> sa.Select[Any]:
    """The rows of a way in the order in which they are looked at."""
    return select.order_by(Task.id.desc() if after is None else Task.id.asc())


def find_way(
    connection: sa.Connection, select: sa.Select[Any], before: int | None, after: int | None, look: int
) -> Way:
    """The way to a page: along which index, and how far; the parameters are those of :func:`page`."""
    asked = list(_conditions(select))
    span = _span([each for each in asked if _is_range(each)], before, after)
    tests = [each for each in asked if not _is_range(each)]
    drivers = [each for each in tests if _is_driver(each)]
    if len(tests) == len(drivers) <= 1:
        return Way(_with(select, [*span.conditions(), *tests]), None)
    along, edge = _furthest(connection, drivers, span, look, newer=after is not None)
    rest = [_hidden(each, connection.dialect.name) for each in tests if each is not along]
    if edge is not None:
        span = span.narrower(below=edge) if after is not None else span.narrower(above=edge)
    kept = [*span.conditions(), *([] if along is None else [along]), *rest]
    return Way(_with(select, kept), _beyond(edge, newer=after is not None))


def _with(select: sa.Select[Any], conditions: Sequence[Any]) -> sa.Select[Any]:
    """All of a select but its conditions, which are these; a policy may have joined other tables."""
    found = select._generate()
    found._where_criteria = tuple(conditions)
    return found


class _Span(NamedTuple):
    """Between which ids the rows are; None: without end. Of several bounds SQLite would follow the first it meets."""

    above: int | None = None
    below: int | None = None

    def narrower(self, *, above: int | None = None, below: int | None = None) -> _Span:
        aboves = [each for each in (self.above, above) if each is not None]
        belows = [each for each in (self.below, below) if each is not None]
        return _Span(max(aboves, default=None), min(belows, default=None))

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        bounds = ((self.above, Task.id.__gt__), (self.below, Task.id.__lt__))
        return [compare(bound) for bound, compare in bounds if bound is not None]


def _span(ranges: Sequence[Any], before: int | None, after: int | None) -> _Span:
    span = _Span(after, before)
    for each in ranges:
        value = each.right.value
        if each.operator in (operators.lt, operators.le):
            span = span.narrower(below=value + (each.operator is operators.le))
        else:
            span = span.narrower(above=value - (each.operator is operators.ge))
    return span


def _beyond(edge: int | None, *, newer: bool) -> int | None:
    """What the next page is asked with, so that the row at the edge is in it."""
    return None if edge is None else edge - 1 if newer else edge + 1


def _furthest(
    connection: sa.Connection, drivers: Sequence[Any], span: _Span, look: int, *, newer: bool
) -> tuple[Any, int | None]:
    """The condition whose index reaches furthest within ``look`` rows, and the first id beyond; None: to the end."""
    if not drivers:
        ranges = span.conditions()
        # Two questions: SQLite answers each by one look at an end of the table, but both at once by reading all of it.
        first = connection.execute(sa.select(sa.func.min(Task.id)).where(*ranges)).scalar()
        last = connection.execute(sa.select(sa.func.max(Task.id)).where(*ranges)).scalar()
        if first is None or last is None or last - first < look:
            return None, None
        return None, int(first + look if newer else last - look)
    columns = tuple(each.left.name for each in drivers)
    statement = _edges(columns, span.above is not None, span.below is not None, newer)
    values = {f"value{number}": each.right.value for number, each in enumerate(drivers)}
    edges = connection.execute(statement, {**values, **span._asdict(), "look": look}).one()
    for along, edge in zip(drivers, edges, strict=True):
        if edge is None:
            return along, None
    best = max(edges) if newer else min(edges)
    return drivers[list(edges).index(best)], int(best)


@cache
def _edges(columns: tuple[str, ...], has_above: bool, has_below: bool, newer: bool) -> sa.Select[Any]:
    """The id beyond ``look`` rows along the index of each column, built once: a page asks three times."""
    order = Task.id.asc() if newer else Task.id.desc()
    bounds = [Task.id > sa.bindparam("above", type_=sa.BigInteger)] if has_above else []
    bounds += [Task.id < sa.bindparam("below", type_=sa.BigInteger)] if has_below else []
    beyond = sa.select(Task.id).where(*bounds).order_by(order).offset(sa.bindparam("look", type_=sa.Integer)).limit(1)
    found = []
    for number, name in enumerate(columns):
        column = Task.__table__.c[name]
        found.append(beyond.where(column == sa.bindparam(f"value{number}", type_=column.type)).scalar_subquery())
    return sa.select(*found)


def _conditions(select: sa.Select[Any]) -> Iterator[Any]:
    """The conditions that must all hold, one by one."""
    todo: list[Any] = list(select._where_criteria)
    while todo:
        each = todo.pop(0)
        if isinstance(each, sa.sql.elements.BooleanClauseList) and each.operator is operators.and_:
            todo[:0] = list(each.clauses)
        else:
            yield each


def _column(condition: Any) -> str | None:
    """The column of ours that a condition compares with a value."""
    left = getattr(condition, "left", None)
    return left.name if _is_ours(left) and isinstance(condition.right, sa.BindParameter) else None


def _is_ours(element: Any) -> TypeGuard[sa.Column[Any]]:
    return isinstance(element, sa.Column) and getattr(element.table, "name", None) == Task.__tablename__


def _is_range(condition: Any) -> bool:
    return _column(condition) == "id" and condition.operator in _RANGES


def _is_driver(condition: Any) -> bool:
    return _column(condition) in _INDEXED and condition.operator is operators.eq


def _hidden(condition: Any, dialect: str) -> Any:
    """A condition that SQLite does not look for an index for. The others know how many rows an index leads to."""
    if dialect != "sqlite":
        return condition

    def replace(element: Any, **_: Any) -> Any:
        if _is_ours(element) and element.name in _HIDDEN:
            return sa.sql.elements.UnaryExpression(element, operator=operators.custom_op("+"), type_=element.type)
        return None

    return visitors.replacement_traverse(condition, {}, replace)
