"""What can be set of a worker: one :class:`Knob` for each field of its model, or for each default in its code.

Settings that lie in one another are named with dots: ``api.timeout``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from .fields import Field, inside, label_of, make_field, without_none
from .formfields import FILE_KINDS
from .typed import is_secret_class

#: The worker's own schedule lies among its settings, and has a page of its own.
_ELSEWHERE = frozenset({"schedule"})
_SECRET_NAME = re.compile(r"(?:^|_)(?:secret|token|passwd|password|passphrase|api_?key|private_?key)(?:_|$)", re.I)
#: What :func:`get` gives for a value that is not there; None is a value.
MISSING: Any = object()


class Knob(NamedTuple):
    """One thing that can be set.

    :param name: dotted.
    :param info: its annotation.
    """

    name: str
    info: FieldInfo
    field: Field

    @property
    def path(self) -> list[str]:
        """Where its value lies."""
        return self.name.split(".")


def knobs_of_model(model: type[BaseModel], above: str = "", group: str = "") -> Iterator[Knob]:
    """The fields of a model, and of the models in it.

    A file cannot be set on a page, nor can a list or the like that holds secrets: it could not be shown.
    """
    for name, info in model.model_fields.items():
        if (not above and name in _ELSEWHERE) or name.startswith("_"):
            continue
        annotation, optional = without_none(info.annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not optional:
            yield from knobs_of_model(annotation, f"{above}{name}.", info.title or label_of(name))
            continue
        field = make_field(name, info)
        if field.kind in FILE_KINDS or (field.kind != "secret" and any(map(is_secret_class, inside(annotation)))):
            continue
        show_if = {f"{above}{other}": wanted for other, wanted in field.show_if.items()}
        field = replace(field, name=f"{above}{name}", group=field.group or group, show_if=show_if)
        yield Knob(f"{above}{name}", info, field)


def knobs_of_values(values: Mapping[str, Any], above: str = "", group: str = "") -> Iterator[Knob]:
    """Fields for plain defaults, by the types of their values. What is neither text, number nor flag is JSON."""
    for key, value in values.items():
        name = f"{above}{key}"
        if not _can_be_named(key) or (not above and key in _ELSEWHERE):
            continue
        if isinstance(value, Mapping) and value and all(_can_be_named(inner) for inner in value):
            yield from knobs_of_values(value, f"{name}.", label_of(key))
            continue
        annotation, kind = _type_of(key, value)
        info = FieldInfo(annotation=annotation, default=None, json_schema_extra={"kind": kind})
        field = replace(make_field(key, info), name=name, label=label_of(key), group=group, required=False)
        yield Knob(name, info, field)


def _can_be_named(key: Any) -> bool:
    return isinstance(key, str) and bool(key) and "." not in key and not key.startswith("_")


def _type_of(key: str, value: Any) -> tuple[Any, str]:
    """The annotation and the kind of field for a default. A text whose name says secret is never shown."""
    if isinstance(value, bool):
        return bool, "checkbox"
    if isinstance(value, int | float):
        return type(value), "number"
    if isinstance(value, SecretStr) or (isinstance(value, str) and _SECRET_NAME.search(key)):
        return str, "secret"
    if isinstance(value, str):
        return str, "textarea" if "\n" in value or len(value) > 200 else "text"
    return type(value) if isinstance(value, list | dict) else Any, "json"


def get(values: Any, path: list[str]) -> Any:
    """The value at a path in nested dicts; :data:`MISSING` for none."""
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return MISSING
        values = values[part]
    return values


def put(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set the value at a path; what is no dict on the way gives way to one."""
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    values[path[-1]] = value


def remove(values: dict[str, Any], path: list[str]) -> None:
    """Take a value out, and what it leaves empty."""
    inner = values.get(path[0])
    if len(path) > 1 and isinstance(inner, dict):
        remove(inner, path[1:])
        if not inner:
            del values[path[0]]
    elif len(path) == 1:
        values.pop(path[0], None)
