"""The question before an action that its author marked with ``confirm=``: what follows, and what it is given.

A form that wants it sends ``_ask``; a program that posts on its own has decided already. With JavaScript the question
comes as JSON and stands in a dialog, without it is a second page that carries everything in hidden fields, secrets
sealed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from ..errors import STaskError
from ..formatting import priority_word
from ..formfields import FILE_KINDS, FormField
from ..forms import ASK, FORM_KEY, PRIORITY, START_AT, UPLOAD, ZONE, LaunchForm
from ..language import mark, tr
from ..options import validate
from ..state import State
from .facts import STARS, Fact
from .page import render
from .visitor import wants_json

CONFIRMED, SEALED, BACK = "_confirmed", "_sealed", "_back"
USUAL = mark("This cannot be taken back.")


def must_ask(form: LaunchForm, *, check_only: bool) -> bool:
    """Whether this form is to be asked about before it is launched."""
    sent = request.form
    return bool(form.spec.confirm and sent.get(ASK) and not sent.get(CONFIRMED)) and not check_only


def question(
    state: State, form: LaunchForm, values: Mapping[str, Any], post_url: str, form_key: str
) -> ResponseReturnValue:
    """The question, once the values were found good.

    :raises InvalidOptions: they are not.
    """
    validate(form.spec, values)
    form.load_choices()
    context = {
        "spec": form.spec,
        "consequence": consequence(form),
        "facts": list(_facts(form, values)),
        "post_url": post_url,
    }
    if wants_json():
        return jsonify(confirm=render("launch/_confirm.html", "dashboard", in_dialog=True, **context))
    hidden = [*_hidden(form), (FORM_KEY, form_key), (ASK, "1")]
    sealed = state.vault.seal({item.name: values[item.name] for item in _secrets(form) if item.name in values})
    if sealed:
        hidden.append((SEALED, sealed.decode("ascii")))
    return render("launch/confirm.html", "dashboard", hidden=hidden, in_dialog=False, **context)


def consequence(form: LaunchForm) -> str:
    """The author's sentence on what follows; a usual one where there is only a flag."""
    return tr(USUAL) if isinstance(form.spec.confirm, bool | None) else str(form.spec.confirm)


def unseal(state: State, form: LaunchForm, values: dict[str, Any]) -> None:
    """Take the secrets back that the second page carried."""
    sealed = request.form.get(SEALED, "")
    if not sealed:
        return
    names = {item.name for item in _secrets(form)}
    with contextlib.suppress(STaskError):  # nothing that we sealed: then it is as if no secret had been given
        for name, secret in state.vault.open(sealed.encode("ascii", "replace")).items():
            if name in names:
                values.setdefault(name, secret)


def _secrets(form: LaunchForm) -> Iterator[FormField]:
    return (item for item in form.fields if item.kind == "secret")


def _facts(form: LaunchForm, values: Mapping[str, Any]) -> Iterator[Fact]:
    """What it is given, in the words of the form; what was left empty is left out."""
    for item in form.fields:
        words = _words(item, values) if item.asked else ""
        if words:
            yield Fact(item.spec.label, words)
    if form.start_at:
        yield Fact(tr("Starts"), form.start_at.replace("T", " ") + (f" ({form.zone})" if form.zone else ""))
    if form.priority != form.spec.priority:
        yield Fact(tr("Priority"), priority_word(form.priority))


def _words(item: FormField, values: Mapping[str, Any]) -> str:
    if item.kind in FILE_KINDS:
        return ", ".join(file.name for file in item.files)
    if item.kind == "secret":
        return STARS if values.get(item.name) else ""
    if item.kind == "checkbox":
        return tr("Yes") if item.text else tr("No")
    labels = dict(item.choices)
    texts = item.text if isinstance(item.text, list) else [item.text]
    return ", ".join(labels.get(text) or str(text) for text in texts if text)


def _hidden(form: LaunchForm) -> Iterator[tuple[str, str]]:
    """All that was typed, as hidden fields."""
    for item in form.fields:
        if item.kind in FILE_KINDS:
            yield from ((item.name + UPLOAD, file.token) for file in item.files)
        elif item.kind == "checkbox":
            yield (item.name, "1" if item.text else "0")
        elif item.kind != "secret":
            yield from ((item.name, text) for text in (item.text if isinstance(item.text, list) else [item.text]))
            yield from item.beside
    yield from ((PRIORITY, form.priority), (START_AT, form.start_at), (ZONE, form.zone))
