"""A task's page at its less usual moments: between attempts, silent, about to be stopped, failed, run again."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web.models import Attempt, Upload
from stask_web.status import Status
from stask_web.views.pagelog import fold

from .conftest import JSON, Site


def page(client: FlaskClient, task_id: int, query: str = "") -> str:
    answer = client.get(f"/stask/tasks/{task_id}{query}")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def attempt(site: Site, task_id: int, number: int, outcome: str | None, **values: Any) -> None:
    """One start of a task."""
    began = datetime.now(UTC) - timedelta(minutes=10 - number)
    row = {"task_id": task_id, "number": number, "token": f"{task_id}.{number}", "started_at": began, "pid": 4711}
    row |= {"ended_at": began + timedelta(seconds=7) if outcome else None, "outcome": outcome, **values}
    with site.state.database.write() as connection:
        connection.execute(sa.insert(Attempt).values(**row))


def write(site: Site, task_id: int, *records: dict[str, Any]) -> None:
    journal = site.state.journals.of(task_id)
    journal.write([{"a": 1, "k": "log", "l": "info", **record} for record in records])
    journal.close()


# -- between two attempts


def retrying(site: Site, **values: Any) -> int:
    facts = {"attempts": 1, "attempt_no": 1, "started_at": datetime.now(UTC) - timedelta(minutes=1)}
    reason = "Attempt 1 of 3 stopped: The warehouse did not answer"
    return site.task(due_at=datetime.now(UTC) + timedelta(seconds=90), message=reason, **{**facts, **values})


def test_between_attempts_it_says_why_and_when_and_can_be_started_or_given_up(
    site: Site, operator: FlaskClient
) -> None:
    task_id = retrying(site)
    html = page(operator, task_id)
    assert "Attempt 1 of 3 stopped: The warehouse did not answer" in html
    assert re.search(r'data-field="waiting_for">Starts again in 1 min', html)
    assert f'action="/stask/tasks/{task_id}/start"' in html
    assert re.search(r"Give up</button>", html)


def test_start_now_ends_the_wait(site: Site, operator: FlaskClient) -> None:
    task_id = retrying(site)
    assert operator.post(f"/stask/tasks/{task_id}/start").status_code == 303
    task = site.get(task_id)
    assert (task.lane, task.due_at, task.status) == (2, None, Status.PENDING)
    answer = operator.post(f"/stask/tasks/{task_id}/start", headers=JSON)
    assert answer.status_code == 409, "it waits for no time any more"


def test_a_task_for_later_can_start_now_too(site: Site, operator: FlaskClient) -> None:
    later = datetime.now(UTC) + timedelta(hours=5)
    task_id = site.task(due_at=later, start_at=later)
    assert "Start now" in page(operator, task_id)
    answer = operator.post(f"/stask/tasks/{task_id}/start", headers=JSON)
    assert answer.get_json()["task"]["look"] in ("waiting", "blocked")
    assert "Start now" not in page(operator, task_id)


def test_a_viewer_can_neither_start_it_now_nor_give_it_up(site: Site, viewer: FlaskClient) -> None:
    task_id = retrying(site)
    html = page(viewer, task_id)
    assert "/start" not in html
    assert "/cancel" not in html
    assert viewer.post(f"/stask/tasks/{task_id}/start").status_code == 403
    assert site.get(task_id).lane is None


def test_giving_up_ends_it(site: Site, operator: FlaskClient) -> None:
    task_id = retrying(site)
    assert operator.post(f"/stask/tasks/{task_id}/cancel").status_code == 303
    assert site.get(task_id).status == Status.CANCELLED


def test_undoing_a_withdrawal_keeps_the_time_it_was_to_start(site: Site, operator: FlaskClient) -> None:
    later = datetime.now(UTC) + timedelta(hours=5)
    task_id = site.task(due_at=later, start_at=later)
    undo = operator.post(f"/stask/tasks/{task_id}/cancel", headers=JSON).get_json()["undo"]
    assert operator.post(undo["url"], headers=JSON).get_json()["task"]["look"] == "scheduled"
    task = site.get(task_id)
    assert task.lane is None
    assert task.due_at == task.start_at


def test_undo_is_offered_only_to_who_may_undo(site: Site, monkeypatch: Any) -> None:
    roles = {"viewer": frozenset({"view"}), "operator": frozenset({"view", "cancel"}), "admin": frozenset()}
    monkeypatch.setattr("stask_web.access.ROLES", roles)
    answer = site.client("operator").post(f"/stask/tasks/{site.task()}/cancel", headers=JSON)
    assert answer.status_code == 200
    assert "undo" not in answer.get_json()


# -- priority


def test_a_waiting_task_can_be_let_before_others(site: Site, operator: FlaskClient) -> None:
    first, second = site.task(), site.task()
    html = page(operator, second)
    assert f'action="/stask/tasks/{second}/priority"' in html
    assert '<option value="normal" selected>' in html
    answer = operator.post(f"/stask/tasks/{second}/priority", data={"priority": "high"}, headers=JSON)
    assert answer.get_json()["message"] == "Its priority is high now."
    assert operator.get(f"/stask/tasks/{second}", headers=JSON).get_json()["position"] == 1
    assert operator.get(f"/stask/tasks/{first}", headers=JSON).get_json()["position"] == 2
    assert (site.get(second).priority, site.get(second).lane) == ("high", 1)


def test_one_that_waits_for_a_time_keeps_waiting_for_it(site: Site, operator: FlaskClient) -> None:
    task_id = retrying(site)
    assert operator.post(f"/stask/tasks/{task_id}/priority", data={"priority": "low"}).status_code == 303
    assert (site.get(task_id).priority, site.get(task_id).lane) == ("low", None)
    assert operator.post(f"/stask/tasks/{task_id}/start").status_code == 303
    assert site.get(task_id).lane == 3


@pytest.mark.parametrize("sent", [{}, {"priority": "urgent"}, {"priority": ""}])
def test_an_odd_priority_is_refused(site: Site, operator: FlaskClient, sent: dict[str, str]) -> None:
    task_id = site.task()
    assert operator.post(f"/stask/tasks/{task_id}/priority", data=sent, headers=JSON).status_code == 422
    assert operator.post(f"/stask/tasks/{task_id}/priority", json=[1], headers=JSON).status_code == 422
    assert site.get(task_id).priority == "normal"


def test_only_what_waits_has_a_priority_and_only_for_who_may_launch(site: Site, operator: FlaskClient) -> None:
    running, waiting = site.running(), site.task()
    assert operator.post(f"/stask/tasks/{running}/priority", data={"priority": "low"}).status_code == 409
    assert "/priority" not in page(operator, running)
    viewer = site.client("viewer")
    assert "/priority" not in page(viewer, waiting)
    assert viewer.post(f"/stask/tasks/{waiting}/priority", data={"priority": "low"}).status_code == 403
    assert site.client("viewer").post("/stask/tasks/99/priority").status_code == 403
    assert operator.post("/stask/tasks/99/priority").status_code == 404


# -- attempts


def test_several_attempts_have_a_tab_each_with_its_end_and_its_log(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(attempt_no=2, attempts=2)
    attempt(site, task_id, 1, "error", message="ZeroDivisionError: division by zero")
    attempt(site, task_id, 2, None)
    first = [{"t": 1.0 + number, "a": 1, "m": f"first {number}."} for number in range(150)]
    write(site, task_id, *first, *({"t": 500.0, "a": 2, "m": f"second {number}."} for number in range(700)))
    html = page(operator, task_id)
    assert html.count('class="try"') == 3
    assert 'aria-label="Attempt 1: Ended with an error"' in html
    assert "second 699." in html
    html = page(operator, task_id, "?attempt=1")
    assert "ZeroDivisionError: division by zero" in html
    assert "Log of attempt 1" in html
    assert "first 149." in html
    assert "first 50." in html
    assert "second" not in html
    assert "data-follow" not in html
    part = f"/stask/tasks/{task_id}?part=live&amp;attempt=1"
    assert f'data-partial="{part}"' in html


def test_the_errors_of_the_program_are_for_those_who_may_see_the_log(site: Site, monkeypatch: Any) -> None:
    task_id = site.running(attempt_no=2, attempts=2)
    attempt(site, task_id, 1, "error", message="ZeroDivisionError: division by zero")
    attempt(site, task_id, 2, None)
    for query in ("", "?attempt=1"):
        assert "ZeroDivisionError" in page(site.client("viewer"), task_id, query)
    monkeypatch.setattr("stask_web.access.ROLES", {"viewer": frozenset({"view"})})
    for query in ("", "?attempt=1"):
        html = page(site.client("viewer"), task_id, query)
        assert "ZeroDivisionError" not in html
        assert "Ended with an error" in html


def test_one_attempt_needs_no_tabs_and_an_odd_number_shows_all(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended()
    attempt(site, task_id, 1, "completed")
    for query in ("", "?attempt=1", "?attempt=x", "?attempt=99"):
        assert 'class="try"' not in page(operator, task_id, query)
        assert "Log of attempt" not in page(operator, task_id, query)


def test_the_log_can_be_asked_for_one_attempt(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended()
    write(site, task_id, {"t": 1.0, "m": "one"}, {"t": 2.0, "a": 2, "m": "two"})
    whole = operator.get(f"/stask/tasks/{task_id}/log").get_json()
    part = operator.get(f"/stask/tasks/{task_id}/log?attempt=2").get_json()
    assert [line["message"] for line in part["lines"]] == ["two"]
    assert (part["start"], part["end"]) == (whole["start"], whole["end"])


# -- silence


def test_unusual_silence_is_said_and_quietly(site: Site, operator: FlaskClient) -> None:
    now = time.time()
    task_id = site.running(started_at=datetime.now(UTC) - timedelta(minutes=20))
    write(site, task_id, *({"t": now - 150 - gap, "k": "progress", "p": {"progress": 5}} for gap in (30, 20, 10, 0)))
    html = page(operator, task_id)
    assert re.search(r'class="hero-quiet muted"[^>]*>No sign of progress for 2 min<', html)
    assert operator.get(f"/stask/tasks/{task_id}/progress").get_json()["fields"]["quiet"]
    write(site, task_id, {"t": now, "m": "still here"})
    assert operator.get(f"/stask/tasks/{task_id}/progress").get_json()["fields"]["quiet"] == ""


def test_what_reports_seldom_may_be_silent_for_longer(site: Site, operator: FlaskClient) -> None:
    now = time.time()
    task_id = site.running(started_at=datetime.now(UTC) - timedelta(minutes=20))
    write(site, task_id, *({"t": now - 150 - gap, "m": "a step"} for gap in (240, 160, 80, 0)))
    assert operator.get(f"/stask/tasks/{task_id}/progress").get_json()["fields"]["quiet"] == ""


def test_a_stopping_task_is_not_called_silent(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(started_at=datetime.now(UTC) - timedelta(hours=1), cancel_at=datetime.now(UTC))
    assert "No sign of progress" not in page(operator, task_id)
    silent = site.running(started_at=datetime.now(UTC) - timedelta(hours=1))
    assert "No sign of progress for 1 h" in page(operator, silent)


# -- stop


def test_stop_asks_with_what_stays_done_and_says_the_act_on_its_button(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(progress=37, processed=1204, total=3201)
    html = page(operator, task_id)
    assert html.count(f'<dialog class="dialog" id="stop-{task_id}"') == 1
    dialog = html[html.index("<dialog") : html.index("</dialog>")]
    assert "Stop “Sync stock”?" in dialog
    assert "1,204 of 3,201 are done and stay done." in dialog
    assert re.search(r"data-confirm-no>Keep running<", dialog)
    assert re.search(r"data-confirm-yes>.*Stop “Sync stock”<", dialog)
    head = html[html.index('class="task-head"') : html.index('class="task-grid"')]
    assert head.index("</form>") < head.index("<dialog"), "outside of what a phone hides"


def test_without_javascript_stop_asks_on_a_page_of_its_own(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(processed=1204, total=3201)
    answer = operator.post(f"/stask/tasks/{task_id}/cancel", data={"_ask": "1"})
    html = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "1,204 of 3,201 are done and stay done." in html
    assert "Keep running" in html
    assert '"_ask"' not in html
    assert site.get(task_id).cancel_at is None
    assert operator.post(f"/stask/tasks/{task_id}/cancel").status_code == 303
    assert site.get(task_id).cancel_at is not None
    waiting = site.task()
    assert operator.post(f"/stask/tasks/{waiting}/cancel", data={"_ask": "1"}).status_code == 303, "nothing to lose"


# -- failed


def test_a_failure_offers_run_again_editing_and_a_report(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended(
        Status.FAILED,
        action="labels",
        meta={"name": "Ada"},
        message="An error in the program, at row 1,205 of 3,201",
        error="ZeroDivisionError: division by zero",
        processed=1204,
        total=3201,
    )
    write(site, task_id, {"t": 1.0, "l": "error", "m": "Traceback (most recent call last): here"})
    html = page(operator, task_id)
    assert "It stopped because of an error in the program, at row 1,205 of 3,201" in html
    assert "What was saved before that stays saved." in html
    assert f'action="/stask/tasks/{task_id}/retry"' in html
    assert f'href="/stask/workers/product/run/labels?from={task_id}"' in html
    assert f'data-copy="#report-{task_id}"' in html
    report = re.search(rf'<code id="report-{task_id}">(.*?)</code>', html, re.S)
    assert report is not None
    assert "ZeroDivisionError: division by zero" in report[1]
    assert "Traceback" in report[1]
    assert f"Task: {task_id}" in report[1]
    assert not re.search(r"<details[^>]*\bopen\b[^>]*>\s*<summary[^>]*>.*?For your developer", html)


def test_who_may_not_see_logs_can_still_hand_on_which_task_it_was(site: Site, monkeypatch: Any) -> None:
    monkeypatch.setattr("stask_web.access.ROLES", {"viewer": frozenset({"view"})})
    task_id = site.ended(Status.FAILED, message="It stopped", error="ZeroDivisionError: division by zero")
    write(site, task_id, {"t": 1.0, "l": "error", "m": "Traceback: a secret"})
    html = page(site.client("viewer"), task_id)
    assert f'data-copy="#report-{task_id}"' in html
    assert "ZeroDivisionError" not in html
    assert "a secret" not in html


# -- again


def test_a_completed_task_runs_again_by_its_form_or_at_once_when_it_has_none(site: Site, operator: FlaskClient) -> None:
    with_form, without = site.ended(action="labels"), site.ended()
    assert re.search(
        rf'href="/stask/workers/product/run/labels\?from={with_form}"[^>]*>.*?Run again', page(operator, with_form)
    )
    html = page(operator, without)
    form = re.search(r'<form[^>]*action="/stask/workers/product/run/sync_stock"[^>]*>.*?</form>', html, re.S)
    assert form is not None
    assert "data-go" in form[0]
    key = re.search(r'name="_form_key" value="([^"]+)"', form[0])
    assert key is not None
    assert operator.post("/stask/workers/product/run/sync_stock", data={"_form_key": key[1]}).status_code == 303


def test_a_gone_worker_is_said(site: Site, operator: FlaskClient) -> None:
    html = page(operator, site.ended(identifier="gone", action="send_mail"))
    assert "Its worker is gone" in html
    assert "Run again" not in html


# -- details


def test_the_details_name_ids_process_and_the_checksum_of_an_upload(site: Site, operator: FlaskClient) -> None:
    token, checksum = "0a" * 16, "ab" * 32
    row = {"token": token, "name": "prices.csv", "path": "x", "size": 2100, "sha256": checksum, "done": True}
    with site.state.database.write() as connection:
        connection.execute(sa.insert(Upload).values(**row, created_at=datetime.now(UTC)))
    task_id = site.ended(action="import", meta={"file": {"upload": token, "name": "prices.csv"}})
    attempt(site, task_id, 1, "completed")
    html = page(operator, task_id)
    for text in (f"<code>{task_id}</code>", "<code>product</code>", "<code>import</code>", "<code>4711</code>"):
        assert text in html
    assert f"<code>{checksum}</code>" in html
    assert checksum not in page(site.client("viewer"), task_id), "a viewer sees no options"


# -- what repeats in the log


def line(message: str, kind: str = "log", level: str = "info") -> dict[str, Any]:
    return {"message": message, "kind": kind, "level": level, "attempt": 1}


def test_the_page_knows_whether_it_shows_the_whole_log(site: Site, operator: FlaskClient) -> None:
    short, long = site.ended(), site.ended()
    progress = {"t": 1.0, "k": "progress", "p": {"progress": 5}}
    write(site, short, progress, {"t": 2.0, "m": "one line"})
    write(site, long, *({"t": 1.0, "m": f"line {number}"} for number in range(101)))
    assert "data-whole" in page(operator, short)
    assert "data-whole" not in page(operator, long)
    assert "data-whole" in page(operator, site.ended()), "an empty one, too"


def test_equal_neighbours_are_folded_with_their_number(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended()
    write(site, task_id, *({"t": 1.0, "m": "waiting"} for _ in range(40)), {"t": 2.0, "m": "done"})
    html = page(operator, task_id)
    assert html.count("log-line is-same") == 39
    assert html.count('data-times="×40"') == 1
    assert html.count(">waiting<") == 40, "all are there, for search and copy"


def test_printed_lines_in_a_row_are_folded_behind_a_button(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended()
    write(site, task_id, *({"t": 1.0, "k": "out", "m": f"printed {number}"} for number in range(13)))
    html = page(operator, task_id)
    assert html.count("log-line is-folded") == 12
    assert 'aria-label="12 more printed lines"' in html


@pytest.mark.parametrize(
    ("lines", "marks"),
    [
        ([line("a"), line("a"), line("b"), line("a")], ["×2", "same", "", ""]),
        ([line("a"), line("a", level="error")], ["", ""]),
        ([line(text, "out") for text in "abc"], ["", "", ""]),
        ([line(text, "out") for text in "abcd"], ["+3", "folded", "folded", "folded"]),
        ([line("a", "out")] * 5, ["×5", "same", "same", "same", "same"]),
        ([line("a", "out")] * 2 + [line(text, "out") for text in "bc"], ["+3", "folded", "folded", "folded"]),
        ([line("x"), *(line(text, "out") for text in "abcd"), line("y")], ["", "+3", *["folded"] * 3, ""]),
        ([], []),
    ],
)
def test_how_lines_fold(lines: list[dict[str, Any]], marks: list[str]) -> None:
    def mark(shown: dict[str, Any]) -> str:
        if "times" in shown:
            return f"×{shown['times']}"
        if "folds" in shown:
            return f"+{shown['folds']}"
        return next((name for name in ("same", "folded") if name in shown), "")

    assert [mark(shown) for shown in fold(lines)] == marks
