"""What is stored of options that were checked, so that checking it again gives the same values.

They are checked twice: when a task is created and, for everything may have changed meanwhile, before its action begins.
A model may change what it is given, so its values are not always good as input. What is stored is tried: first what the
model made, which is what people know; where that gives something else, the same in its exact form; else what was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin
from uuid import UUID

from .encoding import Writer, first_step, key_text, parts_of, read, step, texts, with_secrets
from .errors import InvalidOptions
from .fields import Choices, DryRun, UploadedPath, without_none
from .options import ActionSpec, name_of, validate

if TYPE_CHECKING:
    from pydantic import BaseModel

_JSON, _EXACT, _GIVEN = range(3)
_HOW: tuple[tuple[int, Literal["json", "exact"]], ...] = ((_JSON, "json"), (_EXACT, "exact"))
_ROUNDS = 8
#: Types whose exact form is no other.
_SCALARS = frozenset((str, int, float, bool, NoneType))
#: Types of values that nobody can change in place.
_FIXED = frozenset((str, int, float, bool, NoneType, bytes, date, datetime, time, timedelta, Decimal, UUID))
_IDENTITY: Any = object.__eq__
#: How many sets of given fields are remembered for a model.
_REMEMBERED = 100


class Kept(NamedTuple):
    """Options that were checked.

    :param options: what the action gets.
    :param meta: what is stored openly.
    :param secrets: what is stored sealed: dotted path -> value.
    """

    options: Any
    meta: dict[str, Any]
    secrets: dict[str, Any]


def keep(spec: ActionSpec, data: Mapping[str, Any], *, check_choices: bool = True) -> Kept:
    """Check options as :func:`stask_web.options.validate` does, and work out what is stored.

    :raises InvalidOptions: field name -> sentence.
    """
    if spec.model is None:
        writer = Writer(uploads=True)
        return Kept(dict(data), writer.write(data), writer.secrets)
    scalars = _scalars(spec.model)
    if scalars is None:
        given = _Given(data)  # before the check: a validator may change what it is given
        return _Keeping(spec, validate(spec, data, check_choices=check_choices), given).kept()
    options: Any = validate(spec, data, check_choices=check_choices)
    if scalars.are_sure(options):
        held = options.__dict__
        return Kept(options, {name: held[name] for name in scalars.types}, {})
    kept = _Keeping(spec, options, _Given(data)).kept()
    scalars.remember(kept)
    return kept


def load(
    spec: ActionSpec, meta: Mapping[str, Any], secrets: Mapping[str, Any], upload_path: Callable[[str], Path]
) -> BaseModel | dict[str, Any]:
    """Turn what :func:`keep` stored into the options that the action gets.

    :param upload_path: token of an upload -> its file.
    :raises InvalidOptions: when the model has changed so that they do not fit any more.
    """
    return validate(spec, read(with_secrets(meta, secrets), upload_path), check_choices=False)


def secrets_in(options: Any) -> list[str]:
    """The texts of all secrets among options."""
    writer = Writer()
    writer.write(parts_of(options))
    return texts(list(writer.secrets.values()))


class _Given:
    """What somebody gave. A validator may change a value in place, so what it could change is written at once."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._values: dict[str, tuple[Any, Writer | None]] = {}
        with suppress(RecursionError):  # a value that holds itself: that is for the check to say
            for key, value in data.items():
                name = key if type(key) is str else key_text(key)
                self._values[name] = (value, None) if type(value) in _FIXED else _written(value, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def written(self, name: str) -> tuple[Any, Writer]:
        """A value in its exact form, and what wrote it."""
        value, writer = self._values[name]
        return _written(value, name) if writer is None else (value, writer)


def _written(value: Any, name: str) -> tuple[Any, Writer]:
    writer = Writer("exact", open_secrets=True)
    return writer.value(value, step(name)), writer


class _Keeping:
    """Looks for what to store.

    :param options: as the check made them.
    """

    def __init__(self, spec: ActionSpec, options: Any, given: _Given) -> None:
        self._spec = spec
        self._options = options
        self._given = given
        self._parts = _named(options)
        self._files: dict[str, Path] = {}
        self._secret: set[str] = set()
        self._ways = dict.fromkeys(self._parts, _JSON)
        self._names = {name_of(type(options), name): name for name in given}

    def kept(self) -> Kept:
        """The first of all forms that gives the same; what was given where none does."""
        for _ in range(_ROUNDS):
            meta, secrets = self._by_field()
            wrong = self._differing(meta, secrets)
            if not wrong:
                return Kept(self._options, meta, secrets)
            left = [name for name in wrong if self._ways.get(name, _GIVEN) != _GIVEN]
            if not left:
                break
            for name in left:
                self._ways[name] = _GIVEN if type(self._parts[name]) in _SCALARS else self._ways[name] + 1
        return self._as_given()

    def _by_field(self) -> tuple[dict[str, Any], dict[str, Any]]:
        meta: dict[str, Any] = {}
        secrets: dict[str, Any] = {}
        for way, how in _HOW:
            parts = {name: part for name, part in self._parts.items() if self._ways[name] == way}
            if parts:
                writer = Writer(how)
                meta |= writer.write(parts)
                secrets |= writer.secrets
                self._files |= writer.files
                self._secret |= set(map(first_step, writer.secrets))
        for name, way in self._ways.items():
            if way == _GIVEN and name in self._names:
                value = self._value_given(self._names[name])
                if self._secret & {name, self._names[name]}:
                    secrets[step(name)] = value
                else:
                    meta[name] = value
        return {name: meta[name] for name in self._ways if name in meta}, secrets

    def _value_given(self, name: str) -> Any:
        value, writer = self._given.written(name)
        self._files |= writer.files
        if writer.met_secret:
            self._secret.add(name)
        return value

    def _as_given(self) -> Kept:
        """The whole of it, for a model that reads it as a whole; with a secret among it, all of it is one."""
        given = {name: self._value_given(name) for name in self._given}
        writer = Writer("exact", open_secrets=True)
        made = writer.write({name: value for name, value in self._parts.items() if name not in self._names})
        for values in ({**made, **given}, given):
            sealed = {step(name): value for name, value in values.items()} if self._secret else {}
            meta = {} if self._secret else values
            if not self._differing(meta, sealed):
                break
        return Kept(self._options, meta, sealed)

    def _differing(self, meta: Mapping[str, Any], secrets: Mapping[str, Any]) -> set[str]:
        """The names of the values that a second check would make others of."""
        everything = set(self._ways) or {""}
        try:
            again = load(self._spec, meta, secrets, self._files.__getitem__)
            if type(again) is not type(self._options):
                return everything
            parts = _named(again)
            if parts.keys() != self._parts.keys():
                return everything
            return {name for name, value in self._parts.items() if not same(value, parts[name])}
        except InvalidOptions as error:
            wrong = set(error.errors)
            return wrong if wrong <= everything else everything
        except Exception:  # by code of the model's author, which did not expect its own values
            return everything


def _named(options: Any) -> dict[str, Any]:
    parts = parts_of(options)
    return dict(parts) if isinstance(parts, Mapping) else {"": parts}


class _Scalars(NamedTuple):
    """A model of nothing but texts, numbers and flags, which stay what they are when they are checked again.

    :param types: field -> the types of its values.
    :param passed: the sets of given fields of which that is known: a default is not checked, so it may be anything.
    """

    types: dict[str, frozenset[type]]
    passed: set[frozenset[str]]

    def are_sure(self, options: Any) -> bool:
        """Whether these values need not be tried."""
        if options.__pydantic_extra__ or frozenset(options.__pydantic_fields_set__) not in self.passed:
            return False
        held = options.__dict__
        for name, types in self.types.items():
            value = held[name]
            if type(value) not in types or (type(value) is float and value - value != 0.0):
                return False
        return True

    def remember(self, kept: Kept) -> None:
        """These defaults were tried and found good."""
        if len(self.passed) < _REMEMBERED and kept.meta == kept.options.__dict__:
            self.passed.add(frozenset(kept.options.__pydantic_fields_set__))


@cache
def _scalars(model: type[BaseModel]) -> _Scalars | None:
    """What is known of a model that has nothing else; None for all others."""
    made = model.__pydantic_decorators__
    plain = not any(getattr(made, name) for name in ("validators", "field_validators", "root_validators"))
    changes = {"str_to_lower", "str_to_upper", "str_strip_whitespace", "validate_default"} & model.model_config.keys()
    if not plain or made.model_validators or changes or model.__pydantic_post_init__ or _has_own_ways(model):
        return None
    types = {}
    for name, info in model.__pydantic_fields__.items():
        kinds = _types_of(info.annotation)
        if kinds is None or info.default_factory is not None or not all(_only_looks(mark) for mark in info.metadata):
            return None
        types[name] = kinds
    return _Scalars(types, set())


def _base() -> type[BaseModel]:
    from pydantic import BaseModel  # who has a model has loaded it

    return BaseModel


def _has_own_ways(model: type[BaseModel]) -> bool:
    """Whether a model is made in a way that only its author knows."""
    own = {name for cls in model.__mro__[: model.__mro__.index(_base())] for name in vars(cls)}
    return bool(own & {"__init__", "__new__", "__get_pydantic_core_schema__"}) or model.__pydantic_root_model__


def _types_of(annotation: Any) -> frozenset[type] | None:
    if get_origin(annotation) is Annotated:
        return None
    annotation, optional = without_none(annotation)
    if get_origin(annotation) is Literal:
        types = frozenset(type(value) for value in get_args(annotation))
    else:
        types = frozenset((annotation,)) if isinstance(annotation, type) else frozenset((object,))
    return types | ({NoneType} if optional else set()) if types <= _SCALARS else None


def _only_looks(mark: Any) -> bool:
    """Whether what annotates a field never changes a value."""
    if type(mark).__module__ == "annotated_types" or isinstance(mark, Choices | DryRun) or mark is DryRun:
        return True
    rules = vars(mark) if type(mark).__name__ == "_PydanticGeneralMetadata" else {"": None}
    return rules.keys() <= {"pattern", "strict", "allow_inf_nan", "coerce_numbers_to_str"}


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to an action: of one type and equal, in all their parts."""
    kind = type(one)
    if one is other or kind is not type(other):
        return one is other
    if kind in (str, int, date):
        return bool(one == other)
    if isinstance(one, float | Decimal):
        return repr(one) == repr(other)  # no number is NaN, and 2.5 is not 2.50
    if isinstance(one, Mapping):
        return len(one) == len(other) and all(
            same(key, key_2) and same(value, value_2)
            for (key, value), (key_2, value_2) in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, set | frozenset):
        return {(type(item), item) for item in one} == {(type(item), item) for item in other}
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, UploadedPath):
        return (str(one), one.original_name, one.token) == (str(other), other.original_name, other.token)
    if hasattr(one, "tzinfo"):
        return bool(one == other) and one.isoformat() == other.isoformat() and _zone(one) == _zone(other)
    if (parts := parts_of(one)) is not one:
        return same(parts, parts_of(other))
    if type(one).__eq__ is _IDENTITY:
        return not isinstance(one, Enum) and same(getattr(one, "__dict__", None), getattr(other, "__dict__", None))
    return bool(one == other)


def _zone(value: Any) -> Any:
    return getattr(value.tzinfo, "key", None)
