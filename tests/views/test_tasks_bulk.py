"""Several tasks at once: by hand or all that match, asked first where it destroys, and nothing that one may not do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from stask_web.creation import unique_key
from stask_web.status import Status
from stask_web.views import bulk

from .conftest import JSON, Site

BULK = "/stask/tasks/bulk"


def said(client: FlaskClient, answer: TestResponse) -> str:
    """The notice on the page to which an answer leads."""
    assert answer.status_code == 303, answer.text
    found = re.search(
        r'<div class="banner[^>]*role="status">.*?<p>(.*?)</p>', client.get(answer.location).text, re.DOTALL
    )
    return unescape(found[1]) if found else ""


def fields(html: str) -> dict[str, str]:
    """The hidden fields of the form of a question."""
    form = html[html.index('action="/stask/tasks/bulk"') :]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}


def test_the_numbers_as_json(site: Site, admin: FlaskClient, operator: FlaskClient) -> None:
    for status in (Status.FAILED, Status.COMPLETED, Status.CANCELLED):
        site.ended(status)
    site.task()
    numbers = {"count": 4, "whole": True, "retry": 2, "cancel": 1, "delete": 3}
    assert admin.get(f"{BULK}?all=1", headers=JSON).get_json() == numbers
    assert operator.get(f"{BULK}?all=1", headers=JSON).get_json() == numbers | {"delete": 0}


# By hand


def test_several_are_retried_and_the_others_named(site: Site, operator: FlaskClient) -> None:
    failed = [site.ended(Status.FAILED), site.ended(Status.CANCELLED)]
    done = [site.ended(), site.ended()]
    gone = site.ended(Status.FAILED, identifier="gone", action="old_thing")
    runs = site.running(action="import")
    answer = operator.post(BULK, data={"act": "retry", "id": [*failed, *done, gone, runs, 999], "status": "failed"})
    assert answer.location == "/stask/tasks?status=failed"
    assert said(operator, answer) == (
        "2 started again. 5 could not be retried: 2 × Sync stock (completed), 1 gone, Import products (still runs), "
        "Old thing (its worker is gone)."
    )
    assert [site.get(number).status for number in failed] == [Status.PENDING] * 2
    assert [site.get(number).status for number in [*done, gone]] == [Status.COMPLETED] * 2 + [Status.FAILED]
    assert said(operator, answer) == ""  # said once


def test_several_are_stopped(site: Site, operator: FlaskClient) -> None:
    waits, runs, done = site.task(), site.running(), site.ended()
    answer = operator.post(BULK, data={"act": "cancel", "id": f"{waits},{runs},{done}"})
    assert said(operator, answer) == "2 stopped. 1 could not be stopped: Sync stock (over already)."
    assert site.get(waits).status == Status.CANCELLED
    assert site.get(waits).cancelled_by == "Max Berg"
    assert site.get(runs).cancel_at is not None


def test_what_was_withdrawn_can_be_taken_back(site: Site, operator: FlaskClient) -> None:
    waits = [site.task(), site.task()]
    data = operator.post(BULK, data={"act": "cancel", "id": waits}, headers=JSON).get_json()
    assert (data["message"], data["done"], data["refused"]) == ("2 stopped.", 2, 0)
    assert operator.post(data["undo"]["url"], headers=JSON).get_json()["done"] == 2
    assert [site.get(number).status for number in waits] == [Status.PENDING] * 2
    runs = operator.post(BULK, data={"act": "cancel", "id": [waits[0], site.running()]}, headers=JSON)
    assert "undo" not in runs.get_json()


def test_deleting_asks_first_and_says_how_many(site: Site, admin: FlaskClient) -> None:
    ended = [site.ended(), site.ended(Status.FAILED)]
    runs = site.running()
    answer = admin.post(BULK, data={"act": "delete", "id": [*ended, runs], "worker": "product"})
    assert answer.status_code == 200
    assert "Delete 2 tasks?" in answer.text
    assert "1 cannot be deleted: Sync stock (still runs)." in answer.text
    assert '<a class="btn" href="/stask/tasks?worker=product">Keep them</a>' in answer.text
    assert len(site.all()) == 3
    done = admin.post(BULK, data=fields(answer.text))
    assert done.location == "/stask/tasks?worker=product"
    assert said(admin, done) == "2 deleted. 1 could not be deleted: Sync stock (still runs)."
    assert [task.id for task in site.all()] == [runs]


def test_the_question_is_a_page_and_a_dialog(site: Site, admin: FlaskClient) -> None:
    task_id = site.ended()
    page = admin.get(f"{BULK}?act=delete&id={task_id}").text
    dialog = admin.get(f"{BULK}?act=delete&id={task_id}&partial=1").text.strip()
    assert "<!doctype html>" in page
    assert dialog.startswith("<form")
    assert "Delete 1 task?" in page
    assert "Delete 1 task?" in dialog
    assert re.search(r"<button[^>]*data-dialog-close autofocus>Keep them<", dialog)
    nothing = admin.get(f"{BULK}?act=retry&id={task_id}").text
    assert "Nothing to retry" in nothing
    assert "Retry 0" not in nothing


def test_a_program_need_not_be_asked(site: Site, admin: FlaskClient) -> None:
    task_id = site.ended()
    answer = admin.post(BULK, data={"act": "delete", "id": task_id}, headers=JSON)
    assert answer.get_json() == {"message": "1 deleted.", "done": 1, "refused": 0}
    assert site.all() == []


# All that match


def test_all_that_match_are_counted_before_anything_is_done(site: Site, admin: FlaskClient) -> None:
    for _ in range(30):
        site.ended(Status.FAILED)
    site.ended()
    html = admin.get("/stask/tasks?status=failed").text
    link = re.search(r'href="([^"]+)" data-dialog>Choose all 30 that match<', html)
    assert link is not None
    page = admin.get(unescape(link[1])).text
    assert "30 tasks match" in page
    assert "Retry 30 tasks" in page
    assert "Delete 30 tasks…" in page
    assert "Stop" not in page[page.index("form-body") :]
    answer = admin.post(BULK, data={**fields(page), "act": "retry"})
    assert said(admin, answer) == "30 started again."
    assert sum(task.status == Status.PENDING for task in site.all()) == 30


def test_all_that_match_are_deleted_in_two_steps(site: Site, admin: FlaskClient) -> None:
    for _ in range(30):
        site.ended(Status.FAILED)
    kept = site.ended()
    question = admin.get(f"{BULK}?act=delete&all=1&status=failed").text
    assert "Delete 30 tasks?" in question
    assert "Failed" in question
    assert said(admin, admin.post(BULK, data=fields(question))) == "30 deleted."
    assert [task.id for task in site.all()] == [kept]


def test_nothing_is_done_to_all_that_match_without_the_number_having_been_seen(site: Site, admin: FlaskClient) -> None:
    waits = site.task()
    answer = admin.post(BULK, data={"act": "cancel", "all": "1"})
    assert "Stop 1 task?" in answer.text
    assert site.get(waits).status == Status.PENDING


def test_more_than_one_was_told_is_asked_anew(site: Site, admin: FlaskClient) -> None:
    failed, other = site.ended(Status.FAILED), site.ended()
    question = fields(admin.get(f"{BULK}?act=delete&all=1&status=failed").text)
    later = site.ended(Status.FAILED)
    assert "deleted" in said(admin, admin.post(BULK, data=question))
    assert [task.id for task in site.all()] == [other, later]  # the later one was never counted
    question = fields(admin.get(f"{BULK}?act=delete&all=1").text)
    assert question["count_delete"] == "2"
    answer = admin.post(BULK, data={**question, "count_delete": "1"})
    assert "More match now than when you were asked" in answer.text
    assert len(site.all()) == 2
    assert failed not in {task.id for task in site.all()}


def test_one_request_does_at_most_so_many(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bulk.ACTS, "retry", bulk.ACTS["retry"]._replace(most=5))
    made = [site.ended(Status.FAILED) for _ in range(8)]
    question = admin.get(f"{BULK}?act=retry&all=1&status=failed").text
    assert "Retry 5 tasks?" in question
    assert "the newest of those that match" in question
    admin.post(BULK, data=fields(question))
    assert [site.get(number).status for number in made] == [Status.FAILED] * 3 + [Status.PENDING] * 5
    assert admin.post(BULK, data={"act": "delete", "id": ",".join(map(str, range(1, 1100)))}).status_code == 422


# Rights


def test_rights_are_asked_for_each_task(own_site: Site) -> None:
    client = own_site.client("operator")
    mine, theirs = own_site.ended(Status.FAILED, started_by=2), own_site.ended(Status.FAILED, started_by=3)
    secret = own_site.ended(Status.FAILED, started_by=2, action="rebuild")
    answer = client.post(BULK, data={"act": "retry", "id": [mine, theirs, secret]})
    assert said(client, answer) == (
        "1 started again. 2 could not be retried: Rebuild everything (not for your account), 1 gone."
    )
    assert own_site.get(theirs).status == Status.FAILED
    every = fields(client.get(f"{BULK}?act=retry&all=1").text)
    client.post(BULK, data=every)
    assert own_site.get(theirs).status == own_site.get(secret).status == Status.FAILED


@pytest.mark.parametrize(
    ("name", "act", "status"),
    [("viewer", "retry", 403), ("operator", "delete", 403), ("nobody", "retry", 403), ("", "retry", 302)],
)
def test_who_may_not_gets_nowhere(site: Site, name: str, act: str, status: int) -> None:
    task_id = site.ended(Status.FAILED)
    client = site.client(name)
    assert client.post(BULK, data={"act": act, "id": task_id, "sure": "1"}).status_code == status
    assert client.get(f"{BULK}?act={act}&id={task_id}").status_code == status
    assert client.get(f"{BULK}?id={task_id}").status_code == (200 if name in ("viewer", "operator") else status)
    assert site.get(task_id).status == Status.FAILED


def test_only_what_one_may_do_is_offered(
    site: Site, operator: FlaskClient, admin: FlaskClient, viewer: FlaskClient
) -> None:
    site.ended(Status.FAILED)

    def offered(client: FlaskClient) -> list[str]:
        return re.findall(r'name="act" value="(\w+)"', client.get("/stask/tasks").text)

    assert offered(admin) == ["retry", "cancel", "delete"]
    assert offered(operator) == ["retry", "cancel"]
    assert offered(viewer) == []
    assert "data-can-delete" not in operator.get("/stask/tasks").text
    assert "Delete" not in operator.get(f"{BULK}?all=1").text


@pytest.mark.parametrize(
    "data",
    [
        {"act": "burn", "id": "1"},
        {"id": "1"},
        {"act": "retry"},
        {"act": "retry", "id": "x"},
        {"act": "retry", "id": "-1"},
        {"act": "retry", "id": "9" * 40},
        {"act": "retry", "all": "1", "status": "lost"},
        {"act": "retry", "all": "1", "newest": "x"},
    ],
)
def test_nonsense_is_refused(admin: FlaskClient, data: dict[str, str]) -> None:
    assert admin.post(BULK, data=data).status_code == 422


def test_a_unique_task_that_runs_already_is_named(site: Site, operator: FlaskClient) -> None:
    again = site.ended(Status.FAILED, action="only_one")
    key = unique_key("product", site.state.tasks.spec("product", "only_one"), {})
    site.running(action="only_one", unique_key=key)
    answer = operator.post(BULK, data={"act": "retry", "id": again})
    assert said(operator, answer) == "1 could not be retried: Only one (the same waits or runs already)."


def test_a_scheduled_one_can_be_withdrawn_with_the_others(site: Site, operator: FlaskClient) -> None:
    task_id = site.task(due_at=datetime.now(UTC) + timedelta(hours=1), lane=None)
    assert said(operator, operator.post(BULK, data={"act": "cancel", "id": task_id})) == "1 stopped."
    assert site.get(task_id).status == Status.CANCELLED
