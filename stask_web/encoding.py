"""Values as JSON keeps them, and back again.

Most stand as themselves or as a text that a model reads again. What JSON has no form for stands under a mark,
``{"$is": "bytes", "of": "/w=="}``; a plain dict that looks like a mark, or like an upload, is written as its pairs.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, DecimalException
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from .columns import to_json
from .errors import InvalidOptions
from .fields import UploadedPath
from .sentences import sentence
from .text import clean
from .typed import is_model, is_secret

MARK, OF = "$is", "of"
_UPLOAD = {"upload", "name"}
_TOKEN = re.compile("[0-9a-f]{32}")
_PLAIN = frozenset((type(None), str, int, bool))
_INFINITE = (float("inf"), float("-inf"))


class Writer:
    """Writes values, and sets their secrets apart.

    :param how: ``plain`` without marks, for people; ``json`` with a mark only where there is no other form; ``exact``
        so that the same value comes back without a model's help.
    :param uploads: whether a dict that has the form of an upload is one.
    :param open_secrets: leave secrets where they are.
    :ivar secrets: dotted path -> what was taken from there.
    :ivar files: token -> path of the uploads among the values.
    """

    def __init__(
        self, how: Literal["plain", "json", "exact"] = "json", *, uploads: bool = False, open_secrets: bool = False
    ) -> None:
        self.secrets: dict[str, Any] = {}
        self.files: dict[str, Path] = {}
        self.met_secret = False
        self._marks = how != "plain"
        self._exact = how == "exact"
        self._uploads = uploads
        self._open_secrets = open_secrets

    def write(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Write named values; names stay as they are, whatever they look like."""
        return self._dict(values, "")

    def value(self, value: Any, path: str) -> Any:
        """Write one value.

        :param path: where it stands.
        """
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is float:
            return value if value == value and value not in _INFINITE else self._odd("float", str(value), str(value))
        if kind in _BY_TYPE:
            return self._one_of(_BY_TYPE[kind], value)
        if kind is list:
            return self._several(value, path)
        if is_secret(value):
            return self._secret(value, path)
        if isinstance(value, Mapping):
            return self._mapping(value, path)
        if isinstance(value, list | tuple | set | frozenset | deque):
            return self._several(value, path)
        if isinstance(value, Enum):
            return self.value(value.value, path)
        if is_model(value) or (is_dataclass(value) and not isinstance(value, type)):
            return self._parts(value, path)
        return self._leaf(value, path)

    def _several(self, value: Any, path: str) -> Any:
        kind = next((name for cls, name in _SEVERAL if isinstance(value, cls)), "")
        within = f"{path}.{OF}" if kind and self._exact else path
        items = [self.value(item, f"{within}.{number}") for number, item in enumerate(value)]
        if kind in ("set", "frozenset"):
            items.sort(key=to_json)  # the same in each process
        return self._odd(kind, items, items, bool(kind) and self._exact)

    def _leaf(self, value: Any, path: str) -> Any:
        if isinstance(value, bytes | bytearray):
            return self._bytes(bytes(value), path)
        if isinstance(value, UploadedPath):
            if value.token:
                self.files[value.token] = Path(value)
                return {"upload": value.token, "name": value.original_name}
            renamed = self._exact or value.original_name != value.name
            return self._odd("file", [str(value), value.original_name], str(value), renamed)
        if isinstance(value, str | int | float):
            return value
        leaf = next((leaf for leaf in _LEAVES if isinstance(value, leaf.cls)), None)
        return clean(value) if leaf is None else self._one_of(leaf, value)

    def _one_of(self, leaf: _Leaf, value: Any) -> Any:
        return {MARK: leaf.kind, OF: leaf.write(value)} if self._exact else leaf.text(value)

    def _odd(self, kind: str, marked: Any, plain: Any, wanted: bool = True) -> Any:
        return {MARK: kind, OF: marked} if wanted and self._marks else plain

    def _mapping(self, value: Mapping[Any, Any], path: str) -> Any:
        keys = value.keys()
        odd = self._exact and not all(type(key) is str for key in keys)
        if not self._marks or not (odd or _is_mark(value) or (_is_upload(value) and not self._is_ours(value))):
            return self._dict(value, path)
        exact = [
            [self.value(key, f"{path}.{OF}.{number}.0"), self.value(item, f"{path}.{OF}.{number}.1")]
            for number, (key, item) in enumerate(value.items())
        ]
        return {MARK: "dict", OF: exact}

    def _is_ours(self, value: Mapping[Any, Any]) -> bool:
        return self._uploads and _TOKEN.fullmatch(value["upload"]) is not None

    def _dict(self, value: Mapping[Any, Any], path: str) -> dict[str, Any]:
        written = {}
        for key, item in value.items():
            name = key if type(key) is str else key_text(key)
            if type(item) in _PLAIN:
                written[name] = item
                continue
            one = self.value(item, f"{path}.{step(name)}" if path else step(name))
            if one is not None or self._open_secrets or not is_secret(item):
                written[name] = one
        return written

    def _parts(self, value: Any, path: str) -> Any:
        parts = parts_of(value)
        return self._dict(parts, path) if isinstance(parts, Mapping) else self.value(parts, path)

    def _secret(self, value: Any, path: str) -> Any:
        self.met_secret = True
        inner = self.value(value.get_secret_value(), path)
        if self._open_secrets:
            return inner
        self.secrets[path] = inner
        return None

    def _bytes(self, value: bytes, path: str) -> Any:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            if not self._marks:
                raise InvalidOptions({path.partition(".")[0]: sentence("bytes_invalid_encoding")}) from None
            text = ""
        return self._odd("bytes", b64encode(value).decode(), text, self._exact or (not text and bool(value)))


class _Leaf(NamedTuple):
    """A class of values that JSON has not.

    :param kind: of its mark.
    :param text: what a model reads.
    :param write: what stands in its mark.
    """

    cls: type[Any]
    kind: str
    text: Callable[[Any], str]
    write: Callable[[Any], Any]


def dump(options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options into what is stored openly and the secrets, keyed by dotted path; all without marks.

    :returns: ``(meta, secrets)``; an upload becomes ``{"upload": token, "name": original name}``.
    """
    writer = Writer("plain")
    parts = parts_of(options)
    return writer.write(parts), writer.secrets


def parts_of(value: Any) -> Any:
    """What a model or dataclass is made of, as it is: what it computes by itself is no part; others stay whole."""
    if is_model(value):
        held = value.__dict__
        if getattr(type(value), "__pydantic_root_model__", False):
            return parts_of(held["root"])
        found = {name: held[name] for name in type(value).__pydantic_fields__ if name in held}
        return found | (value.__pydantic_extra__ or {})
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in fields(value) if item.init}
    return value


# -- back again


class _Kind(NamedTuple):
    """How a mark is read.

    :param make: the value of what stands in it.
    :param show: the same for people, as JSON.
    """

    make: Callable[[Any], Any]
    show: Callable[[Any], Any]


def read(value: Any, upload_path: Callable[[str], Path]) -> Any:
    """The values of what :class:`Writer` wrote; an upload becomes its path."""
    if isinstance(value, dict):
        if _is_upload(value):
            return UploadedPath.of(upload_path(value["upload"]), value["name"], value["upload"])
        if _is_mark(value):
            of = value[OF]
            if value[MARK] == "dict":
                of = [[read(part, upload_path) for part in pair] for pair in of]
            elif isinstance(of, list):
                of = [read(item, upload_path) for item in of]
            with suppress(ValueError, TypeError, LookupError, BadBase64, DecimalException, OverflowError):
                return _KINDS[value[MARK]].make(of)
        return {key: read(item, upload_path) for key, item in value.items()}
    return [read(item, upload_path) for item in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """What was written, for people and as JSON: without marks."""
    if isinstance(value, Mapping):
        if _is_mark(value):
            with suppress(ValueError, TypeError, LookupError, BadBase64, OverflowError):
                return plain(_KINDS[value[MARK]].show(value[OF]))
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def with_secrets(meta: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """What was written, with its secrets where they were taken from."""
    values = deepcopy(dict(meta)) if secrets else dict(meta)
    for path, secret in secrets.items():
        _put(values, [_key(part) for part in path.split(".")], secret)
    return values


def _put(values: Any, path: Sequence[str], secret: Any) -> None:
    for key in path[:-1]:
        values = values[int(key)] if isinstance(values, list) else values.setdefault(key, {})
    if isinstance(values, list):
        values[int(path[-1])] = secret
    else:
        values[path[-1]] = secret


def tokens(meta: Any) -> set[str]:
    """The tokens of all uploads that stored options use."""
    if isinstance(meta, Mapping):
        if _is_upload(meta):
            return {meta["upload"]}
        return set().union(*(tokens(item) for item in meta.values())) if meta else set()
    return set().union(*(tokens(item) for item in meta)) if isinstance(meta, list) and meta else set()


def texts(value: Any) -> list[str]:
    """All texts in what was written."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [value] if isinstance(value, str) else [text for part in parts for text in texts(part)]


def step(key: str) -> str:
    """A key as a part of a dotted path; its own dots are escaped, as a JSON pointer does it with slashes."""
    return key.replace("~", "~0").replace(".", "~1")


def first_step(path: str) -> str:
    """The name with which a dotted path begins."""
    return _key(path.partition(".")[0])


def _key(part: str) -> str:
    return part.replace("~1", ".").replace("~0", "~")


def key_text(key: Any) -> str:
    """A key of a dict as JSON can have it."""
    key = key.value if isinstance(key, Enum) else key
    return clean(key.isoformat() if isinstance(key, date | time) else key)


def _is_upload(value: Mapping[Any, Any]) -> bool:
    return value.keys() == _UPLOAD and isinstance(value["upload"], str)


def _is_mark(value: Mapping[Any, Any]) -> bool:
    return value.keys() == {MARK, OF} and isinstance(value[MARK], str) and value[MARK] in _KINDS


def _moment(value: datetime) -> Any:
    """A time zone of a name is more than its distance from UTC."""
    key = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
    return value.isoformat() if key is None else [value.replace(tzinfo=None).isoformat(), key, value.fold]


def _as_moment(of: Any) -> datetime:
    if isinstance(of, str):
        return datetime.fromisoformat(of)
    return datetime.fromisoformat(of[0]).replace(tzinfo=ZoneInfo(of[1]), fold=of[2])


def _shown_bytes(of: str) -> str:
    return b64decode(of).decode("utf-8", "backslashreplace")


#: A datetime is a date, too.
_LEAVES = (
    _Leaf(datetime, "datetime", datetime.isoformat, _moment),
    _Leaf(date, "date", date.isoformat, date.isoformat),
    _Leaf(time, "time", time.isoformat, time.isoformat),
    _Leaf(timedelta, "timedelta", str, lambda value: [value.days, value.seconds, value.microseconds]),
    _Leaf(Decimal, "decimal", str, str),
    _Leaf(UUID, "uuid", str, str),
    _Leaf(PurePath, "path", str, str),
)
_BY_TYPE = {leaf.cls: leaf for leaf in _LEAVES}
_SEVERAL = ((tuple, "tuple"), (set, "set"), (frozenset, "frozenset"))
_KINDS: dict[str, _Kind] = {
    "float": _Kind(float, str),
    "bytes": _Kind(b64decode, _shown_bytes),
    "dict": _Kind(dict, lambda of: {key_text(plain(key)): item for key, item in of}),
    "tuple": _Kind(tuple, list),
    "set": _Kind(set, list),
    "frozenset": _Kind(frozenset, list),
    "datetime": _Kind(_as_moment, lambda of: _as_moment(of).isoformat()),
    "date": _Kind(date.fromisoformat, str),
    "time": _Kind(time.fromisoformat, str),
    "timedelta": _Kind(lambda of: timedelta(*of), lambda of: str(timedelta(*of))),
    "decimal": _Kind(Decimal, str),
    "uuid": _Kind(UUID, str),
    "path": _Kind(Path, str),
    "file": _Kind(lambda of: UploadedPath.of(*of), lambda of: of[0]),
}
