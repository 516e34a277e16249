"""The list of tasks: pages by key, filters, search, and what one may not see is not there."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import listing
from stask_web.models import Stat
from stask_web.status import Status

from .conftest import JSON, Site


def ids(client: FlaskClient, address: str) -> list[int]:
    html = client.get(address).get_data(as_text=True)
    return [int(number) for number in re.findall(r'<tr class="row" data-task="(\d+)"', html)]


def link(client: FlaskClient, address: str, word: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="[a-z]+">{word}<', client.get(address).get_data(as_text=True))
    return found[1].replace("&amp;", "&") if found else None


def test_pages_follow_one_another_without_gap_or_double(site: Site, viewer: FlaskClient) -> None:
    made = [site.ended() for _ in range(60)]
    first = "/stask/tasks"
    second = link(viewer, first, "Older")
    assert second is not None
    third = link(viewer, second, "Older")
    assert third is not None
    assert ids(viewer, first) + ids(viewer, second) + ids(viewer, third) == made[::-1]
    assert link(viewer, third, "Older") is None
    assert link(viewer, first, "Newer") is None
    back = link(viewer, third, "Newer")
    assert back is not None
    assert ids(viewer, back) == ids(viewer, second)
    front = link(viewer, back, "Newer")
    assert front is not None
    answer = viewer.get(front)
    assert (answer.status_code, answer.location) == (302, first)


def test_only_the_first_page_takes_new_rows_in(site: Site, viewer: FlaskClient) -> None:
    for _ in range(30):
        site.ended()
    assert 'data-list="limit=25"' in viewer.get("/stask/tasks").get_data(as_text=True)
    older = link(viewer, "/stask/tasks", "Older")
    assert older is not None
    assert "data-list=" not in viewer.get(older).get_data(as_text=True)


def test_the_digest_is_the_one_that_live_gives(site: Site, viewer: FlaskClient) -> None:
    site.ended()
    found = re.search(r'data-digest="([0-9a-f]+)"', viewer.get("/stask/tasks").get_data(as_text=True))
    assert found is not None
    lists = viewer.get("/stask/live?list=limit%3D25").get_json()["lists"]
    assert lists == [{"filter": "limit=25", "digest": found[1]}]
    site.ended()
    assert viewer.get("/stask/live?list=limit%3D25").get_json()["lists"][0]["digest"] != found[1]


def test_filters_stay_over_the_pages(site: Site, viewer: FlaskClient) -> None:
    failed = [site.ended(Status.FAILED) for _ in range(30)]
    site.ended()
    site.ended(Status.FAILED, identifier="gone")
    older = link(viewer, "/stask/tasks?status=failed&worker=product", "Older")
    assert older is not None
    assert ids(viewer, older) == failed[:5][::-1]


BAD = [
    "status=lost",
    "before=x",
    "before=-1",
    "after=" + "9" * 30,
    "before=1٣",
    "who=you",
    "period=year",
    "from=yesterday",
    "from=2026-13-01",
    "from=2026-05-02&to=2026-05-01",
    "to=0001-01-01",
    "to=9999-12-31",
    "action=import",
    "worker=" + "x" * 300,
]


@pytest.mark.parametrize("query", BAD)
def test_a_filter_that_is_none_is_refused(viewer: FlaskClient, query: str) -> None:
    assert viewer.get(f"/stask/tasks?{query}").status_code == 422


def test_nothing_yet_offers_what_can_be_started(site: Site, operator: FlaskClient, viewer: FlaskClient) -> None:
    html = operator.get("/stask/tasks").get_data(as_text=True)
    assert "Nothing has run yet" in html
    assert re.search(r'<a class="btn" href="/stask/workers/product/run/import" data-dialog>Import products<', html)
    assert "Rebuild everything" not in html  # for admins
    assert 'name="q"' not in html
    assert "/run/" not in viewer.get("/stask/tasks").get_data(as_text=True)


def test_nothing_matches(site: Site, viewer: FlaskClient) -> None:
    site.ended()
    html = viewer.get("/stask/tasks?status=failed").get_data(as_text=True)
    assert "Nothing matches" in html
    assert '<a class="btn" href="/stask/tasks">Clear filters</a>' in html


def test_own_only_lists_are_full(own_site: Site) -> None:
    mine = []
    for _ in range(30):
        own_site.ended(started_by=3)
        mine.append(own_site.ended(started_by=2))
    assert ids(own_site.client("operator"), "/stask/tasks") == mine[::-1][:25]


def test_the_list_as_json(site: Site, viewer: FlaskClient) -> None:
    for _ in range(26):
        site.ended()
    data = viewer.get("/stask/tasks", headers=JSON).get_json()
    assert len(data["tasks"]) == 25
    assert data["older"] == "/stask/tasks?before=2"
    assert "newer" not in data


def test_a_part_is_the_list_alone(site: Site, viewer: FlaskClient) -> None:
    html = viewer.get("/stask/tasks?partial=1").get_data(as_text=True).strip()
    assert html.startswith('<div class="card" id="tasks"')
    assert html.endswith("</div>")


def test_waking_the_workers_is_for_admins(site: Site, operator: FlaskClient, admin: FlaskClient) -> None:
    assert operator.post("/stask/tasks/process").status_code == 403
    task_id = site.task()
    assert admin.post("/stask/tasks/process", headers=JSON).status_code == 200
    assert admin.post("/stask/tasks/process").status_code == 303
    assert site.get(task_id).status == Status.PENDING


# Filters


def made_of(site: Site) -> dict[str, int]:
    """One task for each thing that can be asked for."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    gone = {"day": "2026-05-01", "identifier": "gone", "action": "old_thing", "status": Status.COMPLETED, "n": 1}
    with site.state.database.write() as connection:
        connection.execute(sa.insert(Stat).values(**gone))
    return {
        "waits": site.task(),
        "scheduled": site.task(due_at=soon, lane=None),
        "again": site.task(due_at=soon, lane=None, attempt_no=1),
        "runs": site.running(action="import", started_by=3),
        "done": site.ended(message="Imported movies.csv", action="import"),
        "refused": site.ended(warnings=2, identifier="gone", action="old_thing"),
        "failed": site.ended(Status.FAILED, message="The warehouse did not answer"),
        "stopped": site.ended(Status.CANCELLED),
        "old": site.ended(created_at=datetime.now(UTC) - timedelta(days=20)),
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "old stopped failed refused done runs again scheduled waits"),
        ("status=pending", "again scheduled waits"),
        ("status=scheduled", "scheduled"),
        ("status=retrying", "again"),
        ("status=running", "runs"),
        ("status=completed", "old refused done"),
        ("status=refused", "refused"),
        ("status=failed", "failed"),
        ("status=cancelled", "stopped"),
        ("who=me", "runs"),
        ("worker=gone", "refused"),
        ("worker=product&action=import", "done runs"),
        ("worker=product&action=import&status=completed", "done"),
        ("period=today", "stopped failed refused done runs again scheduled waits"),
        ("period=7d", "stopped failed refused done runs again scheduled waits"),
        ("period=30d", "old stopped failed refused done runs again scheduled waits"),
        ("to={week_ago}", "old"),
        ("from={week_ago}&status=failed", "failed"),
        ("from={month_ago}&to={week_ago}", "old"),
        ("q=movies", "done"),
        ("q=Import+products", "done runs"),
        ("q=warehouse+ANSWER", "failed"),
        ("q=old+thing", "refused"),
        ("q=nothing+like+this", ""),
        ("q=movies&status=failed", ""),
    ],
)
def test_what_is_asked_for_is_shown(site: Site, query: str, names: str) -> None:
    made = made_of(site)
    days = {f"{name}_ago": date.today() - timedelta(days=n) for name, n in (("week", 7), ("month", 30))}
    found = ids(site.client("other"), f"/stask/tasks?{query.format(**days)}")
    assert found == [made[name] for name in names.split()]


def test_a_number_finds_its_task_however_old_it_is(site: Site, viewer: FlaskClient) -> None:
    old = site.ended()
    named = site.ended(message=f"Repeats number {old}")
    site.ended(Status.FAILED)
    assert ids(viewer, f"/stask/tasks?q={old}") == [old, named]
    assert ids(viewer, f"/stask/tasks?q=%23{old}") == [old]
    assert ids(viewer, f"/stask/tasks?q={old}&status=failed") == []
    assert ids(viewer, "/stask/tasks?q=" + "9" * 40) == []


def test_a_number_finds_nobody_elses_task(own_site: Site) -> None:
    theirs = own_site.ended(started_by=3)
    assert ids(own_site.client("operator"), f"/stask/tasks?q={theirs}") == []


def test_looks_are_chips_with_counts(site: Site, viewer: FlaskClient) -> None:
    made_of(site)
    html = viewer.get("/stask/tasks?status=failed").get_data(as_text=True)
    chips = re.findall(r'<a class="chip" href="([^"]+)"( aria-current="true")?>([\w ]+?) <span[^>]*>(\S+)</span>', html)
    assert [(word, count) for _, _, word, count in chips] == [
        ("All", "9"),
        ("Waiting", "3"),
        ("Scheduled", "1"),
        ("Starts again", "1"),
        ("Running", "1"),
        ("Completed", "3"),
        ("With refusals", "1"),
        ("Failed", "1"),
        ("Stopped", "1"),
    ]
    assert [word for _, here, word, _ in chips if here] == ["Failed"]
    assert chips[0][0] == "/stask/tasks"
    assert chips[4][0] == "/stask/tasks?status=running"
    assert 'data-stat="running"' in viewer.get("/stask/tasks").get_data(as_text=True)
    assert 'data-stat="running"' not in viewer.get("/stask/tasks?who=me").get_data(as_text=True)


def test_counts_tell_nothing_of_what_one_may_not_see(own_site: Site) -> None:
    own_site.ended(started_by=3)
    own_site.ended(started_by=2)
    html = own_site.client("operator").get("/stask/tasks").get_data(as_text=True)
    assert '>All <span class="chip-count">1</span>' in html


def test_set_filters_are_chips_that_take_themselves_away(site: Site, viewer: FlaskClient) -> None:
    site.ended()
    query = "status=failed&worker=product&action=import&who=me&period=7d&q=movies"
    html = viewer.get(f"/stask/tasks?{query}").get_data(as_text=True)
    chips = {
        word: unescape(url) for url, word in re.findall(r'<a class="set-chip" href="([^"]+)"><span[^>]*>([^<]+)<', html)
    }
    assert list(chips) == ["“movies”", "Mine", "Product management", "Import products", "Created in the last 7 days"]
    assert chips["Mine"] == f"/stask/tasks?{query.replace('&who=me', '')}"
    assert chips["Product management"] == "/stask/tasks?status=failed&who=me&period=7d&q=movies"
    assert '<a class="section-link" href="/stask/tasks?status=failed">Clear filters</a>' in html


@pytest.mark.parametrize(
    ("sent", "tidy"),
    [
        ("q=&who=&worker=&period=&from=&to=", ""),
        ("status=failed&q=+x+&who=me&worker=&period=today&from=&to=", "?status=failed&who=me&period=today&q=x"),
        ("q=&who=&worker=product%2Fimport&period=", "?worker=product&action=import"),
        ("worker=&period=own&from=2026-05-01&to=", "?from=2026-05-01"),
        ("period=&from=2026-05-01&to=2026-05-02", ""),
    ],
)
def test_the_form_leads_to_a_short_address(site: Site, viewer: FlaskClient, sent: str, tidy: str) -> None:
    answer = viewer.get(f"/stask/tasks?{sent}")
    assert (answer.status_code, answer.location) == (302, f"/stask/tasks{tidy}")
    assert viewer.get(answer.location).status_code == 200


def test_the_form_shows_what_is_set(site: Site, viewer: FlaskClient) -> None:
    site.ended()
    html = viewer.get("/stask/tasks?worker=product&action=import&who=me&period=7d&q=%3Cb%3E").get_data(as_text=True)
    for value in ("product/import", "me", "7d"):
        assert f'<option value="{value}" selected>' in html
    assert 'value="&lt;b&gt;"' in html
    assert '<option value="own" selected>' not in html
    own = viewer.get("/stask/tasks?from=2026-05-01").get_data(as_text=True)
    assert 'value="own" selected' in own
    assert 'name="from" value="2026-05-01"' in own


def test_a_worker_that_is_gone_can_still_be_chosen(site: Site, viewer: FlaskClient) -> None:
    task_id = site.ended(identifier="gone", action="old_thing")
    html = viewer.get("/stask/tasks?worker=gone&action=old_thing").get_data(as_text=True)
    assert '<option value="gone/old_thing" selected>Old thing</option>' in html
    assert f'data-task="{task_id}"' in html


# Searches that end early


def test_a_search_says_how_far_it_looked_and_goes_on(
    site: Site, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stask_web.views.task_list.SEARCH_LOOK", 20)
    old = site.ended(message="The needle")
    for _ in range(30):
        site.ended()
    new = site.ended(message="Another needle")
    first = viewer.get("/stask/tasks?q=needle").get_data(as_text=True)
    assert ids(viewer, "/stask/tasks?q=needle") == [new]
    assert re.search(r"Looked back to today \d\d:\d\d; older tasks were not looked at yet", first)
    further = link(viewer, "/stask/tasks?q=needle", "Look further back")
    assert further is not None
    assert ids(viewer, further) == [old]
    assert link(viewer, further, "Look further back") is None
    assert link(viewer, further, "Newer") is not None


def test_a_search_without_any_find_goes_on_too(
    site: Site, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stask_web.views.task_list.SEARCH_LOOK", 20)
    old = site.ended(message="The needle")
    for _ in range(50):
        site.ended()
    html = viewer.get("/stask/tasks?q=needle").get_data(as_text=True)
    assert "Nothing found so far" in html
    second = link(viewer, "/stask/tasks?q=needle", "Look further back")
    assert second is not None
    assert ids(viewer, second) == []
    third = link(viewer, second, "Look further back")
    assert third is not None
    assert ids(viewer, third) == [old]
    data = viewer.get("/stask/tasks?q=needle", headers=JSON).get_json()
    assert data == {"tasks": [], "older": second}


# What it asks of the database


QUERIES = [
    "",
    "before=500",
    "after=500",
    "status=pending",
    "status=scheduled",
    "status=refused",
    "status=failed",
    "who=me",
    "who=me&status=failed",
    "worker=product",
    "worker=product&action=import",
    "worker=gone&status=cancelled",
    "period=today",
    "period=30d&status=completed",
    "q=needle",
    "q=needle&status=completed&who=me&worker=product&action=import&period=7d",
    "q=500",
]


@pytest.mark.parametrize("query", QUERIES)
def test_no_page_reads_or_sorts_the_history(
    site: Site, admin: FlaskClient, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By EXPLAIN of every statement of the request."""
    monkeypatch.setattr("stask_web.tally.COUNT_LOOK", 50)
    monkeypatch.setattr("stask_web.views.task_list.LOOK", 100)
    monkeypatch.setattr("stask_web.views.task_list.SEARCH_LOOK", 100)
    for number in range(150):
        site.ended(Status.FAILED if number % 9 == 0 else Status.COMPLETED, message="Done")
    engine, heard = site.state.database.engine, []

    def hear(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        heard.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", hear)
    admin.get(f"/stask/tasks?{query}")
    sa.event.remove(engine, "before_cursor_execute", hear)
    looked = 0
    with site.state.database.read() as connection:
        for statement, parameters in heard:
            if "s_tasks" not in statement:
                continue
            looked += 1
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                if row[3].startswith("SCAN s_tasks"):
                    assert "LIMIT" in statement and "WHERE" not in statement, statement
                # Groups are made of a few rows that were picked before.
                assert "TEMP B-TREE" not in row[3] or ("GROUP BY" in row[3] and "LIMIT" in statement), statement
    assert looked


def test_what_is_live_says_so(site: Site, viewer: FlaskClient) -> None:
    site.ended()

    def live(query: str) -> tuple[str, str] | None:
        html = viewer.get(f"/stask/tasks?{query}").get_data(as_text=True)
        found = re.search(r'data-list="([^"]*)" data-digest="(\w+)"', html)
        return (unescape(found[1]), found[2]) if found else None

    for query, text in (
        ("", "limit=25"),
        ("status=failed&worker=product&action=import", "status=failed&worker=product&action=import&limit=25"),
        ("status=scheduled", "status=scheduled&limit=25"),
        ("who=me&period=today", "limit=25"),
    ):
        found = live(query)
        assert found is not None
        assert found[0] == text
        news = viewer.get("/stask/live", query_string={"list": text}).get_json()["lists"][0]
        assert news == {"filter": text, "digest": found[1]}
    assert live("q=x") is None


def test_a_row_is_drawn_alone(site: Site, operator: FlaskClient, viewer: FlaskClient) -> None:
    task_id = site.ended(Status.FAILED)
    html = operator.get(f"/stask/tasks?partial=1&part=row&id={task_id}").get_data(as_text=True).strip()
    assert html.startswith(f'<tr class="row" data-task="{task_id}"')
    assert "data-can-retry" in html
    assert 'type="checkbox"' in html
    assert operator.get("/stask/tasks?partial=1&part=row&id=999").status_code == 404
    assert operator.get("/stask/tasks?partial=1&part=row").status_code == 422
    assert 'type="checkbox"' not in viewer.get("/stask/tasks").get_data(as_text=True)


def test_hostile_words_stay_words(site: Site, viewer: FlaskClient) -> None:
    evil = "<script>alert(1)</script>"
    site.ended(identifier=evil, action=evil, message=evil + "W" * 10_000, started_by=evil)
    query = {"worker": evil, "action": evil, "q": evil}
    html = viewer.get("/stask/tasks", query_string=query).get_data(as_text=True)
    assert evil not in html
    assert html.count("&lt;script&gt;") >= 4
    assert "W" * 500 not in html


def test_the_look_limit_is_for_lists_and_the_bigger_one_for_searches() -> None:
    assert listing.LOOK < listing.SEARCH_LOOK


@pytest.mark.parametrize("language", ["en", "uk"])
def test_the_days_of_an_own_range_have_the_names_that_are_read(site: Site, viewer: FlaskClient, language: str) -> None:
    site.ended()
    html = viewer.get("/stask/tasks", headers={"Accept-Language": language}).get_data(as_text=True)
    assert re.findall(r'type="date" name="(\w+)"', html) == ["from", "to"]
