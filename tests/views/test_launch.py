"""The launch form: what it shows, what it refuses and how, and that nothing starts twice."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel

from stask_web import BaseWorker, Upload
from stask_web.errors import DatabaseBusy
from stask_web.formfields import PREVIEW_COLUMNS
from stask_web.forms import _holds_upload

from .conftest import JSON, Site


class Inner(BaseModel):
    """Holds a file where no form can show one."""

    file: Annotated[Path, Upload()]


class SmuggledOptions(BaseModel):
    """A model inside a model."""

    inner: Inner


class Smuggler(BaseWorker):
    identifier, title = "smuggler", "Smuggler"

    def task_go(self, task: Any, options: SmuggledOptions) -> None: ...


class Depot(BaseWorker):
    """Another worker whose action has the name of one of the first's."""

    identifier, title = "depot", "Depot"

    def task_sync_stock(self, task: Any, options: Any) -> None: ...


IMPORT = "/stask/workers/product/run/import"
LABELS = "/stask/workers/product/run/labels"
SYNC = "/stask/workers/product/run/sync_stock"
ONLY = "/stask/workers/product/run/only_one"


def csv(name: str = "prices.csv", data: bytes = b"sku,price\nA1,2.50\n") -> dict[str, Any]:
    return {"file": (io.BytesIO(data), name)}


def page(client: FlaskClient, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.get_data(as_text=True)


# -- the form


def test_the_form_comes_from_the_typed_options(operator: FlaskClient) -> None:
    html = page(operator, IMPORT)
    assert '<h1 class="form-title">Import products</h1>' in html
    assert 'type="file"' in html
    assert 'accept=".csv"' in html
    assert "One product a row" in html
    assert re.search(r'<option value="auto" selected>Auto</option>', html)
    assert 'name="_check"' in html
    assert html.count(">Import products</button>") == 1


def test_a_dialog_gets_the_form_alone(operator: FlaskClient) -> None:
    html = page(operator, IMPORT + "?partial=1")
    assert html.lstrip().startswith("<form")
    assert "<html" not in html


def test_constraints_stand_in_the_html(operator: FlaskClient) -> None:
    html = page(operator, LABELS)
    count = re.search(r'<input[^>]*name="count"[^>]*>', html)
    assert count is not None
    assert 'min="1"' in count[0]
    assert 'max="9"' in count[0]
    assert 'value="5"' in count[0]
    assert re.search(r'<input[^>]*minlength="2"[^>]*>', html)
    assert '<option value="lviv">Lviv</option>' in html


def test_the_form_is_prefilled_by_the_address(operator: FlaskClient) -> None:
    html = page(operator, LABELS + "?name=Ada&shop=lviv&count=7&urgent=0&tags=new&tags=sale&unknown=1")
    assert 'value="Ada"' in html
    assert '<option value="lviv" selected>' in html
    assert 'value="7"' in html
    assert re.search(r'value="new" checked', html)
    assert not re.search(r'name="urgent" value="1" checked', html)


def test_the_form_is_prefilled_from_an_older_task_but_never_with_a_secret(site: Site, operator: FlaskClient) -> None:
    sent = {"name": "Ada", "count": "8", "token": "s3cr3t-token", "_form_key": "a"}
    task_id = operator.post(LABELS, data=sent, headers=JSON).get_json()["id"]
    html = page(operator, f"{LABELS}?from={task_id}")
    assert 'value="Ada"' in html
    assert 'value="8"' in html
    assert "s3cr3t-token" not in html


def test_an_older_task_of_somebody_else_prefills_nothing(own_site: Site) -> None:
    task_id = own_site.ended(action="labels", meta={"name": "Private"}, started_by=3)
    assert "Private" not in page(own_site.client("operator"), f"{LABELS}?from={task_id}")


@pytest.mark.parametrize("query", ["from=x", "from=999999999999999999999", "from=0", "name=%00&name=b"])
def test_odd_queries_never_break_the_form(operator: FlaskClient, query: str) -> None:
    page(operator, f"{LABELS}?{query}")


def test_choices_that_fail_leave_a_sentence_at_their_field(site: Site, operator: FlaskClient, monkeypatch: Any) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no connection")

    monkeypatch.setattr("stask_web.options.Choices.__call__", fail)
    html = page(operator, LABELS)
    assert "The choices could not be loaded" in html
    assert "no connection" not in html


# -- who may


@pytest.mark.parametrize("name", ["viewer", "nobody"])
def test_without_the_right_neither_form_nor_launch(site: Site, name: str) -> None:
    client = site.client(name)
    assert client.get(SYNC).status_code == 403
    assert client.post(SYNC).status_code == 403
    assert site.all() == []


def test_an_action_for_admins_is_refused_to_operators(site: Site, operator: FlaskClient, admin: FlaskClient) -> None:
    address = "/stask/workers/product/run/rebuild"
    assert operator.post(address).status_code == 403
    assert admin.post(address).status_code == 303


@pytest.mark.parametrize("address", ["/stask/workers/nothing/run/go", "/stask/workers/product/run/nothing"])
def test_an_unknown_worker_or_action_is_not_found(operator: FlaskClient, viewer: FlaskClient, address: str) -> None:
    assert operator.get(address).status_code == 404
    assert operator.post(address, headers=JSON).status_code == 404
    assert viewer.post("/stask/workers/nothing/run/go").status_code == 403


def test_only_task_methods_can_be_named(site: Site, operator: FlaskClient) -> None:
    for name in ("render_widget", "__init__", "settings", "task_import", "_spec"):
        assert operator.post(f"/stask/workers/product/run/{name}").status_code == 404
    assert site.all() == []


def test_every_spelling_of_an_action_means_the_same(site: Site, operator: FlaskClient) -> None:
    for name in ("sync_stock", "sync-stock", "Sync_Stock"):
        assert operator.post(f"/stask/workers/product/run/{name}").status_code == 303
    assert {task.action for task in site.all()} == {"sync_stock"}


# -- the launch


def test_a_launch_leads_to_the_task(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(LABELS, data={"name": "Ada", "count": "3", "urgent": "1"})
    [task] = site.all()
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/stask/tasks/{task.id}"
    assert task.started_by == 2
    assert task.meta["count"] == 3
    assert task.meta["urgent"] is True


def test_a_launch_as_json(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(SYNC, headers=JSON)
    assert answer.status_code == 201
    [task] = site.all()
    assert answer.get_json() == {"id": task.id, "url": f"/stask/tasks/{task.id}"}


def test_a_json_body_is_taken_with_its_types(site: Site, operator: FlaskClient) -> None:
    body = {"name": "Ada", "count": 4, "tags": ["new"], "urgent": False, "_priority": "high"}
    assert operator.post(LABELS, json=body, headers=JSON).status_code == 201
    [task] = site.all()
    assert (task.meta["count"], task.meta["tags"], task.meta["urgent"], task.priority) == (4, ["new"], False, "high")


def test_an_unticked_box_means_no(site: Site, operator: FlaskClient) -> None:
    operator.post(LABELS, data={"name": "Ada"})
    assert site.all()[0].meta["urgent"] is False


def test_a_choice_of_numbers_arrives_as_a_number(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(IMPORT, data={**csv(), "rows": "20"}, headers=JSON)
    assert answer.status_code == 201
    assert site.all()[0].meta["rows"] == 20


def test_check_only_is_a_button(site: Site, operator: FlaskClient) -> None:
    operator.post(IMPORT, data={**csv(), "_check": "1"})
    operator.post(IMPORT, data=csv())
    assert [task.dry_run for task in site.all()] == [True, False]


def test_start_later_and_priority(site: Site, operator: FlaskClient) -> None:
    operator.post(SYNC, data={"_start_at": "2040-06-01T18:30", "_zone": "Europe/Kyiv", "_priority": "low"})
    [task] = site.all()
    assert task.start_at == datetime(2040, 6, 1, 15, 30, tzinfo=UTC)
    assert task.priority == "low"
    assert task.lane is None


def test_a_secret_is_nowhere_to_be_read(site: Site, operator: FlaskClient, admin: FlaskClient) -> None:
    answer = operator.post(LABELS, data={"name": "Ada", "token": "s3cr3t-token"})
    address = answer.headers["Location"]
    assert "s3cr3t-token" not in page(admin, address)
    assert "••••••" in page(admin, address)
    assert "s3cr3t-token" not in admin.get(address, headers=JSON).get_data(as_text=True)
    refused = operator.post(LABELS, data={"name": "", "token": "s3cr3t-token"})
    assert refused.status_code == 422
    assert "s3cr3t-token" not in refused.get_data(as_text=True)


# -- nothing twice


def test_the_same_form_sent_twice_starts_one_task(site: Site, operator: FlaskClient) -> None:
    first = operator.post(SYNC, data={"_form_key": "k1"})
    second = operator.post(SYNC, data={"_form_key": "k1"})
    assert first.headers["Location"] == second.headers["Location"]
    assert len(site.all()) == 1
    operator.post(SYNC, data={"_form_key": "k2"})
    assert len(site.all()) == 2


def test_a_forms_key_is_one_persons_and_one_actions(site: Site, operator: FlaskClient) -> None:
    """Whoever comes by the key of another's form, or chooses one himself, starts a task of his own by it."""
    site.add(Depot)
    other = site.client("other")
    depot = SYNC.replace("product", "depot")
    ways = [(operator, SYNC), (other, SYNC), (operator, ONLY), (operator, depot)]
    for _ in range(2):
        for client, address in ways:
            assert client.post(address, data={"_form_key": "k1"}).status_code == 303
    assert [(task.started_by, task.identifier, task.action) for task in site.all()] == [
        (2, "product", "sync_stock"),
        (3, "product", "sync_stock"),
        (2, "product", "only_one"),
        (2, "depot", "sync_stock"),
    ]


def test_each_form_has_a_key_of_its_own(operator: FlaskClient) -> None:
    keys = {re.search(r'name="_form_key" value="([^"]+)"', page(operator, IMPORT))[1] for _ in range(3)}  # type: ignore[index]
    assert len(keys) == 3


def test_what_may_run_once_at_a_time_says_who_runs_it(site: Site, operator: FlaskClient) -> None:
    site.client("other").post(ONLY)
    answer = operator.post(ONLY)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Oda Holm started it" in html
    [task] = site.all()
    assert f'href="/stask/tasks/{task.id}"' in html
    data = operator.post(ONLY, headers=JSON).get_json()
    assert data["url"] == f"/stask/tasks/{task.id}"


def test_an_unexpected_second_run_of_others_is_not_shown_to_who_may_not_see_it(own_site: Site) -> None:
    own_site.client("other").post(ONLY)
    answer = own_site.client("operator").post(ONLY, headers=JSON)
    assert answer.status_code == 409
    assert "Oda" not in answer.get_json()["error"]
    assert "url" not in answer.get_json()


def test_a_worker_that_is_off_starts_nothing(site: Site, operator: FlaskClient) -> None:
    site.state.roster.set_active("product", False)
    assert operator.post(SYNC, headers=JSON).status_code == 409
    assert site.all() == []


# -- how often


def test_too_many_launches_a_minute_are_refused_with_the_seconds_to_wait(site: Site, operator: FlaskClient) -> None:
    for number in range(30):
        assert operator.post(SYNC, data={"_form_key": f"k{number}"}).status_code == 303
    answer = operator.post(LABELS, data={"name": "Typed by hand"})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert "Typed by hand" in answer.get_data(as_text=True)
    assert operator.post(SYNC, headers=JSON).status_code == 429
    assert operator.post(SYNC, data={"_form_key": "k3"}).status_code == 303
    assert site.client("other").post(SYNC).status_code == 303
    assert len(site.all()) == 31


def test_what_code_creates_in_his_name_does_not_count(site: Site, operator: FlaskClient) -> None:
    for _ in range(40):
        site.state.tasks.create("product", "sync_stock", user_id=2)
    assert operator.post(SYNC).status_code == 303


# -- what does not fit


def test_each_field_gets_its_sentence_and_keeps_what_was_typed(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(LABELS, data={"name": "A", "count": "99", "price": "much", "shop": "kyiv"})
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Enter at least 2 characters." in html
    assert "Enter 9 or less." in html
    assert "Enter a number, for example 12.50." in html
    assert 'value="99"' in html
    assert 'value="much"' in html
    assert "3 fields need a look." in html
    assert 'href="#field-count"' in html
    assert html.count('aria-invalid="true"') == 3
    assert site.all() == []


def test_errors_as_json(operator: FlaskClient) -> None:
    answer = operator.post(LABELS, data={"name": "A", "extra": "{no json"}, headers=JSON)
    data = answer.get_json()
    assert answer.status_code == 422
    assert data["errors"].keys() == {"extra"}
    assert data["errors"]["extra"].startswith("This is not valid JSON")


def test_a_choice_that_is_none_is_refused(operator: FlaskClient) -> None:
    answer = operator.post(LABELS, data={"name": "Ada", "shop": "odesa"}, headers=JSON)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"shop": "Choose one of the list."}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"_priority": "urgent"}, 422),
        ({"_start_at": "tomorrow"}, 422),
        ({"_start_at": "9999-12-31T23:59", "_zone": "America/New_York"}, 422),
        ({"_start_at": "2040-06-01T18:30", "_zone": "x" * 1000}, 303),
        ({"_start_at": "2040-06-01T18:30", "_zone": "../../etc/passwd"}, 303),
        ({"_form_key": "k" * 10_000}, 303),
    ],
)
def test_odd_values_beside_the_options(operator: FlaskClient, sent: dict[str, str], status: int) -> None:
    assert operator.post(SYNC, data=sent).status_code == status


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b'{"name": {"a": 1}}', b'{"name": null}'])
def test_odd_json_never_breaks_it(site: Site, operator: FlaskClient, body: bytes) -> None:
    answer = operator.post(LABELS, data=body, headers={**JSON, "Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.get_json()["error"]
    assert site.all() == []


def test_an_action_without_declared_options_takes_none_from_outside(site: Site, operator: FlaskClient) -> None:
    assert operator.post(SYNC, json={"file": "/etc/passwd"}, headers=JSON).status_code == 422
    assert operator.post(SYNC, data={"file": "/etc/passwd"}, headers=JSON).status_code == 201
    assert site.all()[0].meta == {}


def test_a_busy_database_keeps_the_form(site: Site, operator: FlaskClient, monkeypatch: Any) -> None:
    def busy(*_: Any, **__: Any) -> Any:
        raise DatabaseBusy

    monkeypatch.setattr(site.state.tasks, "create", busy)
    answer = operator.post(LABELS, data={"name": "Typed by hand"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "Typed by hand" in answer.get_data(as_text=True)


# -- files


def test_a_file_of_a_plain_form_is_kept_and_used(site: Site, operator: FlaskClient) -> None:
    assert operator.post(IMPORT, data=csv()).status_code == 303
    [task] = site.all()
    stored = site.state.storage.upload_path(task.meta["file"]["upload"])
    assert task.meta["file"]["name"] == "prices.csv"
    assert stored.read_bytes() == b"sku,price\nA1,2.50\n"


def test_a_file_survives_an_error_elsewhere(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(IMPORT, data={**csv(), "delimiter": "wrong"})
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    token = re.search(r'name="file__upload" value="([0-9a-f]+)"', html)
    assert token is not None
    assert "prices.csv" in html
    assert '<td class="preview-cell">2.50</td>' in html
    assert operator.post(IMPORT, data={"file__upload": token[1]}).status_code == 303
    assert site.all()[0].meta["file"]["name"] == "prices.csv"


@pytest.mark.parametrize("more", [0, 1, 400])
def test_of_a_very_wide_file_the_first_columns_are_shown_and_it_says_so(operator: FlaskClient, more: int) -> None:
    columns = PREVIEW_COLUMNS + more
    data = "\n".join(",".join(f"{row}{number}" for number in range(columns)) for row in ("c", "v", "w")).encode()
    html = operator.post(IMPORT, data={**csv(data=data), "delimiter": "wrong"}).get_data(as_text=True)
    assert html.count('scope="col"') == PREVIEW_COLUMNS
    assert html.count('<td class="preview-cell">') == 2 * PREVIEW_COLUMNS
    assert f"{columns} columns" in html
    assert (f"only the first {PREVIEW_COLUMNS} are shown" in html) is (more > 0)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Choose a file."),
        (csv("virus.exe", b"MZ\x90"), ".csv"),
        (csv("prices.csv", b""), "empty"),
        (csv("prices.csv", b"MZ\x90\x00"), "program"),
        ({"file__upload": "0" * 32}, "Choose the file again"),
        ({"file__upload": "../../etc/passwd"}, "Choose the file again"),
        ({"file": "/etc/passwd"}, "Choose a file."),
    ],
)
def test_a_file_that_does_not_fit_is_refused_at_its_field(
    site: Site, operator: FlaskClient, sent: dict[str, Any], words: str
) -> None:
    answer = operator.post(IMPORT, data=sent, headers=JSON)
    assert answer.status_code == 422
    assert words in answer.get_json()["errors"]["file"]
    assert site.all() == []


@pytest.mark.parametrize("value", ["/etc/passwd", {"upload": "/etc/passwd", "name": "x.csv"}, ["/etc/passwd"], 7])
def test_json_cannot_name_a_file_of_the_machine(site: Site, operator: FlaskClient, value: Any) -> None:
    answer = operator.post(IMPORT, json={"file": value}, headers=JSON)
    assert answer.status_code == 422
    assert "file" in answer.get_json()["errors"]
    assert site.all() == []


def test_the_upload_of_somebody_else_cannot_be_used(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(IMPORT, data={**csv(), "delimiter": "wrong"})
    token = re.search(r'name="file__upload" value="([0-9a-f]+)"', answer.get_data(as_text=True))[1]  # type: ignore[index]
    assert site.client("other").post(IMPORT, data={"file__upload": token}, headers=JSON).status_code == 422
    assert site.all() == []


def test_a_file_over_the_limit_is_refused_whatever_the_host_allows(tmp_path: Any) -> None:
    site = Site(tmp_path, STASK_MAX_UPLOAD=2000, MAX_CONTENT_LENGTH=500)
    with site.app.app_context():
        site.fill()
        client = site.client("operator")
        assert client.post(IMPORT, data=csv(data=b"sku\n" + b"a\n" * 900)).status_code == 303
        answer = client.post(IMPORT, data=csv(data=b"sku\n" + b"a\n" * 9000), headers=JSON)
        assert answer.status_code == 422
        assert answer.get_json()["errors"].keys() == {"file"}
        assert client.post(IMPORT, data=csv(data=b"a" * 300_000), headers=JSON).status_code == 413
    site.state.database.engine.dispose()


def test_a_model_inside_a_field_cannot_smuggle_a_path(site: Site, operator: FlaskClient) -> None:
    site.add(Smuggler)
    answer = operator.post("/stask/workers/smuggler/run/go", json={"inner": {"file": "/etc/passwd"}}, headers=JSON)
    assert answer.status_code == 422
    form = {"inner": '{"file": "/etc/passwd"}'}
    assert operator.post("/stask/workers/smuggler/run/go", data=form, headers=JSON).status_code == 422
    assert site.all() == []


def test_uploads_are_found_in_lists_of_models() -> None:
    assert _holds_upload(list[Inner])
    assert not _holds_upload(list[int])
