"""The embedded engine on PostgreSQL: a real server on 127.0.0.1, or STASK_TEST_POSTGRESQL."""

from __future__ import annotations

from typing import Any

import pytest

from stask_web import Status
from stask_web.claims import Outcome
from stask_web.engines.ledger import Ledger, Reported

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

    def test_a_claim_waits_for_no_disk_but_an_end_does(self, site: Site) -> None:
        site.create_many("nothing", 2)
        ledger = Ledger(site.state.database, "test")
        modes: list[str] = []

        def note(cursor: Any) -> None:
            cursor.execute("SHOW synchronous_commit")
            modes.append(cursor.fetchone()[0])

        claim, count = ledger.claims.claim, ledger.claims.count
        ledger.claims.claim = lambda cursor, **more: (note(cursor), claim(cursor, **more))[1]  # type: ignore[method-assign]
        ledger.claims.count = lambda cursor, stats: (note(cursor), count(cursor, stats))[1]  # type: ignore[method-assign]
        first = ledger.settle([], [1]).claims[0]
        assert modes == ["off"]
        ledger.settle([Reported(first, Outcome("completed"))], [])
        assert modes == ["off", "on"]
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
