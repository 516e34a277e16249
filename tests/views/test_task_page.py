"""One task: what its page says in each state, whom it shows what, and what its buttons do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from stask_web import RolePolicy
from stask_web.status import Status

from .conftest import JSON, Site

HOSTILE = '<script>alert("x")</script>\x1b[31m' + "W" * 10_000 + "\u202e🎉"


def page(client: FlaskClient, task_id: int, query: str = "") -> str:
    answer = client.get(f"/stask/tasks/{task_id}{query}")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


# -- looks


def test_a_waiting_task_says_why(site: Site, operator: FlaskClient) -> None:
    first, second = site.task(), site.task()
    assert "No worker process is running" in page(operator, first)
    site.state.settings.__dict__["lease"] = 0  # frozen: nothing is alive anyway
    data = operator.get(f"/stask/tasks/{second}", headers=JSON).get_json()
    assert data["look"] == "blocked"
    assert data["position"] == 2


def test_a_scheduled_task_says_when(site: Site, operator: FlaskClient) -> None:
    later = datetime.now(UTC) + timedelta(days=400)
    task_id = site.task(due_at=later, start_at=later)
    assert f"Starts {later.astimezone().day}" in page(operator, task_id)


def test_a_retrying_task_shows_its_attempt_and_the_wait(site: Site, operator: FlaskClient) -> None:
    task_id = site.task(due_at=datetime.now(UTC) + timedelta(seconds=90), attempts=1, attempt_no=1)
    html = page(operator, task_id)
    assert "Starts again in 1 min" in html
    assert "Give up" in html


def test_a_running_task_shows_bar_numbers_and_stop(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(
        progress=37, processed=1204, total=3201, eta=118.0, message="Importing", counts={"created": 7}
    )
    html = page(operator, task_id)
    assert '<span class="hero-percent" data-field="percent">37 %</span>' in html
    assert "1,204 of 3,201" in html
    assert "about 2 min left" in html
    assert "7 created" in html
    assert "<title>37 % Sync stock" in html
    assert f'action="/stask/tasks/{task_id}/cancel"' in html


def test_the_newest_numbers_come_from_the_journal(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(progress=1)
    record = {
        "progress": 64,
        "processed": 64,
        "total": 100,
        "eta": 9.0,
        "message": "Nearly",
        "warnings": 2,
        "counts": None,
    }
    journal = site.state.journals.of(task_id)
    journal.write([{"t": 1.0, "a": 1, "k": "progress", "p": record}])
    journal.close()
    html = page(operator, task_id)
    assert "64 of 100" in html
    assert "2 refused" in html


def test_an_unknown_total_has_a_bar_without_a_value(site: Site, operator: FlaskClient) -> None:
    html = page(operator, site.running())
    assert "Working" in html
    assert 'max="100" data-field-value' in html


def test_a_stopping_task_counts_down_to_force(site: Site, operator: FlaskClient) -> None:
    html = page(operator, site.running(cancel_at=datetime.now(UTC)))
    assert "By force in" in html
    assert "/cancel" not in html


def test_refusals_are_said_in_amber_with_their_file(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended(warnings=40, counts={"imported": 3161})
    site.file(task_id, "refused.csv", b"sku,reason\nA1,no price\n", "refused")
    html = page(operator, task_id)
    assert "tone-attention" in html
    assert "3,161 imported, 40 refused" in html
    assert "Download refused rows" in html


def test_a_stopped_task_says_what_is_done_and_by_whom(site: Site, operator: FlaskClient) -> None:
    html = page(operator, site.ended(Status.CANCELLED, processed=1204, total=3201, cancelled_by="Olena Koval"))
    assert "Stopped by Olena Koval at 1,204 of 3,201" in html


def test_a_task_whose_worker_is_gone_is_shown_whole_without_run_again(site: Site, admin: FlaskClient) -> None:
    task_id = site.ended(Status.FAILED, identifier="gone", action="send_mail", message="Lost")
    html = page(admin, task_id)
    assert "Send mail" in html
    assert "Run again" not in html
    assert admin.post(f"/stask/tasks/{task_id}/retry").status_code == 404


@pytest.mark.parametrize("status", list(Status))
def test_hostile_text_stays_text(site: Site, admin: FlaskClient, status: Status) -> None:
    values = {"identifier": HOSTILE[:90], "action": HOSTILE[:90], "message": HOSTILE, "started_by": HOSTILE[:100]}
    files = [{"name": HOSTILE, "path": "/x", "size": 1, "kind": "file"}]
    task_id = site.ended(
        status, counts={HOSTILE: 3}, files=files, meta={HOSTILE: HOSTILE}, error=HOSTILE[:190], **values
    )
    site.state.journals.of(task_id).log("error", HOSTILE)
    for client in (admin, site.client("operator"), site.client("viewer")):
        for address in (
            f"/stask/tasks/{task_id}",
            f"/stask/tasks/{task_id}?partial=1&part=row",
            "/stask/",
            "/stask/tasks",
        ):
            html = client.get(address).get_data(as_text=True)
            assert "<script>alert" not in html
            assert "alert(&#34;x&#34;)" in html


# -- parts


@pytest.mark.parametrize(("part", "begins"), [("row", "<tr"), ("tray", "<a"), ("live", "<div"), ("progress", "<div")])
def test_each_part_is_one_element_with_its_version(site: Site, operator: FlaskClient, part: str, begins: str) -> None:
    task_id = site.running(progress=5)
    html = page(operator, task_id, f"?partial=1&part={part}").strip()
    version = operator.get(f"/stask/tasks/{task_id}/progress").get_json()["version"]
    assert html.startswith(begins)
    assert "<html" not in html
    assert f'data-task="{task_id}"' in html.split(">")[0]
    assert f'data-version="{version}"' in html.split(">")[0]


def test_the_live_part_leaves_the_log_to_the_page(site: Site, operator: FlaskClient) -> None:
    task_id = site.running()
    site.state.journals.of(task_id).log("info", "a line of the log")
    assert "a line of the log" in page(operator, task_id)
    part = page(operator, task_id, "?partial=1&part=live")
    assert "a line of the log" not in part
    assert f'data-keep="log-{task_id}"' in part


def test_the_version_changes_with_the_state_and_not_with_the_numbers(site: Site, operator: FlaskClient) -> None:
    def version(task_id: int) -> str:
        return str(operator.get(f"/stask/tasks/{task_id}", headers=JSON).get_json()["version"])

    assert version(site.running(progress=1)) == version(site.running(progress=99, message="x"))
    assert version(site.running()) != version(site.running(cancel_at=datetime.now(UTC)))
    assert version(site.ended()) != version(site.ended(warnings=1))


# -- the log


def test_the_log_is_shown_with_the_position_behind_it(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended()
    journal = site.state.journals.of(task_id)
    for number in range(300):
        journal.log("warning" if number == 299 else "info", f"line {number}.")
    html = page(operator, task_id)
    assert "line 299." in html
    assert "line 200." in html
    assert "line 199." not in html
    assert f'data-position="{journal.end()}"' in html
    assert 'data-level="warning"' in html


def test_who_may_not_see_logs_sees_neither_log_nor_report(site: Site, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "stask_web.access.ROLES", {"viewer": frozenset({"view"}), "operator": frozenset(), "admin": frozenset()}
    )
    task_id = site.ended(Status.FAILED, message="It stopped", error="ZeroDivisionError: division by zero")
    site.state.journals.of(task_id).log("error", "a line of the log")
    html = page(site.client("viewer"), task_id)
    assert "It stopped" in html
    assert "a line of the log" not in html
    assert "ZeroDivisionError" not in html
    assert site.client("viewer").get(f"/stask/tasks/{task_id}/log/download").status_code == 403


def test_options_are_for_who_may_see_options(site: Site, operator: FlaskClient, viewer: FlaskClient) -> None:
    task_id = site.ended(action="labels", meta={"name": "Ada Lovelace", "urgent": True})
    assert "Ada Lovelace" in page(operator, task_id)
    assert "Ada Lovelace" not in page(viewer, task_id)
    assert "meta" not in viewer.get(f"/stask/tasks/{task_id}", headers=JSON).get_json()
    assert operator.get(f"/stask/tasks/{task_id}", headers=JSON).get_json()["meta"]["name"] == "Ada Lovelace"


def test_opening_a_failed_task_takes_it_from_the_news_but_a_part_does_not(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended(Status.FAILED)
    page(operator, task_id, "?partial=1&part=live")
    operator.get(f"/stask/tasks/{task_id}", headers=JSON)
    assert site.get(task_id).seen_at is None
    page(operator, task_id)
    assert site.get(task_id).seen_at is not None


# -- stop and run again


def test_a_waiting_task_is_withdrawn_and_can_be_undone(site: Site, operator: FlaskClient) -> None:
    task_id = site.task()
    answer = operator.post(f"/stask/tasks/{task_id}/cancel", headers=JSON)
    data = answer.get_json()
    assert answer.status_code == 200
    assert site.get(task_id).status == Status.CANCELLED
    assert data["task"]["look"] == "stopped"
    assert operator.post(data["undo"]["url"], headers=JSON).status_code == 200
    assert site.get(task_id).status == Status.PENDING


def test_a_running_task_is_asked_to_stop_by_name(site: Site, operator: FlaskClient) -> None:
    task_id = site.running()
    answer = operator.post(f"/stask/tasks/{task_id}/cancel")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/stask/tasks/{task_id}"
    task = site.get(task_id)
    assert task.status == Status.RUNNING
    assert task.cancel_at is not None
    assert task.cancelled_by == "Max Berg"


def test_a_task_that_is_over_cannot_be_stopped(site: Site, operator: FlaskClient) -> None:
    answer = operator.post(f"/stask/tasks/{site.ended()}/cancel", headers=JSON)
    assert answer.status_code == 409
    assert answer.get_json()["error"]


def test_a_failed_task_runs_again_and_one_that_ended_well_does_not(site: Site, operator: FlaskClient) -> None:
    failed, completed = site.ended(Status.FAILED), site.ended()
    assert operator.post(f"/stask/tasks/{failed}/retry").status_code == 303
    assert site.get(failed).status == Status.PENDING
    assert operator.post(f"/stask/tasks/{completed}/retry").status_code == 409
    assert operator.post(f"/stask/tasks/{failed}/retry", headers=JSON).status_code == 409


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_a_viewer_can_neither_stop_nor_start(site: Site, viewer: FlaskClient, act: str) -> None:
    running, failed = site.running(), site.ended(Status.FAILED)
    for task_id in (running, failed):
        assert viewer.post(f"/stask/tasks/{task_id}/{act}").status_code == 403
    assert site.get(running).cancel_at is None
    assert site.get(failed).status == Status.FAILED
    html = page(viewer, running) + page(viewer, failed)
    assert f"/{act}" not in html


def test_the_right_is_asked_before_the_object(site: Site, viewer: FlaskClient, operator: FlaskClient) -> None:
    assert viewer.post("/stask/tasks/99/cancel").status_code == 403
    assert operator.post("/stask/tasks/99/cancel").status_code == 404
    assert viewer.get("/stask/tasks/99").status_code == 404


def test_a_foreign_task_is_not_found(own_site: Site) -> None:
    task_id = own_site.running(started_by=3)
    operator = own_site.client("operator")
    for address in ("", "/progress", "/log", "/result", "/files/0", "/log/download"):
        assert operator.get(f"/stask/tasks/{task_id}{address}").status_code == 404
    for act in ("cancel", "retry"):
        assert operator.post(f"/stask/tasks/{task_id}/{act}").status_code == 404
    assert own_site.get(task_id).cancel_at is None
    assert own_site.client("admin").get(f"/stask/tasks/{task_id}").status_code == 200


def test_an_admins_action_is_stopped_by_admins_only(site: Site, operator: FlaskClient, admin: FlaskClient) -> None:
    task_id = site.running(action="rebuild")
    assert operator.get(f"/stask/tasks/{task_id}").status_code == 200
    assert operator.post(f"/stask/tasks/{task_id}/cancel").status_code == 403
    assert admin.post(f"/stask/tasks/{task_id}/cancel").status_code == 303


@pytest.mark.parametrize("task_id", ["0", "99999999999999999999999999", "abc", "-1", "1.5"])
def test_ids_that_are_none_are_not_found(operator: FlaskClient, task_id: str) -> None:
    assert operator.get(f"/stask/tasks/{task_id}").status_code == 404
    assert operator.post(f"/stask/tasks/{task_id}/cancel").status_code == 404


def test_the_policy_has_the_roles_it_says() -> None:
    assert RolePolicy("role").role_of(type("User", (), {"role": "admin"})()) == "admin"
