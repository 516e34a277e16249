"""What a form shows is what it means: sent back untouched it gives the very same values, of whatever type."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from pydantic import AwareDatetime, BaseModel, Field, FutureDate, NaiveDatetime, SecretStr
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict

from stask_web import BaseWorker, Choices, action, creation
from stask_web.keeping import load
from stask_web.worker import find_spec

from .browsing import as_sent
from .conftest import JSON, Site

KYIV = ZoneInfo("Europe/Kyiv")
COUNTER = itertools.count()


class Tag(Enum):
    NEW = "new"
    ON_SALE = "on sale"
    OLD = "old"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Size(StrEnum):
    S = "s"
    M = "m"


class Inner(BaseModel):
    tag: Tag = Tag.NEW
    price: Decimal = Decimal("1.10")
    days: list[date] = Field(default_factory=lambda: [date(2026, 5, 17)])


@dataclass
class Point:
    x: int = 1
    names: list[str] = dataclass_field(default_factory=list)


class Pair(NamedTuple):
    one: int
    two: str


class Sized(TypedDict):
    width: int


def shops() -> list[Any]:
    return [(Tag.NEW, "New ones"), (5, "Five"), (True, "All"), "x"]


class Kept(BaseModel):
    """A default of each kind."""

    text: str = "a text"
    padded: str = "  two  "
    lines: str = "one\ntwo\n"
    windows: str = Field("one\r\ntwo", json_schema_extra={"kind": "textarea"})
    blank_first: str = Field("\nx", max_length=2000)
    whole: int = 5
    big: int = 12345678901234567890
    unlike: int = Field(0, ge=1)  # the author's own default need not fit
    share: float = 0.1
    tiny: float = 1e-30
    endless: float = float("inf")
    price: Decimal = Decimal("12.50")
    flag_on: bool = True
    flag_off: bool = False
    flag_maybe: bool | None = None
    flag_maybe_on: bool | None = True
    flag_maybe_off: bool | None = False
    flag_select: bool = Field(True, json_schema_extra={"kind": "select"})
    flag_radio: bool = Field(False, json_schema_extra={"kind": "radio"})
    flag_literal: Literal[True, False] = True
    size: Literal[10, 20] = 20
    mixed: Literal["a", 1, None] = None
    tag: Tag = Tag.ON_SALE
    level: Level = Level.HIGH
    letter: Size = Size.M
    maybe_tag: Tag | None = Tag.OLD
    no_tag: Tag | None = None
    radio_tag: Tag = Field(Tag.OLD, json_schema_extra={"kind": "radio"})
    tags: list[Tag] = Field(default_factory=lambda: [Tag.OLD, Tag.NEW])
    tags_twice: list[Tag] = [Tag.OLD, Tag.OLD, Tag.NEW]
    tag_set: set[Tag] = {Tag.ON_SALE, Tag.NEW}
    tag_frozen: frozenset[Level] = frozenset({Level.HIGH})
    tag_tuple: tuple[Size, ...] = (Size.M,)
    place_tuple: tuple[Tag, int] = (Tag.OLD, 3)
    sizes: list[Literal[10, 20]] = [20]
    no_tags: list[Tag] = []
    maybe_tags: list[Tag] | None = None
    shop: Annotated[Any, Choices(shops)] = Tag.NEW
    shop_flag: Annotated[bool, Choices(lambda: [True, False])] = True
    day: date = date(2026, 5, 17)
    later: FutureDate = date(2999, 1, 1)
    clock: time = time(18, 30)
    clock_seconds: time = time(18, 30, 15)
    clock_micro: time = time(18, 30, 15, 123456)
    clock_part: time = time(18, 30, 0, 120000)
    clock_zone: time = time(18, 30, tzinfo=timezone(timedelta(hours=3)))
    moment: datetime = datetime(2026, 5, 17, 18, 30)
    moment_seconds: datetime = datetime(2026, 5, 17, 18, 30, 15)
    moment_micro: datetime = datetime(2026, 5, 17, 18, 30, 15, 123456)
    moment_tiny: datetime = datetime(2026, 5, 17, 18, 30, 0, 7)
    moment_naive: NaiveDatetime = datetime(2026, 5, 17, 18, 30)
    moment_utc: datetime = datetime(2026, 5, 17, 18, 30, tzinfo=UTC)
    moment_kyiv: AwareDatetime = datetime(2026, 12, 17, 18, 30, 1, 2, tzinfo=KYIV)
    moment_fold: AwareDatetime = datetime(2026, 10, 25, 3, 30, tzinfo=KYIV, fold=1)
    moment_first: AwareDatetime = datetime(1, 1, 1, tzinfo=UTC)
    moment_last: datetime = datetime.max.replace(tzinfo=UTC)
    no_moment: AwareDatetime | None = None
    length: timedelta = timedelta(hours=1, minutes=30)
    long: timedelta = timedelta(days=2, seconds=5, microseconds=7)
    pair: tuple[int, str] = (1, "x")
    bare_list: list = [1, "a"]  # type: ignore[type-arg]
    ints: set[int] = {3, 1}
    row: Sequence[int] = (1, 2)
    prices: dict[str, Decimal] = {"a": Decimal("1.50")}
    anything: dict[str, Any] = {"a": Decimal("1.50"), "day": date(2026, 1, 1), "tag": Tag.OLD, "t": (1, 2)}
    mapping: Mapping[str, int] = {"a": 1}
    inner: Inner = Inner(tag=Tag.OLD)
    inners: list[Inner] = [Inner(), Inner(price=Decimal("2.20"))]
    point: Point = Field(default_factory=lambda: Point(2, ["a"]))
    named: Pair = Pair(1, "b")
    sized: Sized = {"width": 3}
    either: int | str = 5
    either_text: int | str = "5"
    raw: bytes = b"abc"
    uid: UUID = UUID("12345678-1234-5678-1234-567812345678")
    part: Fraction = Fraction(1, 3)
    folder: Path = Path("/var/x")
    secret: SecretStr = SecretStr("hush")
    maybe_secret: SecretStr | None = SecretStr("hush")
    counted: int = Field(default_factory=lambda: next(COUNTER))
    made: datetime = Field(default_factory=datetime.now)
    made_aware: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    of_others: str = Field(default_factory=lambda data: f"{data['text']}!")


class Every(Kept):
    """And of those that a task does not keep as they are."""

    one_of_enum: Literal[Tag.OLD, Tag.NEW] = Tag.NEW
    back: timedelta = timedelta(hours=-1)
    far_back: timedelta = timedelta(days=-1, hours=-1)
    queue: deque[int] = Field(default_factory=lambda: deque([1, 2]))
    by_tag: dict[Tag, int] = {Tag.OLD: 1}
    by_pair: dict[tuple[int, int], str] = {(1, 2): "x"}


class EveryWorker(BaseWorker):
    identifier, title = "every", "Every"

    def task_go(self, task: Any, options: Every) -> None: ...

    def task_keep(self, task: Any, options: Kept) -> None: ...


GO, KEEP = "/stask/workers/every/run/go", "/stask/workers/every/run/keep"


@pytest.fixture
def sent(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options as they were checked, before anything is stored."""
    site.add(EveryWorker)
    found: list[Any] = []
    kept = creation.keep

    def watched(*args: Any, **more: Any) -> Any:
        what = kept(*args, **more)
        found.append(what.options)
        return what

    monkeypatch.setattr(creation, "keep", watched)
    return found


def page(client: FlaskClient, address: str = GO) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def launch(client: FlaskClient, data: Any, address: str = GO) -> Any:
    answer = client.post(address, data=data, headers=JSON)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()["id"]


#: Made when the form is shown, so it is not known here.
MADE = {"counted", "made", "made_aware"}


def differences(got: Any, wanted: Any) -> dict[str, Any]:
    pairs = {
        name: (getattr(got, name), getattr(wanted, name)) for name in type(wanted).model_fields if name not in MADE
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] or type(pair[0]) is not type(pair[1])}


@pytest.mark.parametrize("zone", ["", "Europe/Kyiv", "America/New_York"])
def test_a_form_sent_back_untouched_gives_the_defaults(site: Site, sent: list[Any], zone: str) -> None:
    client = site.client("operator")
    if zone:
        client.set_cookie("stask_zone", zone)
    launch(client, as_sent(page(client)))
    assert differences(sent[-1], Every()) == {}


def test_what_a_factory_made_is_what_was_shown(site: Site, sent: list[Any]) -> None:
    client = site.client("operator")
    before = datetime.now()
    data = as_sent(page(client))
    after = datetime.now()
    launch(client, data)
    assert before <= sent[-1].made <= after
    assert before.astimezone() <= sent[-1].made_aware <= after.astimezone()
    assert str(sent[-1].counted) == data["counted"][0]


# -- values of an older task, a schedule, an address

#: Other values than the defaults; those that JSON itself can tell from one another.
OTHERS: dict[str, Any] = {
    "text": " b ", "lines": "x\n\ny", "blank_first": "\n\nz", "whole": 7, "unlike": 3, "share": 2.5, "endless": 1.0,
    "price": Decimal("1E+3"), "flag_on": False, "flag_off": True, "flag_maybe": False, "flag_maybe_on": None,
    "flag_maybe_off": True, "flag_select": False, "flag_radio": True, "flag_literal": False, "size": 10, "mixed": 1,
    "tag": Tag.OLD, "level": Level.LOW, "letter": Size.S, "maybe_tag": None, "no_tag": Tag.NEW, "radio_tag": Tag.NEW,
    "tags": [Tag.ON_SALE, Tag.NEW, Tag.OLD], "tags_twice": [Tag.NEW, Tag.OLD, Tag.NEW], "tag_set": {Tag.OLD},
    "tag_frozen": frozenset({Level.LOW, Level.HIGH}), "tag_tuple": (Size.M, Size.S, Size.M),
    "place_tuple": (Tag.NEW, 0), "sizes": [20, 10], "no_tags": [Tag.NEW], "maybe_tags": [Tag.OLD],
    "shop_flag": False, "day": date(2026, 2, 3),
    "clock": time(1, 2), "clock_seconds": time(1, 2, 3), "clock_micro": time(1, 2, 3, 4),
    "moment": datetime(2026, 1, 2, 3, 4), "moment_seconds": datetime(2026, 1, 2, 3, 4, 5),
    "moment_micro": datetime(2026, 1, 2, 3, 4, 5, 6), "moment_naive": datetime(2026, 1, 2, 3, 4, 5, 6000),
    "moment_utc": datetime(2026, 3, 29, 1, 30, 7, tzinfo=UTC), "moment_kyiv": datetime(2026, 7, 2, 3, 4, tzinfo=KYIV),
    "moment_fold": datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "no_moment": datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    "length": timedelta(seconds=5), "long": timedelta(days=400), "pair": (2, "y"), "bare_list": [1, "1", None],
    "ints": {7}, "prices": {"b": Decimal("3.20")}, "anything": {"x": [1, {"y": None}]}, "mapping": {"z": 1},
    "inner": Inner(tag=Tag.NEW, days=[]), "point": Point(9, ["q"]), "either": "7", "either_text": 7, "raw": b"x",
    "part": Fraction(2, 7), "folder": Path("/x"),
}  # fmt: skip


def stored(site: Site, meta: Any) -> Any:
    """Stored options as the action gets them."""
    return load(find_spec(EveryWorker, "keep"), meta, {}, site.state.storage.upload_path)


@pytest.mark.parametrize("zone", ["", "Europe/Kyiv", "America/New_York"])
def test_edit_and_run_again_sent_back_untouched_gives_what_the_task_had(site: Site, sent: list[Any], zone: str) -> None:
    client = site.client("operator")
    if zone:
        client.set_cookie("stask_zone", zone)
    old = site.state.tasks.create("every", "keep", OTHERS, user_id=2)
    new = launch(client, as_sent(page(client, f"{KEEP}?from={old.id}")), KEEP)
    metas = {task.id: task.meta for task in site.all()}
    before, after = stored(site, metas[old.id]), stored(site, metas[new])
    assert {name: getattr(before, name) for name in OTHERS} == OTHERS
    assert differences(after, before) == {}


def test_a_question_before_a_launch_loses_nothing(site: Site, sent: list[Any]) -> None:
    class Asking(EveryWorker):
        identifier = "asking"

        @action("Go", confirm=True)
        def task_go(self, task: Any, options: Kept) -> None: ...

    site.add(Asking)
    client = site.client("operator")
    client.set_cookie("stask_zone", "Europe/Kyiv")
    old = site.state.tasks.create("asking", "go", OTHERS, user_id=2)
    address = "/stask/workers/asking/run/go"
    asked = client.post(address, data=as_sent(page(client, f"{address}?from={old.id}"))).get_data(as_text=True)
    new = launch(client, {**as_sent(asked), "_confirmed": "1"}, address)
    metas = {task.id: task.meta for task in site.all()}
    assert differences(stored(site, metas[new]), stored(site, metas[old.id])) == {}


def test_a_schedule_saved_untouched_keeps_its_options(site: Site, sent: list[Any]) -> None:
    client = site.client("admin")
    client.set_cookie("stask_zone", "America/New_York")
    rule = {"type": "periodic", "frequency": "daily", "time": "09:00"}
    made = site.state.schedules.create("every", "keep", rule, OTHERS)
    before = made.meta
    answer = client.post(f"/stask/schedules/{made.id}", data=as_sent(page(client, f"/stask/schedules/{made.id}")))
    assert answer.status_code == 303
    with site.app.app_context():
        after = site.state.schedules.get(made.id).meta
    assert differences(stored(site, after), stored(site, before)) == {}


def test_an_address_prefills_what_it_says(site: Site, sent: list[Any]) -> None:
    client = site.client("operator")
    client.set_cookie("stask_zone", "Europe/Kyiv")
    query = (
        "?tag=old&tags=old&tags=on+sale&flag_on=False&flag_maybe=true&level=1&clock_seconds=01:02:03&length=1:00:00"
        "&moment_utc=2026-05-17T10:00:00%2B00:00&moment_kyiv=2026-05-17T10:00&moment=2026-05-17T10:00:09&ints=[4]"
    )
    launch(client, as_sent(page(client, GO + query)))
    got = sent[-1]
    assert got.back == timedelta(hours=-1)
    assert (got.tag, got.tags, got.flag_on, got.flag_maybe) == (Tag.OLD, [Tag.OLD, Tag.ON_SALE], False, True)
    assert (got.level, got.clock_seconds, got.length, got.ints) == (Level.LOW, time(1, 2, 3), timedelta(hours=1), {4})
    assert got.moment_utc == datetime(2026, 5, 17, 10, tzinfo=UTC)
    assert got.moment_kyiv == datetime(2026, 5, 17, 10, tzinfo=KYIV)
    assert got.moment == datetime(2026, 5, 17, 10, 0, 9)


# -- moments


def control(html: str, name: str) -> str:
    start = html.index(f' name="{name}"')
    return html[html.rindex("<", 0, start) : html.index(">", start)]


def test_seconds_are_asked_for_where_there_are_some(site: Site, sent: list[Any]) -> None:
    html = page(site.client("operator"))
    assert "step" not in control(html, "clock")
    assert 'step="1"' in control(html, "clock_seconds")
    assert 'step="0.001"' in control(html, "clock_micro")
    assert 'step="1"' in control(html, "moment_seconds")
    assert 'value="2026-05-17T18:30:15"' in control(html, "moment_seconds")


def test_a_moment_is_told_by_the_readers_clock_and_meant_by_it(site: Site, sent: list[Any]) -> None:
    client = site.client("operator")
    client.set_cookie("stask_zone", "America/New_York")
    html = page(client)
    assert 'value="2026-05-17T14:30"' in control(html, "moment_utc")
    assert "By your clock, America/New_York" in html
    changes = {"moment_utc": "2026-07-01T10:00:05", "no_moment": "2026-01-01T10:00", "moment": "2026-07-01T10:00"}
    data = as_sent(html, **changes)
    client.set_cookie("stask_zone", "Europe/Kyiv")  # he travels: the form was written by the other clock
    launch(client, data)
    got = sent[-1]
    assert got.moment_utc == datetime(2026, 7, 1, 14, 0, 5, tzinfo=UTC)
    assert got.no_moment == datetime(2026, 1, 1, 15, tzinfo=UTC)
    assert (got.moment, got.moment.tzinfo) == (datetime(2026, 7, 1, 10), None)


def test_a_moment_stays_as_it_was_typed_when_another_field_is_wrong(site: Site, sent: list[Any]) -> None:
    client = site.client("operator")
    client.set_cookie("stask_zone", "America/New_York")
    data = as_sent(page(client), moment_utc="2026-07-01T10:00:05", whole="many")
    client.set_cookie("stask_zone", "Europe/Kyiv")
    again = client.post(GO, data=data)
    assert again.status_code == 422
    launch(client, as_sent(again.get_data(as_text=True), whole="3"))
    assert sent[-1].moment_utc == datetime(2026, 7, 1, 14, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "x" * 1000, "+99:99", "+1", "Europe", "\x00"])
def test_a_moment_of_an_unknown_zone_is_refused_at_its_field(site: Site, sent: list[Any], zone: str) -> None:
    client = site.client("operator")
    data = as_sent(page(client), moment_utc="2026-07-01T10:00", moment_utc__zone=zone)
    answer = client.post(GO, data=data, headers=JSON)
    assert answer.status_code == (422 if zone != "\x00" else 201)
    if answer.status_code == 422:
        errors = answer.get_json()["errors"]
        assert errors.keys() == {"moment_utc"}
        assert errors["moment_utc"].startswith("There is no time zone '")
    assert client.post(GO, data=data).status_code in (422, 303)


# -- None


class Maybe(BaseModel):
    """Everything that may be None, and some that may not."""

    whole: int | None = 5
    text: str | None = "x"
    story: Annotated[str | None, Field(max_length=2000)] = "x"
    tag: Tag | None = Tag.NEW
    radio: Tag | None = Field(Tag.NEW, json_schema_extra={"kind": "radio"})
    flag: bool | None = True
    day: date | None = date(2026, 5, 17)
    moment: AwareDatetime | None = datetime(2026, 5, 17, tzinfo=UTC)
    price: Decimal | None = Decimal(1)
    tags: list[Tag] | None = Field(default_factory=lambda: [Tag.NEW])
    extra: dict[str, int] | None = Field(default_factory=lambda: {"a": 1})
    shop: Annotated[str | None, Choices(lambda: ["a", "b"])] = "a"
    length: timedelta | None = timedelta(hours=1)
    needed: int | None
    name: str
    usual: str = "x"
    count: int = 5
    letter: Size = Size.M


class MaybeWorker(BaseWorker):
    identifier, title = "maybe", "Maybe"

    def task_go(self, task: Any, options: Maybe) -> None: ...


MAYBE = "/stask/workers/maybe/run/go"


def test_what_may_be_none_is_none_when_it_is_emptied(site: Site, sent: list[Any]) -> None:
    site.add(MaybeWorker)
    client = site.client("operator")
    html = page(client, MAYBE)
    for name in ("tag", "shop", "flag"):
        assert f'name="{name}"' in html
        select = html[html.index(f'name="{name}"') :]
        assert '<option value="">' in select[: select.index("</select>")], "there must be a way to say none"
    assert '<input class="check-box" type="radio" name="radio" value="">' in html
    names = [name for name in Maybe.model_fields if name != "name"]
    data = as_sent(html, name="Ada", **dict.fromkeys(names, ""))
    launch(client, data, MAYBE)
    got = sent[-1]
    assert {name: getattr(got, name) for name in names} == {
        **dict.fromkeys(names, None), "usual": "", "count": 5, "letter": Size.M,
    }  # fmt: skip
    again = as_sent(page(client, f"{MAYBE}?from={site.all()[-1].id}"))
    launch(client, again, MAYBE)
    assert sent[-1] == got, "and stays none when it is run again"
    answer = client.post(MAYBE, data={**data, "name": "", "_form_key": "other"}, headers=JSON)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"name": "Fill this in."}


# -- settings


class Set(BaseWorker):
    identifier, title = "set", "Set"

    class Settings(Kept):
        unlike: int = Field(2, ge=1)  # settings are checked with their defaults

    def task_go(self, task: Any, options: Any) -> None: ...


class SetMaybe(BaseWorker):
    identifier, title = "set-maybe", "Set"

    class Settings(Maybe):
        name: str = "Ada"

    def task_go(self, task: Any, options: Any) -> None: ...


@pytest.mark.parametrize("zone", ["", "America/New_York"])
def test_settings_saved_untouched_stay_as_they_are(site: Site, zone: str) -> None:
    site.add(Set)
    client = site.client("admin")
    if zone:
        client.set_cookie("stask_zone", zone)
    address = "/stask/workers/set/settings"

    def saved() -> Any:
        answer = client.post(address, data=as_sent(page(client, address)), headers=JSON)
        assert answer.status_code == 200, answer.get_json()
        return answer.get_json()["changed"]

    assert set(saved()) <= MADE, "what is made anew each time is the only thing that is never the default"
    others = {name: value for name, value in OTHERS.items() if name not in ("point", "raw", "part", "folder")}
    answer = client.post(address, json=to_jsonable_python(others), headers=JSON)
    assert answer.status_code == 200, answer.get_json()
    before = client.get(address, headers=JSON).get_json()
    assert set(saved()) <= MADE
    after = client.get(address, headers=JSON).get_json()
    for old, new in zip(before["settings"], after["settings"], strict=True):
        assert old == new or old["name"] in MADE


def test_a_setting_that_may_be_none_is_none_when_it_is_emptied(site: Site) -> None:
    site.add(SetMaybe)
    client, address = site.client("admin"), "/stask/workers/set-maybe/settings"
    html = page(client, address)
    names = [name for name in Maybe.model_fields if name not in ("name", "usual", "count", "letter")]
    answer = client.post(address, data=as_sent(html, **dict.fromkeys(names, "")), headers=JSON)
    assert answer.status_code == 200, answer.get_json()
    found = {item["name"]: item["value"] for item in client.get(address, headers=JSON).get_json()["settings"]}
    assert {name: found[name] for name in names} == dict.fromkeys(names)
    answer = client.post(address, data=as_sent(page(client, address)), headers=JSON)
    assert answer.get_json()["changed"] == [], "and stays so"
