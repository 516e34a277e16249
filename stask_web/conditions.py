"""Whether a field is asked for, by the values of other fields. ``static/js/conditions.js`` holds the same rule."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .controls import number_of, shown_text
from .fields import Field, text_of

#: Field -> the values of which it must have one. Numbers are wanted however they are written, texts as they are.
Condition = Mapping[str, tuple[str | float, ...]]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def condition_of(given: Mapping[str, tuple[Any, ...]], fields: Mapping[str, Field]) -> Condition:
    """A condition as its author wrote it, in the terms of the fields that it names."""
    return {name: tuple(_wanted(fields.get(name), value) for value in values) for name, values in given.items()}


def _wanted(item: Field | None, value: Any) -> str | float:
    kind = item.kind if item is not None else ""
    if item is not None and kind == "checkbox":
        return text_of(shown_text(item, value))
    if item is not None and kind in ("datetime", "date", "time") and not isinstance(value, str):
        return str(shown_text(item, value))
    text = text_of(value).strip()
    if kind in ("number", "decimal") or (isinstance(value, int | float) and not isinstance(value, bool)):
        number = _number(text)
        return text if number is None else number
    return text


def values_of(item: Field, text: Any) -> list[str]:
    """What a field holds, as texts: a flag is "true" or "false", nothing is ""; files and secrets are not told."""
    if item.kind in ("file", "files", "secret"):
        return [""]
    if isinstance(text, list):
        return [str(part).strip() for part in text] or [""]
    return [text_of(text).strip()]


def meets(values: list[str], wanted: tuple[str | float, ...]) -> bool:
    """Whether one of a field's values is among those that a condition wants."""
    return any(_number(text) == each if isinstance(each, float) else text == each for text in values for each in wanted)


def _number(text: str) -> float | None:
    plain = number_of(text)
    if not _NUMBER.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) else None


def asked(conditions: Mapping[str, Condition], values: Mapping[str, list[str]]) -> set[str]:
    """The fields that are asked for.

    A field on a field that is not asked for is not asked for either. A condition on what is no field always holds:
    better to ask than to lose it.

    :param conditions: of each field that has one.
    :param values: of each field there is.
    """
    found = set(values)
    for _ in conditions:  # a condition may hang on a field that has one itself
        for name, condition in conditions.items():
            held = all(
                other not in values or (other in found and meets(values[other], wanted))
                for other, wanted in condition.items()
            )
            if held:
                found.add(name)
            else:
                found.discard(name)
    return found
