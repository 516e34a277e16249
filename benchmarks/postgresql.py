"""A new database on a PostgreSQL server, for one round."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

SERVER = os.environ.get("STASK_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432")


@contextmanager
def new_database() -> Iterator[str]:
    """An empty database -> its URI; it is dropped at the end."""
    name = f"stask_bench_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(f"{SERVER}/postgres", isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield f"{SERVER}/{name}"
        finally:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        engine.dispose()
