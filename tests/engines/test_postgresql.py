"""The embedded engine on PostgreSQL: a real server on 127.0.0.1, or STASK_TEST_POSTGRESQL."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from stask_web import Status
from stask_web.database import open_database
from stask_web.engines.ledger import Ledger

from ..faults.site import Site
from .contract import EngineContract


@pytest.mark.service
class TestOnPostgresql(EngineContract):
    """The whole contract."""

    @pytest.fixture
    def site(self, postgresql_site: Site) -> Site:
        """The site of each test."""
        return postgresql_site

    def test_notify_wakes_a_worker_that_no_datagram_reaches(self, site: Site) -> None:
        worker = site.start(concurrency=1)
        site.wait(site.create("nothing"))
        for path in site.sockets():
            path.unlink()
        done = site.wait(site.create("nothing"))
        assert done.started_at is not None
        assert (done.started_at - done.created_at).total_seconds() < 0.1
        assert worker.stop() == 0

    def test_claims_and_ends_wait_for_the_disk_and_signs_of_life_do_not(self, site: Site) -> None:
        site.create_many("nothing", 2)
        ledger = Ledger(site.state.database, "test")
        with ledger.transaction() as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone()[0] == "on"
        with ledger.transaction(durable=False) as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone()[0] == "off"
        modes: list[str] = []
        claim = ledger.batches.claim

        def note(cursor: Any, *values: Any, **more: Any) -> Any:
            cursor.execute("SHOW synchronous_commit")
            modes.append(cursor.fetchone()[0])
            return claim(cursor, *values, **more)

        ledger.batches.claim = note  # type: ignore[method-assign]
        assert ledger.settle([], [1]).claims
        assert modes == ["on"]
        ledger.close()

    def test_a_connection_that_is_cut_costs_nothing(self, site: Site) -> None:
        site.start(concurrency=1)
        task = site.create("sleep", seconds=1.0)
        site.wait_note("started")
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
        with site.state.database.read() as connection:
            connection.exec_driver_sql(cut)
        done = site.wait(task)
        assert (done.status, len(site.attempts(task))) == (Status.COMPLETED, 1)
        assert site.wait(site.create("nothing")).status == Status.COMPLETED


@pytest.mark.parametrize(("given", "expected"), [("", 5), ("?connect_timeout=2", 2)])
def test_a_server_that_cannot_be_reached_is_waited_for_5_seconds_or_as_the_url_says(
    given: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    engine = open_database(f"postgresql+psycopg://somebody@192.0.2.1/db{given}", None).engine
    asked: list[Any] = []

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, values: Any) -> None:
        asked.append(int(values["connect_timeout"]))
        raise OSError("not now")

    with pytest.raises(OSError, match="not now"):
        engine.connect()
    assert asked == [expected]
