"""The form of a schedule: what starts, with which options, and when; with the next runs before anything is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from .. import rules
from ..encoding import plain
from ..errors import DatabaseBusy, InvalidOptions, InvalidSchedule, ScheduleChanged, STaskError
from ..formfields import FILE_KINDS
from ..forms import LaunchForm
from ..keeping import load
from ..language import tr, trn
from ..models import Schedule
from ..options import ActionSpec
from ..schedules import schedule_json
from ..state import State, current_state
from ..status import PRIORITIES
from ..text import clean
from ..uploads import Uploads
from .errors import message_page
from .notices import leave_notice
from .page import render
from .schedule_rows import Moment, ScheduleRow, add_tasks, capital, moments
from .schedules import door, needed_file, offers, the_schedule
from .visitor import need, partial, the_action, visitor, wants_json
from .when import When, usual_zone

PREVIEW, VERSION = "_preview", "_version"
_LONGEST = 190


@dataclass
class Preview:
    """What a rule means: in words, and its next runs. Or why it means nothing yet."""

    words: str = ""
    zone: str = ""
    runs: tuple[Moment, ...] = ()
    error: str = ""
    by_hand: bool = False


@dataclass
class ScheduleForm:
    """All that the form asks for.

    :param options: the fields of the action.
    :param old: the schedule that is changed; None for a new one.
    :param priority: "" for the action's own.
    :param version: of the schedule that the form was drawn from.
    """

    identifier: str
    spec: ActionSpec
    options: LaunchForm
    when: When
    old: ScheduleRow | None = None
    title: str = ""
    priority: str = ""
    enabled: bool = True
    version: str = ""
    error: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What a schedule has beside its rule and its options."""
        return {
            "timezone": self.when.get("_timezone"),
            "title": self.title,
            "priority": self.priority or None,
            "enabled": self.enabled,
        }

    def errors(self) -> dict[str, str]:
        """Field -> sentence."""
        return {**self.when.errors, **self.options.errors()}

    def label(self, name: str) -> str:
        """What a field is called in a summary."""
        labels = {
            "_kind": tr("Starts"), "_moment": tr("Date and time"), "_every": tr("How often"),
            "_minute": tr("Minute of the hour"), "_days": tr("Days"), "_day": tr("Day of the month"),
            "_time": tr("Time"), "_from": tr("From"), "_to": tr("To"), "_interval": tr("Minutes between two starts"),
            "_cron": tr("Cron expression"), "_timezone": tr("Time zone"),
        }  # fmt: skip
        known = {item.name: item.spec.label for item in self.options.fields}
        return str(labels.get(name) or known.get(name) or name)


# -- pages


def new() -> ResponseReturnValue:
    """The form of a new schedule; without an action, the choice of one."""
    person, state = need("schedule"), current_state()
    identifier, action = request.args.get("worker", ""), request.args.get("action", "")
    if not identifier or not action:
        found = offers(state, person, identifier)
        if wants_json():
            return jsonify(workers=[{"title": each["title"], "actions": each["actions"]} for each in _plain(found)])
        return render("schedules/choose.html", "schedules", offers=found)
    _, spec = the_action(identifier, action, "schedule")
    form = _form(state, identifier, spec)
    form.options.fill_query(request.args)
    return _page(form)


def schedule(schedule_id: int) -> ResponseReturnValue:
    """The form of a schedule that is there."""
    row = the_schedule(schedule_id)
    if wants_json():
        return jsonify(row.json)
    if row.own or row.spec is None:
        add_tasks(current_state(), [row])
        return render("schedules/fixed.html", "schedules", row=row)
    return _page(_form_of(current_state(), row))


def preview() -> ResponseReturnValue:
    """What the fields of a rule mean, while they are filled in."""
    need("schedule")
    found = _preview(When.sent(request.args))
    if partial() is not None:
        return render("schedules/_preview.html", "schedules", preview=found)
    runs = [moment.iso for moment in found.runs]
    return jsonify(words=found.words, zone=found.zone, next_runs=runs, error=found.error)


def create() -> ResponseReturnValue:
    """Make a schedule: 303 to the list, or 201 as JSON."""
    need("schedule")
    state, body = current_state(), _body()
    sent: Mapping[str, Any] = request.form if body is None else body
    names = ("_worker", "_action") if body is None else ("identifier", "action")
    identifier, action = (str(sent.get(name) or "") for name in names)
    _, spec = the_action(identifier, action, "schedule")
    form = _form(state, identifier, spec)
    if body is not None:
        return _create_from_json(state, form, body)

    def make(values: dict[str, Any]) -> Schedule:
        return door().create(identifier, spec.name, form.when.rule, values, user_id=visitor().id, **form.facts)

    return _save(form, make, 201)


def update(schedule_id: int) -> ResponseReturnValue:
    """Change a schedule: 303 to the list, or the schedule as JSON; 409 when somebody else was faster."""
    row, state, body = the_schedule(schedule_id), current_state(), _body()
    if row.own or row.spec is None:
        return message_page(409, _fixed_words(row))
    form = _form_of(state, row)
    if body is not None:
        return _update_from_json(state, form, row, body)

    def change(values: dict[str, Any]) -> Schedule:
        data = None if form.spec.model is None else _kept(state, row, form, values)
        return door().update(row.schedule, rule=form.when.rule, data=data, seen=_number(form.version), **form.facts)

    return _save(form, change, 200)


def _save(form: ScheduleForm, save: Callable[[dict[str, Any]], Schedule], status: int) -> ResponseReturnValue:
    """Read what was sent and save it, or show the form again with what is wrong.

    :param save: gets the options.
    :param status: of the answer as JSON, when it is saved.
    """
    values = _read(form)
    if request.form.get(PREVIEW):
        return _page(form)
    if form.errors() or form.error:
        return _refused(form, 422)
    try:
        with form.options.authors_code(values):
            saved = save(values)
    except ScheduleChanged:
        assert form.old is not None
        return _changed(form, the_schedule(form.old.id))
    except InvalidOptions as error:
        return _wrong(form, error)
    except DatabaseBusy:
        return _busy(form)
    return _saved(saved, form.spec, status)


# -- as JSON


def _create_from_json(state: State, form: ScheduleForm, body: Mapping[str, Any]) -> ResponseReturnValue:
    values = _json_values(form, body)
    with form.options.authors_code(values):
        made = door().create(
            form.identifier, form.spec.name, _json_rule(body), values, timezone=_text(body, "timezone"),
            title=_text(body, "title") or "", priority=_priority(body.get("priority")),
            enabled=body.get("enabled", True) is not False, user_id=visitor().id,
        )  # fmt: skip
    return _saved(made, form.spec, 201)


def _update_from_json(
    state: State, form: ScheduleForm, row: ScheduleRow, body: Mapping[str, Any]
) -> ResponseReturnValue:
    more: dict[str, Any] = {}
    if "options" in body and form.spec.model is not None:
        more["data"] = _kept(state, row, form, _json_values(form, body))
    if "priority" in body:
        more["priority"] = _priority(body["priority"])
    if "enabled" in body:
        more["enabled"] = body["enabled"] is True
    rule = _json_rule(body) if "rule" in body else None
    zone, title = _text(body, "timezone"), _text(body, "title")
    with form.options.authors_code(more.get("data", {})):
        saved = door().update(row.schedule, rule=rule, timezone=zone, title=title, **more)
    return _saved(saved, form.spec, 200)


def _json_rule(body: Mapping[str, Any]) -> Mapping[str, Any]:
    rule = body.get("rule")
    if not isinstance(rule, Mapping):
        raise InvalidSchedule({"rule": tr('Say when, as an object such as {"type": "manual"}.')})
    return rule


def _json_values(form: ScheduleForm, body: Mapping[str, Any]) -> dict[str, Any]:
    options = body.get("options") or {}
    if not isinstance(options, Mapping):
        raise InvalidOptions({"options": tr("Give the options of the action as name and value.")})
    values = form.options.read_json(options)
    wrong = form.options.errors() | ({"": form.options.error} if form.options.error else {}) | _no_file(form)
    if wrong:
        raise InvalidOptions(wrong)
    return values


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return None if value is None else str(value)


def _priority(value: Any) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or value not in PRIORITIES:
        raise InvalidOptions({"priority": tr("Choose a priority: high, normal or low.")})
    return str(value)


# -- the form


def _form(state: State, identifier: str, spec: ActionSpec) -> ScheduleForm:
    """The empty form. A schedule takes no files: they would be gone or old when it starts."""
    uploads = Uploads(state.database, state.storage)
    options = LaunchForm(identifier, spec, visitor().id, uploads, state.settings.max_upload)
    options.fields = [item for item in options.fields if item.kind not in FILE_KINDS]
    options.look_at_conditions()
    when = When.of({"type": "periodic", "frequency": "daily", "time": "09:00"}, usual_zone(state.settings.timezone))
    return ScheduleForm(identifier, spec, options, when)


def _form_of(state: State, row: ScheduleRow) -> ScheduleForm:
    """The form filled with what a schedule has; its secrets stay where they are."""
    assert row.spec is not None
    old = row.schedule
    form = _form(state, old.identifier, row.spec)
    form.options.fill(plain(old.meta or {}))
    try:
        secrets = state.vault.open(old.secrets)
    except STaskError:
        secrets = {}
    for item in form.options.fields:
        if item.kind == "secret" and item.name in secrets:
            item.spec = replace(item.spec, required=False, has_default=True)
            item.note = tr("It is set. Enter a new one to replace it.")
    form.when = When.of(old.rule, old.timezone)
    form.old, form.title, form.priority, form.enabled = row, old.title, old.priority or "", old.enabled
    form.version = _version(old)
    return form


def _read(form: ScheduleForm) -> dict[str, Any]:
    """What was sent, into the form -> the options."""
    sent = request.form
    values = form.options.read(sent, MultiDict())
    form.when = When.sent(sent)
    form.when.read()
    form.title, form.enabled = sent.get("_title", "").strip()[:_LONGEST], sent.get("_enabled", "") not in ("", "0")
    form.priority, form.version = sent.get("_priority", ""), sent.get(VERSION, "")
    if form.priority and form.priority not in PRIORITIES:
        form.error = tr("Choose a priority: high, normal or low.")
    form.error = form.error or " ".join(_no_file(form).values())
    return values


def _no_file(form: ScheduleForm) -> dict[str, str]:
    label = needed_file(form.spec)
    if not label or form.old is not None:
        return {}
    return {"": tr("This needs a file each time (%(label)s), so it cannot start by itself.", label=label)}


def _kept(state: State, row: ScheduleRow, form: ScheduleForm, values: dict[str, Any]) -> dict[str, Any]:
    """The options with the files that the schedule has: those are not asked for."""
    names = [item.name for item in form.spec.fields() if item.kind in FILE_KINDS]
    if not any((row.schedule.meta or {}).get(name) for name in names):
        return values
    options = load(
        form.spec, row.schedule.meta or {}, state.vault.open(row.schedule.secrets), state.storage.upload_path
    )
    return {**{name: getattr(options, name) for name in names}, **values}


def _preview(when: When) -> Preview:
    rule = when.read()
    if rule is None:
        return Preview(error=next(iter(when.errors.values())))
    zone = when.get("_timezone")
    runs = tuple(moments(when.runs(rule)))
    by_hand = when.get("_kind") == "manual"
    error = "" if runs or by_hand else tr("This moment has passed. Choose one that is to come.")
    return Preview(capital(rule.words()), "" if by_hand else rules.zone_words(zone), runs, error, by_hand)


def _page(form: ScheduleForm, *, note: ScheduleRow | None = None) -> ResponseReturnValue:
    form.options.load_choices()
    errors = dict(form.when.errors)
    shown = _preview(form.when)
    form.when.errors = errors  # a page that was only opened, or asked for its preview, complains of nothing
    identifier, spec = form.identifier, form.spec
    post = url_for("stask.schedule_update", schedule_id=form.old.id) if form.old else url_for("stask.schedule_create")
    context = {
        "s": form,
        "form": form.options,
        "when": form.when,
        "spec": spec,
        "worker": current_state().registry.get(identifier),
        "preview": shown,
        "post_url": post,
        "preview_url": url_for("stask.schedule_preview"),
        "field_url": url_for("stask.run", identifier=identifier, action=spec.name),
        "in_dialog": False,
        "has_files": any(item.kind in FILE_KINDS for item in spec.fields()),
        "needed_file": needed_file(spec) if form.old is None else "",
        "back": url_for("stask.schedules"),
        "now": note,
        "summary": [(name, form.label(name), text) for name, text in form.errors().items()],
    }
    return render("schedules/edit.html", "schedules", **context)


def _refused(form: ScheduleForm, status: int, note: ScheduleRow | None = None, **more: Any) -> ResponseReturnValue:
    errors = form.errors()
    if not form.error and errors:
        form.error = trn("One field needs a look.", "%(num)s fields need a look.", len(errors))
    if wants_json():
        return jsonify(error=form.error, errors=errors, **more), status
    return make_response(_page(form, note=note), status)


def _wrong(form: ScheduleForm, error: InvalidOptions) -> ResponseReturnValue:
    rest: Mapping[str, str] = error.errors
    if isinstance(error, InvalidSchedule):
        rest = form.when.take(error)
    form.options.take_errors(rest)
    form.error = form.options.error
    return _refused(form, 422)


def _busy(form: ScheduleForm) -> ResponseReturnValue:
    form.error = tr("The database is busy, so nothing was saved. What you entered is kept; try again in a moment.")
    answer = make_response(_refused(form, 503))
    answer.headers["Retry-After"] = "2"
    return answer


def _changed(form: ScheduleForm, now: ScheduleRow) -> ResponseReturnValue:
    """Somebody else was faster: both are shown, what was typed is kept, and saving once more replaces theirs."""
    words = f"{now.words}, {now.zone}" if now.zone else now.words
    state = tr("on") if now.schedule.enabled else tr("off")
    form.error = tr(
        "Somebody changed this schedule while you did. It says now: %(words)s, and is %(state)s. What you entered is "
        "kept; save once more to replace theirs.",
        words=words,
        state=state,
    )
    form.version = _version(now.schedule)
    more = {"url": now.url, "link": tr("See how it is now"), "set": {VERSION: form.version}}
    return _refused(form, 409, now, **more)


def _saved(made: Schedule, spec: ActionSpec, status: int) -> ResponseReturnValue:
    address = f"{url_for('stask.schedules')}#schedule-{made.id}"
    if wants_json():
        found = schedule_json(made, door().problem(made))
        headers = {"Location": url_for("stask.schedule", schedule_id=made.id)} if status == 201 else {}
        if not request.is_json:
            leave_notice(_saved_words(made, spec))
        return jsonify({**found, "url": address}), status, headers
    leave_notice(_saved_words(made, spec))
    return redirect(address, 303)


def _saved_words(made: Schedule, spec: ActionSpec) -> str:
    runs = moments(made.next_runs(1)) if made.enabled else []
    if runs:
        return tr("Saved. “%(title)s” starts next: %(time)s.", title=clean(spec.title), time=runs[0].words)
    return tr("Saved. “%(title)s” does not start by itself.", title=clean(spec.title))


def _fixed_words(row: ScheduleRow) -> str:
    if row.own:
        return tr("This schedule is a part of its worker's settings. Change it there, or in its code.")
    return tr("Its action is gone, so there is nothing to change. It can only be deleted.")


def _body() -> dict[str, Any] | None:
    if not request.is_json:
        return None
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidOptions({"": tr("Send a JSON object.")})
    return body


def _version(schedule: Schedule) -> str:
    return f"{schedule.updated_at.timestamp():.6f}"


def _number(text: str) -> float:
    """A version as it was sent; one that nobody sent fits no schedule."""
    try:
        return float(text[:32])
    except ValueError:
        return 0.0


def _plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Offers without what JSON does not know."""
    return [
        {**each, "actions": [{"title": a["title"], "url": a["url"]} for a in each["actions"] if not a["file"]]}
        for each in found
    ]
