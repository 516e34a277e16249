"""The embedded engine on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from stask_web.claims import Claims
from stask_web.engines.ledger import REST_AFTER, Ledger
from stask_web.engines.line import PAY_AFTER

from ..faults.site import PATIENCE, Site, site_on
from .contract import EngineContract


class TestOnSqlite(EngineContract):
    """The whole contract."""

    @pytest.fixture
    def site(self, sqlite_site: Site) -> Site:
        """The site of each test."""
        return sqlite_site


@pytest.mark.parametrize("statement", ["_claim", "_due", "_next_due", "_running", "_owned"])
def test_the_plan_of_each_look_into_the_queue_is_an_index_and_never_a_sort(sqlite_site: Site, statement: str) -> None:
    sql = getattr(Claims("sqlite"), statement)
    with sqlite_site.state.database.read() as connection:
        rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, (None,) * sql.count("?")).all()
    plan = "\n".join(str(row[3]) for row in rows)
    assert "SCAN s_tasks" not in plan.replace("SCAN s_tasks USING COVERING INDEX", ""), plan
    assert "TEMP B-TREE" not in plan, plan
    assert "INDEX" in plan


def test_a_worker_refuses_a_database_in_memory(sqlite_site: Site) -> None:
    from stask_web.database import open_database
    from stask_web.errors import ConfigError

    with pytest.raises(ConfigError, match="in memory"):
        Ledger(open_database("sqlite://", None), "me")


def test_a_worker_with_nothing_to_do_moves_the_log_and_begins_it_anew_so_that_no_request_does(tmp_path: Path) -> None:
    with site_on("sqlite", tmp_path, STASK_HEARTBEAT=60.0, STASK_LEASE=300.0) as site:
        with site.state.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one() > PAY_AFTER
        site.start()
        busy = site.create("sleep", seconds=PATIENCE)
        site.wait_note("started")
        for _ in range(REST_AFTER // 2):  # each is claimed in one transaction, and ended in another
            site.wait(site.create("nothing"))
        before = _beginnings(tmp_path)
        (site.notes_folder / "enough").touch()
        site.wait(busy)
        site.until(lambda: _beginnings(tmp_path) == before + 1, "the log begins anew")
        site.create("nothing")
        assert _beginnings(tmp_path) == before + 1


def _beginnings(folder: Path) -> int:
    """How often SQLite's write-ahead log began anew: its header counts that.

    (https://sqlite.org/fileformat.html#the_write_ahead_log)
    """
    return int.from_bytes((folder / "test.db-wal").read_bytes()[12:16], "big")
