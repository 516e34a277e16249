"""Sites on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..faults.site import Site, site_on


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a SQLite file."""
    with site_on("sqlite", tmp_path) as site:
        yield site


@pytest.fixture
def postgresql_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a new database of a real PostgreSQL server."""
    with site_on("postgresql", tmp_path) as site:
        yield site


@pytest.fixture
def mariadb_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a new database of a real MariaDB server."""
    with site_on("mariadb", tmp_path) as site:
        yield site
