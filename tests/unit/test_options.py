"""Typed options: fields of the form, checks with sentences for people, and storing without secrets."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, Field, SecretBytes, SecretStr
from typing_extensions import TypedDict

from stask_web import BaseWorker, Choices, DryRun, Upload, UploadedPath
from stask_web.actions import action_specs
from stask_web.encoding import dump, tokens
from stask_web.errors import InvalidOptions
from stask_web.fields import inside
from stask_web.keeping import load
from stask_web.options import guard_secrets, validate


class Colour(Enum):
    RED = "r"
    DARK_BLUE = "b"


class Everything(BaseModel):
    name: str = Field(title="Your name", description="As in the passport", min_length=2, max_length=40)
    story: str = Field("", max_length=2000)
    age: int = Field(18, ge=0, lt=150)
    price: Decimal = Decimal("1.5")
    active: bool = True
    colour: Colour = Colour.RED
    size: Literal["s", "xl"] = "s"
    tags: list[Literal["a", "b"]] = []
    day: date | None = None
    at: time | None = None
    when: datetime | None = None
    extra: dict[str, Any] = {}
    token: SecretStr | None = None
    file: Annotated[Path | None, Upload("csv", ".XLSX")] = None
    shop: Annotated[str, Choices(lambda: [("1", "One"), "two"])] = "1"
    check: Annotated[bool, DryRun()] = False


class Worker(BaseWorker):
    identifier = "w"

    def task_all(self, task: Any, options: Everything) -> None: ...

    def task_plain(self, task: Any, options: dict[str, Any]) -> None: ...


SPEC = action_specs(Worker)["all"]


def test_a_form_has_a_field_for_each_option_but_the_dry_run() -> None:
    kinds = {field.name: field.kind for field in SPEC.fields()}
    assert kinds == {
        "name": "text", "story": "textarea", "age": "number", "price": "decimal", "active": "checkbox",
        "colour": "select", "size": "select", "tags": "multiselect", "day": "date", "at": "time",
        "when": "datetime", "extra": "json", "token": "secret", "file": "file", "shop": "select",
    }  # fmt: skip
    assert SPEC.dry_run == "check"


def test_a_field_knows_its_words_and_constraints() -> None:
    fields = {field.name: field for field in SPEC.fields()}
    assert (fields["name"].label, fields["name"].help, fields["name"].required) == (
        "Your name",
        "As in the passport",
        True,
    )
    assert fields["name"].attrs == {"minlength": 2, "maxlength": 40}
    assert fields["age"].attrs == {"min": 0, "max": 150, "step": 1}
    assert fields["file"].accept == (".csv", ".xlsx") and not fields["file"].required
    assert fields["colour"].choices() == [("r", "Red"), ("b", "Dark blue")]
    assert fields["colour"].default == "r"
    assert fields["shop"].choices() == [("1", "One"), ("two", "TWO")] or fields["shop"].choices()[1][0] == "two"


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({}, "name", "Fill this in."),
        ({"name": "x"}, "name", "Enter at least 2 characters."),
        ({"name": "xy", "age": "many"}, "age", "Enter a whole number, for example 12."),
        ({"name": "xy", "age": 150}, "age", "Enter less than 150."),
        ({"name": "xy", "price": "1,5"}, "price", "Enter a number, for example 12.50."),
        ({"name": "xy", "size": "m"}, "size", "Choose one of: 's' or 'xl'."),
        ({"name": "xy", "day": "soon"}, "day", "Enter a date, for example 2026-12-31."),
        ({"name": "xy", "file": ""}, "file", "Choose a file."),
        ({"name": "xy", "shop": "3"}, "shop", "Choose one of the list."),
    ],
)
def test_a_bad_value_gets_a_sentence_at_its_field(values: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        validate(SPEC, values)
    assert caught.value.errors == {field: sentence}


def test_options_survive_storing_and_secrets_never_stand_in_it() -> None:
    given = {
        "name": "Ann", "token": "geheim", "price": "2.50", "day": "2026-01-02", "colour": "b", "tags": ["a"],
        "file": UploadedPath.of("/tmp/abc/prices.csv", "My prices.csv", "t0"), "extra": {"k": [1, 2]},
    }  # fmt: skip
    options = validate(SPEC, given)
    meta, secrets = dump(options)
    assert secrets == {"token": "geheim"}
    assert "geheim" not in str(meta) and "token" not in meta
    assert meta["file"] == {"upload": "t0", "name": "My prices.csv"}
    assert tokens(meta) == {"t0"}
    again = load(SPEC, meta, secrets, lambda token: Path("/srv") / token)
    assert isinstance(again, Everything) and again.token is not None
    assert again.token.get_secret_value() == "geheim"
    assert (again.price, again.day, again.colour) == (Decimal("2.50"), date(2026, 1, 2), Colour.DARK_BLUE)
    assert isinstance(again.file, UploadedPath)
    assert (str(again.file), again.file.original_name, again.file.token) == ("/srv/t0", "My prices.csv", "t0")


def test_a_secret_in_a_plain_dict_is_kept_apart_too() -> None:
    meta, secrets = dump({"api": {"key": SecretStr("k"), "url": "u"}})
    assert meta == {"api": {"url": "u"}} and secrets == {"api.key": "k"}
    spec = action_specs(Worker)["plain"]
    assert load(spec, meta, secrets, Path) == {"api": {"url": "u", "key": "k"}}


def test_a_path_from_code_keeps_its_own_name() -> None:
    options = validate(SPEC, {"name": "Ann", "file": "/data/x.csv"})
    assert isinstance(options, Everything) and isinstance(options.file, UploadedPath)
    assert options.file.original_name == "x.csv"
    assert dump(options)[0]["file"] == "/data/x.csv"


def test_an_option_that_is_no_longer_valid_is_named() -> None:
    with pytest.raises(InvalidOptions) as caught:
        load(SPEC, {"name": "Ann", "size": "xxl"}, {}, Path)
    assert "size" in caught.value.errors


class Aliased(BaseModel):
    size: int = Field(3, alias="theSize", ge=1)
    colour: str = Field("red", validation_alias=AliasChoices("colours", "tint"))
    raw: bytes = b"x"
    key: SecretBytes = SecretBytes(b"none")


class AliasedWorker(BaseWorker):
    identifier = "aliased"

    def task_go(self, task: Any, options: Aliased) -> None: ...


ALIASED = action_specs(AliasedWorker)["go"]


def test_an_option_with_an_alias_goes_by_its_name_and_its_alias() -> None:
    for data in ({"size": 7, "colour": "blue"}, {"theSize": 7, "tint": "blue"}):
        options: Any = validate(ALIASED, data)
        assert (options.size, options.colour) == (7, "blue")
        again: Any = load(ALIASED, *dump(options), upload_path=Path)
        assert (again.size, again.colour) == (7, "blue")
    with pytest.raises(InvalidOptions) as caught:
        validate(ALIASED, {"size": 0})
    assert caught.value.errors.keys() == {"size"}


def test_bytes_are_kept_as_text_and_secret_ones_apart() -> None:
    options: Any = validate(ALIASED, {"raw": "ключ".encode(), "key": b"s3cret"})
    meta, secrets = dump(options)
    assert meta["raw"] == "ключ" and secrets == {"key": "s3cret"}
    again: Any = load(ALIASED, meta, secrets, upload_path=Path)
    assert (again.raw, again.key.get_secret_value()) == ("ключ".encode(), b"s3cret")
    with pytest.raises(InvalidOptions):
        dump(validate(ALIASED, {"raw": b"\xff\xfe"}))


class Vault(BaseModel):
    names: dict[str, SecretStr] = {}


class VaultWorker(BaseWorker):
    identifier = "vault"

    def task_open(self, task: Any, options: Vault) -> None: ...


def test_secrets_under_names_with_dots_come_back_to_their_place() -> None:
    spec = action_specs(VaultWorker)["open"]
    given = {"a.b": "one", "a~b": "two", "a": "three"}
    again: Any = load(spec, *dump(validate(spec, {"names": given})), upload_path=Path)
    assert {name: secret.get_secret_value() for name, secret in again.names.items()} == given


class Inner(BaseModel):
    token: SecretStr


class Deep(BaseModel):
    tokens: list[SecretStr] = []
    named: dict[str, SecretStr] = {}
    inner: list[Inner] = []
    maybe: list[SecretStr] | None = None


def test_secrets_in_lists_and_dicts_are_guarded() -> None:
    plain = {"tokens": ["t1"], "named": {"a": "t2"}, "inner": [{"token": "t3"}], "maybe": ["t4"]}
    meta, secrets = dump(guard_secrets(Deep, plain))
    assert sorted(secrets.values()) == ["t1", "t2", "t3", "t4"]
    assert "t1" not in str(meta) and "t4" not in str(meta)


class Node(BaseModel):
    """A model that holds itself."""

    children: list[Node] = []
    note: str = ""


class Parcel(TypedDict):
    paper: Annotated[Path, Upload(".pdf")]


def test_what_an_annotation_is_made_of_is_found_once_and_everywhere() -> None:
    assert list(inside(list[Node])).count(Node) == 1
    assert any(isinstance(part, Upload) for part in inside(dict[str, list[Parcel]]))
