"""The extension: clear errors at the start, and a host that stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from stask_web import STask, stask
from stask_web.config import SETTINGS, load_settings
from stask_web.database import BUSY_TIMEOUT
from stask_web.errors import ConfigError, STaskError, TablesMissing
from stask_web.state import state_of
from stask_web.vault import Vault

from .conftest import Host


def bare(tmp_path: Path, **config: object) -> Flask:
    app = Flask("bare", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://", **config)
    SQLAlchemy(app)
    return app


def test_without_access_the_start_fails(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="access="):
        STask(bare(tmp_path))


def test_setting_up_twice_is_refused(tmp_path: Path) -> None:
    app = bare(tmp_path)
    STask(app, access=lambda *_: True)
    with pytest.raises(ConfigError, match="already set up"):
        STask(app, access=lambda *_: True)


def test_an_app_without_a_database_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="STASK_DATABASE_URI"):
        STask(Flask("none", instance_path=str(tmp_path)), access=lambda *_: True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STASK_ENGINE", "rabbit"), ("STASK_MAX_UPLOAD", "big"), ("STASK_DRAIN", -1), ("STASK_MAX_ATTEMPTS", 0),
        ("STASK_AUTO_ACTIVATE", "perhaps"), ("STASK_LEASE", 1), ("STASK_NO_SUCH", 1), ("STASK_SQLITE_SYNC", "off"),
    ],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start_with_its_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        load_settings({key: value})


def test_every_setting_has_a_line_of_help() -> None:
    assert all(setting.help.endswith(".") for setting in SETTINGS)


def test_outside_an_app_with_the_extension_the_proxy_says_what_is_missing() -> None:
    with Flask("other").app_context(), pytest.raises(STaskError, match="init_app"):
        stask.get_stats()


def patience(app: Flask) -> int:
    """Milliseconds that our own connections wait for a lock."""
    with state_of(app).database.read() as connection:
        found = int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar() or 0)
    state_of(app).database.engine.dispose()
    return found


@pytest.mark.parametrize("where", ["config", "code"])
def test_our_connections_are_made_as_the_host_makes_its_own(tmp_path: Path, where: str) -> None:
    options = {"connect_args": {"timeout": 7.0}}
    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'host.db'}")
    if where == "config":
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db = SQLAlchemy(app, engine_options=options if where == "code" else None)
    STask(app, db=db, access=lambda *_: True)
    assert patience(app) == 7000


def test_a_database_of_our_own_is_not_reached_as_the_hosts_is(tmp_path: Path) -> None:
    uri, ours = f"sqlite:///{tmp_path / 'host.db'}", f"sqlite:///{tmp_path / 'ours.db'}"
    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=uri, STASK_DATABASE_URI=ours)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 7.0}}
    STask(app, db=SQLAlchemy(app), access=lambda *_: True)
    assert patience(app) == BUSY_TIMEOUT * 1000


def test_missing_tables_say_what_to_run(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.app.app_context(), pytest.raises(TablesMissing, match="flask stask init-db"):
        host.state.database.require()


def test_an_old_key_still_opens_secrets_and_a_lost_one_is_said() -> None:
    sealed = Vault(["old"]).seal({"token": "geheim"})
    assert sealed is not None and b"geheim" not in sealed
    assert Vault(["new", "old"]).open(sealed) == {"token": "geheim"}
    with pytest.raises(STaskError, match="SECRET_KEY_FALLBACKS"):
        Vault(["new"]).open(sealed)
    with pytest.raises(ConfigError, match="SECRET_KEY is not set"):
        Vault([]).seal({"a": 1})


def test_the_api_without_tables_says_what_to_run(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.app.app_context(), pytest.raises(TablesMissing, match="flask stask init-db"):
        stask.get_stats()


@pytest.mark.parametrize("setting", [{"STASK_ENGINE": "celery"}, {"STASK_JOURNAL": "database"}])
def test_what_is_not_there_yet_is_refused_at_the_start(tmp_path: Path, setting: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="does not have yet"):
        STask(bare(tmp_path, **setting), access=lambda *_: True)
