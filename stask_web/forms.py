"""Launch forms: from an action's typed options to fields on a page, and from what was sent back to values.

What was typed is kept as text until the options are checked, so that a form with errors shows it unchanged. A secret is
never shown again, a file stays as the token of its upload.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, BinaryIO, Literal, cast, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from werkzeug.datastructures import FileStorage, MultiDict

from .blame import authors_code
from .conditions import asked, condition_of, values_of
from .controls import EXACT, LIST_KINDS, WHOLE_TEXT, ZONE_OF, from_json, is_default, number_of, read_exact, with_zone
from .encoding import plain
from .errors import UploadRefused
from .fields import inside, text_of
from .formfields import FILE_KINDS, FormField, Preview, preview_of
from .language import reader, tr
from .models import Task
from .options import ActionSpec, Upload, UploadedPath
from .sentences import sentence
from .storage import Received
from .uploads import For, Uploads

__all__ = ["FormField", "LaunchForm", "Preview", "preview_of", "read_start"]

log = logging.getLogger(__name__)

#: Suffix of the hidden field that carries the token of an upload, and of the box that takes it away again.
UPLOAD, REMOVE = "__upload", "__remove"
CHECK, PRIORITY, START_AT, ZONE, FORM_KEY = "_check", "_priority", "_start_at", "_zone", "_form_key"
#: A form that sends this wants to be asked first. A page asks by itself where there is JavaScript.
ASK = "_ask"
#: A moment that is over is a mistake, unless it has only just gone by.
JUST_NOW = timedelta(minutes=2)


class LaunchForm:
    """The form of one action, for one person.

    :param uploads: keeps the files.
    :param limit: the largest upload in bytes.
    """

    def __init__(self, identifier: str, spec: ActionSpec, user: Any, uploads: Uploads, limit: int) -> None:
        self.identifier = identifier
        self.spec = spec
        fields = spec.fields()
        names = [item.name for item in fields]
        known = {item.name: item for item in fields}
        self.fields = [
            FormField(item, depends=item.depends_on(names), show_if=condition_of(item.show_if, known))
            for item in fields
        ]
        for item in self.fields:
            item.show(item.spec.default)
        self.error = ""
        self.start_error = ""
        self.priority = spec.priority
        self.start_at = ""
        self.zone = ""
        self.look_at_conditions()
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
            if item.kind in FILE_KINDS:
                item.files = self._known_files(item, value if isinstance(value, list) else [value])
            else:
                item.show(value)
        self.look_at_conditions()

    def fill_query(self, query: MultiDict[str, str]) -> None:
        """Show what the address says: ``?format=csv``."""
        texts = {item.name: query.getlist(item.name) for item in self.fields if item.name in query}
        self.fill({name: values if len(values) > 1 else values[0] for name, values in texts.items()})
        for item in self.fields:
            if item.kind == "json" and item.name in texts:
                item.text = texts[item.name][-1]

    def recall(self, task: Task) -> None:
        """Show what an older task was started with, and say at their fields what has to be given anew."""
        meta = plain(task.meta or {})
        self.fill(meta)
        self.priority = task.priority
        for item in self.fields:
            if item.kind == "secret" and task.secrets:
                item.note = tr("A secret is not shown again. Enter it anew, if it is needed.")
            lost = _lost_files(item, meta.get(item.name)) if item.kind in FILE_KINDS else []
            if lost:
                names = ", ".join(f"“{name}”" for name in lost)
                item.note = tr("%(files)s cannot be used again. Choose it anew.", files=names)

    def look_at_conditions(self) -> None:
        """Work out which fields are asked for, now that the others have their values."""
        conditions = {item.name: item.show_if for item in self.fields if item.show_if}
        found = asked(conditions, {item.name: values_of(item.spec, item.text) for item in self.fields})
        for item in self.fields:
            item.asked = item.name in found

    @property
    def sections(self) -> list[tuple[str, list[FormField]]]:
        """The fields that do not stand under "More", in their order; neighbours of one group together."""
        found: list[tuple[str, list[FormField]]] = []
        for item in self.fields:
            if item.more:
                continue
            if not found or found[-1][0] != item.spec.group:
                found.append((item.spec.group, []))
            found[-1][1].append(item)
        return found

    @property
    def further(self) -> list[FormField]:
        """The fields under "More"."""
        return [item for item in self.fields if item.more]

    def load_choices(self) -> None:
        """Ask for the choices, which may depend on the values. A source that fails leaves an error at its field."""
        values = {item.name: item.text for item in self.fields}
        for item in self.fields:
            try:
                item.choices = item.spec.choices(values)
            except Exception:
                log.exception("The choices of %s.%s, field %r, failed.", self.identifier, self.spec.name, item.name)
                item.error = item.error or tr("The choices could not be loaded. Try again in a moment.")

    # -- reading

    def read(self, form: MultiDict[str, str], files: MultiDict[str, FileStorage]) -> dict[str, Any]:
        """The values as they were sent; what cannot be read leaves an error at its field.

        :returns: field name -> value, ready to be checked.
        """
        values: dict[str, Any] = {}
        for item in self.fields:
            if item.kind in FILE_KINDS:
                self._read_files(item, form, files, values)
            else:
                self._read_text(item, form, values)
        self._forget_what_is_not_asked(values)
        if self.spec.dry_run and form.get(CHECK):
            values[self.spec.dry_run] = True
        self.priority = form.get(PRIORITY) or self.spec.priority
        self.start_at = form.get(START_AT, "")
        self.zone = form.get(ZONE, "")
        return values

    def read_json(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a JSON object. Files are named by their uploads' tokens; a path from outside is never taken."""
        values: dict[str, Any] = {}
        for item in self.fields:
            if item.kind in FILE_KINDS:
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
            self.error = tr("This action declares no options, so it takes none from outside.")
        if self.spec.dry_run and (body.get(CHECK) or body.get(self.spec.dry_run)):
            values[self.spec.dry_run] = True
        self.priority = str(body.get(PRIORITY) or self.spec.priority)
        self.start_at = str(body.get(START_AT) or "")
        return values

    def authors_code(self, values: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Around whatever checks these values: what breaks in its author's code is told as an error of its field."""
        return authors_code(f"{self.identifier}.{self.spec.name}", self.spec.model, values)

    def errors(self) -> dict[str, str]:
        """Field name -> sentence."""
        found = {item.name: item.error for item in self.fields if item.error}
        return found | ({START_AT: self.start_error} if self.start_error else {})

    def take_errors(self, errors: Mapping[str, str]) -> None:
        """Put sentences at their fields; what belongs to none goes on top."""
        known = {item.name: item for item in self.fields}
        loose = []
        for name, text in errors.items():
            if name in known and known[name].asked:
                known[name].error = known[name].error or text
            else:
                label = known[name].spec.label if name in known else name
                loose.append(f"{label}: {text}" if name else text)
        self.error = " ".join(loose)

    def _forget_what_is_not_asked(self, values: dict[str, Any]) -> None:
        """A field whose condition does not hold has no value: its default or None counts, whatever was sent."""
        self.look_at_conditions()
        for item in self.fields:
            if not item.asked:
                values.pop(item.name, None)
                item.error = ""
                if item.spec.nullable and not item.spec.has_default:
                    values[item.name] = None

    def _read_text(self, item: FormField, form: MultiDict[str, str], values: dict[str, Any]) -> None:
        sent = form.getlist(item.name)
        item.zone, item.exact = form.get(item.name + ZONE_OF), form.get(item.name + EXACT, "")
        if item.kind == "checkbox":
            item.text = bool(sent) and sent[-1] not in ("", "0", "false", "off")
            values[item.name] = item.text
        elif item.kind in LIST_KINDS:
            item.text = [text for text in sent if text]
            self._read_several(item, values)
        elif sent:
            text = _lines(sent[-1])
            item.text = "" if item.kind == "secret" else text
            self._read_one(item, text.strip() if item.kind not in (*WHOLE_TEXT, "secret") else text, values)

    def _read_several(self, item: FormField, values: dict[str, Any]) -> None:
        if self._take_default(item, item.text, values):
            return
        known, exact = read_exact(item.spec, item.text, item.zone, item.exact)
        if known:
            item.text = [str(text) for text in exact]  # in their order
        empty = item.spec.nullable and not item.text
        values[item.name] = None if empty else [self._choice(item, text) for text in item.text]

    def _read_one(self, item: FormField, text: str, values: dict[str, Any]) -> None:
        if self._take_default(item, text, values):
            return
        known, exact = read_exact(item.spec, text, item.zone, item.exact)
        if known and item.kind != "secret":
            values[item.name] = exact
            item.error = self._path_error(item)
        elif not text:
            if item.spec.nullable:
                values[item.name] = None
            elif item.kind in WHOLE_TEXT and not item.spec.required:
                values[item.name] = ""
        elif item.kind == "json":
            try:
                values[item.name] = from_json(text)
            except ValueError as error:
                item.error = str(error)
            item.error = item.error or self._path_error(item)
        else:
            values[item.name] = self._meant(item, text)

    def _take_default(self, item: FormField, text: Any, values: dict[str, Any]) -> bool:
        """What is sent back as it was shown means the default itself, whatever its type."""
        if not is_default(item.spec, text, item.zone, item.exact):
            return False
        if item.spec.fresh:  # made once more it could be another one
            values[item.name] = item.spec.default
        return True

    def _meant(self, item: FormField, text: str) -> Any:
        """The value that a text of a control means."""
        if item.kind in ("select", "radio"):
            return self._choice(item, text)
        try:
            return with_zone(item.spec, number_of(text) if item.kind == "decimal" else text, item.zone)
        except ValueError as error:
            item.error = str(error)
            return text

    def _path_error(self, item: FormField) -> str:
        """A model inside a field may hold a file; from a browser that could name any file of this machine."""
        info = self.spec.model.model_fields[item.name] if self.spec.model else None
        return tr("A file inside of this cannot be given here.") if info and _holds_upload(info.annotation) else ""

    def _choice(self, item: FormField, text: str) -> Any:
        """The value behind a choice's text: a form knows only texts, a Literal or Enum may hold numbers."""
        info = self.spec.model.model_fields[item.name] if self.spec.model else None
        return literal_of(info.annotation if info else None, text)

    def _read_files(
        self, item: FormField, form: MultiDict[str, str], files: MultiDict[str, FileStorage], values: dict[str, Any]
    ) -> None:
        sent = [file for file in files.getlist(item.name) if file.filename]
        removed = form.getlist(item.name + REMOVE)
        tokens = [token for token in dict.fromkeys(form.getlist(item.name + UPLOAD)) if token and token not in removed]
        if item.kind == "file":
            sent, tokens = sent[-1:], [] if sent else tokens[-1:]
        item.files = []
        takes = [partial(self._taken, item, token) for token in tokens]
        for take in [*takes, *(partial(self._receive, item, file) for file in sent)]:
            try:  # each for itself: one that is refused takes no other with it
                item.files.append(take())
            except UploadRefused as refused:
                item.error = item.error or refused.message
        paths = [UploadedPath.of(file.path, file.name, file.token) for file in item.files]
        if paths:
            values[item.name] = paths if item.kind == "files" else paths[0]
        elif item.spec.has_default:
            return
        elif item.spec.nullable:
            values[item.name] = None
        elif item.kind == "files":
            values[item.name] = []
        elif item.spec.required and not item.error:
            item.error = sentence("file")

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
    :param zone: the name of the browser's time zone; without a known one the time is the reader's.
    :raises ValueError: it is no time.
    """
    if not text.strip():
        return None
    moment = datetime.fromisoformat(text.strip())
    if not 1970 < moment.year < 9000:
        raise ValueError("no task starts then")
    if moment.tzinfo is None and zone:
        with contextlib.suppress(ValueError, OSError, ZoneInfoNotFoundError):
            moment = moment.replace(tzinfo=ZoneInfo(zone))
    if moment.tzinfo is None and reader().zone is not None:
        moment = moment.replace(tzinfo=reader().zone)
    return moment.astimezone(UTC)


def is_over(moment: datetime | None) -> bool:
    """Whether a moment to start at lies in the past, by more than it takes to fill in a form."""
    return moment is not None and moment < datetime.now(UTC) - JUST_NOW


def _lost_files(item: FormField, given: Any) -> list[str]:
    """The names of files that an older task had, and that this form could not take over."""
    parts = given if isinstance(given, list) else [given]
    names = [str(part["name"]) for part in parts if isinstance(part, Mapping) and "name" in part]
    return [name for name in names if name not in {file.name for file in item.files}]


def _lines(text: str) -> str:
    """A text with the line breaks that Python knows: browsers send those of the network."""
    return text.replace("\r\n", "\n")


def literal_of(annotation: Any, text: str) -> Any:
    """The value that a Literal or Enum in an annotation means by a text; the text itself when there is none."""
    return next((value for value in _literals(annotation) if text_of(value) == text), text)


def _literals(annotation: Any) -> list[Any]:
    """Every value that a Literal or Enum somewhere in an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for part in get_args(annotation) for value in _literals(part)]


def _holds_upload(annotation: Any) -> bool:
    return any(isinstance(part, Upload) or part is Upload for part in inside(annotation))
