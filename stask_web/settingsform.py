"""The settings of a worker as a form: from its typed ``Settings``, or from the defaults in its code.

What is stored is only what differs from the code, so a default that changes there counts wherever nobody chose
otherwise. Settings that lie in one another are named with dots: ``api.timeout``. The form, the JSON way and the undo of
a reset all end in :meth:`SettingsForm.change`, so that they are checked alike.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, SecretStr, create_model
from werkzeug.datastructures import MultiDict

from .blame import authors_code
from .controls import LIST_KINDS, shown_text
from .encoding import dump
from .errors import InvalidOptions
from .fields import Field
from .formfields import FormField
from .forms import LaunchForm, literal_of
from .knobs import MISSING, Knob, get, knobs_of_model, knobs_of_values, put, remove
from .language import tr
from .options import ActionSpec, check_deep, check_model, defaults_of, guard_secrets
from .services import Services
from .state import State
from .uploads import Uploads
from .worker import BaseWorker, merged

__all__ = ["ALL", "REMOVE", "SettingsForm"]

#: Our own fields beside the settings: the form holds all of them; forget a secret.
ALL, REMOVE = "_all", "__remove"


@dataclass(frozen=True)
class _Spec(ActionSpec):
    """Lets the form of settings be made by what makes the forms of actions."""

    knobs: tuple[Knob, ...] = ()

    def fields(self) -> list[Field]:
        """The fields of the form."""
        return [knob.field for knob in self.knobs]


class SettingsForm(LaunchForm):
    """What an admin may set of one worker.

    :raises STaskError: the stored secrets cannot be read.
    """

    def __init__(self, state: State, cls: type[Any], user: Any) -> None:
        self._state = state
        self.worker = cls()
        self.model: type[BaseModel] | None = getattr(cls, "Settings", None)
        self.code = code_values(self.worker)
        self.stored = state.roster.stored_config(str(cls.identifier)) if isinstance(self.worker, BaseWorker) else {}
        found = knobs_of_model(self.model) if self.model is not None else knobs_of_values(merged(self.code, {}))
        self.knobs = {knob.name: knob for knob in found}
        fields = tuple(self._with_defaults(knob) for knob in self.knobs.values())
        spec = _Spec("settings", "settings", "", knobs=fields)
        super().__init__(str(cls.identifier), spec, user, Uploads(state.database, state.storage), 0)
        self._show_values()

    @property
    def groups(self) -> list[tuple[str, list[FormField]]]:
        """The fields in their order; neighbours of one group together."""
        found: list[tuple[str, list[FormField]]] = []
        for item in self.fields:
            if not found or found[-1][0] != item.spec.group:
                found.append((item.spec.group, []))
            found[-1][1].append(item)
        return found

    def is_changed(self, name: str) -> bool:
        """Whether somebody chose otherwise than the code does."""
        value = self._stored_value(name)
        return value is not MISSING and not _same(value, self._code_value(name))

    def is_set(self, name: str) -> bool:
        """Whether a secret has a value."""
        value = self._stored_value(name)
        return bool(_open(self._code_value(name) if value is MISSING else value))

    def default_text(self, name: str) -> str:
        """The code's default, for people; "" for a secret and for none."""
        item = self.knobs[name].field
        value = self._code_value(name)
        if item.kind == "secret" or value in (MISSING, None):
            return ""
        if isinstance(value, bool):
            return tr("Yes") if value else tr("No")
        labels = self._labels(name) if item.kind in ("select", "radio") else {}
        text = shown_text(item, value)
        words = ", ".join(text) if isinstance(text, list) else str(text)
        return labels.get(words, words)

    def _labels(self, name: str) -> dict[str, str]:
        """The words of a field's choices, which may hang on other settings; none when they cannot be loaded."""
        item = next(item for item in self.fields if item.name == name)
        if not item.choices and not item.error:
            self.load_choices()
        return dict(item.choices)

    def described(self) -> list[dict[str, Any]]:
        """Every setting as JSON has it; of a secret only whether it is set."""
        self.load_choices()
        return [self._describe(item) for item in self.fields]

    # -- reading

    def read(self, form: MultiDict[str, str], files: Any = None) -> dict[str, Any]:
        """The values of a form. A worker's own HTML may hold only some of the fields, ours says that it holds all."""
        values: dict[str, Any] = {}
        for item in self.fields:
            if item.name in form or form.get(ALL):
                self._read_text(item, form, values)
        self._forget_what_is_not_asked(values)
        return values

    def emptied(self, form: MultiDict[str, str], values: Mapping[str, Any]) -> set[str]:
        """The fields that were left empty, or secrets that are to be forgotten: the code's default counts again."""
        asked = [item for item in self.fields if item.asked and item.name not in values and not item.error]
        whole = bool(form.get(ALL))  # nothing chosen of a list is nothing sent
        empty = {
            item.name
            for item in asked
            if item.kind != "secret" and (item.name in form or (whole and item.kind in LIST_KINDS))
        }
        return empty | {item.name for item in self.fields if form.get(item.name + REMOVE)}

    def read_json(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a JSON object, nested or by dotted names.

        :raises InvalidOptions: it names what is no setting.
        """
        values = dict(self._flat(body, ""))
        if unknown := [name for name in values if name not in self.knobs]:
            raise InvalidOptions({name: tr("There is no such setting.") for name in unknown})
        return values

    def _flat(self, body: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for key, value in body.items():
            name = f"{above}{key}"
            inside = any(knob.startswith(f"{name}.") for knob in self.knobs)
            if name not in self.knobs and inside and isinstance(value, Mapping):
                yield from self._flat(value, f"{name}.")
            elif above or not name.startswith("_"):
                yield name, value

    def _choice(self, item: FormField, text: str) -> Any:
        return literal_of(self.knobs[item.name].info.annotation, text)

    # -- writing

    def change(self, values: Mapping[str, Any], reset: Collection[str] = (), *, whole: bool = False) -> list[str]:
        """Store values, and let the code's defaults count again for those that are reset.

        :param whole: whether what is wrong with any setting counts, not only with those that are changed.
        :returns: the names of those that are now otherwise than before.
        :raises InvalidOptions: dotted name -> sentence; nothing was stored.
        """
        before = {name: self._value(name) for name in self.knobs}
        stored = deepcopy(self.stored)
        for name in reset:
            remove(stored, self.knobs[name].path)
        for name, value in values.items():
            put(stored, self.knobs[name].path, value)
        checked = self._check(stored, self.knobs.keys() if whole else {*values, *reset})
        for name in values:
            value = checked.get(name, values[name])
            if _same(value, self._code_value(name)):
                remove(stored, self.knobs[name].path)
            else:
                put(stored, self.knobs[name].path, value)
        if self.model is not None:
            stored = guard_secrets(self.model, stored)
        self._state.roster.store_config(self.identifier, stored)
        self.stored = stored
        self._show_values()
        return [name for name in self.knobs if not _same(self._value(name), before[name])]

    def _check(self, stored: Mapping[str, Any], concerned: Collection[str]) -> dict[str, Any]:
        """The values as their types make them, by dotted name; none when something else than these is wrong."""
        values = merged(self.code, stored)
        try:
            if self.model is not None:
                with authors_code(f"the settings of {self.identifier}", self.model, values):
                    checked: Any = check_deep(self.model, values)
                return {name: _attribute(checked, knob.path) for name, knob in self.knobs.items()}
            return self._check_untyped(values, concerned)
        except InvalidOptions as error:
            errors: dict[str, str] = {}
            for place, text in error.errors.items():
                errors.setdefault(self._knob_of(place), text)
            if wrong := {name: text for name, text in errors.items() if name in concerned or name not in self.knobs}:
                raise InvalidOptions(wrong) from None
            return {}

    def _check_untyped(self, values: Mapping[str, Any], concerned: Collection[str]) -> dict[str, Any]:
        names = {f"f{number}": name for number, name in enumerate(sorted(concerned))}
        model: Any = create_model(
            "Untyped",
            **{key: (self.knobs[name].info.annotation, ...) for key, name in names.items()},  # type: ignore[call-overload]
        )
        given = {key: _open(get(values, self.knobs[name].path)) for key, name in names.items()}
        try:
            checked = check_model(model, given)
        except InvalidOptions as error:
            raise InvalidOptions({names[key]: text for key, text in error.errors.items()}) from None
        return {name: getattr(checked, key) for key, name in names.items()}

    def _knob_of(self, place: str) -> str:
        """The field at which an error is shown: the one of that path, or the one that holds it as JSON."""
        while place and place not in self.knobs:
            shorter = place.rpartition(".")[0]
            if not shorter:
                return place
            place = shorter
        return place

    # -- values

    def _show_values(self) -> None:
        self.fill({name: value for name in self.knobs if (value := self._value(name)) is not MISSING})

    def _stored_value(self, name: str) -> Any:
        return get(self.stored, self.knobs[name].path)

    def _code_value(self, name: str) -> Any:
        return get(self.code, self.knobs[name].path)

    def _value(self, name: str) -> Any:
        value = self._stored_value(name)
        return self._code_value(name) if value is MISSING else value

    def old_value(self, name: str) -> Any:
        """What is stored now, to be put back by an undo."""
        return _open(self._stored_value(name))

    def _with_defaults(self, knob: Knob) -> Knob:
        """The field as it is shown: a secret that is set need not be given again."""
        is_kept = knob.field.kind == "secret" and self.is_set(knob.name)
        value = self._code_value(knob.name)
        is_secret = knob.field.kind == "secret"
        default = None if value is MISSING or is_secret else value
        required = knob.field.required and not is_kept and default is None
        known = is_secret or value is not MISSING
        return knob._replace(
            field=replace(knob.field, default=default, required=required, has_default=known, fresh=False)
        )

    def _describe(self, item: FormField) -> dict[str, Any]:
        secret = item.kind == "secret"
        value, default = self._value(item.name), self._code_value(item.name)
        facts = {
            "name": item.name,
            "kind": item.kind,
            "label": item.spec.label,
            "help": item.spec.help,
            "group": item.spec.group,
            "required": item.spec.required,
            "changed": self.is_changed(item.name),
            "choices": item.choices,
        }
        if secret:
            return facts | {"set": self.is_set(item.name)}
        return facts | {"value": _plain(value), "default": _plain(default)}


def code_values(worker: Any) -> dict[str, Any]:
    """The settings as the code has them, without what is stored."""
    if not isinstance(worker, BaseWorker):
        return {}
    model = worker.Settings
    low = merged(_dumped(defaults_of(model)), worker.defaults)
    alone = type(worker)()
    alone.services = _Nothing(alone.services)
    try:
        return merged(low, alone.settings())
    except InvalidOptions:  # something must be given that has no default
        return low


class _Nothing:
    """Services for which nothing is stored.

    :param services: does all the rest.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def stored_config(self, identifier: str) -> dict[str, Any]:
        """Nothing."""
        return {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._services, name)


def _attribute(options: Any, path: list[str]) -> Any:
    for part in path:
        options = getattr(options, part)
    return options


def _open(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else None if value is MISSING else value


def _same(one: Any, other: Any) -> bool:
    """Whether two values mean the same, stored or as their type makes them: ``time(18)`` is stored as a text."""
    if one is MISSING or other is MISSING:
        return one is other
    one, other = _open(one), _open(other)
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other) or json.dumps(_plain(one), sort_keys=True) == json.dumps(_plain(other), sort_keys=True)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return None if value is MISSING else dump({"value": value})[0].get("value")


def _dumped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with the models in them as dicts."""
    return {key: value.model_dump() if isinstance(value, BaseModel) else value for key, value in values.items()}
