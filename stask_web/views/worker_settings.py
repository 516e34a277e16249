"""The settings of a worker: a form, the same as JSON, and the way back to the code's defaults."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import abort, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from ..errors import InvalidOptions, STaskError
from ..language import tr, trn
from ..models import WorkerRecord
from ..numbers import number
from ..state import State, current_state
from ..text import clean
from .notices import leave_notice
from .page import render
from .visitor import partial, the_worker, visitor, wants_json
from .worker_frame import frame

if TYPE_CHECKING:
    from ..settingsform import SettingsForm

log = logging.getLogger(__name__)

#: The setting that goes back to the code's default.
RESET = "_reset"
_UNDO = "undo"
#: Signs of a sealed old value that an address may have; a longer one cannot be undone.
_LONGEST = 2000


def settings(identifier: str) -> ResponseReturnValue:
    """What can be set of a worker, and how it is set now."""
    record = the_worker(identifier, "configure")
    form, error = _form(record)
    if wants_json():
        if error:
            return jsonify(error=error), 409
        return jsonify(identifier=identifier, settings=form.described() if form else [])
    return _page(record, form, error)


def save(identifier: str) -> ResponseReturnValue:
    """Store settings: those of a form, those of a JSON object, or the one that is reset or taken back."""
    record = the_worker(identifier, "configure")
    form, error = _form(record)
    if form is None:
        return _refused(record, form, 409, error or tr("The class of this worker is gone, so nothing can be set."))
    if request.args.get(_UNDO):
        return _undo(record, form, request.args[_UNDO])
    try:
        if request.is_json:
            return _save_json(record, form)
        if request.form.get(RESET):
            return _reset(record, form, [request.form[RESET]])
        values = form.read(request.form)
        if form.errors():
            return _refused(record, form, 422)
        changed = form.change(values, form.emptied(request.form, values), whole=bool(request.form.get("_all")))
    except InvalidOptions as wrong:
        return _wrong(record, form, wrong)
    return _done(record, form, changed)


def _save_json(record: WorkerRecord, form: SettingsForm) -> ResponseReturnValue:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidOptions({"": tr("Send a JSON object of settings.")})
    names = body.get(RESET, [])
    names = [names] if isinstance(names, str) else names
    values = form.read_json(body)
    if not values and names:
        return _reset(record, form, names)
    return _done(record, form, form.change(values, _known(form, names)))


def _reset(record: WorkerRecord, form: SettingsForm, names: list[str]) -> ResponseReturnValue:
    """Let the code's defaults count again, with a way back for what may be shown."""
    known = _known(form, names)
    open_ones = [name for name in known if form.knobs[name].field.kind != "secret" and form.is_changed(name)]
    old = {name: form.old_value(name) for name in open_ones}
    changed = form.change({}, known)
    words = _reset_words(form, known[0]) if len(known) == 1 else tr("The defaults of the code count again.")
    return _done(record, form, changed, words, _undo_of(record, old) if len(old) == len(known) else None)


def _reset_words(form: SettingsForm, name: str) -> str:
    label, default = form.knobs[name].field.label, form.default_text(name)
    if default:
        return tr("“%(setting)s” is back to %(default)s.", setting=label, default=clean(default, 80))
    return tr("“%(setting)s” is back to what the code says.", setting=label)


def _known(form: SettingsForm, names: Any) -> list[str]:
    if not isinstance(names, list) or any(not isinstance(name, str) or name not in form.knobs for name in names):
        raise InvalidOptions({RESET: tr("There is no such setting.")})
    return names


def _undo_of(record: WorkerRecord, old: Mapping[str, Any]) -> dict[str, str] | None:
    """The old values, sealed into an address."""
    if not old:
        return None
    try:
        sealed = current_state().vault.seal({"identifier": record.identifier, "values": dict(old)})
    except (TypeError, STaskError):  # no JSON, or no key
        return None
    text = (sealed or b"").decode("ascii")
    if len(text) > _LONGEST:
        return None
    url = url_for("stask.save_settings", identifier=record.identifier, undo=text)
    return {"url": url, "label": tr("Undo")}


def _undo(record: WorkerRecord, form: SettingsForm, sealed: str) -> ResponseReturnValue:
    try:
        found = current_state().vault.open(sealed.encode("ascii", "replace"))
    except STaskError:
        abort(400)
    old = found.get("values")
    if found.get("identifier") != record.identifier or not isinstance(old, Mapping):  # sealed by us, but no undo
        abort(400)
    values = {name: value for name, value in old.items() if name in form.knobs}
    try:
        changed = form.change(values)
    except InvalidOptions as wrong:
        return _wrong(record, form, wrong)
    return _done(record, form, changed, tr("It is as it was before."))


# -- answers


def _form(record: WorkerRecord) -> tuple[SettingsForm | None, str]:
    """The form, or why there is none."""
    state: State = current_state()
    cls = state.registry.get(record.identifier)
    if cls is None:
        return None, ""
    try:
        from ..settingsform import SettingsForm  # it needs pydantic, 5 MB that no worker process needs for it

        return SettingsForm(state, cls, visitor().id), ""
    except STaskError as error:
        return None, error.message


def _page(record: WorkerRecord, form: SettingsForm | None, error: str = "") -> ResponseReturnValue:
    own = _own_html(record, form)
    if form is not None:
        form.load_choices()
    has_form = form is not None and bool(form.fields) and (form.model is not None or not own)
    context = {
        "form": form if has_form else None,
        "own": own,
        "error": error,
        "post_url": url_for("stask.save_settings", identifier=record.identifier),
        "part_url": url_for("stask.worker_settings", identifier=record.identifier, part="form"),
        "identifier": record.identifier,
    }
    if partial() == "form":
        return render("workers/_settings.html", "workers", **context)
    return render("workers/settings.html", "workers", **frame(record, "settings") | context)


def _own_html(record: WorkerRecord, form: SettingsForm | None) -> Markup | None:
    """What the worker draws itself; whatever goes wrong in it stays in its card."""
    draw = getattr(form.worker, "render_settings", None) if form is not None else None
    if draw is None:
        return None
    try:
        return Markup(draw() or "") or None
    except Exception as error:
        log.exception("The settings of the worker %r could not be drawn.", record.identifier)
        words = clean(f"{type(error).__name__}: {error}", 300)
        return Markup(render("workers/_own_broken.html", "workers", error=words))


def _done(
    record: WorkerRecord,
    form: SettingsForm,
    changed: list[str],
    words: str = "",
    undo: dict[str, str] | None = None,
) -> ResponseReturnValue:
    if not changed:
        words = tr("Nothing was changed.")
    elif not words:
        words = trn(
            "Saved. %(num)s setting was changed.",
            "Saved. %(num)s settings were changed.",
            len(changed),
            num=number(len(changed)),
        )
    url = url_for("stask.worker_settings", identifier=record.identifier)
    is_whole = request.form.get("_all")
    if not wants_json() or is_whole:  # our script goes on to the page, which says it
        leave_notice(words)
    if wants_json():
        answer = {"identifier": record.identifier, "message": words, "changed": changed, "url": url}
        return jsonify(answer | ({"undo": undo} if undo and changed else {}))
    return redirect(url, 303)


def _wrong(record: WorkerRecord, form: SettingsForm, wrong: InvalidOptions) -> ResponseReturnValue:
    form.take_errors(wrong.errors)
    return _refused(record, form, 422, errors=wrong.errors)


def _refused(
    record: WorkerRecord, form: SettingsForm | None, status: int, error: str = "", errors: Mapping[str, str] = {}
) -> ResponseReturnValue:
    """The form once more, with what was typed, or what is wrong as JSON."""
    if form is not None and not form.error:
        n = len(form.errors())
        form.error = trn("One field needs a look.", "%(num)s fields need a look.", n, num=number(n))
    if wants_json():
        found = errors or (form.errors() if form else {})
        answer = jsonify(error=error or (form.error if form else ""), errors=found)
    else:
        answer = make_response(_page(record, form, error))
    answer.status_code = status
    return answer
