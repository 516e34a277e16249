"""Sites on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ..faults.site import Site, mariadb_database, postgresql_database


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a SQLite file."""
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def postgresql_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a new database of a real PostgreSQL server."""
    try:
        with postgresql_database() as uri:
            site = Site(tmp_path, uri)
            yield site
            site.close()
    except (sa.exc.OperationalError, ModuleNotFoundError) as error:
        pytest.skip(f"needs PostgreSQL and psycopg, which are not here: {str(error).splitlines()[0]}")


@pytest.fixture
def mariadb_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a new database of a real MariaDB server."""
    try:
        with mariadb_database() as uri:
            site = Site(tmp_path, uri)
            yield site
            site.close()
    except (sa.exc.OperationalError, ModuleNotFoundError) as error:
        pytest.skip(f"needs MariaDB and PyMySQL, which are not here: {str(error).splitlines()[0]}")
