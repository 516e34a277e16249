"""Every kind of field, groups, conditions, choices that depend on others, and the question before a launch."""

from __future__ import annotations

import html as html_module
import io
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, Choices, DryRun, Upload, action
from stask_web.options import validate
from stask_web.worker import find_spec

from .conftest import JSON, Site

CITIES = {"ua": [("kyiv", "Kyiv"), ("lviv", "Lviv")], "pl": [("gda", "Gdańsk")]}


def cities(country: str) -> list[tuple[str, str]]:
    """Choices that depend on another field."""
    return CITIES.get(country, [])


def streets(values: dict[str, Any]) -> list[str]:
    """Choices that depend on whatever was entered."""
    return [f"{values['city']} {number}" for number in (1, 2)]


class EveryOption(BaseModel):
    """One of each."""

    text: str = Field(title="Text", min_length=2, max_length=40)
    story: str = Field("", title="Story", max_length=2000)
    whole: int = Field(5, ge=1, le=9, title="Whole number")
    share: float = Field(0.5, title="Share")
    price: Decimal = Field(Decimal("12.50"), title="Price")
    urgent: bool = Field(True, title="Urgent")
    size: Literal["s", "m"] = Field("s", title="Size")
    colour: Literal["red", "blue"] = Field(title="Colour", json_schema_extra={"kind": "radio"})
    tags: list[Literal["new", "sale"]] = Field(default_factory=list, title="Tags")
    day: date = Field(date(2026, 5, 17), title="Day")
    clock: time = Field(time(18, 30), title="Clock")
    moment: datetime = Field(datetime(2026, 5, 17, 18, 30), title="Moment")
    mail: str = Field("ada@example.com", title="E-mail", json_schema_extra={"kind": "email", "placeholder": "you@…"})
    site: str = Field("https://example.com", title="Site", json_schema_extra={"kind": "url", "group": "Where"})
    country: Literal["ua", "pl"] = Field("ua", title="Country", json_schema_extra={"group": "Where"})
    city: Annotated[str, Choices(cities)] = Field("kyiv", title="City", json_schema_extra={"group": "Where"})
    street: Annotated[str | None, Choices(streets)] = Field(None, title="Street")
    extra: dict[str, Any] = Field(default_factory=dict, title="Extra")
    token: SecretStr | None = Field(None, title="Token")
    papers: Annotated[list[Path], Upload(".txt")] = Field(default_factory=list, title="Papers")
    code: str = Field("A1", title="Code", pattern="^[A-Z][0-9]$")
    reason: str = Field("none", title="Reason", min_length=3, json_schema_extra={"show_if": {"urgent": True}})
    depth: int = Field(1, title="Depth", json_schema_extra={"show_if": {"size": ["m", "l"]}})
    detail: str = Field("", title="Detail", json_schema_extra={"show_if": {"depth": "3"}})


class MailOptions(BaseModel):
    """What a mail asks for."""

    subject: str = Field(title="Subject")
    shop: Annotated[str, Choices(lambda: [("k", "Kyiv shop"), ("l", "Lviv shop")])] = Field("k", title="Shop")
    key: SecretStr | None = Field(None, title="API key")
    files: Annotated[list[Path], Upload()] = Field(default_factory=list, title="Files")
    loud: bool = Field(False, title="Loud")
    dry_run: Annotated[bool, DryRun()] = False


class KindsWorker(BaseWorker):
    identifier, title = "kinds", "Kinds"

    def task_all(self, task: Any, options: EveryOption) -> None: ...

    @action("Send newsletter", confirm="4,210 people get a mail.")
    def task_mail(self, task: Any, options: MailOptions) -> None: ...

    @action("Rebuild everything", confirm=True)
    def task_rebuild(self, task: Any, options: Any) -> None: ...


ALL, MAIL, REBUILD = (f"/stask/workers/kinds/run/{name}" for name in ("all", "mail", "rebuild"))
GOOD = {"text": "Ada", "colour": "red"}


@pytest.fixture
def kinds(site: Site) -> FlaskClient:
    """The operator's browser, where the worker is on."""
    site.add(KindsWorker)
    return site.client("operator")


def page(client: FlaskClient, address: str = ALL) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def control(html: str, name: str) -> str:
    """The field's first tag with this name."""
    found = re.search(rf'<(?:input|select|textarea)[^>]*\bname="{name}"[^>]*>', html)
    assert found is not None, name
    return found[0]


def field(html: str, name: str) -> str:
    """A field with all that belongs to it."""
    start = html.index(f'<div class="field" data-field-name="{name}"')
    return html[start : html.index("data-error", start)]


# -- kinds


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("text", ['type="text"', "required", 'minlength="2"', 'maxlength="40"']),
        ("story", ["<textarea", 'maxlength="2000"']),
        ("whole", ['type="number"', 'min="1"', 'max="9"', 'step="1"', 'value="5"']),
        ("share", ['type="number"', 'step="any"', 'value="0.5"']),
        ("price", ['type="text"', 'inputmode="decimal"', 'value="12.50"']),
        ("urgent", ['type="checkbox"', "checked"]),
        ("size", ["<select"]),
        ("colour", ['type="radio"', "required"]),
        ("tags", ['type="checkbox"', 'value="new"']),
        ("day", ['type="date"', 'value="2026-05-17"']),
        ("clock", ['type="time"', 'value="18:30"']),
        ("moment", ['type="datetime-local"', 'value="2026-05-17T18:30"']),
        ("mail", ['type="email"', 'placeholder="you@…"']),
        ("site", ['type="url"']),
        ("city", ["<select"]),
        ("extra", ["<textarea", "input-code"]),
        ("token", ['type="password"', 'autocomplete="new-password"']),
        ("papers", ['type="file"', "multiple", 'accept=".txt"']),
        ("code", ['pattern="^[A-Z][0-9]$"']),
    ],
)
def test_each_kind_has_its_control_and_its_constraints(kinds: FlaskClient, name: str, parts: list[str]) -> None:
    tag = control(page(kinds), name)
    for part in parts:
        assert part in tag, tag


def test_every_kind_arrives_as_the_model_wants_it(site: Site, kinds: FlaskClient) -> None:
    sent = {
        **GOOD, "story": "Once", "whole": "7", "share": "0.25", "price": "2,5", "size": "m", "colour": "blue",
        "tags": ["new", "sale"], "day": "2026-12-31", "clock": "08:05", "moment": "2026-12-31T18:30",
        "mail": "ada@shop.example", "site": "https://shop.example/a", "country": "pl", "city": "gda",
        "street": "gda 2", "extra": '{"a": [1]}', "token": "s3cret", "code": "B2", "depth": "3", "detail": "deep",
        "papers": [(io.BytesIO(b"one"), "one.txt"), (io.BytesIO(b"two"), "two.txt")],
    }  # fmt: skip
    answer = kinds.post(ALL, data=sent, headers=JSON)
    assert answer.status_code == 201, answer.get_json()
    [task] = site.all()
    meta = dict(task.meta)
    assert [paper["name"] for paper in meta.pop("papers")] == ["one.txt", "two.txt"]
    assert meta == {
        "text": "Ada", "story": "Once", "whole": 7, "share": 0.25, "price": "2.5", "urgent": False, "size": "m",
        "colour": "blue", "tags": ["new", "sale"], "day": "2026-12-31", "clock": "08:05:00",
        "moment": "2026-12-31T18:30:00", "mail": "ada@shop.example", "site": "https://shop.example/a",
        "country": "pl", "city": "gda", "street": "gda 2", "extra": {"a": [1]}, "code": "B2",
        "reason": "none", "depth": 3, "detail": "deep",
    }  # fmt: skip


def test_what_is_left_alone_keeps_its_default(site: Site, kinds: FlaskClient) -> None:
    assert kinds.post(ALL, data=GOOD, headers=JSON).status_code == 201
    assert site.all()[0].meta["mail"] == "ada@example.com"
    assert site.all()[0].meta["price"] == "12.50"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("text", "A", "Enter at least 2 characters."),
        ("whole", "4.5", "Enter a whole number, for example 12."),
        ("whole", "10", "Enter 9 or less."),
        ("share", "much", "Enter a number, for example 12.50."),
        ("price", "1,204", "Enter a number, for example 12.50."),
        ("colour", "green", "Choose one of: 'red' or 'blue'."),
        ("colour", "", "Fill this in."),
        ("tags", "old", "Choose one of: 'new' or 'sale'."),
        ("day", "17.05.2026", "Enter a date, for example 2026-12-31."),
        ("clock", "half six", "Enter a time, for example 18:30."),
        ("moment", "soon", "Enter a date and a time, for example 2026-12-31 18:30."),
        ("mail", "ada at home", "Enter an e-mail address, for example name@example.com."),
        ("site", "javascript:alert(1)", "Enter an address, for example https://example.com."),
        ("city", "gda", "Choose one of the list."),
        ("extra", "{", "This is not valid JSON"),
        ("code", "a1", "This does not have the expected form."),
    ],
)
def test_every_kind_is_checked_again_on_the_server(
    site: Site, kinds: FlaskClient, name: str, value: str, sentence: str
) -> None:
    answer = kinds.post(ALL, data={**GOOD, name: value}, headers=JSON)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][name].startswith(sentence)
    assert site.all() == []


def test_what_a_browser_finds_wrong_is_said_in_the_same_sentences(kinds: FlaskClient) -> None:
    html = page(kinds)

    def says(name: str) -> dict[str, str]:
        found = re.search(rf'data-field-name="{name}"[^>]*? data-says="([^"]*)"', html)
        assert found is not None
        return dict(json.loads(html_module.unescape(found[1])))

    assert says("whole")["badInput"] == "Enter a whole number, for example 12."
    assert says("whole")["rangeOverflow"] == "Enter 9 or less."
    assert says("share")["badInput"] == "Enter a number, for example 12.50."
    assert says("text") | {"tooShort": "Enter at least 2 characters.", "valueMissing": "Fill this in."} == says("text")
    assert says("mail")["typeMismatch"] == "Enter an e-mail address, for example name@example.com."
    assert says("papers")["valueMissing"] == "Choose a file."
    assert says("colour")["valueMissing"] == "Choose one of the list."
    assert says("code")["patternMismatch"] == "This does not have the expected form."


def test_typed_values_stay_after_an_error_in_every_kind(kinds: FlaskClient) -> None:
    sent = {
        **GOOD, "text": "A", "story": "\nOnce <b>", "day": "2026-12-31", "clock": "08:05", "tags": ["sale"],
        "moment": "2026-12-31T18:30", "country": "pl", "city": "gda", "urgent": "1", "extra": '{"a": 1}',
        "token": "s3cret",
    }  # fmt: skip
    html = kinds.post(ALL, data=sent).get_data(as_text=True)
    assert 'value="2026-12-31"' in control(html, "day")
    assert 'value="08:05"' in control(html, "clock")
    assert 'value="2026-12-31T18:30"' in control(html, "moment")
    assert "\n\nOnce &lt;b&gt;</textarea>" in html, "a browser drops the first line break"
    assert '<option value="gda" selected>Gdańsk</option>' in html
    assert re.search(r'name="colour" value="red" checked', html)
    assert re.search(r'value="sale" checked', html)
    assert "s3cret" not in html


def test_patterns_stand_in_the_html_only_where_they_mean_the_same_there() -> None:
    from stask_web.fields import _fits_html

    assert _fits_html(r"^[A-Z]{2}\d+$")
    assert not _fits_html("^abc"), "HTML would want nothing behind it"
    assert not _fits_html(r"^[\w-]+$"), "no class of HTML: the console would complain"
    assert not _fits_html(r"^(?i)abc$")
    assert not _fits_html(None)


# -- groups and conditions


def test_neighbours_of_one_group_stand_together(kinds: FlaskClient) -> None:
    html = page(kinds)
    start = html.index('<legend class="group-title">Where</legend>')
    group = html[start : html.index("</fieldset>", html.index('name="city"'))]
    assert html.count('class="group-title"') == 1
    for name in ("site", "country", "city"):
        assert f'data-field-name="{name}"' in group
    assert 'data-field-name="extra"' not in group


def test_a_field_on_a_condition_says_it_and_whether_it_holds(kinds: FlaskClient) -> None:
    html = page(kinds)
    assert 'data-show-if="{&#34;urgent&#34;: [&#34;true&#34;]}"' in field(html, "reason")
    assert "data-off" not in field(html, "reason")
    assert "data-off" in field(html, "depth")
    assert "data-off" in field(html, "detail")
    html = page(kinds, ALL + "?size=m&depth=3&urgent=0")
    assert "data-off" in field(html, "reason")
    assert "data-off" not in field(html, "depth")
    assert "data-off" not in field(html, "detail")


def test_what_is_not_asked_is_neither_checked_nor_kept(site: Site, kinds: FlaskClient) -> None:
    sent = {**GOOD, "size": "s", "depth": "many", "reason": "x", "detail": "hidden twice"}
    assert kinds.post(ALL, data=sent, headers=JSON).status_code == 201
    [task] = site.all()
    assert (task.meta["depth"], task.meta["reason"], task.meta["detail"]) == (1, "none", "")
    answer = kinds.post(ALL, data={**sent, "size": "m", "urgent": "1"}, headers=JSON)
    assert answer.get_json()["errors"].keys() == {"depth", "reason"}


class ShownOptions(BaseModel):
    """Conditions by numbers, by several and by what is left empty."""

    count: float = Field(1, title="Count")
    tags: list[Literal["new", "sale"]] = Field(default_factory=list, title="Tags")
    flag: bool | None = Field(None, title="Flag")
    many: str = Field("-", json_schema_extra={"show_if": {"count": [2, "3"]}})
    sale: int | None = Field(json_schema_extra={"show_if": {"tags": "sale"}})
    yes: str = Field("-", json_schema_extra={"show_if": {"flag": True}})
    plain: str = Field("-", json_schema_extra={"show_if": {"tags": ""}})
    lost: str = Field(title="Lost", json_schema_extra={"show_if": {"tags": "new"}})


class ShownWorker(BaseWorker):
    identifier, title = "shown", "Shown"

    def task_go(self, task: Any, options: ShownOptions) -> None: ...


def test_what_is_asked_for_depends_on_numbers_on_several_and_on_nothing(site: Site) -> None:
    site.add(ShownWorker)
    client, address = site.client("operator"), "/stask/workers/shown/run/go"
    sent = {"many": "m", "sale": "5", "yes": "y", "plain": "p", "lost": "l"}

    def launched(data: dict[str, Any]) -> Any:
        answer = client.post(address, data=data, headers=JSON)
        assert answer.status_code == 201, answer.get_json()
        return next(task.meta for task in site.all() if task.id == answer.get_json()["id"])

    all_shown = {**sent, "tags": ["new", "sale"], "count": "3.0", "flag": "true"}
    meta = launched(all_shown)
    assert (meta["many"], meta["sale"], meta["yes"], meta["plain"]) == ("m", 5, "y", "-")
    meta = launched({**sent, "tags": "new"})
    assert (meta["many"], meta["sale"], meta["yes"], meta["plain"]) == ("-", None, "-", "-")


def test_what_is_wrong_with_a_field_that_nobody_sees_is_said_on_top(site: Site) -> None:
    site.add(ShownWorker)
    client, address = site.client("operator"), "/stask/workers/shown/run/go"
    answer = client.post(address, data={"lost": "l"}, headers=JSON)
    assert answer.status_code == 422
    assert answer.get_json() == {"error": "Lost: Fill this in.", "errors": {}}, "its author forgot the default"


# -- choices that depend on others


def test_choices_follow_the_values_of_other_fields(kinds: FlaskClient) -> None:
    html = page(kinds)
    assert 'data-depends="country"' in field(html, "city")
    assert "Kyiv" in field(html, "city")
    assert "Gdańsk" not in field(html, "city")
    assert "data-depends" not in field(html, "size")
    assert "Gdańsk" in field(page(kinds, ALL + "?country=pl"), "city")


def test_one_field_is_drawn_anew(kinds: FlaskClient) -> None:
    html = page(kinds, ALL + "?partial=1&part=field&field=city&country=pl&city=kyiv").strip()
    assert html.startswith('<div class="field" data-field-name="city"')
    assert html.endswith("</div>")
    assert '<option value="gda">Gdańsk</option>' in html
    assert "Kyiv" not in html
    assert kinds.get(ALL + "?partial=1&part=field&field=nothing").status_code == 404
    again = page(kinds, ALL + "?partial=1&part=field&field=street&city=lviv&street=lviv+2")
    assert '<option value="lviv 2" selected>' in again, "a source may ask for all values"


def test_a_choice_of_another_country_is_refused_and_shown_anew(kinds: FlaskClient) -> None:
    answer = kinds.post(ALL, data={**GOOD, "country": "pl", "city": "kyiv"})
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Choose one of the list." in html
    assert '<option value="gda">Gdańsk</option>' in html


def test_sources_with_defaults_are_called_without_values() -> None:
    assert Choices(lambda limit=2: range(limit))({"other": "x"}) == [("0", "0"), ("1", "1")]
    assert Choices(lambda a, b: [a + b])({"a": "x", "b": "y", "c": "z"}) == [("xy", "Xy")]
    assert Choices(cities).depends_on(["country", "city"]) == ("country",)
    assert Choices(streets).depends_on(["country", "city"]) == ("country", "city")


# -- the question before


def fields_in(html: str) -> list[tuple[str, str]]:
    """The hidden fields of a page, as they would be sent."""
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html)
    return [(name, html_module.unescape(value)) for name, value in pairs]


def mail(**values: Any) -> dict[str, Any]:
    return {"_ask": "1", "subject": "Sale", "shop": "l", "_form_key": "k1", **values}


def test_what_asks_says_consequence_and_inputs_before_it_starts(site: Site, kinds: FlaskClient) -> None:
    assert 'name="_ask"' in page(kinds, MAIL)
    answer = kinds.post(MAIL, data=mail(key="s3cret", files=(io.BytesIO(b"x"), "a.txt")))
    html = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert site.all() == []
    assert '<h2 class="form-title" id="confirm-title">Send newsletter?</h2>' in html
    assert "4,210 people get a mail." in html
    shown = dict(re.findall(r'<dt class="facts-name">([^<]+)</dt><dd class="facts-value">([^<]*)</dd>', html))
    assert shown == {"Subject": "Sale", "Shop": "Lviv shop", "API key": "••••••", "Files": "a.txt", "Loud": "No"}
    assert re.search(r'name="_back" value="1" autofocus>Back<', html), "the safe button has the focus"
    assert re.search(r'name="_confirmed" value="1">Send newsletter</button>', html)
    assert "s3cret" not in html

    sent = [*fields_in(html), ("_confirmed", "1")]
    assert kinds.post(MAIL, data=_multi(sent)).status_code == 303
    [task] = site.all()
    assert (task.meta["subject"], task.meta["shop"], task.meta["loud"]) == ("Sale", "l", False)
    assert task.meta["files"][0]["name"] == "a.txt"
    assert site.state.vault.open(task.secrets) == {"key": "s3cret"}, "it was carried, sealed"


def _multi(pairs: list[tuple[str, str]]) -> Any:
    from werkzeug.datastructures import MultiDict

    return MultiDict(pairs)


def test_going_back_shows_the_form_as_it_was(site: Site, kinds: FlaskClient) -> None:
    html = kinds.post(MAIL, data=mail()).get_data(as_text=True)
    html = kinds.post(MAIL, data=_multi([*fields_in(html), ("_back", "1")])).get_data(as_text=True)
    assert 'value="Sale"' in control(html, "subject")
    assert '<option value="l" selected>' in html
    assert site.all() == []


def test_with_javascript_the_question_comes_as_json(site: Site, kinds: FlaskClient) -> None:
    data = kinds.post(MAIL, data=mail(), headers=JSON).get_json()
    assert "data-confirm-no>Back<" in data["confirm"]
    assert "data-confirm-yes>Send newsletter<" in data["confirm"]
    assert "<html" not in data["confirm"]
    assert site.all() == []
    assert kinds.post(MAIL, data=mail(_confirmed="1"), headers=JSON).status_code == 201


def test_it_is_not_asked_before_the_values_are_good_nor_for_a_check_nor_of_a_program(
    site: Site, kinds: FlaskClient
) -> None:
    answer = kinds.post(MAIL, data=mail(subject=""), headers=JSON)
    assert answer.get_json()["errors"] == {"subject": "Fill this in."}
    assert kinds.post(MAIL, data=mail(_check="1", _form_key="k2"), headers=JSON).status_code == 201
    assert kinds.post(MAIL, json={"subject": "x"}, headers=JSON).status_code == 201
    assert kinds.post(MAIL, data={"subject": "x"}).status_code == 303
    assert len(site.all()) == 3


@pytest.mark.parametrize("sealed", ["x", "gAAAAA", "\u00e9", "0" * 10_000])
def test_a_made_up_seal_brings_no_secret_and_breaks_nothing(site: Site, kinds: FlaskClient, sealed: str) -> None:
    assert kinds.post(MAIL, data=mail(_sealed=sealed, _confirmed="1")).status_code == 303
    assert site.all()[0].secrets is None


def test_what_asks_and_has_no_fields_is_its_own_question(site: Site, kinds: FlaskClient) -> None:
    html = page(kinds, REBUILD)
    assert "Rebuild everything?" in html
    assert "This cannot be taken back." in html
    assert re.search(r"autofocus>Cancel<", html)
    assert kinds.post(REBUILD, data=_multi(fields_in(html))).status_code == 303
    assert len(site.all()) == 1
    assert 'href="/stask/workers/kinds/run/rebuild"' in page(kinds, "/stask/workers/kinds")


# -- start later, again, and only once


def test_a_moment_that_is_over_is_a_mistake_at_its_field(site: Site, kinds: FlaskClient) -> None:
    past = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    answer = kinds.post(ALL, data={**GOOD, "_start_at": past, "_zone": "UTC"})
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "This moment is over." in html
    assert 'href="#field-_start_at"' in html
    assert f'value="{past}"' in html
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"
    assert kinds.post(ALL, data={**GOOD, "_start_at": now, "_zone": "UTC"}).status_code == 303


def test_the_form_says_by_whose_clock_it_starts(kinds: FlaskClient) -> None:
    html = page(kinds)
    assert f"By the clock of this site, {datetime.now().astimezone().tzname()}" in html
    assert 'data-zone-words="By your clock, {zone}"' in html


def test_run_again_says_what_must_be_given_anew(site: Site, kinds: FlaskClient) -> None:
    kinds.post(
        MAIL, data={"subject": "Sale", "key": "s3cret", "files": (io.BytesIO(b"x"), "a.txt"), "_priority": "low"}
    )
    [task] = site.all()
    html = page(kinds, f"{MAIL}?from={task.id}")
    assert 'value="Sale"' in html
    assert "A secret is not shown again." in field(html, "key")
    assert f'value="{task.meta["files"][0]["upload"]}"' in html, "the upload can be used again"
    assert "cannot be used again" not in html
    assert '<option value="low" selected>' in html
    site.state.storage.discard(task.meta["files"][0]["upload"])
    assert "“a.txt” cannot be used again. Choose it anew." in page(kinds, f"{MAIL}?from={task.id}")
    assert "“a.txt” cannot be used again" in page(site.client("other"), f"{MAIL}?from={task.id}")


def test_what_runs_only_once_at_a_time_says_so_before_anything_is_filled_in(site: Site, operator: FlaskClient) -> None:
    address = "/stask/workers/product/run/only_one"
    assert "This is running already" not in page(operator, address)
    site.client("other").post(address)
    html = page(operator, address)
    assert "Oda Holm started it" in html
    assert re.search(r'href="/stask/tasks/\d+">Watch it<', html)


def test_who_runs_it_is_not_told_to_who_may_not_see_it(own_site: Site) -> None:
    own_site.client("other").post("/stask/workers/product/run/only_one")
    assert "Oda" not in page(own_site.client("operator"), "/stask/workers/product/run/only_one")


def test_a_form_with_many_fields_opens_as_a_page(site: Site, kinds: FlaskClient) -> None:
    html = page(kinds, "/stask/workers/kinds")
    link = {name: re.search(rf'<a[^>]*href="/stask/workers/kinds/run/{name}"[^>]*>', html) for name in ("all", "mail")}
    assert link["all"] is not None
    assert link["mail"] is not None
    assert "data-dialog" not in link["all"][0]
    assert "data-dialog" in link["mail"][0]


def test_kinds_are_checked_for_code_too() -> None:
    spec = find_spec(KindsWorker, "all")
    from stask_web.errors import InvalidOptions

    with pytest.raises(InvalidOptions) as caught:
        validate(spec, {**GOOD, "mail": "nobody"})
    assert caught.value.errors == {"mail": "Enter an e-mail address, for example name@example.com."}
