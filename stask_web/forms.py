"""Launch forms: from an action's typed options to fields on a page, and from what was sent back to values.

What was typed is kept as text until the options are checked, so that a form with errors shows it unchanged. A secret is
never shown again, a file stays as the token of its upload.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Any, BinaryIO, Literal, cast, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel
from werkzeug.datastructures import FileStorage, MultiDict

from .errors import STaskError, UploadRefused
from .formatting import human_size, number
from .options import ActionSpec, Field, Upload, UploadedPath
from .storage import Received
from .uploads import For, Uploads

log = logging.getLogger(__name__)

#: Suffix of the hidden field that carries the token of an upload.
UPLOAD = "__upload"
CHECK, PRIORITY, START_AT, ZONE, FORM_KEY = "_check", "_priority", "_start_at", "_zone", "_form_key"
PREVIEW_ROWS = 5
_LIST_KINDS = ("multiselect", "files")
_WHOLE_TEXT = ("text", "textarea")


@dataclass(frozen=True)
class Preview:
    """The first rows of a table as it was read."""

    header: list[str]
    rows: list[list[str]]
    note: str


@dataclass
class FormField:
    """One field on the page.

    :param spec: what is known of it.
    :param text: what it shows; a list for fields with several values.
    """

    spec: Field
    text: Any = ""
    error: str = ""
    files: list[Received] = field(default_factory=list)
    choices: list[tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name in the form."""
        return self.spec.name

    @property
    def kind(self) -> str:
        """Which template draws it."""
        return self.spec.kind

    @property
    def described_by(self) -> str:
        """The ids of its help and its error."""
        return f"help-{self.name} error-{self.name}" if self.spec.help else f"error-{self.name}"

    @property
    def optional(self) -> bool:
        """Whether it may stay empty: nobody must fill it in, and there is no default that is used instead."""
        return not self.spec.required and self.kind != "checkbox" and self.spec.default in (None, "", [], {}, ())

    @property
    def more(self) -> bool:
        """Whether it stands under "More". A file and one with an error never hide."""
        return self.optional and not self.error and self.kind not in ("file", "files")

    @property
    def html_attrs(self) -> dict[str, Any]:
        """The constraints for HTML; a number without a step takes any."""
        attrs = dict(self.spec.attrs)
        if self.kind == "decimal":
            attrs.pop("step", None)
        elif self.kind == "number":
            attrs.setdefault("step", "any")
        return attrs

    def chosen(self, value: str) -> bool:
        """Whether a choice is the chosen one."""
        return value in self.text if isinstance(self.text, list) else value == self.text

    def size(self, file: Received) -> str:
        """A file's size in words."""
        return human_size(file.size)

    def preview(self, file: Received) -> Preview | None:
        """The first rows of a file, None when it is no table."""
        return preview_of(file)


class LaunchForm:
    """The form of one action, for one person.

    :param uploads: keeps the files.
    :param limit: the largest upload in bytes.
    """

    def __init__(self, identifier: str, spec: ActionSpec, user: Any, uploads: Uploads, limit: int) -> None:
        self.identifier = identifier
        self.spec = spec
        self.fields = [FormField(item, _text(item, item.default)) for item in spec.fields()]
        self.error = ""
        self.priority = spec.priority
        self.start_at = ""
        self._user = user
        self._uploads = uploads
        self._limit = limit

    # -- filling

    def fill(self, values: Mapping[str, Any]) -> None:
        """Show these values instead of the defaults; uploads are taken over if they still can be."""
        for item in self.fields:
            if item.name not in values or item.kind == "secret":
                continue
            value = values[item.name]
            if item.kind in ("file", "files"):
                item.files = self._known_files(item, value if isinstance(value, list) else [value])
            else:
                item.text = _text(item.spec, value)

    def fill_query(self, query: MultiDict[str, str]) -> None:
        """Show what the address says: ``?format=csv``."""
        texts = {item.name: query.getlist(item.name) for item in self.fields if item.name in query}
        self.fill({name: values if len(values) > 1 else values[0] for name, values in texts.items()})

    def load_choices(self) -> None:
        """Ask for the choices, which may depend on the values. A source that fails leaves an error at its field."""
        values = {item.name: item.text for item in self.fields}
        for item in self.fields:
            try:
                item.choices = item.spec.choices(values)
            except Exception:
                log.exception("The choices of %s.%s, field %r, failed.", self.identifier, self.spec.name, item.name)
                item.error = item.error or "The choices could not be loaded. Try again in a moment."

    # -- reading

    def read(self, form: MultiDict[str, str], files: MultiDict[str, FileStorage]) -> dict[str, Any]:
        """The values as they were sent; what cannot be read leaves an error at its field.

        :returns: field name -> value, ready to be checked.
        """
        values: dict[str, Any] = {}
        for item in self.fields:
            if item.kind in ("file", "files"):
                self._read_files(item, form, files, values)
            else:
                self._read_text(item, form, values)
        if self.spec.dry_run and form.get(CHECK):
            values[self.spec.dry_run] = True
        self.priority = form.get(PRIORITY) or self.spec.priority
        self.start_at = form.get(START_AT, "")
        return values

    def read_json(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a JSON object. Files are named by their uploads' tokens; a path from outside is never taken."""
        values: dict[str, Any] = {}
        for item in self.fields:
            if item.kind in ("file", "files"):
                given = body.get(item.name + UPLOAD, body.get(item.name))
                tokens = [str(token) for token in (given if isinstance(given, list) else [given]) if token]
                self._read_files(
                    item, MultiDict([(item.name + UPLOAD, token) for token in tokens]), MultiDict(), values
                )
            elif item.name in body:
                values[item.name] = body[item.name]
                item.error = self._path_error(item)
        known = {item.name for item in self.fields}
        if self.spec.model is None and any(not name.startswith("_") for name in body.keys() - known):
            self.error = "This action declares no options, so it takes none from outside."
        if self.spec.dry_run and (body.get(CHECK) or body.get(self.spec.dry_run)):
            values[self.spec.dry_run] = True
        self.priority = str(body.get(PRIORITY) or self.spec.priority)
        self.start_at = str(body.get(START_AT) or "")
        return values

    def errors(self) -> dict[str, str]:
        """Field name -> sentence."""
        return {item.name: item.error for item in self.fields if item.error}

    def take_errors(self, errors: Mapping[str, str]) -> None:
        """Put sentences at their fields; what belongs to none goes on top."""
        known = {item.name: item for item in self.fields}
        loose = []
        for name, sentence in errors.items():
            if name in known:
                known[name].error = known[name].error or sentence
            else:
                loose.append(f"{name}: {sentence}" if name else sentence)
        self.error = " ".join(loose)

    def _read_text(self, item: FormField, form: MultiDict[str, str], values: dict[str, Any]) -> None:
        sent = form.getlist(item.name)
        if item.kind == "checkbox":
            item.text = bool(sent) and sent[-1] not in ("", "0", "false", "off")
            values[item.name] = item.text
        elif item.kind in _LIST_KINDS:
            item.text = [text for text in sent if text]
            values[item.name] = [self._choice(item, text) for text in item.text]
        else:
            text = sent[-1] if sent else ""
            item.text = "" if item.kind == "secret" else text
            self._read_one(item, text.strip() if item.kind not in (*_WHOLE_TEXT, "secret") else text, values)

    def _read_one(self, item: FormField, text: str, values: dict[str, Any]) -> None:
        if not text:
            if item.kind in _WHOLE_TEXT and not item.spec.required and item.spec.default is not None:
                values[item.name] = ""
            return
        if item.kind == "json":
            try:
                values[item.name] = json.loads(text)
            except ValueError as error:
                item.error = (
                    f"This is not valid JSON: {getattr(error, 'msg', error)}, line {getattr(error, 'lineno', 1)}."
                )
            item.error = item.error or self._path_error(item)
            return
        values[item.name] = self._choice(item, text) if item.kind in ("select", "radio") else text

    def _path_error(self, item: FormField) -> str:
        """A model inside a field may hold a file; from a browser that could name any file of this machine."""
        info = self.spec.model.model_fields[item.name] if self.spec.model else None
        return "A file inside of this cannot be given here." if info and _holds_upload(info.annotation) else ""

    def _choice(self, item: FormField, text: str) -> Any:
        """The value behind a choice's text: a form knows only texts, a Literal or Enum may hold numbers."""
        info = self.spec.model.model_fields[item.name] if self.spec.model else None
        for value in _literals(info.annotation if info else None):
            if str(value) == text:
                return value
        return text

    def _read_files(
        self, item: FormField, form: MultiDict[str, str], files: MultiDict[str, FileStorage], values: dict[str, Any]
    ) -> None:
        try:
            sent = [file for file in files.getlist(item.name) if file.filename]
            if sent:
                item.files = [self._receive(item, file) for file in (sent if item.kind == "files" else sent[-1:])]
            else:
                item.files = [self._taken(item, token) for token in form.getlist(item.name + UPLOAD) if token]
        except UploadRefused as refused:
            item.error = refused.message
        paths = [UploadedPath.of(file.path, file.name, file.token) for file in item.files]
        if item.kind == "files":
            values[item.name] = paths
        elif paths:
            values[item.name] = paths[0]
        elif item.spec.required and not item.error:
            item.error = "Choose a file."

    def _receive(self, item: FormField, file: FileStorage) -> Received:
        stream = cast(BinaryIO, file.stream)
        return self._uploads.receive(
            stream, file.filename or "", Upload(*item.spec.accept), self._limit, self._for(item)
        )

    def _taken(self, item: FormField, token: str) -> Received:
        return self._uploads.taken(token, self._for(item))

    def _for(self, item: FormField) -> For:
        return For(self.identifier, self.spec.name, item.name, self._user)

    def _known_files(self, item: FormField, values: list[Any]) -> list[Received]:
        found = []
        for value in values:
            token = value.get("upload") if isinstance(value, Mapping) else value
            try:
                found.append(self._taken(item, str(token)))
            except UploadRefused:
                continue
        return found


def read_start(text: str, zone: str) -> datetime | None:
    """When a task is to start, as the form says it.

    :param text: of a ``datetime-local`` field.
    :param zone: the name of the browser's time zone; without a known one the time is this machine's.
    :raises ValueError: it is no time.
    """
    if not text.strip():
        return None
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None and zone:
        with contextlib.suppress(ValueError, OSError, ZoneInfoNotFoundError):
            moment = moment.replace(tzinfo=ZoneInfo(zone))
    return moment.astimezone(UTC)


def preview_of(file: Received) -> Preview | None:
    """The first rows of an uploaded table as the action will read them; None when it is no table or cannot be read."""
    from .tables import read_table

    if not file.name.lower().endswith((".csv", ".tsv", ".txt")):
        return None
    try:
        table = read_table(file.path)
        rows = [
            [row.values.get(name, "") for name in table.header]
            for row, _ in zip(table.rows(), range(PREVIEW_ROWS), strict=False)
        ]
    except (STaskError, OSError, ValueError):
        return None
    mark = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}.get(table.delimiter, table.delimiter)
    return Preview(
        list(table.header), rows, f"{number(len(table.header))} columns · {table.encoding} · separated by {mark}"
    )


def _literals(annotation: Any) -> list[Any]:
    """Every value that a Literal or Enum somewhere in an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for part in get_args(annotation) for value in _literals(part)]


def _holds_upload(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        infos = annotation.model_fields.values()
        return any(
            _holds_upload(info.annotation) or any(isinstance(mark, Upload) for mark in info.metadata) for info in infos
        )
    return any(isinstance(part, Upload) or _holds_upload(part) for part in get_args(annotation))


_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (datetime, lambda value: value.strftime("%Y-%m-%dT%H:%M")),
    (date, lambda value: value.isoformat()),
    (time, lambda value: value.strftime("%H:%M")),
    (Enum, lambda value: str(value.value)),
)


def _text(item: Field, value: Any) -> Any:
    """A value as its field shows it."""
    if item.kind == "checkbox":
        return value not in (None, False, "", "0", "false", "off")
    if item.kind in _LIST_KINDS:
        return (
            []
            if value is None
            else [str(part) for part in (value if isinstance(value, list | tuple | set) else [value])]
        )
    if value is None or item.kind in ("secret", "file"):
        return ""
    if item.kind == "json" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return next((write(value) for cls, write in _TEXTS if isinstance(value, cls)), str(value))
