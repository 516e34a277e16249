"""The filtered list as a file: whole, streamed, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from typing import Any

import pytest
from flask.testing import FlaskClient

from stask_web import listing
from stask_web.status import Status

from .conftest import Site

EXPORT = "/stask/tasks/export"


def as_csv(client: FlaskClient, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{EXPORT}?{query}")
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def as_jsonl(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{EXPORT}?format=jsonl&{query}")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_every_task_of_the_filter_newest_first(site: Site, viewer: FlaskClient) -> None:
    failed = [site.ended(Status.FAILED) for _ in range(60)]
    site.ended()
    rows = as_csv(viewer, "status=failed")
    assert [int(row["id"]) for row in rows] == failed[::-1]
    assert [row["id"] for row in as_jsonl(viewer, "status=failed")] == failed[::-1]
    assert len(as_csv(viewer)) == 61


def test_a_row_says_what_the_list_says_and_more(site: Site, viewer: FlaskClient) -> None:
    site.ended(
        action="import", message="Imported movies.csv, 3,161 rows\n(40 refused)", warnings=40, meta={"shop": "kyiv"}
    )
    (row,) = as_csv(viewer)
    (exact,) = as_jsonl(viewer)
    assert row["title"] == exact["title"] == "Import products"
    assert row["message"] == exact["message"] == "Imported movies.csv, 3,161 rows\n(40 refused)"
    assert (row["look"], row["status"], row["started_by"]) == ("Completed with refusals", "completed", "Max Berg")
    assert (row["duration"], row["warnings"], row["check_only"]) == ("180.0", "40", "no")
    assert exact["finished_at"].endswith("+00:00")
    assert list(row) == list(exact)
    assert "kyiv" not in viewer.get(EXPORT).text  # options have a right of their own


def test_a_spreadsheet_runs_nothing(site: Site, viewer: FlaskClient) -> None:
    texts = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "plain = text", "1-2"]
    for text in texts:
        site.ended(message=text)
    quoted = [row["message"] for row in as_csv(viewer)][::-1]
    assert quoted == [f"'{text}" for text in texts[:6]] + texts[6:]
    assert [row["message"] for row in as_jsonl(viewer)][::-1] == texts


def test_a_file_that_excel_opens_is_downloaded(viewer: FlaskClient) -> None:
    answer = viewer.get(EXPORT)
    assert answer.data.startswith(b"\xef\xbb\xbfid,title,")
    assert 'attachment; filename="tasks-' in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    assert viewer.get(f"{EXPORT}?format=jsonl").mimetype == "application/x-ndjson"


@pytest.mark.parametrize("query", ["format=xlsx", "status=lost", "from=x"])
def test_what_is_not_offered_is_refused(viewer: FlaskClient, query: str) -> None:
    assert viewer.get(f"{EXPORT}?{query}").status_code == 422


def test_what_one_may_not_see_is_not_in_it(own_site: Site, anonymous: FlaskClient) -> None:
    own_site.ended(started_by=3)
    mine = own_site.ended(started_by=2)
    client = own_site.client("operator")
    assert [row["id"] for row in as_jsonl(client)] == [mine]
    assert anonymous.get(EXPORT).status_code == 302
    assert own_site.client("nobody").get(EXPORT).status_code == 403


def test_a_long_history_costs_no_memory(site: Site, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read and sent in pieces: 4 MB pass through far less."""
    for _ in range(200):
        site.ended(message="x" * 20_000)
    pages = listing.pages
    monkeypatch.setattr(listing, "pages", lambda *args: pages(*args, size=4))
    for form in ("jsonl", "csv"):
        tracemalloc.start()
        answer = viewer.get(f"{EXPORT}?format={form}", buffered=False)
        sent = sum(len(piece) for piece in answer.response)
        answer.close()
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sent > 4_000_000
        assert used < 1_500_000
