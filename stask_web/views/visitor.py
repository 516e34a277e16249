"""Who asks, and what he may: one object for each request.

It is kept in the request's environ: ``g`` outlives a request where a test keeps an app context open.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, cast

import sqlalchemy as sa
from flask import Response, abort, request
from werkzeug.exceptions import Unauthorized

from .. import news
from ..access import AccessPolicy, name_of, narrowed, sees_all, stored_id
from ..formatting import action_spec
from ..models import Task, WorkerRecord
from ..options import ActionSpec
from ..queries import Narrow, running_tasks, task_or_none, tasks_by_id, worker_record
from ..state import State, current_state
from ..worker import find_spec

_KEY = "stask.visitor"
_RUNNING = "stask.running"
_AROUND = "stask.around"


class Visitor:
    """The signed-in person of this request.

    :param policy: the host's policy.
    :param user: what the policy gave as the current user.
    """

    def __init__(self, policy: AccessPolicy, user: Any) -> None:
        self.policy = policy
        self.user = user
        self.id = stored_id(policy.user_id(user))

    def may(self, permission: str, target: Any = None) -> bool:
        """Whether he may do that to the target."""
        return bool(self.policy.may(self.user, permission, target))

    @property
    def name(self) -> str:
        """His own name."""
        return self.name_of(self.id)

    @cached_property
    def sees_all(self) -> bool:
        """Whether no list is narrowed for him, so that news and counts of all tasks are his, too."""
        return sees_all(self.policy, self.user)

    def narrow(self, select: sa.Select[Any]) -> sa.Select[Any]:
        """A select of tasks with those that he may see."""
        return narrowed(self.policy, select, self.user)

    @property
    def _narrows(self) -> Narrow | None:
        return None if self.sees_all else self.narrow

    def find(self, task_id: int) -> Task | None:
        """The task of that id, if his lists may hold it; what he may do to it is another question."""
        return task_or_none(current_state().database, task_id, self._narrows)

    def find_all(self, ids: Iterable[int]) -> dict[int, Task]:
        """Those of the tasks that his lists may hold: id -> task."""
        return tasks_by_id(current_state().database, ids, self._narrows)

    def running(self) -> list[Task]:
        """The tasks that run, of those."""
        return running_tasks(current_state().database, narrow=self._narrows)

    def name_of(self, user_id: Any) -> str:
        """The name of whoever started something; "" when nobody did, "someone" when nobody knows him."""
        return "" if user_id is None else name_of(self.policy, user_id)


def visitor() -> Visitor:
    """The visitor of this request; also outside our own pages, where a host draws a widget.

    :raises Unauthorized: nobody is signed in.
    """
    found = known_visitor() or ask_visitor()
    if found is None:
        raise Unauthorized
    return found


def known_visitor() -> Visitor | None:
    """The visitor if he was asked for already: asks nothing, for pages that must not fail."""
    found: Visitor | None = request.environ.get(_KEY)
    return found


def ask_visitor() -> Visitor | None:
    """Ask the policy who it is; None when nobody is signed in."""
    policy = current_state().policy
    user = policy.current_user()
    if user is None:
        return None
    found = request.environ[_KEY] = Visitor(policy, user)
    return found


def need(permission: str, target: Any = None) -> Visitor:
    """The visitor, if he may do that.

    :raises Forbidden: he may not.
    """
    person = visitor()
    if not person.may(permission, target):
        abort(403)
    return person


def the_task(task_id: int, permission: str = "view") -> Task:
    """The task of that id, if the visitor may do ``permission`` to it.

    :raises Forbidden: he may see it, but not do that; or may not do that to anything.
    :raises NotFound: there is none, or none that he may see: he is not told which.
    """
    person = visitor()
    task = person.find(task_id)
    if task is None or not person.may("view", task):
        abort(404 if person.may(permission) else 403)
    if not person.may(permission, task):
        abort(403)
    return task


def the_worker(identifier: str, permission: str = "view") -> WorkerRecord:
    """The registered worker of that identifier, if the visitor may do that to it; raises as :func:`the_task`."""
    person = visitor()
    state = current_state()
    record = worker_record(state.database, identifier)
    target = state.registry.get(identifier) or record
    if record is None or not person.may("view", target):
        abort(404 if person.may(permission) else 403)
    if not person.may(permission, target):
        abort(403)
    return record


def the_action(identifier: str, action: str, permission: str = "launch") -> tuple[type[Any], ActionSpec]:
    """A worker's class and one of its actions, if the visitor may launch it, or do ``permission`` to it.

    :raises UnknownAction: the worker has none of that name.
    """
    person = visitor()
    cls = current_state().registry.get(identifier)
    if cls is None or not person.may("view", cls):
        abort(404 if person.may(permission) else 403)
    spec = find_spec(cls, action)
    if not person.may(permission, spec):
        abort(403)
    return cls, spec


def visible(tasks: list[Task]) -> list[Task]:
    """Those of the tasks that the visitor may see, for policies that decide by task and narrow no select."""
    person = visitor()
    return [task for task in tasks if person.may("view", task)]


def may_start_again(task: Task) -> bool:
    """Whether the visitor may retry the task: it is over, its class is still there, and he has the right."""
    return task.can_retry() and action_spec(task.identifier, task.action) is not None and visitor().may("retry", task)


def running_now() -> list[Task]:
    """The tasks that run, asked for once a request: the tray and the widgets both show them."""
    found: list[Task] | None = request.environ.get(_RUNNING)
    if found is None:
        found = request.environ[_RUNNING] = visitor().running()
    return found


def around_now() -> news.Around:
    """What is the same for all tasks, asked for once a request: the banner, the widgets and the rows all need it."""
    found: news.Around | None = request.environ.get(_AROUND)
    if found is None:
        found = request.environ[_AROUND] = news.around(current_state())
    return found


def wants_json() -> bool:
    """Whether the answer is to be JSON: it is asked for more than HTML, as ``Accept: application/json`` does."""
    accept = request.accept_mimetypes
    return accept["application/json"] > accept["text/html"]


def partial() -> str | None:
    """Which part of the page is wanted (``?partial=1&part=row``): "" for the main one, None for the whole page."""
    return request.args.get("part", "") if request.args.get("partial") else None


Answer = str | Response | tuple[Any, int] | tuple[Any, int, dict[str, str]]


def tasks_of(state: State) -> Any:
    """The service door, typed once for all views."""
    return cast(Any, state.tasks)
