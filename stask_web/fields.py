"""The fields of a form: what annotates an option, and what is known of a field from its annotation."""

from __future__ import annotations

import inspect
import logging
import re
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .language import tr
from .text import clean
from .typed import is_model_class, is_secret_class

if TYPE_CHECKING:  # loaded by whoever has a model, see :mod:`stask_web.typed`
    from pydantic import GetCoreSchemaHandler
    from pydantic.fields import FieldInfo
    from pydantic_core import CoreSchema

log = logging.getLogger(__name__)

_PosixPath = type(Path())
Choice = tuple[str, str]


class UploadedPath(_PosixPath):  # type: ignore[valid-type, misc]  # the platform's concrete Path class
    """A path with the name under which somebody uploaded the file.

    ``original_name`` is that name, for a path given by code the file's own; ``token`` is the upload's, or None.
    """

    original_name: str
    token: str | None

    @classmethod
    def of(cls, path: str | Path, original_name: str | None = None, token: str | None = None) -> UploadedPath:
        """Make one of any path."""
        made: UploadedPath = cls(path)
        made.original_name = original_name or getattr(path, "original_name", None) or made.name
        made.token = token or getattr(path, "token", None)
        return made


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Upload:
    """Annotates a ``Path`` that comes from an upload: ``Annotated[Path, Upload(".csv", ".xlsx")]``.

    :param extensions: the endings that are accepted, any when none is given.
    """

    def __init__(self, *extensions: str) -> None:
        self.extensions = tuple(
            ending.lower() if ending.startswith(".") else f".{ending.lower()}" for ending in extensions
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        if get_origin(source) in (list, tuple, set):
            return core_schema.list_schema(core_schema.no_info_plain_validator_function(_as_uploaded))
        plain = core_schema.no_info_plain_validator_function(_as_uploaded)
        return core_schema.nullable_schema(plain) if type(None) in get_args(source) else plain


class Choices:
    """Annotates a field whose choices a function computes when the form is shown: ``Annotated[str, Choices(shops)]``.

    :param source: gives values, or pairs of value and label. Its parameters are named as fields of the form, whose
        values it gets, and the form asks again when one of them changes: ``def cities(country): ...``. A single
        parameter of another name gets all values as a dict.
    """

    def __init__(self, source: Callable[..., Iterable[Any]]) -> None:
        self.source = source

    def __call__(self, values: Mapping[str, Any] | None = None) -> list[Choice]:
        """The choices as pairs of texts."""
        known = dict(values or {})
        names = self._parameters()
        if not names:
            return _pairs(self.source())
        if all(name in known for name in names):
            return _pairs(self.source(**{name: known[name] for name in names}))
        return _pairs(self.source(known))

    def depends_on(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the form's fields whose values decide what there is to choose."""
        fields, wanted = tuple(names), self._parameters()
        return wanted if all(name in fields for name in wanted) else fields

    def _parameters(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, parameter in inspect.signature(self.source).parameters.items()
            if parameter.default is parameter.empty and parameter.kind in _NAMED
        )


class DryRun:
    """Annotates a flag that means "check only": the form gets a second button instead of a checkbox."""


@dataclass(frozen=True)
class Field:
    """One field of an action's form.

    :param kind: text, textarea, number, decimal, checkbox, select, radio, multiselect, date, time, datetime, email,
        url, json, secret, file or files.
    :param choices: pairs of value and label; computed when they are asked for.
    :param attrs: HTML constraints: min, max, step, minlength, maxlength, pattern, placeholder.
    :param group: the heading under which it stands together with its neighbours.
    :param show_if: it is asked for only while each of these fields has one of these values.
    :param nullable: it may be None, which is what an empty one says.
    :param has_default: the model has a value for who says nothing of it.
    :param fresh: that value is made anew each time.
    :param aware: a moment that must be told with its time zone.
    """

    name: str
    kind: str
    label: str
    help: str = ""
    required: bool = True
    default: Any = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    accept: tuple[str, ...] = ()
    group: str = ""
    show_if: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    nullable: bool = False
    has_default: bool = False
    fresh: bool = False
    aware: bool = False
    _choices: Callable[[Mapping[str, Any] | None], list[Choice]] | None = None

    def choices(self, values: Mapping[str, Any] | None = None) -> list[Choice]:
        """The choices, for kinds that have them."""
        return self._choices(values) if self._choices else []

    def depends_on(self, names: Iterable[str]) -> tuple[str, ...]:
        """The fields of the form on which its choices depend."""
        if not isinstance(self._choices, Choices):
            return ()
        return tuple(name for name in self._choices.depends_on(names) if name != self.name)


def make_field(name: str, info: FieldInfo) -> Field:
    """Describe one field of a model for its form.

    ``json_schema_extra`` may say its ``kind``, ``group``, ``placeholder`` and ``show_if``.
    """
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    annotation, optional = without_none(info.annotation)
    nullable = optional or (get_origin(annotation) is Literal and None in get_args(annotation))
    metadata = marks_of(info)
    upload, source = first_mark(metadata, Upload), first_mark(metadata, Choices)
    kind = str(extra.get("kind") or _kind(annotation, metadata, upload, source, nullable=nullable))
    default, fresh = _default(name, info)
    attrs = _constraints(metadata, kind, annotation)
    if extra.get("placeholder"):
        attrs["placeholder"] = str(extra["placeholder"])
    return Field(
        name=name,
        kind=kind,
        label=clean(info.title or name.replace("_", " ").capitalize()),
        help=clean(info.description or ""),
        required=info.is_required() and not nullable and kind != "checkbox",
        default=default,
        attrs=attrs,
        accept=upload.extensions if upload else (),
        group=clean(extra.get("group") or ""),
        show_if=_conditions(extra.get("show_if")),
        nullable=nullable,
        has_default=not info.is_required(),
        fresh=fresh,
        aware=getattr(annotation, "__name__", "") == "AwareDatetime",
        _choices=source or (None if kind == "checkbox" else _fixed_choices(annotation)),
    )


def _default(name: str, info: FieldInfo) -> tuple[Any, bool]:
    """What the model takes for who says nothing, and whether it was made for this once.

    It is None for no default, and for one that cannot be told beforehand.
    """
    if info.is_required():
        return None, False
    try:
        default = info.get_default(call_default_factory=True, validated_data={})
    except Exception:  # it wants other values, or is broken: who sends nothing will know
        log.debug("The default of the field %r is not known before the others are.", name, exc_info=True)
        return None, False
    return (default.value if isinstance(default, Enum) else default), info.default_factory is not None


def _conditions(given: Any) -> dict[str, tuple[Any, ...]]:
    """``{"format": ["csv", "tsv"], "urgent": True}``, each with all its values."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, wanted in (given or {}).items():
        many = isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes | type)
        found[str(name)] = tuple(wanted) if many else (wanted,)
    return found


def text_of(value: Any) -> str:
    """A value as a form and its choices have it: a flag is "true" or "false", a member of an Enum its value."""
    value = value.value if isinstance(value, Enum) else value
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "checkbox"), (int, "number"), (float, "number"), (Decimal, "decimal"), (datetime, "datetime"),
    (date, "date"), (time, "time"), (Mapping, "json"), (list, "json"), (tuple, "json"), (AbstractSet, "json"),
    (deque, "json"),
)  # fmt: skip
#: Types of pydantic that are no classes of what they mean.
_NAMES = {
    "EmailStr": "email", "AwareDatetime": "datetime", "NaiveDatetime": "datetime", "PastDatetime": "datetime",
    "FutureDatetime": "datetime", "PastDate": "date", "FutureDate": "date",
}  # fmt: skip


def _kind(
    annotation: Any, metadata: Sequence[Any], upload: Upload | None, source: Choices | None, *, nullable: bool
) -> str:
    from annotated_types import MaxLen

    origin = get_origin(annotation)
    many = origin in (list, set, tuple, frozenset)
    if upload:
        return "files" if many else "file"
    if many:
        return "multiselect" if source or _fixed_choices(annotation) else "json"
    if annotation is bool:
        return "select" if nullable or source else "checkbox"  # a box knows no third state
    if source or _fixed_choices(annotation):
        return "select"
    name = getattr(annotation, "__name__", "")
    if name in _NAMES or name.endswith("Url"):
        return _NAMES.get(name, "url")
    for cls, kind in _KINDS:
        if isinstance(part := origin or annotation, type) and issubclass(part, cls):
            return kind
    if is_secret_class(annotation):
        return "secret"
    if is_model_class(annotation) or is_dataclass(annotation):
        return "json"
    longest = next((item.max_length for item in metadata if isinstance(item, MaxLen)), None)
    return "textarea" if longest is not None and longest > 255 else "text"


def _fixed_choices(annotation: Any) -> Callable[[Mapping[str, Any] | None], list[Choice]] | None:
    if get_origin(annotation) in (list, set, tuple, frozenset):
        inner = get_args(annotation) or (str,)
        if get_origin(annotation) is tuple and inner[1:] != (...,):
            return None  # each place has a meaning of its own
        annotation = without_none(inner[0])[0]
    if get_origin(annotation) is Literal:
        values = [value for value in get_args(annotation) if value is not None]
        return lambda _: _pairs(values)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        members = [(member, _words(member)) for member in annotation]
        return lambda _: _pairs(members)
    if annotation is bool:
        return lambda _: [("true", tr("Yes")), ("false", tr("No"))]
    return None


def _words(member: Enum) -> str:
    return member.name.replace("_", " ").capitalize()


def _pairs(items: Iterable[Any]) -> list[Choice]:
    pairs = []
    for item in items:
        value, label = item if isinstance(item, tuple) and len(item) == 2 else (item, _label(item))
        pairs.append((text_of(value), clean(label)))
    return pairs


#: Kinds of files and the like, which people write in capitals.
_CAPITALS = frozenset(
    [
        "csv",
        "tsv",
        "json",
        "xml",
        "xls",
        "xlsx",
        "pdf",
        "html",
        "sql",
        "zip",
        "txt",
        "url",
        "api",
        "sku",
        "eur",
        "usd",
        "uah",
        "gbp",
        "png",
        "jpg",
        "svg",
    ]
)


def label_of(name: str) -> str:
    """The name of a setting as a label: ``"api_url"`` as ``"API URL"``."""
    words = [word.upper() if word.lower() in _CAPITALS else word for word in name.replace("-", "_").split("_") if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return tr("Yes") if value else tr("No")
    if isinstance(value, Enum):
        return _words(value)
    text = text_of(value)
    return text.upper() if text in _CAPITALS else text.replace("_", " ").capitalize()


_LIMITS = (("ge", "min"), ("gt", "min"), ("le", "max"), ("lt", "max"), ("multiple_of", "step"))
_LENGTHS = (("min_length", "minlength"), ("max_length", "maxlength"))
_TEXTS = ("text", "textarea", "secret", "email", "url")


def _constraints(metadata: Sequence[Any], kind: str, annotation: Any) -> dict[str, Any]:
    """What a browser checks by itself; it never refuses what the model would take."""
    attrs: dict[str, Any] = {"step": "any"} if kind == "decimal" else {}
    if kind == "number" and annotation is int:
        attrs["step"] = 1
    for item in metadata:
        attrs |= {name: getattr(item, mark) for mark, name in _LIMITS if getattr(item, mark, None) is not None}
        if kind in _TEXTS:
            attrs |= {name: getattr(item, mark) for mark, name in _LENGTHS if getattr(item, mark, None)}
        if kind in _TEXTS and _fits_html(getattr(item, "pattern", None)):
            attrs["pattern"] = item.pattern
    step, least = attrs.get("step"), attrs.get("min")
    if isinstance(step, int | float | Decimal) and least is not None and least % step:
        attrs["step"] = "any"  # a browser counts its steps from the minimum
    return attrs


_PLAIN_CLASS = re.compile(r"\^?(?:\\[wdsWDS.]|[A-Za-z0-9](?:-[A-Za-z0-9])?|[_ .,:@])*")


def _fits_html(pattern: Any) -> bool:
    """Whether a pattern means the same in HTML, where it covers the whole text and its classes hold other signs."""
    if not isinstance(pattern, str) or not (pattern.startswith("^") and pattern.endswith("$")) or "(?" in pattern:
        return False
    return all(_PLAIN_CLASS.fullmatch(found) for found in re.findall(r"\[(.*?)\]", pattern))


def inside(annotation: Any) -> Iterator[Any]:
    """All that an annotation is made of: itself, its arguments and marks, and the fields of the classes among them."""
    seen: set[type[Any]] = set()
    left = [annotation]
    while left:
        part = left.pop()
        if isinstance(part, type):
            if part in seen:
                continue
            seen.add(part)
        yield part
        if not isinstance(part, type):
            left += get_args(part) or get_args(getattr(part, "__value__", None))  # Python 3.12's `type X = ...`
        else:
            if is_model_class(part):
                left += [each for info in part.model_fields.values() for each in (info.annotation, *info.metadata)]
            elif is_dataclass(part) or hasattr(part, "__required_keys__") or hasattr(part, "_field_defaults"):
                with suppress(Exception):  # names that only its own module knows
                    left += get_type_hints(part, include_extras=True).values()
            left += get_args(part)


def without_none(annotation: Any) -> tuple[Any, bool]:
    """An annotation without ``None`` and marks, and whether it had a ``None``."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [item for item in get_args(annotation) if item is not type(None)]
        if len(rest) < len(get_args(annotation)):
            return (without_none(rest[0])[0] if len(rest) == 1 else annotation), True
    return annotation, False


def marks_of(info: FieldInfo) -> list[Any]:
    """All that annotates a field, also inside of ``Annotated[...] | None``."""
    from pydantic.fields import FieldInfo

    parts = get_args(info.annotation) if get_origin(info.annotation) in (Union, types.UnionType) else ()
    inner = [mark for part in parts if get_origin(part) is Annotated for mark in get_args(part)[1:]]
    return [
        *info.metadata,
        *(found for mark in inner for found in (mark.metadata if isinstance(mark, FieldInfo) else [mark])),
    ]


def first_mark(metadata: Sequence[Any], cls: type[Any]) -> Any:
    """The first mark of a class, or None."""
    return next((item for item in metadata if isinstance(item, cls)), None)


def _as_uploaded(value: Any) -> UploadedPath:
    if isinstance(value, str | Path) and str(value):
        return UploadedPath.of(value)
    raise ValueError("Choose a file.")
