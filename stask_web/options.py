"""Typed options: from an action's signature to the fields of its form and to checked values."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import InvalidOptions
from .fields import (
    Choices,
    DryRun,
    Field,
    Upload,
    UploadedPath,
    first_mark,
    make_field,
    marks_of,
    text_of,
    without_none,
)
from .sentences import sentence, sentence_on
from .text import clean
from .typed import is_model, is_model_class, is_secret_class

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "ActionSpec",
    "Choices",
    "DryRun",
    "Field",
    "Upload",
    "UploadedPath",
    "alias_names",
    "check_deep",
    "check_model",
    "defaults_of",
    "dry_run_field",
    "errors_of",
    "guard_secrets",
    "name_of",
    "validate",
]


@dataclass(frozen=True)
class ActionSpec:
    """What is known of one action: from its name, its signature and its ``@action``.

    :param name: as in ``task_<name>``.
    :param title: for people, e.g. ``"Import products"``.
    :param model: the pydantic model of the options, or None for a plain dict.
    :param dry_run: name of the field annotated with :class:`DryRun`.
    :param identifier: of the worker, so that a policy that is asked about an action knows whose it is.
    """

    name: str
    method: str
    title: str
    description: str = ""
    model: type[BaseModel] | None = None
    confirm: str | bool | None = None
    role: str | None = None
    priority: str = "normal"
    max_attempts: int | None = None
    timeout: float | None = None
    unique: bool | tuple[str, ...] = False
    dry_run: str | None = None
    identifier: str = ""

    def fields(self) -> list[Field]:
        """The fields of the form, in the model's order, without the dry-run flag."""
        if self.model is None:
            return []
        return [make_field(name, info) for name, info in self.model.model_fields.items() if name != self.dry_run]


def validate(spec: ActionSpec, data: Mapping[str, Any], *, check_choices: bool = True) -> BaseModel | dict[str, Any]:
    """Check options and turn them into the action's model; untyped actions get a plain dict.

    :param data: field name -> value; file fields hold a path or an :class:`UploadedPath`.
    :param check_choices: whether values of :class:`Choices` must be among what the function gives now.
    :raises InvalidOptions: field name -> sentence.
    """
    if spec.model is None:
        return dict(data)
    options = check_model(spec.model, data)
    _check_kinds(spec.model, options)
    if check_choices:
        _check_choices(spec.model, options)
    return options


def check_model(model: type[BaseModel], data: Mapping[str, Any]) -> BaseModel:
    """Check values against a model.

    :raises InvalidOptions: field name -> sentence.
    """
    from pydantic import ValidationError  # who has a model has loaded it

    try:
        return model.model_validate(dict(data), by_alias=True, by_name=True)
    except ValidationError as error:
        errors: dict[str, str] = {}
        for item in error.errors():
            place = str(item["loc"][0]) if item["loc"] else ""
            errors.setdefault(_names(model).get(place, place), _sentence(item))
        raise InvalidOptions(errors) from None


def check_deep(model: type[BaseModel], data: Mapping[str, Any]) -> BaseModel:
    """Check values against a model as a form of its fields and of those of the models inside of it does.

    :raises InvalidOptions: dotted path of a field -> sentence.
    """
    from pydantic import ValidationError  # who has a model has loaded it

    try:
        checked = model.model_validate(dict(data), by_alias=True, by_name=True)
    except ValidationError as error:
        errors: dict[str, str] = {}
        for item in error.errors():
            errors.setdefault(".".join(map(str, item["loc"])), _sentence(item))
        raise InvalidOptions(errors) from None
    if wrong := _deep_errors(checked, ""):
        raise InvalidOptions(wrong)
    return checked


def _deep_errors(options: BaseModel, above: str) -> dict[str, str]:
    """What is wrong beside types, in a model and in those inside of it."""
    wrong: dict[str, str] = {}
    for check in (_check_kinds, _check_choices):
        try:
            check(type(options), options)
        except InvalidOptions as error:
            wrong |= {f"{above}{name}": text for name, text in error.errors.items()}
    for name in type(options).model_fields:
        value = getattr(options, name)
        if is_model(value):
            wrong |= _deep_errors(value, f"{above}{name}.")
    return wrong


def errors_of(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with values: field name -> sentence; empty when nothing is."""
    try:
        check_model(model, data)
    except InvalidOptions as error:
        return error.errors
    return {}


def defaults_of(model: type[BaseModel] | None) -> dict[str, Any]:
    """The defaults of a model's fields, without those that have none."""
    found: dict[str, Any] = {}
    for name, info in ({} if model is None else model.model_fields).items():
        if not info.is_required():  # one may be made of those before it
            found[name] = info.get_default(call_default_factory=True, validated_data=found)
    return found


def guard_secrets(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with a ``SecretStr`` wherever the model has one: so they are stored sealed."""
    fields = model.model_fields
    return {
        name: _guarded(fields[name].annotation, value) if name in fields else value for name, value in values.items()
    }


def _guarded(annotation: Any, value: Any) -> Any:
    """A value with its secrets guarded, by what its annotation says of it and its parts."""
    annotation, _ = without_none(annotation)
    if is_secret_class(annotation):
        from pydantic import SecretStr  # who has such a field has loaded it

        return SecretStr(value) if isinstance(value, str) else value
    if is_model_class(annotation):
        return guard_secrets(annotation, value) if isinstance(value, Mapping) else value
    inner = typing.get_args(annotation)
    if isinstance(value, Mapping) and len(inner) == 2:
        return {key: _guarded(inner[1], item) for key, item in value.items()}
    if isinstance(value, list | tuple) and inner:
        return [_guarded(inner[0], item) for item in value]
    return value


def dry_run_field(model: type[BaseModel] | None) -> str | None:
    """The name of the field annotated with :class:`DryRun`, if the model has one."""
    if model is None:
        return None
    for name, info in model.model_fields.items():
        if any(isinstance(item, DryRun) or item is DryRun for item in info.metadata):
            return name
    return None


@cache
def _choice_fields(model: type[BaseModel]) -> list[tuple[str, Choices]]:
    """The fields whose choices are computed: looked for once, not for each task."""
    found = ((name, first_mark(marks_of(info), Choices)) for name, info in model.model_fields.items())
    return [(name, source) for name, source in found if source is not None]


#: What texts of a kind look like: a model may keep an address as a plain text.
_KIND_FORMS = {
    "email": re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+"),
    "url": re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE),
}


@cache
def _kind_fields(model: type[BaseModel]) -> list[tuple[str, str]]:
    found = ((name, (info.json_schema_extra or {})) for name, info in model.model_fields.items())
    kinds = ((name, str(extra.get("kind"))) for name, extra in found if isinstance(extra, dict))
    return [(name, kind) for name, kind in kinds if kind in _KIND_FORMS]


def _check_kinds(model: type[BaseModel], options: BaseModel) -> None:
    """Texts that are said to be e-mail or web addresses must look like ones."""
    values = ((name, kind, getattr(options, name)) for name, kind in _kind_fields(model))
    wrong = {name: sentence(kind) for name, kind, value in values if value and not _looks_like(kind, value)}
    if wrong:
        raise InvalidOptions(wrong)


def _looks_like(kind: str, value: Any) -> bool:
    return not isinstance(value, str) or _KIND_FORMS[kind].fullmatch(value) is not None


def _check_choices(model: type[BaseModel], options: BaseModel) -> None:
    errors = {}
    for name, source in _choice_fields(model):
        value = getattr(options, name)
        if value is None:
            continue
        allowed = {choice for choice, _ in source(options.model_dump())}
        chosen = value if isinstance(value, list | tuple | set | frozenset) else [value]
        if any(text_of(item) not in allowed for item in chosen):
            errors[name] = sentence("choice")
    if errors:
        raise InvalidOptions(errors)


def alias_names(model: type[BaseModel]) -> set[str]:
    """The aliases by which fields of a model may be given."""
    return set(_names(model))


def name_of(model: type[BaseModel], given: str) -> str:
    """The name of the field that is given under a name or an alias."""
    return given if given in model.model_fields else _names(model).get(given, given)


@cache
def _names(model: type[BaseModel]) -> dict[str, str]:
    """Alias of a field -> its name: pydantic tells errors by the alias."""
    aliases = ((info.validation_alias or info.alias, name) for name, info in model.model_fields.items())
    return {str(part): name for alias, name in aliases if alias for part in getattr(alias, "choices", None) or [alias]}


def _sentence(item: Any) -> str:
    return clean(sentence_on(item["type"], item["msg"], item.get("ctx")))
