"""A worker's settings: from its model or its defaults, by form and as JSON, with a way back to the code."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel, Field, SecretStr, model_validator

from stask_web import BaseWorker, Choices
from stask_web.models import WorkerRecord

from .conftest import JSON, Site

PAGE = "/stask/workers/mail/settings"


class Server(BaseModel):
    url: str = Field("https://mail.example.com", title="Address", json_schema_extra={"kind": "url"})
    timeout: float = Field(30, gt=0, le=600, title="Time limit")
    key: SecretStr | None = Field(None, title="Key")


class MailSettings(BaseModel):
    sender: str = Field("Shop", min_length=2, title="Sender", description="As readers see it")
    size: Literal[10, 20] = Field(10, title="Batch")
    shop: Annotated[str, Choices(lambda: ["kyiv", "lviv"])] = Field("kyiv", title="Shop")
    quiet: bool = Field(False, title="Quiet hours")
    tags: list[Literal["new", "sale"]] = Field(default_factory=list, title="Tags")
    server: Server = Field(default_factory=Server, title="Mail server")

    @model_validator(mode="after")
    def neither_nor(self) -> MailSettings:
        if self.quiet and self.sender == "Loud":
            raise ValueError("Loud people have no quiet hours.")
        return self


class MailWorker(BaseWorker):
    identifier, title = "mail", "Newsletter"
    Settings = MailSettings

    def task_go(self, task: Any, options: Any) -> None: ...


class PlainWorker(BaseWorker):
    identifier, title = "plain", "Plain"

    def settings(self) -> dict[str, Any]:
        return {
            "batch_size": 100, "rate": 0.5, "retry": True, "name": "Shop", "api": {"url": "x", "api_key": "s3cret"},
            "rows": [1, 2], "schedule": {"enabled": False},
        }  # fmt: skip

    def task_go(self, task: Any, options: Any) -> None: ...


class OwnWorker(BaseWorker):
    identifier, title = "own", "Own"
    defaults: ClassVar[dict[str, Any]] = {"depth": 3, "deep": True}
    breaks = False

    def render_settings(self) -> str:
        if type(self).breaks:
            raise RuntimeError("no template")
        return '<form class="own-form"><input name="depth"></form>'

    def task_go(self, task: Any, options: Any) -> None: ...


@pytest.fixture(autouse=True)
def workers(site: Site) -> None:
    for cls in (MailWorker, PlainWorker, OwnWorker):
        site.add(cls)


def stored(site: Site, identifier: str = "mail") -> dict[str, Any]:
    return site.state.roster.stored_config(identifier)


def form(**changes: Any) -> dict[str, Any]:
    """What the form sends when nothing was touched, and what was changed in it."""
    whole = {
        "_all": "1", "sender": "Shop", "size": "10", "shop": "kyiv", "server.url": "https://mail.example.com",
        "server.timeout": "30", "server.key": "",
    }  # fmt: skip
    return {**whole, **changes}


# who


@pytest.mark.parametrize("name", ["viewer", "operator", "other", "nobody"])
def test_only_who_may_configure_sees_or_changes_settings(site: Site, name: str) -> None:
    client = site.client(name)
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, data=form(sender="Spam")).status_code == 403
    assert client.post(PAGE, json={"sender": "Spam"}, headers=JSON).status_code == 403
    assert stored(site) == {}
    if name != "nobody":
        assert "/settings" not in client.get("/stask/workers/mail").get_data(as_text=True)


def test_anonymous_people_are_sent_to_sign_in(site: Site, anonymous: FlaskClient) -> None:
    assert anonymous.get(PAGE).status_code == 302
    assert anonymous.post(PAGE, json={}, headers=JSON).status_code == 401


def test_a_form_without_a_token_changes_nothing(site: Site, admin: FlaskClient) -> None:
    site.app.config["WTF_CSRF_ENABLED"] = True
    assert admin.post(PAGE, data=form(sender="Spam")).status_code == 400
    assert stored(site) == {}


def test_an_unknown_worker_has_no_settings(admin: FlaskClient) -> None:
    assert admin.get("/stask/workers/nothing/settings").status_code == 404
    assert admin.post("/stask/workers/nothing/settings").status_code == 404


# the form


def test_the_form_has_a_field_for_each_setting_also_inside_of_others(admin: FlaskClient) -> None:
    html = admin.get(PAGE).get_data(as_text=True)
    for name in ("sender", "size", "shop", "quiet", "tags", "server.url", "server.timeout", "server.key"):
        assert f'name="{name}"' in html, name
    assert "Mail server" in html
    assert "As readers see it" in html
    assert "data-reset" not in html, "nothing differs from the code"


def test_what_is_saved_is_only_what_differs_from_the_code(site: Site, admin: FlaskClient) -> None:
    changes = {"size": "20", "server.timeout": "45", "quiet": "1", "tags": ["new"]}
    answer = admin.post(PAGE, data=form(**changes))
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert stored(site) == {"size": 20, "quiet": True, "tags": ["new"], "server": {"timeout": 45.0}}
    assert MailWorker().settings()["server"]["timeout"] == 45
    html = admin.get(PAGE).get_data(as_text=True)
    assert "Saved. 4 settings were changed." in html
    assert html.count("data-reset") == 4
    assert "The code says: 30" in html
    admin.post(PAGE, data=form())
    assert stored(site) == {}


def test_wrong_values_come_back_with_their_sentences_and_all_that_was_typed(site: Site, admin: FlaskClient) -> None:
    sent = form(**{"sender": "X", "server.timeout": "900", "server.url": "https://typed.example"})
    answer = admin.post(PAGE, data=sent)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Enter at least 2 characters." in html
    assert "Enter 600 or less." in html
    assert 'value="https://typed.example"' in html
    assert 'value="900"' in html
    assert 'href="#field-server.timeout"' in html
    assert stored(site) == {}


def test_a_rule_over_several_settings_is_said_on_top(site: Site, admin: FlaskClient) -> None:
    answer = admin.post(PAGE, data=form(sender="Loud", quiet="1"))
    assert answer.status_code == 422
    assert "Loud people have no quiet hours." in answer.get_data(as_text=True)


def test_a_choice_must_be_among_those_there_are(site: Site, admin: FlaskClient) -> None:
    assert admin.post(PAGE, data=form(shop="paris")).status_code == 422
    answer = admin.post(PAGE, json={"shop": "paris"}, headers=JSON)
    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["shop"])


def test_a_setting_that_is_emptied_is_the_codes_again(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(**{"server.timeout": "45"}))
    admin.post(PAGE, data=form(**{"server.timeout": ""}))
    assert stored(site) == {}


# secrets


def test_a_secret_is_kept_replaced_and_removed_but_never_shown(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(**{"server.key": "k-1234"}))
    assert stored(site)["server"]["key"].get_secret_value() == "k-1234"
    [record] = WorkerRecord.query().by_identifier("mail").all()
    assert "k-1234" not in str(record.settings)
    html = admin.get(PAGE).get_data(as_text=True)
    assert "k-1234" not in html
    assert "Replace" in html
    described = admin.get(PAGE, headers=JSON).get_data(as_text=True)
    assert "k-1234" not in described
    admin.post(PAGE, data=form(sender="Others"))
    assert stored(site)["server"]["key"].get_secret_value() == "k-1234", "left empty it stays"
    admin.post(PAGE, data=form(**{"server.key": "k-5678"}))
    assert stored(site)["server"]["key"].get_secret_value() == "k-5678"
    admin.post(PAGE, data=form(**{"server.key__remove": "1"}))
    assert stored(site) == {}


def test_a_secret_that_cannot_be_read_any_more_is_said_and_not_overwritten(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(**{"server.key": "k-1234"}))
    keys, site.state.vault._keys, site.state.vault._box = site.state.vault._keys, ["another"], None
    html = admin.get(PAGE).get_data(as_text=True)
    assert "SECRET_KEY has changed" in html
    assert admin.post(PAGE, data=form(sender="Others")).status_code == 409
    site.state.vault._keys, site.state.vault._box = keys, None
    assert stored(site)["server"]["key"].get_secret_value() == "k-1234"


# back to the code


def test_a_reset_is_done_at_once_and_can_be_taken_back(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(**{"server.timeout": "45", "size": "20"}))
    data = admin.post(PAGE, data={"_reset": "server.timeout"}, headers=JSON).get_json()
    assert stored(site) == {"size": 20}
    assert data["message"] == "“Time limit” is back to 30."
    assert data["changed"] == ["server.timeout"]
    assert admin.post(data["undo"]["url"], headers=JSON).get_json()["changed"] == ["server.timeout"]
    assert stored(site) == {"size": 20, "server": {"timeout": 45.0}}


def test_a_reset_without_javascript_leads_back_and_says_so(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(size="20"))
    answer = admin.post(PAGE, data={"_reset": "size"})
    assert answer.status_code == 303
    assert "“Batch” is back to 10." in admin.get(PAGE).get_data(as_text=True)


def test_an_undo_of_another_worker_or_of_nobody_is_refused(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(size="20"))
    undo = admin.post(PAGE, data={"_reset": "size"}, headers=JSON).get_json()["undo"]["url"]
    assert admin.post(undo.replace("/mail/", "/plain/")).status_code == 400
    assert admin.post(f"{PAGE}?undo=nonsense").status_code == 400
    assert site.client("operator").post(undo).status_code == 403
    assert stored(site) == {}


def test_no_secret_ever_stands_in_an_undo(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(**{"server.key": "k-1234"}))
    data = admin.post(PAGE, json={"_reset": "server.key"}, headers=JSON).get_json()
    assert stored(site) == {}
    assert "undo" not in data


def test_what_is_no_setting_cannot_be_reset(admin: FlaskClient) -> None:
    assert admin.post(PAGE, data={"_reset": "nothing"}, headers=JSON).status_code == 422


# JSON


def test_settings_as_json(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, json={"server": {"timeout": 45}}, headers=JSON)
    data = admin.get(PAGE, headers=JSON).get_json()
    facts = {item["name"]: item for item in data["settings"]}
    assert data["identifier"] == "mail"
    assert facts["server.timeout"]["value"] == 45
    assert facts["server.timeout"]["default"] == 30
    assert facts["server.timeout"]["changed"] is True
    assert facts["sender"]["changed"] is False
    assert facts["server.key"]["set"] is False
    assert "value" not in facts["server.key"]
    assert ["kyiv", "Kyiv"] in facts["shop"]["choices"]


@pytest.mark.parametrize("body", [{"server": {"timeout": 45}}, {"server.timeout": "45"}])
def test_json_changes_only_what_it_names_nested_or_dotted(site: Site, admin: FlaskClient, body: Any) -> None:
    admin.post(PAGE, json={"size": 20}, headers=JSON)
    answer = admin.post(PAGE, json=body, headers=JSON).get_json()
    assert answer["changed"] == ["server.timeout"]
    assert stored(site) == {"size": 20, "server": {"timeout": 45.0}}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"server": {"timeout": 0}}, "server.timeout"), ({"size": 11}, "size"), ({"nothing": 1}, "nothing"),
        ({"server": {"nothing": 1}}, "server.nothing"), ({"server.url": "no address"}, "server.url"),
        ({"sender": ["x"]}, "sender"),
    ],
)  # fmt: skip
def test_json_is_checked_as_the_form_is(site: Site, admin: FlaskClient, body: Any, name: str) -> None:
    answer = admin.post(PAGE, json=body, headers=JSON)
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [name]
    assert answer.get_json()["error"]
    assert stored(site) == {}


def test_json_that_is_no_object_is_refused(admin: FlaskClient) -> None:
    assert admin.post(PAGE, json=[1], headers=JSON).status_code == 422
    assert admin.post(PAGE, data="{", content_type="application/json", headers=JSON).status_code == 422


# plain defaults, own HTML, none at all


def test_plain_defaults_become_fields_by_their_types(site: Site, admin: FlaskClient) -> None:
    page = "/stask/workers/plain/settings"
    html = admin.get(page).get_data(as_text=True)
    assert re.search(r'type="number" id="field-batch_size"', html)
    assert re.search(r'type="checkbox" id="field-retry"', html)
    assert "s3cret" not in html
    assert 'name="schedule"' not in html
    sent = {"_all": "1", "batch_size": "250", "rate": "0.25", "name": "Shop", "api.url": "y", "rows": "[3]"}
    assert admin.post(page, data=sent).status_code == 303
    assert stored(site, "plain") == {"batch_size": 250, "rate": 0.25, "retry": False, "api": {"url": "y"}, "rows": [3]}
    assert PlainWorker().settings()["api"] == {"url": "y", "api_key": "s3cret"}
    answer = admin.post(page, data={**sent, "batch_size": "many", "rows": "[3"})
    assert answer.status_code == 422
    assert "This is not valid JSON" in answer.get_data(as_text=True)
    assert admin.post(page, json={"batch_size": "many"}, headers=JSON).get_json()["errors"] == {
        "batch_size": "Enter a whole number, for example 12."
    }


def test_the_workers_own_schedule_survives_a_change(site: Site, admin: FlaskClient) -> None:
    PlainWorker().update_config({"schedule": {"enabled": False, "type": "manual"}})
    admin.post("/stask/workers/plain/settings", json={"batch_size": 5}, headers=JSON)
    assert stored(site, "plain")["schedule"] == {"enabled": False, "type": "manual"}


def test_own_html_takes_the_place_of_inferred_fields(site: Site, admin: FlaskClient) -> None:
    page = "/stask/workers/own/settings"
    html = admin.get(page).get_data(as_text=True)
    assert 'class="own-form"' in html
    assert "data-setting" not in html
    admin.post(page, data={"depth": "5"})
    assert stored(site, "own") == {"depth": 5}, "what it does not hold stays"


def test_own_html_that_breaks_leaves_the_page(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OwnWorker, "breaks", True)
    answer = admin.get("/stask/workers/own/settings")
    assert answer.status_code == 200
    assert "RuntimeError: no template" in answer.get_data(as_text=True)
    assert "could not be drawn" in caplog.text


def test_a_worker_without_settings_says_so(admin: FlaskClient) -> None:
    html = admin.get("/stask/workers/product/settings").get_data(as_text=True)
    assert "Nothing can be set here" in html
    assert admin.get("/stask/workers/product/settings", headers=JSON).get_json()["settings"] == []


def test_a_worker_whose_class_is_gone_keeps_what_was_set(site: Site, admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(size="20"))
    site.state.registry._added.pop("mail")
    assert "What was set is kept" in admin.get(PAGE).get_data(as_text=True)
    assert admin.post(PAGE, data=form()).status_code == 409
    assert stored(site) == {"size": 20}


def test_html_in_what_was_set_is_text(admin: FlaskClient) -> None:
    admin.post(PAGE, data=form(sender="<script>alert(1)</script>"))
    assert "<script>alert" not in admin.get(PAGE).get_data(as_text=True)


def test_the_form_alone_is_one_element(admin: FlaskClient) -> None:
    part = admin.get(f"{PAGE}?partial=1&part=form").get_data(as_text=True).strip()
    assert part.startswith('<div class="card settings" data-worker="mail"')
    assert part.endswith("</div>")
