"""Odd and hostile posts: each is answered with a sentence, none with a 500."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from flask.testing import FlaskClient
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, SecretStr, field_validator, model_validator

from stask_web import BaseWorker, Choices, DryRun, Upload, action

from .conftest import JSON, Site


class Tag(Enum):
    NEW = "new"
    OLD = "old"


def streets(city: str) -> list[str]:
    return [f"{city} 1"]


class Odd(BaseModel):
    """One of each kind."""

    text: str = "x"
    story: str = Field("", max_length=2000)
    whole: int = 5
    many: int | None = None
    share: float = 0.5
    price: Decimal = Decimal(1)
    flag: bool = False
    maybe: bool | None = None
    tag: Tag = Tag.NEW
    size: Literal[1, 2] = 1
    tags: list[Tag] = Field(default_factory=list)
    day: date = date(2026, 5, 17)
    clock: time = time(1)
    moment: datetime = datetime(2026, 5, 17, 1, 2, 3)
    aware: AwareDatetime = datetime(2026, 5, 17, 1, 2, 3, tzinfo=UTC)
    length: timedelta = timedelta(1)
    mail: str = Field("", json_schema_extra={"kind": "email"})
    site: str = Field("", json_schema_extra={"kind": "url"})
    extra: dict[str, Any] = Field(default_factory=dict)
    anything: Any = None
    either: int | str = 1
    city: Annotated[str, Choices(lambda: ["a", "b"])] = "a"
    street: Annotated[str | None, Choices(streets)] = None
    secret: SecretStr | None = None
    hidden: str = Field("-", json_schema_extra={"show_if": {"flag": True}})


class OddFiles(Odd):
    """And files."""

    file: Annotated[Path | None, Upload(".txt")] = None
    files: Annotated[list[Path], Upload(".txt")] = Field(default_factory=list)
    dry_run: Annotated[bool, DryRun()] = False


class OddWorker(BaseWorker):
    identifier, title = "odd", "Odd"
    Settings = Odd

    def task_go(self, task: Any, options: OddFiles) -> None: ...

    @action("Ask", confirm=True)
    def task_ask(self, task: Any, options: OddFiles) -> None: ...

    def task_plain(self, task: Any, options: Odd) -> None: ...


GO, ASK = (f"/stask/workers/odd/run/{name}" for name in ("go", "ask"))
SETTINGS, SCHEDULES = "/stask/workers/odd/settings", "/stask/schedules"
FIELDS = list(OddFiles.model_fields)
OURS = ["_priority", "_start_at", "_zone", "_form_key", "_check", "_confirmed", "_sealed", "_back"]
RULE = ["_kind", "_moment", "_every", "_minute", "_days", "_day", "_time", "_from", "_to", "_interval", "_cron",
        "_timezone", "_title", "_enabled", "_version", "_preview"]  # fmt: skip
BESIDE = ["__zone", "__exact", "__upload", "__remove"]

DEEP = "[" * 10_000
NESTED = "[" * 600 + "]" * 600
#: Texts that no form of ours sends.
TEXTS = [
    "", "a\x00b", "%ED%A0%80", "9" * 5000, "1e400", "nan", "0x10", "٣", DEEP, NESTED, '{"a":' * 600 + "1" + "}" * 600,
    '"\\ud800"', '{"\\ud800": "\\u0000"}', "[" + "9" * 5000 + "]", "null", "9999-12-31T23:59:59.999999",
    "0001-01-01T00:00", "2026-05-17T18:30+99:99", "24:00", "P" + "9" * 400 + "D", "999999999999999999:00:00",
    "../../etc/passwd", "a" * 200_000, "%s%(x)s{}", "0" * 32, "Mars/Base", "+99:99",
]  # fmt: skip


@pytest.fixture
def odd(site: Site) -> FlaskClient:
    object.__setattr__(site.state.settings, "launch_rate", 10**9)
    site.add(OddWorker)
    return site.client("admin")


def broken(client: FlaskClient, address: str, **sent: Any) -> list[Any]:
    """The case, when the answer is a 500."""
    answer = client.post(address, **sent)
    answer.get_data()
    return [(address, str(sent)[-200:])] if answer.status_code >= 500 else []


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_text_in_a_form_breaks_it(odd: FlaskClient, text: str) -> None:
    found = []
    schedule = {"_kind": "daily", "_time": "09:00", "_timezone": "UTC", "_worker": "odd", "_action": "plain"}
    everything = dict.fromkeys(FIELDS, text)
    beside = {name + end: text for name in FIELDS for end in BESIDE}
    own = dict.fromkeys(FIELDS, "2026-05-17T01:02")
    for headers in ({}, JSON):
        found += broken(odd, GO, data=everything, headers=headers)
        found += broken(odd, GO, data={**own, **beside}, headers=headers)
        found += broken(odd, ASK, data={**everything, "_ask": "1"}, headers=headers)
        found += broken(odd, SETTINGS, data={**everything, **beside, "_all": "1"}, headers=headers)
        found += broken(odd, SCHEDULES, data={**schedule, **everything}, headers=headers)
    found += broken(odd, f"{SETTINGS}?undo={text[:500]}")
    found += broken(odd, SETTINGS, data={"_reset": text})
    for name in OURS:
        found += broken(odd, GO, data={name: text})
        found += broken(odd, ASK, data={"_ask": "1", name: text})
    for name in RULE:
        for kind in ("once", "daily", "window", "cron", "minutes", "hourly"):
            found += broken(odd, SCHEDULES, data={**schedule, "_kind": kind, name: text})
    for name in FIELDS:  # alone, so that no other field is wrong before it
        found += broken(odd, GO, data={name: [text, text]}, headers=JSON)
    assert found == []


#: JSON as no program of good will sends it.
BODIES = [
    "null", "true", "5", "1e400", "[]", "[[]]", '{"a": 1}', '"\\u0000"', '"a\\ud800"', '{"\\ud800": 1}', "9" * 4000,
    "9" * 5000, NESTED, "[" * 200 + "]" * 200, DEEP, '{"upload": "x", "name": "y"}', '[{"upload": 5}]',
]  # fmt: skip


@pytest.mark.parametrize("value", BODIES, ids=range(len(BODIES)))
def test_no_json_breaks_anything(odd: FlaskClient, value: str) -> None:
    headers = {**JSON, "Content-Type": "application/json"}
    begin = "/stask/workers/odd/uploads"
    rule = '{"type": "periodic", "frequency": "daily", "time": "09:00"}'
    known = {"identifier": '"odd"', "action": '"plain"', "rule": rule, "options": "{}"}
    found = []

    def post(address: str, **parts: str) -> None:
        body = "{" + ", ".join(f'"{name}": {part}' for name, part in parts.items()) + "}"
        found.extend(broken(odd, address, data=body.encode(), headers=headers))

    for address in (GO, ASK, SETTINGS, SCHEDULES, begin):
        found += broken(odd, address, data=value.encode(), headers=headers)
    for name in [*FIELDS, *OURS, *(f"{name}__upload" for name in ("file", "files"))]:
        post(GO, **{name: value})
        post(SETTINGS, **{name: value})
        post(SCHEDULES, **{**known, "options": f'{{"{name}": {value}}}'})
    for name in ("identifier", "action", "rule", "timezone", "title", "priority", "enabled", "options"):
        post(SCHEDULES, **{**known, name: value})
    for name in ("type", "frequency", "time", "days", "day", "cron", "datetime", "interval", "start_time"):
        for kind in ("periodic", "regular", "once", "cron"):
            made = f'{{"type": "{kind}", "frequency": "weekly", "time": "09:00", "{name}": {value}}}'
            post(SCHEDULES, **{**known, "rule": made})
    post(SETTINGS, _reset=value)
    for name in ("action", "field", "name", "size"):
        post(begin, **{"action": '"go"', "field": '"file"', "name": '"a.txt"', "size": "5", name: value})
    assert found == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (DEEP, "This is nested too deep."),
        (NESTED, "This is nested too deep."),
        ('{"a": "\\ud800"}', "This text has signs that cannot be read."),
        ("{", "This is not valid JSON. Look at line 1."),
        ('{"a": ' + "9" * 5000 + "}", "This is not valid JSON. Look at line 1."),
    ],
)
def test_json_that_cannot_be_taken_says_why_at_its_field(odd: FlaskClient, text: str, sentence: str) -> None:
    answer = odd.post(GO, data={"extra": text}, headers=JSON)
    assert (answer.status_code, answer.get_json()["errors"]) == (422, {"extra": sentence})


def test_a_file_where_a_text_is_asked_for_and_a_text_where_a_file_is(odd: FlaskClient, site: Site) -> None:
    sent = {"text": (io.BytesIO(b"x"), "x.txt"), "whole": (io.BytesIO(b"x"), "x.txt"), "file": "/etc/passwd"}
    assert odd.post(GO, data=sent, headers=JSON).status_code == 201
    [task] = site.all()
    assert (task.meta["text"], task.meta["whole"], task.meta["file"]) == ("x", 5, None)


# -- what an author's own code does


def refuse(value: Any) -> Any:
    """A validator that breaks on one value, and on no other."""
    if value == "break":
        raise RuntimeError("no such table: hush")
    return value


def markets(country: str) -> list[str]:
    return {"ua": ["kyiv"]}[country]


def failing() -> str:
    raise LookupError("no default: hush")


class Fragile(BaseModel):
    name: Annotated[str, AfterValidator(refuse)] = "x"
    other: str = "x"
    third: str = "x"
    whole: str = "x"
    country: str = "ua"
    market: Annotated[str, Choices(markets)] = "kyiv"

    @field_validator("other", "third")
    @classmethod
    def look(cls, value: str) -> Any:
        return refuse(value)

    @model_validator(mode="after")
    def together(self) -> Fragile:
        refuse(self.whole)
        return self


class Unready(BaseModel):
    made: str = Field(default_factory=failing)


class FragileWorker(BaseWorker):
    identifier, title = "fragile", "Fragile"
    Settings = Fragile

    def task_go(self, task: Any, options: Fragile) -> None: ...

    @action("Ask", confirm=True)
    def task_ask(self, task: Any, options: Fragile) -> None: ...

    def task_unready(self, task: Any, options: Unready) -> None: ...


BROKE = "This could not be checked: the check itself broke. Whoever runs this site finds the reason in its log."
NO_CHOICES = "The choices could not be loaded. Try again in a moment."


@pytest.mark.parametrize(
    ("name", "value", "field", "sentence"),
    [
        ("name", "break", "name", BROKE),
        ("other", "break", "other", BROKE),
        ("third", "break", "third", BROKE),
        ("whole", "break", "whole", BROKE),
        ("country", "pl", "market", NO_CHOICES),
    ],
)
def test_an_authors_check_that_breaks_is_said_at_its_field(
    site: Site, name: str, value: str, field: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.add(FragileWorker)
    client = site.client("admin")
    schedule = {"_kind": "daily", "_time": "09:00", "_timezone": "UTC", "_worker": "fragile", "_action": "go"}
    ways: list[tuple[str, dict[str, Any]]] = [
        ("/stask/workers/fragile/run/go", {}),
        ("/stask/workers/fragile/run/ask", {"_ask": "1"}),
        ("/stask/workers/fragile/settings", {"_all": "1"}),
        ("/stask/schedules", schedule),
    ]
    for address, more in ways:
        caplog.clear()
        answer = client.post(address, data={**more, name: value}, headers=JSON)
        assert answer.status_code == 422, address
        assert answer.get_json()["errors"] == {field: sentence}
        assert any(record.exc_info for record in caplog.records), "the log has the traceback"
        page = client.post(address, data={**more, name: value})
        html = page.get_data(as_text=True)
        assert page.status_code == 422, address
        assert sentence in html
        assert f'value="{value}"' in html
        assert "hush" not in html
    body = {"identifier": "fragile", "action": "go", "rule": {"type": "manual"}, "options": {name: value}}
    for address, sent in (("/stask/schedules", body), ("/stask/workers/fragile/run/go", {name: value})):
        answer = client.post(address, json=sent, headers=JSON)
        assert answer.status_code == 422
        assert sentence in str(answer.get_json())


def test_a_default_that_cannot_be_made_is_said_at_its_field(site: Site) -> None:
    site.add(FragileWorker)
    client, address = site.client("operator"), "/stask/workers/fragile/run/unready"
    assert client.get(address).status_code == 200
    answer = client.post(address, data={"made": ""}, headers=JSON)
    assert (answer.status_code, answer.get_json()["errors"]) == (422, {"made": BROKE})
    assert client.post(address, data={"made": "x"}, headers=JSON).status_code == 201


def test_what_breaks_elsewhere_is_still_our_own_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_create(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug of ours")

    site.add(FragileWorker)
    monkeypatch.setattr(site.state.tasks, "create", broken_create)
    assert site.client("operator").post("/stask/workers/fragile/run/go", data={}).status_code == 500
