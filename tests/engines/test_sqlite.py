"""The embedded engine on SQLite."""

from __future__ import annotations

import pytest

from stask_web.claims import Claims
from stask_web.engines.ledger import Ledger

from ..faults.site import Site
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
