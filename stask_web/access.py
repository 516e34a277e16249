"""Who may do what. The host says it by a policy, a callable or an import string; without one the start fails.

Nothing here is open by default: a policy that says nothing about a permission says no.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from flask import current_app, url_for

from .errors import ConfigError
from .language import tr
from .text import clean

if TYPE_CHECKING:
    import sqlalchemy as sa

log = logging.getLogger(__name__)

PERMISSIONS = (
    "view",
    "launch",
    "cancel",
    "retry",
    "delete",
    "configure",
    "schedule",
    "view_log",
    "view_options",
    "download",
    "manage_workers",
    "audit",
)
"""Everything a policy is asked about; the target is a worker, an action, a task, or None for "at all"."""

_VIEWER = frozenset({"view", "view_log", "download"})
_OPERATOR = _VIEWER | {"launch", "cancel", "retry", "view_options"}

#: What each ready-made role may do.
ROLES: Mapping[str, frozenset[str]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "admin": frozenset(PERMISSIONS),
}

_RANKS = {"viewer": 1, "operator": 2, "admin": 3}
_NAMES_FOR, _NAMES_KEPT = 30.0, 1000
_NAME_ATTRIBUTES = ("display_name", "full_name", "name", "username", "email")

SelectT = TypeVar("SelectT")


class AccessPolicy:
    """What the panel asks about people. Subclass it and override what your site knows better.

    As it stands it takes the user from Flask-Login, lets nobody do anything and filters no list.
    """

    def current_user(self) -> Any:
        """The signed-in user of this request, or None: then nothing else is asked and the person is sent to sign in."""
        manager = _login_manager()
        if manager is None:
            return None
        from flask_login import current_user

        user = current_user._get_current_object()
        return user if getattr(user, "is_authenticated", False) else None

    def user_id(self, user: Any) -> Any:
        """What is stored in ``task.started_by``: the user's ``id``, with its type."""
        for name in ("id", "pk"):
            value = getattr(user, name, None)
            if value is not None:
                return value
        get_id = getattr(user, "get_id", None)
        return get_id() if callable(get_id) else str(user)

    def user_name(self, user_id: Any) -> str | None:
        """The name that people see for a stored user id; None when nobody knows it."""
        user = self.find_user(user_id)
        return _first_text(user, _NAME_ATTRIBUTES) if user is not None else None

    def user_email(self, user_id: Any) -> str | None:
        """The address for notices about a user's tasks, or None."""
        user = self.find_user(user_id)
        return _first_text(user, ("email",)) if user is not None else None

    def find_user(self, user_id: Any) -> Any:
        """The user of a stored id, by Flask-Login's user loader; None when there is none."""
        manager = _login_manager()
        loader = getattr(manager, "_user_callback", None)
        return loader(str(user_id)) if loader is not None and user_id is not None else None

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        """Whether ``user`` may do ``permission`` to ``target``.

        :param permission: one of :data:`PERMISSIONS`.
        :param target: a worker class, an action (``ActionSpec``), a task, or None: "is there anything he may do so to?"
        """
        return False

    def visible(self, select: SelectT, user: Any) -> SelectT:
        """Narrow a select of tasks to those the user may see; lists use it, so that pages stay full."""
        return select

    def login_url(self, next: str) -> str | None:
        """Where people sign in and then come back to ``next``; None shows a page that says to sign in."""
        target = current_app.config.get("STASK_LOGIN_URL") or _login_view()
        if not target:
            return None
        address = target if target.startswith(("/", "http://", "https://")) else url_for(target)
        return f"{address}{'&' if '?' in address else '?'}{urlencode({'next': next})}"

    def logout_url(self) -> str | None:
        """Where a POST signs out; None shows no button: the host has its own."""
        return None


class RolePolicy(AccessPolicy):
    """Three roles. A viewer sees tasks, logs and files; an operator also launches, stops, retries; an admin does all.

    An action made with ``@action(role="admin")`` is for that role and higher ones only.

    :param role: gives a user's role: a callable ``(user) -> str | None``, or the name of the user's attribute.
    :param names: the site's own words for the roles, e.g. ``{"editor": "operator", "root": "admin"}``.
    :param default: the role of a user who has none; None lets him see nothing.
    :param own_only: viewers and operators see the tasks they started, and no other.
    """

    def __init__(
        self,
        role: str | Callable[[Any], Any] = "role",
        *,
        names: Mapping[str, str] | None = None,
        default: str | None = None,
        own_only: bool = False,
    ) -> None:
        wrong = {*(names or {}).values(), *([default] if default else [])} - set(ROLES)
        if wrong:
            raise ConfigError(f"There is no role {sorted(wrong)[0]!r}; the roles are {', '.join(ROLES)}.")
        self._role = role
        self._names = dict(names or {})
        self._default = default
        self._own_only = own_only

    def role_of(self, user: Any) -> str | None:
        """The user's role: viewer, operator, admin, or None."""
        value = self._role(user) if callable(self._role) else getattr(user, self._role, None)
        word = str(getattr(value, "value", value)) if value is not None else ""
        word = self._names.get(word, word)
        return word if word in ROLES else self._default

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        """Whether the user's role allows it; for an action with a role of its own, whether his is as high."""
        role = self.role_of(user)
        if role is None or permission not in ROLES[role]:
            return False
        if role == "admin" or target is None:
            return True
        if self._own_only and hasattr(target, "started_by") and target.started_by != stored_id(self.user_id(user)):
            return False
        return permission in _VIEWER or _RANKS[role] >= _RANKS.get(_needed_role(target) or "viewer", 3)

    def visible(self, select: SelectT, user: Any) -> SelectT:
        """All tasks, or with ``own_only`` those the user started."""
        role = self.role_of(user)
        if role == "admin" or not self._own_only:
            return select
        from .models import Task

        narrowed: SelectT = select.where(Task.started_by == self.user_id(user))  # type: ignore[attr-defined]
        return narrowed


class CallablePolicy(AccessPolicy):
    """A plain callable decides. It is never asked about anonymous users; if it raises, the answer is no.

    :param allows: ``(user, permission, target) -> bool``.
    """

    def __init__(self, allows: Callable[[Any, str, Any], Any]) -> None:
        self._allows = allows

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        """What the callable says; an error in it is logged with its traceback and means no."""
        if user is None:
            return False
        try:
            return bool(self._allows(user, permission, target))
        except Exception:
            log.exception("The access callable failed for permission %r; the answer is no.", permission)
            return False


def sees_all(policy: AccessPolicy, user: Any) -> bool:
    """Whether a policy narrows no list for a user: then the counts of all tasks are his, too."""
    import sqlalchemy as sa

    from .models import Task

    whole = sa.select(Task)
    return policy.visible(whole, user) is whole


def narrowed(policy: AccessPolicy, select: sa.Select[Any], user: Any) -> sa.Select[Any]:
    """A select of tasks with those that a policy lets a user see, each once and in no order.

    A policy that only adds conditions is taken at its word. One that joins, sorts, groups or counts would give a task
    twice, or a page another order than its own: then it says which tasks, and nothing else.
    """
    import sqlalchemy as sa

    from .models import Task

    found: sa.Select[Any] = policy.visible(select, user)
    if found is select or _only_adds_conditions(found):
        return found
    theirs = policy.visible(sa.select(Task), user)
    if theirs._limit_clause is None:
        theirs = theirs.order_by(None)
    ids = theirs.with_only_columns(Task.id).subquery()
    return select.where(Task.id.in_(sa.select(ids.c[0])))


def _only_adds_conditions(select: sa.Select[Any]) -> bool:
    from .models import Task

    other = (
        select._limit_clause,
        select._offset_clause,
        select._fetch_clause,
        select._distinct or None,
        *select._group_by_clauses,
        *select._order_by_clauses,
        *select._having_criteria,
    )
    if select._setup_joins or any(each is not None for each in other):
        return False
    # What select.get_final_froms() says, which compiles the whole for it: 2 ms, several times a page.
    parts: tuple[Any, ...] = (*select._raw_columns, *select._from_obj, *select._where_criteria)
    return all(source == Task.__table__ for part in parts for source in part._from_objects)


def stored_id(user_id: Any) -> Any:
    """A user's id as a task has it: a number or a text; anything else, such as a UUID, as its text."""
    return user_id if user_id is None or type(user_id) in (int, str) else str(user_id)


def name_of(policy: AccessPolicy, user_id: Any) -> str:
    """The name of whoever started something, "someone" when nobody knows."""
    return known_name(policy, user_id) or tr("someone")


def known_name(policy: AccessPolicy, user_id: Any) -> str:
    """The name of whoever started something, "" when nobody knows.

    A policy is asked once in half a minute: a list names the same people again and again.
    """
    names: dict[Any, tuple[float, str]] = policy.__dict__.setdefault("_stask_names", {})
    until, name = names.get(user_id, (0.0, ""))
    if time.monotonic() >= until:
        if len(names) >= _NAMES_KEPT:
            names.clear()
        try:
            name = clean(policy.user_name(user_id) or "")
        except Exception:
            log.exception("The access policy could not name the user %r.", user_id)
            name = ""
        names[user_id] = (time.monotonic() + _NAMES_FOR, name)
    return name


def load_policy(access: Any) -> AccessPolicy:
    """Make a policy of what the host gave as ``access``.

    :param access: a policy or its class, a callable ``(user, permission, target)``, or the import string of one
        (``"shop.access:policy"``).
    :raises ConfigError: there is none, it cannot be imported or it is something else.
    """
    if isinstance(access, str):
        access = _imported(access)
    if isinstance(access, type) and issubclass(access, AccessPolicy):
        access = access()
    if isinstance(access, AccessPolicy):
        return access
    if callable(access):
        return CallablePolicy(access)
    if access is None:
        raise ConfigError(
            "stask-web needs to know who may do what: pass access= to init_app (a policy such as RolePolicy('role'), a "
            "callable (user, permission, target) -> bool, or an import string), or set STASK_ACCESS."
        )
    raise ConfigError(f"access is {access!r}, but must be a policy, a callable or an import string.")


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"access is {name!r}, which cannot be imported: {error}.") from error
    return found


def _needed_role(target: Any) -> str | None:
    """The role that an action, or the action of a task, asks for."""
    if hasattr(target, "started_by"):
        from .formatting import action_spec

        target = action_spec(target.identifier, target.action)
    role = getattr(target, "role", None)
    return role if isinstance(role, str) else None


def _login_manager() -> Any:
    return getattr(current_app, "login_manager", None)


def _login_view() -> str | None:
    view = getattr(_login_manager(), "login_view", None)
    return view if isinstance(view, str) else None


def _first_text(user: Any, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = getattr(user, name, None)
        if value and not callable(value):
            return str(value)
    return None
