"""Statistics: exact counts by day, durations of a sample, failures by error; for admins, of any period."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import figures
from stask_web.figures import Scope, Span
from stask_web.models import Stat, Task
from stask_web.status import Status

from .conftest import JSON, TODAY, ProductWorker, Site

WEEK = Span(TODAY - timedelta(days=6), TODAY)


def end(site: Site, status: Status = Status.COMPLETED, days: int = 0, *, seconds: float = 10.0, **values: Any) -> int:
    """A run that ended so many days ago, counted as the product does."""
    moment = datetime.now(UTC) - timedelta(days=days)
    task_id = site.ended(status, finished_at=moment, created_at=moment, duration=seconds, **values)
    task = site.get(task_id)
    from stask_web.rows import count_endings, count_key

    with site.state.database.write() as connection:
        count_endings(connection, count_key(task), n=1, seconds=seconds)
    return task_id


def text_of(client: FlaskClient, query: str = "") -> str:
    """The page."""
    answer = client.get(f"/stask/statistics{query}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("path", ["/statistics", "/workers/product/statistics"])
def test_only_who_may_audit_sees_it(site: Site, path: str) -> None:
    assert site.client().get(f"/stask{path}").status_code == 302
    assert site.client().get(f"/stask{path}", headers=JSON).status_code == 401
    assert site.client("viewer").get(f"/stask{path}").status_code == 403
    assert site.client("operator").get(f"/stask{path}").status_code == 403
    assert site.client("admin").get(f"/stask{path}").status_code == 200


def test_the_navigation_has_it_for_admins_only(admin: FlaskClient, operator: FlaskClient) -> None:
    assert 'href="/stask/statistics"' in admin.get("/stask/").text
    assert 'data-key-shortcut="i"' in admin.get("/stask/").text
    assert "/stask/statistics" not in operator.get("/stask/").text


def test_an_unknown_worker_is_not_found(admin: FlaskClient) -> None:
    assert admin.get("/stask/workers/nobody/statistics").status_code == 404


def test_nothing_in_the_period_is_said(admin: FlaskClient) -> None:
    page = text_of(admin)
    assert "Nothing ended in this period" in page
    assert '<svg class="chart-drawing"' not in page


def test_counts_rate_and_average_come_from_the_daily_counts(site: Site, admin: FlaskClient) -> None:
    for _ in range(3):
        end(site, seconds=20.0)
    end(site, Status.FAILED, 1, error="KeyError: 'sku'")
    end(site, Status.CANCELLED, 2)
    with site.state.database.write() as connection:
        connection.execute(sa.delete(Task))  # what was deleted is still counted
    answer = admin.get("/stask/statistics", headers=JSON).get_json()
    assert answer["total"] == {"completed": 3, "failed": 1, "stopped": 1, "success_rate": 0.75, "average": 20.0}
    page = text_of(admin)
    assert "75.0 %" in page
    assert "no longer in the history" in page


def test_days_without_runs_are_there_as_zero(site: Site, admin: FlaskClient) -> None:
    end(site, days=3)
    days = admin.get("/stask/statistics", headers=JSON).get_json()["days"]
    assert [day["day"] for day in days] == [each.isoformat() for each in WEEK.days]
    assert [day["completed"] for day in days] == [0, 0, 0, 1, 0, 0, 0]


def test_half_and_95_of_100_are_of_all_runs_of_a_small_period(site: Site, admin: FlaskClient) -> None:
    for number in range(1, 101):
        end(site, seconds=float(number))
    sample = admin.get("/stask/statistics?period=today", headers=JSON).get_json()["sample"]
    assert sample == {"runs": 100, "p50": 50.0, "p95": 95.0}
    assert "of all 100 completed runs" in text_of(admin)


def test_a_long_period_is_sampled_evenly(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SAMPLE", 20)
    monkeypatch.setattr(figures, "PIECES", 4)
    for number in range(100):
        end(site, seconds=float(number + 1))
    laps = figures.sample(site.state.database, WEEK, Scope())
    assert len(laps) == 20
    assert {int(lap.id) // 26 for lap in laps} == {0, 1, 2, 3}, "from each piece of the period"
    assert [lap.seconds for lap in laps] == sorted(lap.seconds for lap in laps)


def test_a_sample_looks_at_a_bounded_number_of_rows(site: Site) -> None:
    seen: list[str] = []
    engine = site.state.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    figures.sample(site.state.database, WEEK, Scope("product"))
    [statement] = [text for text in seen if "AS piece" in text]
    with site.state.database.read() as connection:
        plan = connection.execute(
            sa.text("EXPLAIN QUERY PLAN " + figures._PIECE.format(scope="AND identifier = :identifier", action="")),
            {"low": 0, "high": 9, "look": 5, "most": 5, "status": 30, "begin": 0, "end": 9, "identifier": "product"},
        )
        words = " ".join(str(row[3]) for row in plan)
    assert "LIMIT" in statement
    assert "ix_s_tasks_identifier_id" in words
    assert "TEMP B-TREE" not in words


def test_failures_are_grouped_by_error_without_its_numbers(site: Site, admin: FlaskClient) -> None:
    for row in (7, 1204, 33):
        newest = end(site, Status.FAILED, error=f"ValueError: row {row} has no price")
    end(site, Status.FAILED, message="The warehouse <b>did not</b> answer")
    first, second = admin.get("/stask/statistics", headers=JSON).get_json()["failures"]
    assert (first["error"], first["n"], first["task"]) == ("ValueError: row … has no price", 3, newest)
    assert second["error"] == "The warehouse <b>did not</b> answer"
    page = text_of(admin)
    assert "&lt;b&gt;did not&lt;/b&gt;" in page
    assert "<b>did not" not in page


def test_the_slowest_runs_come_first(site: Site, admin: FlaskClient) -> None:
    ids = [end(site, seconds=float(seconds)) for seconds in (5, 500, 50)]
    slowest = admin.get("/stask/statistics", headers=JSON).get_json()["slowest"]
    assert [each["id"] for each in slowest] == [ids[1], ids[2], ids[0]]
    page = text_of(admin)
    assert page.index("8 min 20 s</span>") < page.index("50 s</span>")


def test_it_is_narrowed_to_a_worker_and_an_action(site: Site, admin: FlaskClient) -> None:
    end(site)
    end(site, action="import")
    end(site, identifier="mail", action="send")

    def total(path: str) -> int:
        return int(admin.get(f"/stask{path}", headers=JSON).get_json()["total"]["completed"])

    assert total("/statistics") == 3
    assert total("/statistics?worker=product") == 2
    assert total("/statistics?worker=product/import") == 1
    assert total("/statistics?worker=product&action=import") == 1
    assert total("/workers/product/statistics") == 2
    assert total("/workers/product/statistics?action=import") == 1
    assert total("/workers/product/statistics?worker=mail") == 2


def test_a_period_of_ones_own_is_in_the_address(site: Site, admin: FlaskClient) -> None:
    end(site, days=20)
    day = TODAY - timedelta(days=20)
    answer = admin.get(f"/stask/statistics?from={day}&to={day}", headers=JSON).get_json()
    assert (answer["from"], answer["to"], answer["total"]["completed"]) == (day.isoformat(), day.isoformat(), 1)
    assert f'value="{day}"' in text_of(admin, f"?from={day}&to={day}")


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("from=yesterday", "from", "Enter a day"),
        ("from=2026-02-30", "from", "Enter a day"),
        ("to=2026-05-01", "from", "the first day, too"),
        ("from=2026-05-02&to=2026-05-01", "to", "before the first"),
        ("from=2020-01-01&to=2026-05-01", "to", "At most 366 days"),
        ("from=0001-01-01", "from", "Enter a day"),
    ],
)
def test_days_that_cannot_be_are_told_and_kept(admin: FlaskClient, query: str, field: str, words: str) -> None:
    answer = admin.get(f"/stask/statistics?{query}")
    assert answer.status_code == 422
    assert words in answer.text
    typed = query.partition("=")[2].partition("&")[0]
    assert f'value="{typed}"' in answer.text
    told = admin.get(f"/stask/statistics?{query}", headers=JSON)
    assert told.status_code == 422
    assert list(told.get_json()["errors"]) == [field]


def test_behind_each_chart_is_a_table_with_the_same_numbers(site: Site, admin: FlaskClient) -> None:
    end(site)
    end(site, Status.FAILED)
    page = text_of(admin)
    charts = page.count('class="chart-drawing"')
    assert charts == 2 == page.count("The same as a table")
    assert page.count('role="img" aria-label="') >= charts
    assert "1 completed, 1 failed, 0 stopped" in page


def test_charts_have_neither_style_nor_script(site: Site, admin: FlaskClient) -> None:
    end(site)
    page = text_of(admin)
    assert "style=" not in page
    assert re.search(r"<script(?! type=\"module\" src=)", page) is None


def test_today_has_a_bar_an_hour_and_a_long_period_one_a_week(site: Site, admin: FlaskClient) -> None:
    end(site)
    assert text_of(admin, "?period=today").count('class="chart-room"') == 24
    assert "Runs a week" in text_of(admin, f"?from={TODAY - timedelta(days=120)}")


def test_the_file_has_a_line_a_day_and_action_and_runs_no_formula(site: Site, admin: FlaskClient) -> None:
    end(site, seconds=4.0)
    with site.state.database.write() as connection:
        row = {"day": TODAY.isoformat(), "action": "@sum", "status": Status.FAILED, "n": 2, "gone": 0, "seconds": 1.0}
        connection.execute(sa.insert(Stat).values(identifier="=cmd()", **row))
    answer = admin.get("/stask/statistics?format=csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="statistics-{WEEK.since}-{TODAY}.csv"'
    head, *lines = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head == ["day_utc", "worker", "action", "completed", "failed", "stopped", "average_seconds"]
    assert [TODAY.isoformat(), "'=cmd()", "'@sum", "0", "2", "0", ""] in lines
    assert [TODAY.isoformat(), "product", "sync_stock", "1", "0", "0", "4.0"] in lines


def test_a_run_of_a_class_that_is_gone_has_its_name(site: Site, admin: FlaskClient) -> None:
    end(site, identifier="old", action="pack_boxes")
    page = text_of(admin)
    assert "Pack boxes" in page


def test_a_day_says_that_it_is_one_of_utc(site: Site, admin: FlaskClient) -> None:
    end(site)
    page = text_of(admin)
    assert "Day (UTC)" in page
    assert "Days are those of UTC" in page


def test_a_span_knows_its_days_and_edges() -> None:
    span = Span(date(2026, 2, 27), date(2026, 3, 1))
    assert len(span.days) == 3
    assert span.end - span.begin == timedelta(days=3)


def test_the_titles_of_a_worker_are_shown(site: Site, admin: FlaskClient) -> None:
    end(site)
    page = text_of(admin)
    assert ProductWorker.title in page
    assert "Sync stock" in page
