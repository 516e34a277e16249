"""The launch form of an action, as a page or for a dialog, and the launch itself."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import abort, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..columns import user_key
from ..creation import unique_key
from ..errors import AlreadyRunning, DatabaseBusy, InvalidOptions
from ..forms import CHECK, FORM_KEY, START_AT, ZONE, LaunchForm, is_over, read_start
from ..language import reader, tr, trn
from ..models import Task
from ..numbers import number
from ..options import ActionSpec
from ..queries import task_by_unique_key
from ..sentences import sentence
from ..state import State, current_state
from ..status import PRIORITIES
from ..text import clean
from ..times import ago
from ..uploads import Uploads
from . import confirm
from .page import render
from .visitor import partial, the_action, visitor, wants_json

MINUTE = 60.0
_KEY_LENGTH = 64


def run(identifier: str, action: str) -> ResponseReturnValue:
    """The empty form, prefilled by the query or from an older task (``?from=7``)."""
    cls, spec = the_action(identifier, action)
    form = _form(identifier, spec)
    source = _source(identifier, spec)
    if source is not None:
        form.recall(source)
    form.fill_query(request.args)
    if wants_json():
        return jsonify(_describe(form))
    if partial() == "field":
        return _field(form, request.args.get("field", ""))
    return _page(cls, form, note=_runs_already(form))


def launch(identifier: str, action: str) -> ResponseReturnValue:
    """Create the task: 303 to its page, or 201 as JSON; the same form sent twice starts one task."""
    cls, spec = the_action(identifier, action)
    state = current_state()
    form = _form(identifier, spec)
    body = _body()
    form_key = _reserved(body, FORM_KEY)[:_KEY_LENGTH] or secrets.token_urlsafe(24)
    once = _key_of(form_key, identifier, spec.name)
    known = _launched(state, once)
    if known is not None:
        return _started(known)
    values = form.read(request.form, request.files) if body is None else form.read_json(body)
    wait = _seconds_to_wait(state, visitor().id)
    if wait:
        return _too_fast(cls, form, wait)
    start_at = _start_at(form, _reserved(body, START_AT), _reserved(body, ZONE))
    if form.priority not in PRIORITIES:
        form.error = tr("Choose a priority: high, normal or low.")
    if form.errors() or form.error:
        return _refused(cls, form, 422)
    if body is None:
        confirm.unseal(state, form, values)
        if request.form.get(confirm.BACK):
            return _page(cls, form)
    try:
        with form.authors_code(values):
            if body is None and confirm.must_ask(form, check_only=bool(request.form.get(CHECK))):
                return confirm.question(state, form, values, _post_url(form), form_key)
            task = state.tasks.create(
                identifier, spec.name, values, form.priority, visitor().id, start_at=start_at, form_key=once
            )
    except InvalidOptions as error:
        form.take_errors(error.errors)
        return _refused(cls, form, 422)
    except AlreadyRunning as error:
        return _running_already(cls, form, error.task_id)
    except DatabaseBusy:
        form.error = tr(
            "The database is busy, so nothing was started. What you entered is kept; try again in a moment."
        )
        return _refused(cls, form, 503, {"Retry-After": "2"})
    return _started(task)


# -- answers


def _page(
    cls: type[Any], form: LaunchForm, *, link: dict[str, str] | None = None, note: dict[str, str] | None = None
) -> ResponseReturnValue:
    form.load_choices()
    template = "launch/_form.html" if partial() is not None else "launch/page.html"
    context = {
        "worker": cls,
        "form": form,
        "spec": form.spec,
        "form_key": secrets.token_urlsafe(24),
        "post_url": _post_url(form),
        "field_url": url_for("stask.run", identifier=form.identifier, action=form.spec.name),
        "upload_url": f"{url_for('stask.dashboard')}workers/{form.identifier}/uploads",
        "in_dialog": partial() is not None,
        "link": link,
        "note": note,
        "consequence": confirm.consequence(form),
        "says_of_start": json.dumps({"badInput": sentence("datetime_parsing")}, ensure_ascii=False),
        "zone": reader().zone or datetime.now().astimezone().tzname(),
    }
    return render(template, "dashboard", **context)


def _post_url(form: LaunchForm) -> str:
    return url_for("stask.launch", identifier=form.identifier, action=form.spec.name)


def _field(form: LaunchForm, name: str) -> ResponseReturnValue:
    """One field anew, when another one has changed on which its choices depend."""
    form.load_choices()
    field = next((item for item in form.fields if item.name == name), None)
    if field is None:
        abort(404)
    return render("launch/_field.html", "dashboard", field=field, form=form, spec=form.spec)


def _started(task: Task) -> ResponseReturnValue:
    address = url_for("stask.task", task_id=task.id)
    if wants_json():
        return jsonify(id=task.id, url=address), 201, {"Location": address}
    return redirect(address, 303)


def _refused(
    cls: type[Any], form: LaunchForm, status: int, headers: dict[str, str] | None = None
) -> ResponseReturnValue:
    errors = form.errors()
    if not form.error and errors:
        form.error = trn("One field needs a look.", "%(num)s fields need a look.", len(errors))
    return _again(cls, form, status, {}, headers)


def _again(
    cls: type[Any], form: LaunchForm, status: int, more: dict[str, str], headers: dict[str, str] | None = None
) -> ResponseReturnValue:
    """The form once more, with what was typed, or what is wrong as JSON."""
    if wants_json():
        answer = jsonify(error=form.error, errors=form.errors(), **more)
    else:
        answer = make_response(_page(cls, form, link=more or None))
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def _too_fast(cls: type[Any], form: LaunchForm, wait: int) -> ResponseReturnValue:
    rate = current_state().settings.launch_rate
    form.error = trn(
        "You started %(num)s task within a minute, which is the most this site takes. Try again in %(wait)s s.",
        "You started %(num)s tasks within a minute, which is the most this site takes. Try again in %(wait)s s.",
        rate,
        num=number(rate),
        wait=wait,
    )
    return _again(cls, form, 429, {}, {"Retry-After": str(wait)})


def _running_already(cls: type[Any], form: LaunchForm, task_id: int) -> ResponseReturnValue:
    task = visitor().find(task_id)
    if task is None or not visitor().may("view", task):
        form.error = tr("This is running already, and only one may run at a time. Try again when it is over.")
        return _again(cls, form, 409, {})
    form.error = _running_words(task)
    return _again(cls, form, 409, {"url": url_for("stask.task", task_id=task_id), "link": tr("Watch it")})


def _who_since(task: Task) -> str:
    who = visitor().name_of(task.started_by)
    when = ago(task.started_at or task.created_at)
    return tr("%(who)s started it %(when)s.", who=who, when=when) if who else tr("It was started %(when)s.", when=when)


def _running_words(task: Task) -> str:
    return f"{tr('This is running already, and only one may run at a time.')} {_who_since(task)}"


def _runs_already(form: LaunchForm) -> dict[str, str] | None:
    """Of an action that may run only once at a time: who runs it now, said before anybody fills in the form."""
    if form.spec.unique is not True:
        return None
    task = task_by_unique_key(current_state().database, unique_key(form.identifier, form.spec, {}))
    if task is None or not visitor().may("view", task):
        return None
    text = _running_words(task)
    return {"text": text, "url": url_for("stask.task", task_id=task.id), "link": tr("Watch it")}


def _describe(form: LaunchForm) -> dict[str, Any]:
    form.load_choices()
    return {
        "identifier": form.identifier,
        "action": form.spec.name,
        "title": clean(form.spec.title),
        "description": clean(form.spec.description),
        "fields": [
            {
                "name": item.name,
                "kind": item.kind,
                "label": item.spec.label,
                "help": item.spec.help,
                "required": item.spec.required,
                "value": item.text,
                "choices": item.choices,
            }
            for item in form.fields
        ],
    }


# -- what was sent


def _form(identifier: str, spec: ActionSpec) -> LaunchForm:
    state = current_state()
    uploads = Uploads(state.database, state.storage)
    return LaunchForm(identifier, spec, visitor().id, uploads, state.settings.max_upload)


def _body() -> dict[str, Any] | None:
    """The JSON object that was sent, or None for a form."""
    if not request.is_json:
        return None
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidOptions({"": tr("Send a JSON object of options.")})
    return body


def _reserved(body: dict[str, Any] | None, name: str) -> str:
    """One of our own fields beside the options."""
    return str((request.form if body is None else body).get(name) or "")


def _source(identifier: str, spec: ActionSpec) -> Task | None:
    """The older task whose options are to be used again, if he may see them."""
    number = request.args.get("from", "")
    task = visitor().find(int(number)) if number.isdecimal() and len(number) < 19 else None
    if task is None or (task.identifier, task.action) != (identifier, spec.name):
        return None
    person = visitor()
    return task if person.may("view", task) and person.may("view_options", task) else None


def _start_at(form: LaunchForm, text: str, zone: str) -> datetime | None:
    try:
        moment = read_start(text, zone)
    except (ValueError, OverflowError):
        form.start_error = tr("Enter when it is to start, for example 2026-12-31 18:30, or leave this empty.")
        return None
    if not request.is_json and is_over(moment):
        form.start_error = tr("This moment is over. Choose a later one, or leave this empty to start at once.")
    return moment


# -- how often


def _key_of(form_key: str, identifier: str, action: str) -> str:
    """The key of a form as it is stored: whatever a browser sends, another person or action has another key."""
    whole = json.dumps([form_key, user_key(visitor().id), identifier, action])
    return hashlib.sha256(whole.encode()).hexdigest()


def _launched(state: State, form_key: str) -> Task | None:
    """The task that this very form has started already, if it is his."""
    with state.database.session() as session:
        select = sa.select(Task).where(Task.form_key == form_key, Task.started_by == visitor().id)
        return session.scalars(select).first()


def _seconds_to_wait(state: State, user_id: Any) -> int:
    """How long until this person may start another task; 0 for now.

    What came from a form counts, whichever process took it; what the host's code creates in his name does not.
    """
    rate = state.settings.launch_rate
    since = time.time() - MINUTE
    newest = sa.select(Task.id).order_by(Task.id.desc()).limit(max(1000, rate * 20)).subquery()
    select = (
        sa.select(Task.created_at)
        .where(Task.id.in_(sa.select(newest.c.id)), Task.form_key.is_not(None))
        .where(sa.type_coerce(Task.started_by, sa.String) == user_key(user_id))
        .where(sa.type_coerce(Task.created_at, sa.Double) > since)
        .order_by(Task.id.desc())
        .limit(rate)
    )
    with state.database.read() as connection:
        times = [moment.timestamp() for moment in connection.scalars(select)]
    return max(1, int(times[-1] + MINUTE - time.time()) + 1) if len(times) >= rate else 0
