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
