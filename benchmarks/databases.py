"""New databases on real servers, for one round of a benchmark or one test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

POSTGRESQL = os.environ.get("STASK_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432")
MARIADB = os.environ.get("STASK_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306")

#: Kind -> server, the database that is always there, how to go on after CREATE DATABASE name and DROP DATABASE name.
_SERVERS = {
    "postgresql": (POSTGRESQL, "postgres", "", "WITH (FORCE)"),
    "mariadb": (MARIADB, "mysql", "CHARACTER SET utf8mb4", ""),
}


@contextmanager
def new_database(kind: str) -> Iterator[str]:
    """An empty database -> its URI; it is dropped at the end.

    :param kind: ``postgresql`` or ``mariadb``.
    :raises sqlalchemy.exc.OperationalError: when there is no server.
    :raises ModuleNotFoundError: when its driver is not installed.
    """
    server, always, made_with, dropped_with = _SERVERS[kind]
    name = f"stask_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(f"{server}/{always}", isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} {made_with}")
        try:
            yield f"{server}/{name}"
        finally:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name} {dropped_with}")
    finally:
        engine.dispose()
