"""Which fields are asked for: one rule, and one table of cases for the server and for the browser."""

from __future__ import annotations

import json
import subprocess
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from stask_web.conditions import asked, condition_of, values_of
from stask_web.fields import Field, _conditions

ROOT = Path(__file__).resolve().parents[2]


class Tag(Enum):
    NEW = "new"
    OLD = "old"


#: Kind of the other field, what it shows, what is wanted of it, whether the condition holds.
CASES: list[tuple[str, Any, Any, bool]] = [
    # flags
    ("checkbox", True, True, True),
    ("checkbox", False, True, False),
    ("checkbox", False, False, True),
    ("checkbox", True, "true", True),
    ("checkbox", True, "True", True),
    ("checkbox", True, 1, True),
    ("checkbox", False, 0, True),
    ("checkbox", False, "false", True),
    ("checkbox", False, None, True),
    ("checkbox", True, [True, False], True),
    ("select", "true", True, True),
    ("select", "false", True, False),
    ("select", "", [True, False], False),
    # numbers
    ("number", "3", 3, True),
    ("number", "3", "3", True),
    ("number", "3", 3.0, True),
    ("number", "3.0", 3, True),
    ("number", " 3 ", 3, True),
    ("number", "03", "3", True),
    ("number", "1e2", 100, True),
    ("number", "4", [3, 4], True),
    ("number", "", 0, False),
    ("number", "", None, True),
    ("number", "", "", True),
    ("number", "many", 3, False),
    ("number", "0x10", 16, False),
    ("decimal", "2,50", Decimal("2.5"), True),
    ("decimal", "1,200", 1.2, False),
    ("decimal", "1_0", 10, False),
    ("select", "10", 10, True),
    ("select", "10", "10", True),
    ("text", "01", "1", False),
    ("text", "01", "01", True),
    ("number", "9" * 400, "9" * 400, True),
    # texts and choices
    ("select", "csv", "csv", True),
    ("select", "csv", ["tsv", "csv"], True),
    ("select", "csv", ("tsv",), False),
    ("select", "csv", frozenset({"csv"}), True),
    ("select", "csv", [], False),
    ("select", "new", Tag.NEW, True),
    ("select", "new", [Tag.OLD, Tag.NEW], True),
    ("radio", "", "csv", False),
    ("radio", "", "", True),
    ("text", " padded ", "padded", True),
    ("text", "Csv", "csv", False),
    ("text", "", None, True),
    # several
    ("multiselect", ["new", "old"], "old", True),
    ("multiselect", ["new"], ["old", "new"], True),
    ("multiselect", ["new"], Tag.OLD, False),
    ("multiselect", ["true"], True, True),
    ("multiselect", ["10"], 10, True),
    ("multiselect", [], "new", False),
    ("multiselect", [], "", True),
    # days and moments
    ("date", "2026-05-17", date(2026, 5, 17), True),
    ("date", "2026-05-17", "2026-05-17", True),
    ("datetime", "2026-05-17T18:30", datetime(2026, 5, 17, 18, 30), True),
    # what is not told
    ("secret", "hush", "hush", False),
    ("file", "", "", True),
]

#: Conditions of several fields, the values of all, and those that are asked for.
CHAINS: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({"b": {"a": "1"}, "c": {"b": "2"}}, {"a": "1", "b": "2", "c": ""}, {"a", "b", "c"}),
    ({"b": {"a": "1"}, "c": {"b": "2"}}, {"a": "0", "b": "2", "c": ""}, {"a"}),
    ({"c": {"b": "2"}, "b": {"a": "1"}}, {"c": "", "b": "2", "a": "0"}, {"a"}),
    ({"d": {"c": ""}, "c": {"b": "2"}, "b": {"a": "1"}}, {"a": "0", "b": "2", "c": "", "d": ""}, {"a"}),
    ({"b": {"a": "1", "x": "9"}}, {"a": "1", "b": ""}, {"a", "b"}),
    ({"c": {"a": "1", "b": "2"}}, {"a": "1", "b": "0", "c": ""}, {"a", "b"}),
    ({"b": {"a": ""}, "c": {"b": ""}}, {"a": "x", "b": "", "c": ""}, {"a"}),
    ({"a": {"b": "1"}, "b": {"a": "1"}}, {"a": "1", "b": "1"}, {"a", "b"}),
    ({"a": {"b": "1"}, "b": {"a": "1"}}, {"a": "1", "b": "0"}, set()),
]


def prepared() -> list[tuple[dict[str, Any], dict[str, list[str]], set[str]]]:
    """All cases, as both sides get them."""
    found = []
    for kind, text, wanted, holds in CASES:
        fields = {"other": Field("other", kind, "Other"), "field": Field("field", "text", "Field")}
        condition = condition_of(_conditions({"other": wanted}), fields)
        values = {"other": values_of(fields["other"], text), "field": [""]}
        found.append(({"field": condition}, values, {"other", "field"} if holds else {"other"}))
    for conditions, texts, wanted in CHAINS:
        fields = {name: Field(name, "text", name) for name in texts}
        values = {name: values_of(fields[name], text) for name, text in texts.items()}
        made = {name: condition_of(_conditions(given), fields) for name, given in conditions.items()}
        found.append((made, values, wanted))
    return found


def test_the_server_knows_which_fields_are_asked_for() -> None:
    for (conditions, values, wanted), case in zip(prepared(), [*CASES, *CHAINS], strict=True):
        assert asked(conditions, values) == wanted, case


@pytest.mark.needs("npm")
def test_the_browser_decides_by_the_same_rule() -> None:
    cases = [(list(conditions.items()), list(values.items())) for conditions, values, _ in prepared()]
    script = f"""
        import {{ asked }} from {json.dumps((ROOT / "static/js/conditions.js").as_uri())};
        const cases = {json.dumps(cases, allow_nan=False)};
        const found = cases.map(([conditions, values]) => [...asked(new Map(conditions), new Map(values))]);
        console.log(JSON.stringify(found));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for found, (*_, wanted), case in zip(json.loads(done.stdout), prepared(), [*CASES, *CHAINS], strict=True):
        assert set(found) == wanted, case
