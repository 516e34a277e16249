"""Files in chunks of 512 KiB, so that no limit of a proxy or of the host matters: begin, put each chunk, finish."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from ..errors import InvalidOptions, UploadRefused
from ..forms import FormField, preview_of
from ..language import tr
from ..numbers import human_size
from ..options import Field, Upload
from ..state import current_state
from ..storage import CHUNK
from ..uploads import For, Uploads
from .page import render
from .visitor import need, the_action, visitor

_FILE_KINDS = ("file", "files")


def begin(identifier: str) -> ResponseReturnValue:
    """Say what will come: ``{action, field, name, size}`` -> 201 ``{token, chunk, url}``."""
    asked = request.get_json(silent=True)
    if not isinstance(asked, dict) and not visitor().may("launch"):
        abort(403)
    if not isinstance(asked, dict):
        raise InvalidOptions({"": tr("Send a JSON object: action, field, name, size.")})
    _, spec = the_action(identifier, str(asked.get("action", "")))
    field = _file_field(spec.fields(), str(asked.get("field", "")))
    size = asked.get("size")
    if not isinstance(size, int) or isinstance(size, bool):
        return _refused(UploadRefused(tr("Say the size of the file in bytes.")), field.name)
    purpose = For(identifier, spec.name, field.name, visitor().id)
    limit = current_state().settings.max_upload
    try:
        token = _uploads().begin(str(asked.get("name", "")), size, Upload(*field.accept), limit, purpose)
    except UploadRefused as refused:
        return _refused(refused, field.name)
    address = url_for("stask.upload_chunk", token=token, number=0).rpartition("/")[0]
    return jsonify(token=token, chunk=CHUNK, url=address), 201


def chunk(token: str, number: int) -> ResponseReturnValue:
    """Take one chunk as the raw body -> ``{received}``; 409 says in ``next`` which one is due."""
    need("launch")
    request.max_content_length = CHUNK
    uploads = _uploads()
    try:
        upload = uploads.owned(token, visitor().id)
        received = uploads.put(upload, number, request.get_data(cache=False))
    except UploadRefused as refused:
        return _refused(refused, **_due(refused, token))
    return jsonify(received=received)


def finish(token: str) -> ResponseReturnValue:
    """Check the whole file -> ``{token, name, size, size_text, preview, html}``.

    The preview is null for what is no table; ``html`` is what the page shows in place of the field.
    """
    need("launch")
    uploads = _uploads()
    try:
        upload = uploads.owned(token, visitor().id)
        received = uploads.finish(upload)
    except UploadRefused as refused:
        return _refused(refused, **_due(refused, token))
    preview = preview_of(received)
    _, spec = the_action(upload.identifier, upload.action)
    field = FormField(_file_field(spec.fields(), upload.field))
    return jsonify(
        token=token,
        name=received.name,
        size=received.size,
        size_text=human_size(received.size),
        preview=asdict(preview) if preview else None,
        html=render("launch/_chip.html", field=field, file=received),
    )


def _uploads() -> Uploads:
    state = current_state()
    return Uploads(state.database, state.storage)


def _file_field(fields: list[Field], name: str) -> Field:
    found = next((field for field in fields if field.name == name and field.kind in _FILE_KINDS), None)
    if found is None:
        raise InvalidOptions({"field": tr("The action has no file field '%(field)s'.", field=name)})
    return found


def _due(refused: UploadRefused, token: str) -> dict[str, Any]:
    return {"next": current_state().storage.next_chunk(token)} if refused.status == 409 else {}


def _refused(refused: UploadRefused, field: str = "", **more: Any) -> ResponseReturnValue:
    errors = {field: refused.message} if field else {}
    return jsonify(error=refused.message, errors=errors, **more), refused.status
