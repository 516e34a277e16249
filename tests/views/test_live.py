"""What an open page asks: progress, the log by position, and everything at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from stask_web import listing
from stask_web.status import Status

from .conftest import JSON, Site


def say(site: Site, task_id: int, *texts: str) -> str:
    """Write log lines -> the position behind them."""
    journal = site.state.journals.of(task_id)
    for text in texts:
        journal.log("info", text)
    journal.close()
    return journal.end()


def report(site: Site, task_id: int, attempt: int = 1, **numbers: object) -> None:
    """Write a report of progress."""
    journal = site.state.journals.of(task_id)
    journal.write([{"t": 1.0, "a": attempt, "k": "progress", "p": numbers}])
    journal.close()


def messages(piece: dict) -> list[str]:
    return [line["message"] for line in piece["lines"]]


# Progress


def test_progress_is_what_the_journal_told_last(viewer: FlaskClient, site: Site) -> None:
    task = site.running(progress=10)
    report(site, task, progress=37, processed=1204, total=3201, eta=130.0, message="Importing")
    found = viewer.get(f"/stask/tasks/{task}/progress").json
    assert (found["progress"], found["processed"], found["total"], found["eta"]) == (37, 1204, 3201, 130.0)
    assert found["message"] == "Importing"
    assert found["fields"]["amount"] == "1,204 of 3,201"


def test_numbers_of_an_earlier_attempt_do_not_count(viewer: FlaskClient, site: Site) -> None:
    task = site.running(progress=3, attempt_no=2)
    report(site, task, attempt=1, progress=90)
    assert viewer.get(f"/stask/tasks/{task}/progress").json["progress"] == 3


def test_a_task_that_is_over_keeps_what_its_row_says(viewer: FlaskClient, site: Site) -> None:
    task = site.ended(progress=100, message="Done")
    report(site, task, progress=99, message="Nearly")
    found = viewer.get(f"/stask/tasks/{task}/progress").json
    assert (found["progress"], found["message"]) == (100, "Done")


def test_a_waiting_task_says_what_it_waits_for(viewer: FlaskClient, site: Site) -> None:
    found = viewer.get(f"/stask/tasks/{site.task()}/progress").json
    assert found["status"] == Status.PENDING
    assert found["waiting_for"]


# The log


def test_the_log_goes_on_from_a_position(viewer: FlaskClient, site: Site) -> None:
    task = site.running()
    position = say(site, task, "one", "two")
    assert messages(viewer.get(f"/stask/tasks/{task}/log").json) == ["one", "two"]
    say(site, task, "three")
    found = viewer.get(f"/stask/tasks/{task}/log?from={position}").json
    assert messages(found) == ["three"]
    assert (found["start"], found["more"], found["first"]) == (position, False, False)
    assert messages(viewer.get(f"/stask/tasks/{task}/log?from={found['end']}").json) == []


def test_a_position_of_another_generation_begins_anew(viewer: FlaskClient, site: Site) -> None:
    task = site.running()
    old = say(site, task, "old")
    site.state.journals.of(task).clear()
    say(site, task, "new")
    found = viewer.get(f"/stask/tasks/{task}/log?from={old}").json
    assert messages(found) == ["new"]
    assert found["first"]


def test_a_long_log_comes_in_pieces_that_join(viewer: FlaskClient, site: Site) -> None:
    task = site.running()
    texts = [f"{number} " + "x" * 1000 for number in range(600)]
    say(site, task, *texts)
    seen, position, more = [], "-:0", True
    while more:
        found = viewer.get(f"/stask/tasks/{task}/log?from={position}").json
        assert len(found["lines"]) < 600
        seen += messages(found)
        position, more = found["end"], found["more"]
    assert seen == texts


def test_lines_before_a_position_come_for_who_scrolls_up(viewer: FlaskClient, site: Site) -> None:
    task = site.running()
    end = say(site, task, *(f"line {number}" for number in range(30)))
    found = viewer.get(f"/stask/tasks/{task}/log?before={end}&n=10").json
    assert messages(found) == [f"line {number}" for number in range(20, 30)]
    older = viewer.get(f"/stask/tasks/{task}/log?before={found['start']}&n=100").json
    assert messages(older) == [f"line {number}" for number in range(20)]
    assert (found["more"], older["more"]) == (True, False)


def test_a_report_of_progress_is_no_line(viewer: FlaskClient, site: Site) -> None:
    task = site.running()
    report(site, task, progress=5)
    say(site, task, "line")
    report(site, task, progress=6)
    assert messages(viewer.get(f"/stask/tasks/{task}/log").json) == ["line"]


@pytest.mark.parametrize("query", ["from=x", "from=a:b", "from=a:1:2", "from=../etc:1", "before=7", "before=a:1&n=0",
                                   "before=a:1&n=5000", "before=a:1&n=x", "from=a:" + "9" * 40])  # fmt: skip
def test_what_is_no_position_is_refused(viewer: FlaskClient, site: Site, query: str) -> None:
    assert viewer.get(f"/stask/tasks/{site.running()}/log?{query}", headers=JSON).status_code == 422


# Everything at once


def test_one_answer_brings_tasks_lines_lists_and_counts(viewer: FlaskClient, site: Site) -> None:
    running, ended = site.running(), site.ended()
    position = say(site, running, "known")
    say(site, running, "new")
    found = viewer.get(f"/stask/live?tasks={running}:{position},{ended}&list=limit=8&stats=1").json
    assert [answer["task"]["id"] for answer in found["tasks"]] == [running, ended]
    assert messages(found["tasks"][0]["journal"]) == ["new"]
    assert "journal" not in found["tasks"][1]
    assert found["stats"]["running"] == 1
    assert found["lists"][0]["filter"] == "limit=8"
    digest = found["lists"][0]["digest"]
    assert viewer.get("/stask/live?list=limit=8").json["lists"][0]["digest"] == digest
    site.task()
    assert viewer.get("/stask/live?list=limit=8").json["lists"][0]["digest"] != digest


def test_nothing_new_is_304(viewer: FlaskClient, site: Site) -> None:
    task = site.ended()
    first = viewer.get(f"/stask/live?tasks={task}:-:0")
    assert first.status_code == 200
    again = viewer.get(f"/stask/live?tasks={task}:-:0", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    say(site, task, "late line")
    news = viewer.get(f"/stask/live?tasks={task}:-:0", headers={"If-None-Match": first.headers["ETag"]})
    assert news.status_code == 200


@pytest.mark.parametrize(
    "query",
    ["tasks=x", "tasks=1:", "tasks=1:x", "tasks=-1", "tasks=1;2", "list=colour=red", "list=limit=0", "stats=2",
     "tasks=" + "9" * 30, "tasks=" + ",".join(map(str, range(1, 400)))],
)  # fmt: skip
def test_bad_input_is_422(viewer: FlaskClient, query: str) -> None:
    assert viewer.get(f"/stask/live?{query}", headers=JSON).status_code == 422


# Rights


def test_an_unknown_task_is_gone_and_the_others_come(viewer: FlaskClient, site: Site) -> None:
    task = site.running()
    found = viewer.get(f"/stask/live?tasks={task + 99},{task}").json["tasks"]
    assert found[0] == {"id": task + 99, "gone": True}
    assert found[1]["task"]["id"] == task


def test_a_foreign_task_is_gone_and_404(own_site: Site) -> None:
    other, task = own_site.client("other"), own_site.running()
    say(own_site, task, "not for others")
    assert other.get(f"/stask/live?tasks={task}:-:0").json["tasks"] == [{"id": task, "gone": True}]
    assert other.get(f"/stask/tasks/{task}/progress", headers=JSON).status_code == 404
    assert other.get(f"/stask/tasks/{task}/log", headers=JSON).status_code == 404
    assert messages(own_site.client("operator").get(f"/stask/tasks/{task}/log").json) == ["not for others"]


def test_without_the_right_to_the_log_there_are_no_lines(
    viewer: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, task = site.state.policy, site.running()
    say(site, task, "not for everybody")
    may = policy.may
    monkeypatch.setattr(
        policy, "may", lambda user, right, target=None: right != "view_log" and may(user, right, target)
    )
    assert "journal" not in viewer.get(f"/stask/live?tasks={task}:-:0").json["tasks"][0]
    assert viewer.get(f"/stask/tasks/{task}/log", headers=JSON).status_code == 403


@pytest.mark.parametrize("path", ["/live", "/tasks/1/progress", "/tasks/1/log"])
def test_an_anonymous_page_is_told_to_sign_in(site: Site, path: str) -> None:
    answer = site.client().get(f"/stask{path}", headers=JSON)
    assert answer.status_code == 401
    assert answer.json["login"].startswith("/sign-in")


def test_who_may_see_nothing_gets_403(site: Site) -> None:
    assert site.client("nobody").get("/stask/live", headers=JSON).status_code == 403


# A policy that narrows


def test_counts_and_lists_tell_nothing_of_tasks_that_one_may_not_see(own_site: Site) -> None:
    own_site.ended(started_by=2)
    own_site.ended(Status.FAILED, started_by=2)
    address = "/stask/live?list=limit=8&list=worker=product%26limit=1&stats=1"
    operator, admin = own_site.client("operator"), own_site.client("admin")
    before = operator.get(address).json
    assert before["stats"] == {
        "pending": 0, "running": 0, "completed_today": 1, "failed_24h": 1, "unseen": 1, "total": 2
    }  # fmt: skip
    whole = admin.get(address).json
    for status in (Status.COMPLETED, Status.FAILED):
        own_site.ended(status, started_by=3)
    own_site.running(started_by=3)
    own_site.task(started_by=3)
    assert operator.get(address).json == before
    assert admin.get(address).json["lists"] != whole["lists"]
    own_site.task(started_by=2)
    assert operator.get(address).json["stats"]["pending"] == 1
    assert operator.get(address).json["lists"] != before["lists"]


def test_ends_of_a_big_history_are_counted_once_for_a_while(own_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOK", 5)
    for started_by in (2, 3):
        for _ in range(8):
            own_site.ended(started_by=started_by)
    people = {name: own_site.client(name) for name in ("operator", "other")}

    def completed(name: str) -> int:
        return int(people[name].get("/stask/live?stats=1").get_json()["stats"]["completed_today"])

    def ends(started_by: int) -> None:  # as another process would
        now = datetime.now(UTC).timestamp()
        names = "identifier, action, status, meta, created_at, finished_at, started_by, lane, priority, progress"
        with closing(sqlite3.connect(own_site.folder / "host.db")) as connection, connection:
            row = ("product", "import", int(Status.COMPLETED), "{}", now, now, str(started_by), None, 2, 100)
            rest = "attempts, attempt_no, crashes, warnings, max_attempts, message, dry_run"
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO s_tasks ({names}, {rest}) VALUES ({marks}, 1, 1, 0, 0, 3, '', 0)", row)

    before = {name: completed(name) for name in people}
    ends(2)
    assert {name: completed(name) for name in people} == before
    own_site.task(started_by=3)  # this process writes
    monkeypatch.setattr(listing, "LOOK", 50)
    assert {name: completed(name) for name in people} == {"operator": 9, "other": 8}


def test_a_narrow_dashboard_counts_and_shows_ones_own(own_site: Site) -> None:
    mine = own_site.ended(started_by=2)
    own_site.running(started_by=3)
    operator = own_site.client("operator")
    assert operator.get("/stask/", headers=JSON).json["counts"]["running"] == 0
    html = operator.get("/stask/").get_data(as_text=True)
    assert "Last 24 hours" not in html
    assert f'data-task="{mine}"' in html.partition('id="recent"')[0]  # in its widget, though another's is newer
    assert operator.get("/stask/?partial=1&part=hours").status_code == 404
    admin = own_site.client("admin")
    assert "Last 24 hours" in admin.get("/stask/").get_data(as_text=True)
    # What the page was drawn with is what it is told: nothing is fetched twice.
    for each in (operator, admin):
        page = each.get("/stask/").get_data(as_text=True)
        told = {
            entry["filter"]: entry["digest"]
            for entry in each.get("/stask/live?list=limit=8&list=worker=product%26limit=1").json["lists"]
        }
        assert all(f'data-digest="{digest}"' in page for digest in told.values())
