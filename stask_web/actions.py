"""The actions of a worker class: its methods ``task_<name>``, and what :func:`action` says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .options import ActionSpec, dry_run_field
from .signatures import BrokenSignature, options_model
from .status import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Hashable

PREFIX = "task_"
_ATTRIBUTE = "__stask_action__"
M = TypeVar("M", bound=Callable[..., Any])


def action(
    title: str | None = None,
    *,
    description: str | None = None,
    confirm: str | bool | None = None,
    role: str | None = None,
    priority: str | None = None,
    max_attempts: int | None = None,
    timeout: float | None = None,
    unique: bool | Iterable[str] = False,
) -> Callable[[M], M]:
    """Say more of an action than its name does.

    :param title: for people, verb and object: "Import products".
    :param description: one or two sentences; by default the method's docstring.
    :param confirm: ask before the start: True, or a sentence on the consequence.
    :param role: who may start it, for a :class:`RolePolicy`: viewer, operator or admin.
    :param priority: high, normal or low, when :meth:`STask.create` is given none.
    :param max_attempts: how often it starts by itself, at most; 1 for what must not happen twice.
    :param timeout: seconds after which it is stopped.
    :param unique: True: one at a time may wait or run; names of options: one for each of their values.
    """
    facts = {
        "title": title,
        "description": description,
        "confirm": confirm,
        "role": role,
        "priority": priority,
        "max_attempts": max_attempts,
        "timeout": timeout,
        "unique": unique if isinstance(unique, bool | str) or not isinstance(unique, Iterable) else tuple(unique),
    }

    def mark(method: M) -> M:
        _check(getattr(method, "__qualname__", str(method)), facts)
        setattr(method, _ATTRIBUTE, {name: value for name, value in facts.items() if value is not None})
        return method

    return mark


def _check(name: str, facts: dict[str, Any]) -> None:
    """Find what is wrong when the class is made, not when its first task starts.

    :raises ValueError: names the action and what is allowed.
    """
    most, timeout, unique = facts["max_attempts"], facts["timeout"], facts["unique"]
    priority = facts["priority"]
    wrong = {
        "priority": (priority is None or priority in list(PRIORITIES), f"one of {', '.join(PRIORITIES)}"),
        "max_attempts": (most is None or (_is_number(most, int) and most >= 1), "a whole number, 1 or more"),
        "timeout": (
            timeout is None or (_is_number(timeout, int | float) and 0 < timeout < math.inf),
            "a number of seconds above 0, or None",
        ),
        "unique": (
            isinstance(unique, bool)
            or (isinstance(unique, tuple) and bool(unique) and all(isinstance(each, str) and each for each in unique)),
            "True, False or a list of names of options",
        ),
    }
    for key, (fits, allowed) in wrong.items():
        if not fits:
            raise ValueError(f"{name}: {key} is {facts[key]!r}, but must be {allowed}.")


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def action_specs(cls: type[Any]) -> dict[str, ActionSpec]:
    """The actions of a worker class by name, base classes' first."""
    return dict(_specs(cast("Hashable", cls))[0])


def broken_actions(cls: type[Any]) -> dict[str, str]:
    """The actions of a worker class that could only fail: method -> why."""
    return dict(_specs(cast("Hashable", cls))[1])


@cache
def _specs(cls: type[Any]) -> tuple[dict[str, ActionSpec], dict[str, str]]:
    """Read once for each class: every run asks for them."""
    specs: dict[str, ActionSpec] = {}
    broken: dict[str, str] = {}
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        if name.startswith(PREFIX) and callable(getattr(cls, name, None)) and len(name) > len(PREFIX):
            try:
                specs[name[len(PREFIX) :]] = _spec(cls, name, getattr(cls, name))
            except BrokenSignature as error:
                broken[name] = error.message
    return specs, broken


def normal_name(action: str) -> str:
    """An action's name as it is compared: lower case, underscores."""
    return action.strip().lower().replace("-", "_")


def _spec(cls: type[Any], method_name: str, method: Callable[..., Any]) -> ActionSpec:
    facts = dict(getattr(method, _ATTRIBUTE, {}))
    name = method_name[len(PREFIX) :]
    model = options_model(cls, method_name)
    facts.setdefault("title", name.replace("_", " ").strip().capitalize())
    facts.setdefault("description", _first_paragraph(method.__doc__))
    facts["identifier"] = str(getattr(cls, "identifier", ""))
    return ActionSpec(name=name, method=method_name, model=model, dry_run=dry_run_field(model), **facts)


def _first_paragraph(doc: str | None) -> str:
    return re.sub(r"\s+", " ", (doc or "").strip().split("\n\n")[0]).strip()
