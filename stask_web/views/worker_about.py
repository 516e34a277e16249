"""What a worker is: where its code lies, how it was found, what each action takes, how to start it from elsewhere."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from typing import Any, NamedTuple

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue

from ..controls import shown_text
from ..discovery import GROUP, class_name
from ..fields import Field
from ..formatting import action_specs_of
from ..formfields import FILE_KINDS
from ..language import mark, tr
from ..models import WorkerRecord
from ..numbers import number
from ..options import ActionSpec
from ..state import State, current_state
from ..text import clean
from ..times import clock, duration
from .facts import Fact
from .page import render
from .visitor import the_worker, visitor, wants_json
from .worker_frame import frame
from .workers import worker_json

#: kind of a field -> what it takes, for people.
KINDS = {
    "text": mark("Text"),
    "textarea": mark("Long text"),
    "number": mark("Number"),
    "decimal": mark("Decimal number"),
    "checkbox": mark("Yes or no"),
    "select": mark("One of a list"),
    "radio": mark("One of a list"),
    "multiselect": mark("Several of a list"),
    "date": mark("Date"),
    "time": mark("Time"),
    "datetime": mark("Date and time"),
    "email": mark("E-mail address"),
    "url": mark("Web address"),
    "json": mark("JSON"),
    "secret": mark("Secret"),
    "file": mark("File"),
    "files": mark("Files"),
}
PRIORITY_WORDS = {"high": mark("High"), "normal": mark("Normal"), "low": mark("Low")}


class OptionRow(NamedTuple):
    """One option of an action."""

    name: str
    label: str
    kind: str
    required: bool
    default: str


class AboutAction(NamedTuple):
    """One action.

    :param facts: how it is run.
    :param takes_any: whether its options are not declared.
    :param calls: (heading, line) for whoever starts it from elsewhere.
    """

    name: str
    title: str
    help: str
    facts: list[Fact]
    options: list[OptionRow]
    takes_any: bool
    calls: list[tuple[str, str]]


def about(identifier: str) -> ResponseReturnValue:
    """Where a worker comes from, and what its actions take."""
    record = the_worker(identifier)
    state = current_state()
    cls = state.registry.get(identifier)
    specs = list(action_specs_of(cls).values()) if cls is not None else []
    if wants_json():
        return jsonify(worker_json(record) | _json(state, record, cls, specs))
    return render(
        "workers/about.html",
        "workers",
        facts=list(_facts(state, record, cls)),
        actions=[_action(state, record, spec) for spec in specs],
        **frame(record, "about"),
    )


def _facts(state: State, record: WorkerRecord, cls: type[Any] | None) -> Iterator[Fact]:
    module, _, name = record.class_name.partition(":")
    if cls is not None:
        module, _, name = class_name(cls).partition(":")
    yield Fact(tr("Identifier"), record.identifier, True)
    if record.scope:
        yield Fact(tr("Scope"), record.scope)
    yield Fact(tr("Class"), name, True)
    yield Fact(tr("Module"), module, True)
    file = _file_of(module) if visitor().may("configure", cls or record) else ""
    if file:
        yield Fact(tr("File"), file, True)
    if cls is not None:
        yield Fact(tr("Version"), _version_of(module) or tr("Of no installed distribution"))
        yield Fact(tr("Found by"), _found_by(state, cls))
    yield Fact(tr("Registered"), clock(record.created_at))
    if abs((record.updated_at - record.created_at).total_seconds()) > 1:
        yield Fact(tr("Last change"), clock(record.updated_at))


def _file_of(module: str) -> str:
    """The name of the module's file, never where it lies."""
    return Path(getattr(sys.modules.get(module), "__file__", None) or "").name


@cache
def _version_of(module: str) -> str:
    """The distribution that a module comes from, with its version."""
    names = packages_distributions().get(module.partition(".")[0], [])
    return ", ".join(f"{name} {version(name)}" for name in dict.fromkeys(names))


def _found_by(state: State, cls: type[Any]) -> str:
    for point in entry_points(group=GROUP):
        if point.value in (cls.__module__, class_name(cls)):
            return tr("the entry point %(name)s", name=f"{point.name} = {point.value}")
    for package in state.settings.worker_packages:
        if f"{cls.__module__}.".startswith(f"{package}."):
            return tr("the package %(name)s of STASK_WORKER_PACKAGES", name=package)
    return tr("the program, which registered it itself")


def _action(state: State, record: WorkerRecord, spec: ActionSpec) -> AboutAction:
    return AboutAction(
        name=spec.name,
        title=clean(spec.title),
        help=clean(spec.description),
        facts=list(_run_facts(state, spec)),
        options=[_option(item) for item in spec.fields()],
        takes_any=spec.model is None,
        calls=list(_calls(record, spec)),
    )


def _run_facts(state: State, spec: ActionSpec) -> Iterator[Fact]:
    yield Fact(tr("Priority"), tr(PRIORITY_WORDS[spec.priority]))
    yield Fact(tr("Attempts at most"), number(spec.max_attempts or state.settings.max_attempts))
    timeout = spec.timeout or state.settings.timeout
    yield Fact(tr("Time limit"), duration(timeout) if timeout else tr("No limit"))
    if spec.unique is True:
        yield Fact(tr("At once"), tr("Only one may wait or run"))
    elif spec.unique:
        yield Fact(tr("At once"), tr("Only one for each value of %(options)s", options=", ".join(spec.unique)))
    if spec.confirm:
        yield Fact(tr("Asked before the start"), spec.confirm if isinstance(spec.confirm, str) else tr("Yes"))
    if spec.role:
        yield Fact(tr("Who may start it"), spec.role)
    if spec.dry_run:
        yield Fact(tr("Check only"), tr("Possible, by the option %(name)s", name=spec.dry_run))


def _option(item: Field) -> OptionRow:
    default = item.default
    if item.kind == "secret" or default is None or default in ("", [], {}):
        words = ""
    elif isinstance(default, bool):
        words = tr("Yes") if default else tr("No")
    else:
        text = shown_text(item, default)
        words = ", ".join(text) if isinstance(text, list) else str(text)
    kind = tr(KINDS[item.kind]) if item.kind in KINDS else item.kind
    if item.accept:
        kind = f"{kind} ({', '.join(item.accept)})"
    return OptionRow(item.name, item.label, kind, item.required, words)


def _calls(record: WorkerRecord, spec: ActionSpec) -> Iterator[tuple[str, str]]:
    """Lines to copy: each option that must be given, or the first one, with a value of its kind."""
    fields = [item for item in spec.fields() if item.required] or spec.fields()[:1]
    sent = {item.name: _example(item) for item in fields}
    url = url_for("stask.launch", identifier=record.identifier, action=spec.name)
    address = f"{request.host_url.rstrip('/')}{url}"
    yield tr("HTTP, as JSON"), f"POST {address}\n{json.dumps(sent, ensure_ascii=False)}"
    words = ["flask", "stask", "run", record.identifier, spec.name.replace("_", "-")]
    for item in fields:
        value = "prices.csv" if item.kind in FILE_KINDS else _example(item)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words += ["--option", f"{item.name}={text}"]
    yield tr("Command line"), shlex.join(words)
    data = f", data={_python(fields)}" if fields else ""
    yield tr("Python"), f'stask.create("{record.identifier}", "{spec.name}"{data})'


def _python(fields: list[Field]) -> str:
    sent = {item.name: "prices.csv" if item.kind in FILE_KINDS else _example(item) for item in fields}
    return "{" + ", ".join(f"{json.dumps(name)}: {value!r}" for name, value in sent.items()) + "}"


_EXAMPLES: dict[str, Any] = {
    "number": 1, "decimal": "12.50", "checkbox": True, "date": "2026-12-31", "time": "18:30",
    "datetime": "2026-12-31T18:30", "email": "name@example.com", "url": "https://example.com", "json": {},
    "file": "TOKEN", "files": ["TOKEN"], "secret": "…",
}  # fmt: skip


def _example(item: Field) -> Any:
    """A value of its kind. Choices that are computed are not computed for this: they may be slow."""
    plain = item.default
    if item.kind != "secret" and isinstance(plain, str | int | float) and plain != "":
        return plain
    return _EXAMPLES.get(item.kind, "…")


def _json(state: State, record: WorkerRecord, cls: type[Any] | None, specs: list[ActionSpec]) -> dict[str, Any]:
    details = [
        {
            "name": spec.name,
            "title": clean(spec.title),
            "description": clean(spec.description),
            "priority": spec.priority,
            "max_attempts": spec.max_attempts or state.settings.max_attempts,
            "timeout": spec.timeout or state.settings.timeout,
            "unique": spec.unique if isinstance(spec.unique, bool) else list(spec.unique),
            "options": [
                {"name": item.name, "label": item.label, "kind": item.kind, "required": item.required}
                for item in spec.fields()
            ],
        }
        for spec in specs
    ]
    module = cls.__module__ if cls is not None else record.class_name.partition(":")[0]
    return {
        "class": class_name(cls) if cls is not None else record.class_name,
        "version": _version_of(module) if cls is not None else "",
        "registered_at": record.created_at.isoformat(),
        "actions": details,
    }
