"""Options are checked when a task is created and again before its action begins: both give the same values."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    StringConstraints,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)  # fmt: skip
from typing_extensions import TypedDict

from stask_web import Upload, UploadedPath
from stask_web.columns import to_json
from stask_web.encoding import MARK, OF, plain, tokens
from stask_web.keeping import Kept, keep, load, same
from stask_web.options import ActionSpec

TOKEN = "0123456789abcdef" * 2


class Shade(Enum):
    RED = (255, 0)
    BLUE = (0, 255)


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Letter(Enum):
    A = "a"
    B = "b"


class Place(NamedTuple):
    row: int
    column: str


@dataclass
class Box:
    wide: int
    label: str = ""


class Size(TypedDict):
    wide: float


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str] = []


class Sku(BaseModel):
    """Its number is given with a prefix."""

    number: str

    @field_validator("number", mode="before")
    @classmethod
    def _without_prefix(cls, value: str) -> str:
        assert value.startswith("SKU-"), "It begins with SKU-"
        return value.removeprefix("SKU-")


def strip(value: Any) -> Any:
    if not str(value).startswith("no "):
        raise ValueError("Begin with no")
    return str(value)[3:]


Stripped = Annotated[str, BeforeValidator(strip)]
PREFIXED = "no 7"


def spec_of(model: type[BaseModel]) -> ActionSpec:
    return ActionSpec("go", "task_go", "Go", model=model)


def stored(kept: Kept) -> Any:
    """What comes back of it, through the texts that a database and the vault hold."""
    meta, secrets = json.loads(to_json(kept.meta)), json.loads(json.dumps(kept.secrets))
    return load(spec_of(type(kept.options)), meta, secrets, lambda token: Path("/uploads") / token / "x.csv")


def model_of(kind: Any, default: Any = ...) -> type[BaseModel]:
    from pydantic import create_model

    made: type[BaseModel] = create_model("Made", __config__=ConfigDict(arbitrary_types_allowed=True), x=(kind, default))
    return made


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Stripped, PREFIXED),
        (Stripped, "no no no"),
        (Annotated[int, AfterValidator(lambda value: value * 100)], 3),
        (list[Annotated[int, AfterValidator(lambda value: value * 100)]], [1, 2]),
        (dict[str, Stripped], {"a": "no 1", "b": "no no 2"}),
        (Annotated[str, StringConstraints(to_upper=True, pattern="^[a-z]+$")], "abc"),
        (Json[list[int]], "[1, 2]"),
        (Shade, Shade.BLUE),
        (Shade, (0, 255)),
        (Level, 2),
        (list[Level], [Level.LOW, 2]),
        (set[Letter], ["a", "b"]),
        (frozenset[Letter], {Letter.A}),
        (dict[Letter, int], {"a": 1}),
        (Decimal, "1.50"),
        (Decimal, Decimal("1E+3")),
        (Decimal | str, Decimal("5")),
        (Any, Decimal("2.50")),
        (Any, (1, (2, frozenset({3})))),
        (Any, {"when": date(2026, 1, 2), "raw": b"\xff"}),
        (bytes, b"\xff\xfe\x00"),
        (bytes, "ключ"),
        (Any, b""),
        (timedelta, timedelta(days=1, microseconds=5)),
        (timedelta, "PT90M"),
        (Any, timedelta(days=-1, seconds=3)),
        (SecretStr, "geheim"),
        (SecretBytes, b"\xff\xfe"),
        (Secret[date], "2026-01-02"),
        (dict[str, list[SecretStr]], {"a.b": ["one", "two"]}),
        (Annotated[SecretStr, BeforeValidator(strip)], "no geheim"),
        (tuple[SecretStr, int], ("geheim", 1)),
        (Path, "/data/x.csv"),
        (Any, Path("/data/x.csv")),
        (Path | str, "/data/x.csv"),
        (Path | str, Path("/data/x.csv")),
        (frozenset[int], [3, 1]),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...] | list[int], (1, 2)),
        (tuple[int, ...] | list[int], [1, 2]),
        (deque[int], [1, 2]),
        (Place, (1, "b")),
        (Box, {"wide": "3", "label": "x"}),
        (Size, {"wide": "inf"}),
        (date, date(2026, 1, 2)),
        (date | datetime, datetime(2026, 1, 2, 0, 0)),
        (datetime | date, date(2026, 1, 2)),
        (str | date, "2026-01-02"),
        (str | date, date(2026, 1, 2)),
        (time, time(1, 2, 3, 4)),
        (Any, time(1, 2, tzinfo=UTC)),
        (datetime, datetime(2026, 1, 2, 3, 4, 5, 123456)),
        (datetime, datetime(2026, 1, 2, 3, 4, 5, 1, timezone(timedelta(hours=2)))),
        (datetime, datetime(2026, 10, 25, 3, 30, tzinfo=ZoneInfo("Europe/Kyiv"), fold=1)),
        (datetime, 1_700_000_000),
        (int | str, 5),
        (int | str, "5"),
        (Annotated[int | str, Field(union_mode="left_to_right")], "5"),
        (bool | int, True),
        (float | int, 1),
        (int | float, 1.0),
        (float, "inf"),
        (float, float("nan")),
        (float | None, float("-inf")),
        (list[float], [1.5, float("inf")]),
        (UUID, uuid4()),
        (Any, uuid4()),
        (Fraction, "3/4"),
        (Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": "dog", "tricks": ["sit"]}),
        (Cat | Dog, Dog(tricks=["roll"])),
        (Sku, {"number": "SKU-7"}),
        (list[Sku], [{"number": "SKU-SKU-7"}]),
        (dict[int, str], {1: "a", 2: "b"}),
        (dict[str | int, str], {1: "a", "1": "b"}),
        (dict[date, int], {date(2026, 1, 2): 1}),
        (Any, {1: "a", None: "b"}),
        (dict[tuple[int, int], str], {(1, 2): "a"}),
        (dict[str, Any], {MARK: "float", OF: "inf"}),
        (dict[str, Any], {"upload": TOKEN, "name": "x"}),
        (dict[str, Any], {"deep": [{"upload": "x", "name": "y"}, {MARK: "nonsense", OF: 1}]}),
        (Annotated[Path, Upload()], "/data/prices.csv"),
        (Annotated[Path, Upload()], UploadedPath.of("/data/a.bin", "Prices.csv")),
        (Annotated[list[Path], Upload()], [UploadedPath.of(f"/uploads/{TOKEN}/x.csv", "My.csv", TOKEN)]),
        (RootModel[list[int]], [1, 2]),
    ],
)
def test_what_is_stored_gives_the_same_values_again(kind: Any, given: Any) -> None:
    kept = keep(spec_of(model_of(kind)), {"x": given})
    again = stored(kept)
    assert same(kept.options.x, again.x), (kept.options, again, kept.meta)
    assert "geheim" not in to_json(kept.meta)
    assert "Secret" not in str(kind) or "2026" not in to_json(kept.meta)
    json.dumps(plain(kept.meta), allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "default"),
    [(str, None), (int, "7"), (Annotated[int, Field(ge=1)], 0), (Stripped, "7"), (list[int], (1, 2)), (Letter, "zzz")],
)
def test_a_default_that_its_own_model_would_refuse_comes_back(kind: Any, default: Any) -> None:
    model = model_of(kind, default)
    for _ in range(3):
        kept = keep(spec_of(model), {})
        assert same(stored(kept).x, kept.options.x)


def test_a_default_that_is_made_anew_each_time_is_kept() -> None:
    class Made(BaseModel):
        number: UUID = Field(default_factory=uuid4)
        sku: Stripped = "1"

    kept = keep(spec_of(Made), {"sku": PREFIXED})
    assert stored(kept) == kept.options


class Pair(BaseModel):
    """Given as one text, of which it makes two."""

    left: int
    right: int
    token: SecretStr | None = None
    stamp: UUID = Field(default_factory=uuid4)

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, data: Any) -> Any:
        left, _, right = data.pop("pair").partition(":")
        return {**data, "left": left, "right": right}


def test_a_model_that_reads_its_options_as_a_whole_gets_the_whole_again() -> None:
    kept = keep(spec_of(Pair), {"pair": "1:2"})
    assert same(stored(kept), kept.options) and kept.meta["pair"] == "1:2"
    secret = keep(spec_of(Pair), {"pair": "1:2", "token": "geheim"})
    assert same(stored(secret), secret.options) and "geheim" not in to_json(secret.meta)


class Odd(BaseModel):
    """Names, parts and checks of all kinds."""

    model_config = ConfigDict(extra="forbid")

    a: int = Field(alias="b")
    b: int = Field(alias="a")
    deep: int = Field(validation_alias=AliasPath("nest", "deep"))
    tint: str = Field(validation_alias=AliasChoices("colour", "hue"))
    hidden: int = Field(3, exclude=True)
    total: int = 0

    @computed_field
    def double(self) -> int:
        return self.a * 2

    @field_serializer("total")
    def _masked(self, value: int) -> str:
        return "***"


def test_aliases_computed_and_hidden_fields_come_back() -> None:
    class Fewer(Odd):
        deep: int = 1

    given = {"a": 1, "b": 2, "colour": "red", "hidden": 5, "total": 7}
    kept = keep(spec_of(Fewer), given)
    assert same(stored(kept), kept.options) and (kept.options.hidden, kept.options.total) == (5, 7)
    whole = keep(spec_of(Odd), {**given, "nest": {"deep": 4}})
    assert same(stored(whole), whole.options) and whole.options.deep == 4


def test_extra_options_come_back() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        name: str = ""

    kept = keep(spec_of(Open), {"more": (1, b"\xff")})
    assert same(stored(kept), kept.options)


def test_what_a_validator_changes_in_place_is_stored_as_it_was_given() -> None:
    def emptied(value: list[str]) -> list[str]:
        return [value.pop() + "!", *([] if not value else [value[0]])]

    kept = keep(spec_of(model_of(Annotated[list[str], BeforeValidator(emptied)])), {"x": ["a", "b"]})
    assert kept.options.x == ["b!", "a"] and stored(kept) == kept.options


def test_usual_options_are_stored_as_people_know_them() -> None:
    class Usual(BaseModel):
        count: int
        price: Decimal = Decimal("1.50")
        day: date = date(2026, 1, 2)
        tags: set[Letter] = {Letter.B, Letter.A}
        file: Annotated[Path | None, Upload()] = None

    kept = keep(spec_of(Usual), {"count": "3", "file": UploadedPath.of("/x", "My.csv", TOKEN)})
    file = {"upload": TOKEN, "name": "My.csv"}
    assert kept.meta == {"count": 3, "price": "1.50", "day": "2026-01-02", "tags": ["a", "b"], "file": file}
    assert tokens(kept.meta) == {TOKEN}


def test_a_dict_that_looks_like_an_upload_is_none_where_a_model_says_what_is() -> None:
    kept = keep(spec_of(model_of(dict[str, str])), {"x": {"upload": TOKEN, "name": "theirs.csv"}})
    assert tokens(kept.meta) == set()
    assert plain(kept.meta) == {"x": {"upload": TOKEN, "name": "theirs.csv"}}


def test_without_a_model_only_what_has_the_form_of_a_token_is_an_upload() -> None:
    spec = ActionSpec("go", "task_go", "Go")
    given = {
        "file": {"upload": TOKEN, "name": "a"},
        "other": {"upload": "yes", "name": "a"},
        "mark": {MARK: "set", OF: []},
    }
    kept = keep(spec, {**given, "much": float("inf")})
    assert tokens(kept.meta) == {TOKEN}
    again: Any = load(spec, json.loads(to_json(kept.meta)), {}, lambda token: Path("/u") / token)
    assert again == {**given, "file": Path("/u") / TOKEN, "much": float("inf")}


def test_the_secrets_that_a_model_changes_are_sealed_as_they_were_given() -> None:
    class Inner(BaseModel):
        token: Annotated[SecretStr, BeforeValidator(strip)]
        note: str = ""

    kept = keep(spec_of(model_of(list[Inner])), {"x": [{"token": "no geheim", "note": "n"}]})
    assert "geheim" not in to_json(kept.meta) and same(stored(kept), kept.options)


@pytest.mark.parametrize("make", [uuid4, object])
def test_what_is_another_thing_each_time_is_stored_as_it_was_given(make: Callable[[], object]) -> None:
    model = model_of(Annotated[Any, BeforeValidator(lambda value: (value, make()))])
    assert stored(keep(spec_of(model), {"x": "a"})).x[0] == "a"
