"""The host's own session: joined on any of its binds, and never waited for by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Session

from stask_web import STask, Task, stask
from stask_web.database import upgrade
from stask_web.errors import AlreadyRunning, ConfigError, DatabaseBusy, TransactionOpen
from stask_web.state import State, state_of

from .conftest import Host, ProductWorker


@contextmanager
def site(folder: Path, **config: Any) -> Iterator[tuple[SQLAlchemy, State]]:
    """A host with a table ``things`` on each of its engines, inside its app context."""
    app = Flask("site", instance_path=str(folder / "instance"))
    app.config.update(TESTING=True, SECRET_KEY="x", **config)
    db = SQLAlchemy(app)
    STask(app, db=db, access=lambda *_: True)
    state = state_of(app)
    state.registry.add(ProductWorker)
    with app.app_context():
        upgrade(state.database)
        state.roster.set_active("product", True)
        engines = {engine for engine in db.engines.values() if engine is not state.database.engine}
        for engine in engines:
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE things (id INTEGER)")
        yield db, state
        db.session.remove()
        for engine in {*engines, state.database.engine}:
            engine.dispose()


def write(session: Any, engine: sa.Engine) -> None:
    session.execute(sa.text("INSERT INTO things VALUES (1)"), bind_arguments={"bind": engine})


def sqlite(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture(params=["default", "other bind", "bind of our name"])
def bound(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SQLAlchemy, State, sa.Engine]]:
    """Our tables in the host's default database, in another of its databases, and in its bind ``stask``."""
    main, other = sqlite(tmp_path / "main.db"), sqlite(tmp_path / "other.db")
    config, key = {
        "default": ({"SQLALCHEMY_BINDS": {"other": other}}, None),
        "other bind": ({"SQLALCHEMY_BINDS": {"other": other}, "STASK_DATABASE_URI": other}, "other"),
        "bind of our name": ({"SQLALCHEMY_BINDS": {"stask": {"url": other}}}, "stask"),
    }[request.param]
    with site(tmp_path, SQLALCHEMY_DATABASE_URI=main, **config) as (db, state):
        yield db, state, db.engines[key]


Bound = tuple[SQLAlchemy, State, sa.Engine]


def test_create_beside_an_open_write_transaction_is_refused_at_once(bound: Bound) -> None:
    db, _, engine = bound
    write(db.session, engine)
    began = time.monotonic()
    with pytest.raises(TransactionOpen, match=r"Commit first, or pass session=db\.session"):
        stask.create("product", "sync_stock")
    assert time.monotonic() - began < 5
    db.session.commit()
    assert stask.create("product", "sync_stock").id


def test_a_joined_task_comes_and_goes_with_the_transaction_of_the_bind(bound: Bound) -> None:
    db, _, engine = bound
    for end, tasks in ((db.session.rollback, 0), (db.session.commit, 1)):
        write(db.session, engine)
        stask.create("product", "sync_stock", session=db.session)
        assert stask.get_stats()["total"] == 0
        end()
        assert stask.get_stats()["total"] == tasks
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM things").scalar() == 1


def test_a_unique_task_that_was_joined_is_known_to_its_transaction(bound: Bound) -> None:
    db, _, _ = bound
    first = stask.create("product", "rebuild", session=db.session)
    with pytest.raises(AlreadyRunning, match=str(first.id)):
        stask.create("product", "rebuild", session=db.session)
    db.session.rollback()


def test_a_write_on_another_bind_does_not_matter(bound: Bound) -> None:
    db, _, engine = bound
    other = next(one for one in (db.engines[None], *db.engines.values()) if one.url != engine.url)
    write(db.session, other)
    assert stask.create("product", "sync_stock").id


def test_the_bind_of_our_name_is_our_database_and_stays_the_hosts_engine(tmp_path: Path) -> None:
    ours = {"url": sqlite(tmp_path / "ours.db"), "connect_args": {"timeout": 7.0}}
    config = {"SQLALCHEMY_DATABASE_URI": sqlite(tmp_path / "main.db"), "SQLALCHEMY_BINDS": {"stask": ours}}
    with site(tmp_path, **config) as (db, state):
        assert Path(str(state.database.engine.url.database)) == tmp_path / "ours.db"
        assert db.engines["stask"] is not state.database.engine
        with state.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 7000
        assert not sa.inspect(db.engine).has_table("s_tasks")
        assert db.session.scalars(sa.select(Task)).all() == []


def test_two_names_for_our_database_are_refused(tmp_path: Path) -> None:
    app = Flask("site", instance_path=str(tmp_path))
    binds = {"stask": sqlite(tmp_path / "a.db")}
    app.config.update(SQLALCHEMY_BINDS=binds, STASK_DATABASE_URI=sqlite(tmp_path / "b.db"))
    with pytest.raises(ConfigError, match="SQLALCHEMY_BINDS"):
        STask(app, db=SQLAlchemy(app), access=lambda *_: True)


def test_a_session_without_a_default_database_is_joined(tmp_path: Path) -> None:
    binds = {"stask": sqlite(tmp_path / "ours.db")}
    with site(tmp_path, SQLALCHEMY_BINDS=binds) as (db, _):
        stask.create("product", "sync_stock", session=db.session)
        db.session.commit()
        assert stask.get_stats()["pending"] == 1


def test_a_plain_session_on_our_database_is_joined_by_whatever_path(host: Host, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    engine = sa.create_engine(sqlite(tmp_path / "link" / "host.db"))
    with Session(engine) as session:
        stask.create("product", "sync_stock", session=session)
        session.commit()
    engine.dispose()
    assert stask.get_stats()["pending"] == 1


def test_a_session_on_another_database_is_refused_with_both_names(host: Host, tmp_path: Path) -> None:
    engine = sa.create_engine(sqlite(tmp_path / "far.db"))
    with Session(engine) as session, pytest.raises(ConfigError, match=r"host\.db.*far\.db.*Leave session= out"):
        stask.create("product", "sync_stock", session=session)
    engine.dispose()


@pytest.mark.parametrize("given", [True, "db.session", object()])
def test_what_is_no_session_is_refused(host: Host, given: Any) -> None:
    with pytest.raises(ConfigError, match=r"session= needs a session such as db\.session"):
        stask.create("product", "sync_stock", session=given)


@pytest.mark.parametrize(
    "change",
    [
        lambda: stask.create_many("product", "sync_stock", [None]),
        lambda: stask.deactivate_worker("product"),
        lambda: stask.cancel(1),
        lambda: stask.schedules.create("product", "sync_stock", {"type": "manual"}),
    ],
    ids=["create_many", "deactivate_worker", "cancel", "schedules"],
)
def test_every_change_beside_an_open_write_transaction_is_refused(host: Host, change: Callable[[], Any]) -> None:
    stask.create("product", "sync_stock")
    host.db.session.execute(sa.text("CREATE TABLE things (id INTEGER)"))
    write(host.db.session, host.db.engine)
    began = time.monotonic()
    with pytest.raises(TransactionOpen):
        change()
    assert time.monotonic() - began < 5
    host.db.session.rollback()
    change()


def begin_themselves(engine: sa.Engine) -> None:
    """What SQLAlchemy's documentation says for transactions that are whole: reading begins one, too."""

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")


def test_where_reading_begins_a_transaction_only_a_write_is_in_the_way(tmp_path: Path) -> None:
    with site(tmp_path, SQLALCHEMY_DATABASE_URI=sqlite(tmp_path / "main.db")) as (db, _):
        db.engine.dispose()
        begin_themselves(db.engine)
        db.session.execute(sa.text("SELECT * FROM things")).all()
        assert stask.create("product", "sync_stock").id
        db.session.rollback()
        write(db.session, db.engine)
        with pytest.raises(TransactionOpen):
            stask.create("product", "sync_stock")


def test_a_lock_of_somebody_else_is_waited_for_beside_a_session_that_only_reads(host: Host) -> None:
    host.db.session.execute(sa.text("SELECT 1")).all()
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with host.state.database.write():
            locked.set()
            done.wait(1.0)

    other = threading.Thread(target=hold)
    other.start()
    locked.wait()
    assert stask.create("product", "sync_stock").id
    done.set()
    other.join()


def test_in_memory_the_hosts_work_is_not_committed_by_ours(tmp_path: Path) -> None:
    with site(tmp_path, SQLALCHEMY_DATABASE_URI="sqlite://") as (db, _):
        db.session.execute(sa.text("CREATE TABLE IF NOT EXISTS things (id INTEGER)"))
        db.session.commit()
        write(db.session, db.engine)
        with pytest.raises(TransactionOpen):
            stask.create("product", "sync_stock")
        db.session.rollback()
        assert db.session.execute(sa.text("SELECT count(*) FROM things")).scalar() == 0


def test_an_open_transaction_is_a_kind_of_a_busy_database() -> None:
    assert issubclass(TransactionOpen, DatabaseBusy)
