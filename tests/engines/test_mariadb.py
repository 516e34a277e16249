"""The embedded engine on MariaDB: a real server on 127.0.0.1, or STASK_TEST_MARIADB."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stask_web import Status, figures
from stask_web.database import open_database
from stask_web.engines.ledger import Ledger
from stask_web.figures import Scope, Span
from stask_web.rows import count_endings

from ..faults.site import Site
from .contract import EngineContract


@pytest.mark.service
class TestOnMariadb(EngineContract):
    """The whole contract."""

    @pytest.fixture
    def site(self, mariadb_site: Site) -> Site:
        """The site of each test."""
        return mariadb_site

    def test_its_other_name_means_the_same(self, site: Site) -> None:
        uri = site.state.database.engine.url.set(drivername="mariadb+pymysql")
        database = open_database(uri.render_as_string(hide_password=False), None)
        assert (database.engine.dialect.name, database.dialect) == ("mariadb", "mysql")
        site.create("nothing")
        ledger = Ledger(database, "test")
        assert ledger.settle([], [1]).claims
        ledger.close()
        database.engine.dispose()

    def test_an_update_of_the_tables_keeps_no_lock(self, site: Site) -> None:
        with site.state.database.read() as connection:
            name = f"stask_{site.state.database.engine.url.database}"
            assert connection.exec_driver_sql("SELECT IS_FREE_LOCK(%s)", (name,)).scalar() == 1

    def test_names_that_differ_only_in_capitals_are_two(self, site: Site) -> None:
        day = datetime.now(UTC).date()
        for action, n in (("export", 2), ("Export", 3)):
            with site.state.database.write() as connection:
                count_endings(connection, (day.isoformat(), "capital", action, int(Status.COMPLETED)), n=n)
        ends = figures.by_action(site.state.database, Span(day, day), Scope("capital"))
        assert {action: each.completed for (_, action), each in ends.items()} == {"export": 2, "Export": 3}
        only = figures.by_action(site.state.database, Span(day, day), Scope("capital", "Export"))
        assert [action for _, action in only] == ["Export"]
