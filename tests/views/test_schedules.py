"""Schedules: who may see and change them, each kind of rule there and back through the form, and odd input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import BaseWorker, action
from stask_web.language import Reader, reading
from stask_web.models import Schedule
from stask_web.queries import last_of_schedules
from stask_web.rules import read_rule, zone_words
from stask_web.status import Status

from .conftest import JSON, HeaderPolicy, Site

DAILY = {"type": "periodic", "frequency": "daily", "time": "18:00"}
FORM = {"_worker": "product", "_action": "labels", "name": "Ada", "_timezone": "Europe/Kyiv", "_enabled": "1"}
PAGES = ("/stask/schedules", "/stask/schedules/new", "/stask/schedules/preview", "/stask/workers/product/schedules")
ACTS = ("", "/enable", "/disable", "/run", "/delete")


class OwnWorker(BaseWorker):
    """Says in its settings when it starts."""

    identifier, title = "own", "Own times"
    defaults: ClassVar[dict[str, Any]] = {"schedule": {"enabled": True, **DAILY}}

    def task_make(self, task: Any, options: Any) -> None: ...


class AskingWorker(BaseWorker):
    """Asks before it starts."""

    identifier, title = "asking", "Asking"

    @action("Go", confirm="Everybody gets a mail.")
    def task_go(self, task: Any, options: Any) -> None: ...


def made(site: Site, rule: dict[str, Any] = DAILY, name: str = "labels", **more: Any) -> Schedule:
    """A schedule as the command line makes it."""
    options = {"name": "Ada"} if name == "labels" else {}
    found: Schedule = site.state.schedules.create(
        "product", name, rule, more.pop("data", options), timezone="Europe/Kyiv", **more
    )
    return found


def all_of(site: Site) -> list[Schedule]:
    found: list[Schedule] = site.state.schedules.all()
    return found


def change(site: Site, schedule: Schedule, **values: Any) -> None:
    """Change a row behind the door's back."""
    with site.state.database.write() as connection:
        connection.execute(sa.update(Schedule).where(Schedule.id == schedule.id).values(**values))


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def value_of(html: str, name: str) -> str:
    """What an input of a form holds."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None, name
    return found[1]


def chosen(html: str, name: str) -> str:
    """What a select of a form has chosen."""
    options = re.search(rf'<select[^>]* name="{name}".*?</select>', html, re.DOTALL)
    assert options is not None, name
    found = re.search(r'value="([^"]*)" selected', options[0])
    return found[1] if found else ""


# -- who may


@pytest.mark.parametrize("name", ["viewer", "operator", "other", "nobody"])
def test_whoever_may_not_schedule_sees_nothing_of_it(site: Site, name: str) -> None:
    schedule, client = made(site), site.client(name)
    assert [client.get(path).status_code for path in PAGES] == [403] * 4
    assert client.get(f"/stask/schedules/{schedule.id}").status_code == 403
    assert client.post("/stask/schedules", data=FORM).status_code == 403
    assert [client.post(f"/stask/schedules/{schedule.id}{act}").status_code for act in ACTS] == [403] * 5
    assert len(all_of(site)) == 1
    if name != "nobody":
        assert "/stask/schedules" not in text(client, "/stask/")


def test_nobody_signed_in_is_sent_to_sign_in(site: Site, anonymous: FlaskClient) -> None:
    schedule = made(site)
    assert [anonymous.get(path).status_code for path in PAGES] == [302] * 4
    assert anonymous.get("/stask/schedules", headers=JSON).status_code == 401
    assert [anonymous.post(f"/stask/schedules/{schedule.id}{act}").status_code for act in ACTS] == [302] * 5


def test_what_is_not_there_is_not_found(site: Site, admin: FlaskClient) -> None:
    assert admin.get("/stask/schedules/99").status_code == 404
    assert [admin.post(f"/stask/schedules/99{act}").status_code for act in ACTS] == [404] * 5
    assert admin.get("/stask/workers/nothing/schedules").status_code == 404
    for query in ("worker=product&action=nothing", "worker=nothing&action=import"):
        assert admin.get(f"/stask/schedules/new?{query}").status_code == 404
    assert admin.post("/stask/schedules", data={**FORM, "_action": "nothing"}).status_code == 404


class NotProducts(HeaderPolicy):
    """Keeps a worker from everybody, and an action from being scheduled."""

    def may(self, user: Any, permission: str, target: Any = None) -> bool:
        hidden = getattr(target, "identifier", None) == "product" and permission == "view"
        locked = getattr(target, "name", None) == "sync_stock" and permission == "schedule"
        return not (hidden and self.hides) and not locked and super().may(user, permission, target)

    hides = True


def test_a_schedule_of_a_worker_that_one_may_not_view_is_not_there(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    site.state.policy = NotProducts()
    assert admin.get("/stask/schedules", headers=JSON).get_json() == {"schedules": []}
    assert admin.get(f"/stask/schedules/{schedule.id}").status_code == 404
    assert admin.get(f"/stask/schedules?partial=1&part=row&id={schedule.id}").status_code == 404
    assert [admin.post(f"/stask/schedules/{schedule.id}{act}").status_code for act in ACTS] == [404] * 5
    assert admin.get("/stask/workers/product/schedules").status_code == 404


def test_a_schedule_of_an_action_that_one_may_not_schedule_is_only_shown(site: Site, admin: FlaskClient) -> None:
    schedule = made(site, name="sync_stock", data={"source": "api"})
    site.state.policy = NotProducts()
    site.state.policy.hides = False
    html = text(admin, "/stask/schedules")
    assert "Sync stock" in html
    assert f"/stask/schedules/{schedule.id}/" not in html
    [told] = admin.get("/stask/schedules", headers=JSON).get_json()["schedules"]
    assert told["options"] is None
    assert admin.get(f"/stask/schedules/{schedule.id}").status_code == 403
    assert admin.post("/stask/schedules", data={**FORM, "_action": "sync_stock"}).status_code == 403


def test_a_form_without_the_token_changes_nothing(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    site.app.config["WTF_CSRF_ENABLED"] = True
    assert admin.post("/stask/schedules", data=FORM).status_code == 400
    assert [admin.post(f"/stask/schedules/{schedule.id}{act}").status_code for act in ACTS] == [400] * 5
    assert [(row.id, row.enabled) for row in all_of(site)] == [(schedule.id, True)]


# -- the list


def test_the_navigation_leads_there_with_the_right(admin: FlaskClient) -> None:
    html = text(admin, "/stask/")
    assert re.search(r'href="/stask/schedules"[^>]*data-key-shortcut="s"', html)


def test_a_row_says_what_starts_when_and_how_it_went(site: Site, admin: FlaskClient) -> None:
    schedule = made(site, title="For the shops")
    ids = [site.ended(schedule_id=schedule.id, action="labels") for _ in range(6)]
    failed = site.ended(Status.FAILED, schedule_id=schedule.id, action="labels")
    html = text(admin, "/stask/schedules")
    for words in ("Order labels", "Every day at 18:00", "Kyiv time", "Product management · For the shops"):
        assert words in html
    times = re.findall(r'<time datetime="([^"]+)" title="By your clock', html)
    assert len(times) == 5
    assert all(datetime.fromisoformat(time).astimezone(ZoneInfo("Europe/Kyiv")).hour == 18 for time in times)
    assert re.search(rf'href="/stask/tasks/{failed}"[^>]*>.*?Failed', html, re.DOTALL)
    shown = [task for task in ids if f'/stask/tasks/{task}"' in html]
    assert shown == ids[-4:], "five runs in all"
    assert f"/stask/tasks?schedule={schedule.id}" in html


def test_a_time_is_shown_by_the_schedules_clock_and_on_hover_by_the_readers(site: Site, admin: FlaskClient) -> None:
    made(site, {"type": "once", "datetime": "2031-07-20 12:30"})
    admin.set_cookie("stask_zone", "America/New_York")
    html = text(admin, "/stask/schedules/new?worker=product&action=labels")
    assert value_of(html, "_timezone") == "America/New_York"
    query = "_kind=once&_moment=2031-07-20T12:30&_timezone=Europe/Kyiv"
    assert "2031-07-20T12:30:00+03:00" in text(admin, f"/stask/schedules/preview?{query}&partial=1")
    tomorrow = re.findall(
        r'title="By your clock: ([^"]+)">([^<]+)<',
        text(admin, "/stask/schedules/preview?_kind=daily&_time=12:00&_timezone=Europe/Kyiv&partial=1"),
    )
    yours, theirs = tomorrow[0]
    assert theirs.endswith("12:00")
    assert yours.endswith(("05:00", "06:00"))


def test_those_that_start_next_come_first(site: Site, admin: FlaskClient) -> None:
    off = made(site, enabled=False)
    late = made(site, {"type": "once", "datetime": "2031-01-01 00:00"})
    soon = made(site, {"type": "periodic", "frequency": "minutely"})
    told = admin.get("/stask/schedules", headers=JSON).get_json()["schedules"]
    assert [each["id"] for each in told] == [soon.id, late.id, off.id]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=shops", 1),
        ("q=18:00", 2),
        ("q=18:00 stock", 1),
        ("worker=product", 2),
        ("worker=other", 0),
        ("q=nothing", 0),
    ],
)
def test_the_list_is_narrowed(site: Site, admin: FlaskClient, query: str, found: int) -> None:
    made(site, title="For the shops")
    made(site, name="sync_stock")
    assert len(admin.get(f"/stask/schedules?{query}", headers=JSON).get_json()["schedules"]) == found
    html = text(admin, f"/stask/schedules?{query}")
    assert ("Nothing matches" in html) is (found == 0)


def test_nothing_yet_offers_what_can_start_by_itself(site: Site, admin: FlaskClient) -> None:
    html = text(admin, "/stask/schedules")
    assert "Nothing starts by itself yet" in html
    assert "/stask/schedules/new?worker=product&amp;action=labels" in html
    assert "action=import" not in html, "it needs a file"
    assert "Needs a file each time (CSV file)" in html


def test_two_hundred_schedules_ask_no_more_of_the_database_than_two(site: Site, admin: FlaskClient) -> None:
    def statements() -> int:
        asked: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
            asked.append(statement)

        sa.event.listen(site.state.database.engine, "before_cursor_execute", note)
        text(admin, "/stask/schedules")
        sa.event.remove(site.state.database.engine, "before_cursor_execute", note)
        return len(asked)

    for _ in range(2):
        site.ended(schedule_id=made(site).id)
    statements()  # the first page after a start asks more
    few = statements()
    for _ in range(198):
        made(site)
    assert statements() == few
    told = admin.get("/stask/schedules", headers=JSON).get_json()
    assert (len(told["schedules"]), told["older"]) == (25, "/stask/schedules?page=2")
    last = admin.get("/stask/schedules?page=8", headers=JSON).get_json()
    assert (len(last["schedules"]), last["newer"], "older" in last) == (25, "/stask/schedules?page=7", False)


def test_the_last_tasks_of_all_schedules_come_by_their_index(site: Site) -> None:
    plans: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        if "UNION ALL" in statement and not statement.startswith("EXPLAIN"):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            plans.append("\n".join(str(row[-1]) for row in rows))

    ids = [site.ended(schedule_id=number) for number in (1, 2, 2, 2, 3)]
    sa.event.listen(site.state.database.engine, "before_cursor_execute", note)
    found = last_of_schedules(site.state.database, [1, 2, 7], 2)
    sa.event.remove(site.state.database.engine, "before_cursor_execute", note)
    assert {number: [task.id for task in tasks] for number, tasks in found.items()} == {
        1: [ids[0]],
        2: [ids[3], ids[2]],
    }
    assert "ix_s_tasks_schedule_id" in plans[0]
    assert not re.search(r"SCAN s_tasks", plans[0])


def test_the_tasks_of_one_schedule_have_a_list(site: Site, admin: FlaskClient) -> None:
    mine, other = site.ended(schedule_id=7), site.ended()
    html = text(admin, "/stask/tasks?schedule=7")
    assert f'data-task="{mine}"' in html
    assert f'data-task="{other}"' not in html
    assert "Started by one schedule" in html
    assert 'name="schedule" value="7"' in html, "another filter keeps it"
    for wrong in ("x", "-1", "٣", "9" * 30):
        assert admin.get(f"/stask/tasks?schedule={wrong}").status_code == 422
    told = admin.get("/stask/live?list=schedule%3D7%26limit%3D5&list=schedule%3Dany&stats=0").get_json()["lists"]
    assert told[0]["digest"] == told[1]["digest"]
    assert admin.get("/stask/live?list=schedule%3Dx").status_code == 422


# -- problems


def test_each_problem_is_said_at_its_schedule_and_counted_on_top(site: Site, admin: FlaskClient) -> None:
    fits, gone, zone = made(site), made(site), made(site)
    change(site, fits, meta={"name": "A"})
    change(site, gone, action="vanished")
    change(site, zone, timezone="Mars/Olympus")
    made(site)
    html = text(admin, "/stask/schedules")
    assert "3 schedules need a look" in html
    assert "Its options do not fit any more. Name: Enter at least 2 characters." in html
    assert "Its worker has no such action any more." in html
    assert "There is no time zone" in html
    told = admin.get("/stask/schedules?show=problems", headers=JSON).get_json()["schedules"]
    assert {each["id"] for each in told} == {fits.id, gone.id, zone.id}
    site.state.roster.set_active("product", False)
    assert "Its worker is turned off." in text(admin, "/stask/schedules")


def test_a_schedule_whose_class_is_gone_can_still_be_deleted(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    site.state.registry._added.pop("product")
    assert "Its worker is not installed any more." in text(admin, "/stask/schedules")
    assert "It can only be deleted" in text(admin, f"/stask/schedules/{schedule.id}")
    assert admin.post(f"/stask/schedules/{schedule.id}", data=FORM).status_code == 409
    assert admin.post(f"/stask/schedules/{schedule.id}/delete").status_code == 303
    assert all_of(site) == []


def test_one_that_is_over_says_so(site: Site, admin: FlaskClient) -> None:
    change(site, made(site, {"type": "once", "datetime": "2031-01-01 00:00"}), next_fire_at=None)
    assert "It is over: it does not start again by itself" in text(admin, "/stask/schedules")


def test_hostile_words_are_only_words(site: Site, admin: FlaskClient) -> None:
    made(site, title="<script>alert(1)</script>")
    html = text(admin, "/stask/schedules?q=<script>")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


# -- the form

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "manual": ({}, {"type": "manual"}),
    "once": ({"_moment": "2031-07-20T03:30"}, {"type": "once", "datetime": "2031-07-20 03:30:00"}),
    "minutes": ({"_every": "5"}, {"type": "periodic", "frequency": "every_5min"}),
    "hourly": ({"_minute": "15"}, {"type": "periodic", "frequency": "hourly", "time": "*:15"}),
    "daily": ({"_time": "09:30"}, {"type": "periodic", "frequency": "daily", "time": "09:30"}),
    "weekly": (
        {"_days": ["monday", "friday"], "_time": "09:30"},
        {"type": "periodic", "frequency": "weekly", "time": "09:30", "days": ["monday", "friday"]},
    ),
    "monthly": (
        {"_day": "last", "_time": "22:15"},
        {"type": "periodic", "frequency": "monthly", "time": "22:15", "day": "last"},
    ),
    "window": (
        {"_from": "08:00", "_to": "00:00", "_interval": "45", "_days": ["monday"]},
        {"type": "regular", "start_time": "08:00", "end_time": "24:00", "interval": 45, "days": ["monday"]},
    ),
    "cron": ({"_cron": "15 2 * * mon-fri"}, {"type": "cron", "cron": "15 2 * * mon-fri"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_rule_goes_through_the_form_and_back(site: Site, admin: FlaskClient, kind: str) -> None:
    sent, rule = KINDS[kind]
    answer = admin.post("/stask/schedules", data={**FORM, "_kind": kind, **sent})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    [schedule] = all_of(site)
    assert answer.headers["Location"] == f"/stask/schedules#schedule-{schedule.id}"
    assert (schedule.rule, schedule.timezone, schedule.created_by) == (rule, "Europe/Kyiv", 4)
    html = text(admin, f"/stask/schedules/{schedule.id}")
    assert chosen(html, "_kind") == kind
    again = {"_version": value_of(html, "_version"), "_timezone": value_of(html, "_timezone"), "name": "Ada"}
    for name, value in sent.items():
        if name == "_days":
            again[name] = re.findall(r'name="_days" value="(\w+)" checked', html)
        else:
            again[name] = chosen(html, name) if name in ("_every", "_day") else value_of(html, name)
        assert again[name] == value
    assert admin.post(f"/stask/schedules/{schedule.id}", data={**again, "_kind": kind}).status_code == 303
    [after] = all_of(site)
    assert (after.rule, after.enabled) == (rule, False), "the box was not ticked this time"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"_kind": "daily", "_time": "25:00"}, "_time", "Enter a time, for example 18:30."),
    ({"_kind": "daily", "_time": ""}, "_time", "Enter a time, for example 18:30."),
    ({"_kind": "weekly", "_time": "09:00"}, "_days", "Choose at least one day of the week."),
    ({"_kind": "monthly", "_day": "31", "_time": "09:00"}, "_day", "Enter a day from 1 to 28"),
    ({"_kind": "hourly", "_minute": "60"}, "_minute", "Enter the minute of each hour, from 0 to 59."),
    ({"_kind": "minutes", "_every": "7"}, "_every", "Enter minutes that divide an hour"),
    ({"_kind": "window", "_interval": "0"}, "_interval", "Enter minutes, for example 15."),
    ({"_kind": "window", "_from": "08:00", "_to": "08:00"}, "_to", "Enter another time"),
    ({"_kind": "once", "_moment": "tomorrow"}, "_moment", "Enter a date and a time"),
    ({"_kind": "once", "_moment": "2020-01-01T00:00"}, "_moment", "This moment has passed."),
    ({"_kind": "cron", "_cron": "every day"}, "_cron", "This is no cron expression"),
    ({"_kind": "cron", "_cron": "0 0 30 2 *"}, "_cron", "This is no cron expression (bad day of the month)."),
    ({"_kind": "daily", "_time": "09:00", "_timezone": "Mars/Olympus"}, "_timezone", "There is no time zone"),
    ({"_kind": "<b>"}, "_kind", "Choose one of the list."),
    ({"_kind": "daily", "_time": "09:00", "name": "A"}, "name", "Enter at least 2 characters."),
    ({"_kind": "daily", "_time": "09:00", "shop": "mars"}, "shop", "Choose one of the list."),
]


@pytest.mark.parametrize(("sent", "name", "sentence"), WRONG)
def test_what_is_wrong_is_said_at_its_field_and_all_is_kept(
    site: Site, admin: FlaskClient, sent: dict[str, Any], name: str, sentence: str
) -> None:
    data = {**FORM, "_title": "Keep me", **sent}
    answer = admin.post("/stask/schedules", data=data)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert sentence in re.search(rf'id="error-{name}"[^>]*>([^<]*)', html)[1]  # type: ignore[index]
    assert f'href="#field-{name}"' in html
    assert value_of(html, "_title") == "Keep me"
    told = admin.post("/stask/schedules", data=data, headers=JSON)
    assert told.status_code == 422
    assert sentence in told.get_json()["errors"][name]
    assert all_of(site) == []


def test_several_mistakes_are_said_at_once(admin: FlaskClient) -> None:
    sent = {**FORM, "_kind": "daily", "_time": "x", "_timezone": "x", "count": "x", "name": ""}
    errors = admin.post("/stask/schedules", data=sent, headers=JSON).get_json()["errors"]
    assert {"_time", "_timezone"} <= set(errors)
    sent |= {"_time": "09:00", "_timezone": "UTC"}
    assert set(admin.post("/stask/schedules", data=sent, headers=JSON).get_json()["errors"]) == {"count", "name"}


def test_without_javascript_a_button_shows_the_next_runs_and_saves_nothing(site: Site, admin: FlaskClient) -> None:
    sent = {**FORM, "_kind": "weekly", "_days": "monday", "_time": "09:00", "_preview": "1"}
    html = admin.post("/stask/schedules", data=sent).get_data(as_text=True)
    assert "Every Monday at 09:00, Kyiv time" in html
    assert html.count("By your clock") == 5
    assert value_of(html, "name") == "Ada"
    assert all_of(site) == []


@pytest.mark.parametrize("query", ["", "_kind=x", "_kind=once&_moment=x", "_kind=cron&_cron=%00", "_timezone=%F0%9F"])
def test_a_preview_of_anything_is_an_answer(admin: FlaskClient, query: str) -> None:
    answer = admin.get(f"/stask/schedules/preview?{query}", headers=JSON)
    assert answer.status_code == 200
    assert answer.get_json()["error"]
    assert admin.get(f"/stask/schedules/preview?{query}&partial=1").status_code == 200


def test_the_next_runs_follow_the_clock_of_the_zone_over_its_change(admin: FlaskClient) -> None:
    summer = admin.get(
        "/stask/schedules/preview?_kind=once&_moment=2031-07-01T09:00&_timezone=Europe/Kyiv", headers=JSON
    )
    winter = admin.get(
        "/stask/schedules/preview?_kind=once&_moment=2031-01-01T09:00&_timezone=Europe/Kyiv", headers=JSON
    )
    assert summer.get_json()["next_runs"] == ["2031-07-01T09:00:00+03:00"]
    assert winter.get_json()["next_runs"] == ["2031-01-01T09:00:00+02:00"]


def test_the_form_can_be_filled_by_its_address(admin: FlaskClient) -> None:
    html = text(admin, "/stask/schedules/new?worker=product&action=labels&name=Grace")
    assert value_of(html, "name") == "Grace"


# -- secrets and files


def secret_of(site: Site, schedule: Schedule) -> Any:
    return site.state.vault.open(schedule.secrets)


def test_a_secret_is_kept_sealed_never_shown_and_only_replaced_by_a_new_one(site: Site, admin: FlaskClient) -> None:
    admin.post("/stask/schedules", data={**FORM, "_kind": "manual", "token": "s3cret-1"})
    [schedule] = all_of(site)
    assert secret_of(site, schedule) == {"token": "s3cret-1"}
    html = text(admin, f"/stask/schedules/{schedule.id}")
    assert "It is set. Enter a new one to replace it." in html
    assert "s3cret" not in html + text(admin, "/stask/schedules")
    sent = {**FORM, "_kind": "manual", "_version": value_of(html, "_version"), "token": ""}
    assert admin.post(f"/stask/schedules/{schedule.id}", data=sent).status_code == 303
    [schedule] = all_of(site)
    assert secret_of(site, schedule) == {"token": "s3cret-1"}
    sent |= {"_version": value_of(text(admin, f"/stask/schedules/{schedule.id}"), "_version"), "token": "s3cret-2"}
    assert admin.post(f"/stask/schedules/{schedule.id}", data=sent).status_code == 303
    assert secret_of(site, all_of(site)[0]) == {"token": "s3cret-2"}


def test_what_needs_a_file_cannot_start_by_itself(site: Site, admin: FlaskClient) -> None:
    html = text(admin, "/stask/schedules/new?worker=product&action=import")
    assert "This needs a file each time (CSV file), so it cannot start by itself." in html
    assert 'type="file"' not in html
    sent = {**FORM, "_action": "import", "_kind": "manual"}
    assert admin.post("/stask/schedules", data=sent).status_code == 422
    body = {"identifier": "product", "action": "import", "rule": {"type": "manual"}, "options": {"file": "/etc/passwd"}}
    assert admin.post("/stask/schedules", json=body, headers=JSON).status_code == 422
    assert all_of(site) == []


def test_a_file_that_a_schedule_has_from_elsewhere_stays(site: Site, admin: FlaskClient) -> None:
    path = site.folder / "prices.csv"
    path.write_text("sku\n")
    schedule = made(site, name="import", data={"file": str(path)})
    html = text(admin, f"/stask/schedules/{schedule.id}")
    sent = {"_kind": "manual", "_timezone": "UTC", "_version": value_of(html, "_version"), "rows": "20"}
    assert admin.post(f"/stask/schedules/{schedule.id}", data=sent).status_code == 303
    assert all_of(site)[0].meta["file"] == str(path)
    assert all_of(site)[0].meta["rows"] == 20


# -- two people at once


def test_a_change_on_top_of_somebody_elses_is_held_back_with_both_shown(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    version = value_of(text(admin, f"/stask/schedules/{schedule.id}"), "_version")
    site.state.schedules.update(schedule.id, rule={**DAILY, "time": "07:15"})
    sent = {**FORM, "_kind": "daily", "_time": "22:22", "_version": version}
    answer = admin.post(f"/stask/schedules/{schedule.id}", data=sent)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Every day at 07:15, Kyiv time" in html
    assert value_of(html, "_time") == "22:22"
    assert all_of(site)[0].rule["time"] == "07:15"
    told = admin.post(f"/stask/schedules/{schedule.id}", data=sent, headers=JSON)
    assert told.status_code == 409
    fresh = told.get_json()["set"]["_version"]
    assert fresh == value_of(html, "_version")
    assert admin.post(f"/stask/schedules/{schedule.id}", data={**sent, "_version": fresh}).status_code == 303
    assert all_of(site)[0].rule["time"] == "22:22"


@pytest.mark.parametrize("version", ["", "x", "nan", "inf", "9" * 500])
def test_a_version_that_nobody_gave_changes_nothing(site: Site, admin: FlaskClient, version: str) -> None:
    schedule = made(site)
    sent = {**FORM, "_kind": "manual", "_version": version}
    assert admin.post(f"/stask/schedules/{schedule.id}", data=sent).status_code == 409
    assert all_of(site)[0].rule == DAILY


# -- acts


def test_a_schedule_is_turned_off_and_on_again_by_undo(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    data = admin.post(f"/stask/schedules/{schedule.id}/disable", headers=JSON).get_json()
    assert (data["enabled"], all_of(site)[0].enabled) == (False, False)
    assert "Turned off" in text(admin, "/stask/schedules")
    assert admin.post(data["undo"]["url"], headers=JSON).get_json()["enabled"] is True
    answer = admin.post(f"/stask/schedules/{schedule.id}/disable", data={"_back": "worker"})
    assert answer.headers["Location"] == f"/stask/workers/product/schedules#schedule-{schedule.id}"


def test_one_whose_moment_has_passed_cannot_be_turned_on(site: Site, admin: FlaskClient) -> None:
    schedule = made(site, {"type": "once", "datetime": "2020-01-01 00:00"}, enabled=False)
    answer = admin.post(f"/stask/schedules/{schedule.id}/enable", headers=JSON)
    assert (answer.status_code, "This moment has passed" in answer.get_json()["error"]) == (422, True)


def test_run_now_starts_a_task_and_keeps_the_next_run(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    before = schedule.next_fire_at
    answer = admin.post(f"/stask/schedules/{schedule.id}/run")
    [task] = site.all()
    assert answer.headers["Location"] == f"/stask/tasks/{task.id}"
    assert (task.schedule_id, task.action, task.meta["name"], task.started_by) == (schedule.id, "labels", "Ada", 4)
    assert all_of(site)[0].next_fire_at == before
    row = text(admin, f"/stask/schedules?partial=1&part=row&id={schedule.id}")
    assert f'data-task="{task.id}"' in row, "so that the row is drawn anew when it ends"


def test_run_now_of_a_worker_that_is_off_is_refused(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    site.state.roster.set_active("product", False)
    assert admin.post(f"/stask/schedules/{schedule.id}/run", headers=JSON).status_code == 409
    assert site.all() == []


def test_an_action_that_asks_first_is_asked_about_before_it_runs_now(site: Site, admin: FlaskClient) -> None:
    site.add(AskingWorker)
    schedule = site.state.schedules.create("asking", "go", DAILY)
    assert f'data-confirm="run-{schedule.id}"' in text(admin, "/stask/schedules")
    question = admin.post(f"/stask/schedules/{schedule.id}/run", data={"_ask": "1"}).get_data(as_text=True)
    assert "Everybody gets a mail." in question
    assert site.all() == []
    assert admin.post(f"/stask/schedules/{schedule.id}/run").status_code == 303
    assert len(site.all()) == 1


def test_deleting_asks_first_and_keeps_the_history(site: Site, admin: FlaskClient) -> None:
    schedule = made(site)
    task_id = site.ended(schedule_id=schedule.id)
    question = admin.post(f"/stask/schedules/{schedule.id}/delete", data={"_ask": "1"})
    assert question.status_code == 200
    assert "What it started stays in the history." in question.get_data(as_text=True)
    assert len(all_of(site)) == 1
    assert admin.post(f"/stask/schedules/{schedule.id}/delete").headers["Location"] == "/stask/schedules"
    assert all_of(site) == []
    assert site.get(task_id).schedule_id == schedule.id
    assert "is deleted" in text(admin, "/stask/schedules")


@pytest.mark.parametrize("act", ["enable", "delete"])
def test_an_act_is_a_post(site: Site, admin: FlaskClient, act: str) -> None:
    schedule = made(site)
    assert admin.get(f"/stask/schedules/{schedule.id}/{act}").status_code == 405
    assert len(all_of(site)) == 1


# -- a worker's own schedule


@pytest.fixture
def own(site: Site) -> Iterator[Schedule]:
    site.add(OwnWorker)
    [schedule] = site.state.schedules.all("own")
    yield schedule


def test_a_workers_own_schedule_is_shown_switched_and_run_but_changed_elsewhere(
    site: Site, admin: FlaskClient, own: Schedule
) -> None:
    html = text(admin, "/stask/schedules")
    assert "settings" in re.search(r'<span class="badge"[^>]*>([^<]*)', html)[1]  # type: ignore[index]
    assert f"/stask/schedules/{own.id}/delete" not in html
    assert "part of its worker&#39;s settings" in text(admin, f"/stask/schedules/{own.id}")
    sent = {**FORM, "_kind": "manual", "_version": "1"}
    assert admin.post(f"/stask/schedules/{own.id}", data=sent).status_code == 409
    assert admin.post(f"/stask/schedules/{own.id}/delete").status_code == 409
    assert admin.post(f"/stask/schedules/{own.id}/disable").status_code == 303
    assert site.state.schedules.get(own.id).enabled is False
    assert admin.post(f"/stask/schedules/{own.id}/run").status_code == 303


# -- a worker's page, the dashboard


def test_a_workers_page_has_its_schedules_only_and_a_way_to_new_ones(
    site: Site, admin: FlaskClient, own: Schedule
) -> None:
    mine = made(site)
    html = text(admin, "/stask/workers/product/schedules")
    assert f'id="schedule-{mine.id}"' in html
    assert f'id="schedule-{own.id}"' not in html
    assert "/stask/schedules/new?worker=product&amp;action=labels" in html
    part = text(admin, "/stask/workers/product/schedules?partial=1").strip()
    assert part.startswith("<div") and part.endswith("</div>")


def test_the_badge_of_a_widget_leads_there_with_the_right(
    site: Site, admin: FlaskClient, operator: FlaskClient
) -> None:
    made(site)
    assert re.search(r'<a class="badge widget-next" href="/stask/schedules\?worker=product"', text(admin, "/stask/"))
    html = text(operator, "/stask/")
    assert 'class="badge widget-next"' in html
    assert "/stask/schedules" not in html


# -- JSON


def test_a_program_makes_and_changes_a_schedule(site: Site, admin: FlaskClient) -> None:
    body = {
        "identifier": "product", "action": "labels", "rule": DAILY, "timezone": "Europe/Kyiv",
        "options": {"name": "Ada", "token": "s3cret"}, "priority": "low", "title": "By a program",
    }  # fmt: skip
    answer = admin.post("/stask/schedules", json=body, headers=JSON)
    told = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/stask/schedules/{told['id']}")
    assert (told["rule"], told["priority"], told["options"]["name"]) == (DAILY, "low", "Ada")
    assert "s3cret" not in answer.get_data(as_text=True)
    change = {"rule": {"type": "manual"}, "enabled": False, "options": {"name": "Grace"}}
    told = admin.post(f"/stask/schedules/{told['id']}", json=change, headers=JSON).get_json()
    assert (told["rule"], told["enabled"], told["options"]["name"], told["title"]) == (
        {"type": "manual"}, False, "Grace", "By a program",
    )  # fmt: skip
    assert secret_of(site, all_of(site)[0]) == {"token": "s3cret"}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"rule": "daily"}, {"rule": {"type": "never"}}, {"rule": {"type": "manual", "x": 1}},
        {"rule": {"type": "manual"}, "options": []}, {"rule": {"type": "manual"}, "priority": "urgent"},
        {"rule": {"type": "manual"}, "timezone": "../../etc"}, {"rule": {"type": "manual"}, "options": {"name": []}},
        {"rule": {"type": "regular", "start_time": [], "end_time": {}}}, {"rule": {"type": ["daily"]}},
    ],
)  # fmt: skip
def test_odd_json_is_refused(site: Site, admin: FlaskClient, body: dict[str, Any]) -> None:
    sent = {"identifier": "product", "action": "labels", "options": {"name": "Ada"}, **body}
    assert admin.post("/stask/schedules", json=sent, headers=JSON).status_code == 422
    assert admin.post("/stask/schedules", json=[sent], headers=JSON).status_code == 422
    assert all_of(site) == []


@pytest.mark.parametrize(
    "path", ["?page=0", "?page=x", "?page=" + "9" * 30, "?partial=1&part=row", "?partial=1&part=row&id=x"]
)
def test_odd_addresses_are_refused(admin: FlaskClient, path: str) -> None:
    assert admin.get(f"/stask/schedules{path}").status_code == 422


# -- words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"type": "cron", "cron": "15 2 * * mon-fri"}, ("понеділок", "пʼятниця")),
        ({"type": "cron", "cron": "0 0 29 2 *"}, ("лютий",)),
    ],
)
def test_a_cron_rule_is_told_in_the_readers_language(rule: dict[str, Any], words: tuple[str, ...]) -> None:
    with reading(Reader("uk")):
        told = read_rule(rule).words()
    assert all(word in told for word in words), told
    assert not re.search("[A-Za-z]", told), told


def test_a_zone_is_told_by_its_place() -> None:
    assert [zone_words(zone) for zone in ("Europe/Kyiv", "America/New_York", "UTC", "Etc/GMT+3")] == [
        "Kyiv time", "New York time", "UTC", "GMT+3",
    ]  # fmt: skip
