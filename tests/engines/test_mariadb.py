"""The embedded engine on MariaDB: a real server on 127.0.0.1, or STASK_TEST_MARIADB."""

from __future__ import annotations

import pytest

from ..faults.site import Site
from .contract import EngineContract


@pytest.mark.service
class TestOnMariadb(EngineContract):
    """The whole contract."""

    @pytest.fixture
    def site(self, mariadb_site: Site) -> Site:
        """The site of each test."""
        return mariadb_site

    def test_an_update_of_the_tables_keeps_no_lock(self, site: Site) -> None:
        with site.state.database.read() as connection:
            name = f"stask_{site.state.database.engine.url.database}"
            assert connection.exec_driver_sql("SELECT IS_FREE_LOCK(%s)", (name,)).scalar() == 1
