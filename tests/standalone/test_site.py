"""The standalone site: its files, settings and commands."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

import stask_web
from stask_web.errors import ConfigError
from stask_web.standalone.accounts import Accounts
from stask_web.standalone.settings import secret_key
from stask_web.state import state_of

from .conftest import PASSWORD, Browser, close


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_key_and_database_are_made_for_their_owner_only(app: Flask, folder: Path) -> None:
    assert mode(folder) == 0o700
    assert mode(folder / "secret_key") == 0o600
    assert mode(folder / "stask.db") == 0o600


def test_the_key_stays_the_same_from_start_to_start(app: Flask, folder: Path) -> None:
    again = stask_web.create_app({"INSTANCE": str(folder)})
    assert again.secret_key == app.secret_key
    assert len(str(app.secret_key)) == 64
    close(again)


def read_key(path: Path) -> str:
    return secret_key(path)


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.map(read_key, [tmp_path / "secret_key"] * 16, chunksize=1)
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_settings_come_from_the_environment(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STASK_DATABASE_URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setenv("STASK_RETENTION_DAYS", "7")
    monkeypatch.setenv("STASK_AUTO_ACTIVATE", "true")
    monkeypatch.setenv("STASK_WORKER_PACKAGES", "one.workers,two.workers")
    monkeypatch.setenv("STASK_WEB_SERVICE_HOST", "10.0.0.1")
    app = stask_web.create_app({"INSTANCE": str(folder)})
    settings = state_of(app).settings
    assert (settings.retention_days, settings.auto_activate) == (7, True)
    assert settings.worker_packages == ("one.workers", "two.workers")
    assert state_of(app).database.engine.url.database == str(tmp_path / "other.db")
    assert not (folder / "stask.db").exists()
    close(app)


def test_the_caller_wins_over_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STASK_RETENTION_DAYS", "7")
    app = stask_web.create_app({"INSTANCE": str(folder), "STASK_RETENTION_DAYS": 9})
    assert state_of(app).settings.retention_days == 9
    close(app)


def test_a_wrong_setting_stops_the_start_with_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STASK_RETENTION_DAYS", "soon")
    with pytest.raises(ConfigError, match="STASK_RETENTION_DAYS"):
        stask_web.create_app({"INSTANCE": str(folder)})
    monkeypatch.delenv("STASK_RETENTION_DAYS")
    monkeypatch.setenv("STASK_PROXIES", "yes")
    with pytest.raises(ConfigError, match="STASK_PROXIES"):
        stask_web.create_app({"INSTANCE": str(folder)})


def test_the_instance_folder_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STASK_INSTANCE", str(tmp_path / "elsewhere"))
    app = stask_web.create_app()
    assert (tmp_path / "elsewhere" / "secret_key").exists()
    close(app)


@pytest.mark.parametrize(("count", "scheme"), [("0", "http"), ("1", "https")])
def test_a_proxy_is_believed_only_where_it_was_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, count: str, scheme: str
) -> None:
    monkeypatch.setenv("STASK_PROXIES", count)
    app = stask_web.create_app({"INSTANCE": str(folder)})
    app.add_url_rule("/scheme", "scheme", lambda: __import__("flask").request.scheme)
    environ = EnvironBuilder("/scheme", headers={"X-Forwarded-Proto": "https"}).get_environ()
    body, _, _ = run_wsgi_app(app.wsgi_app, environ, buffered=True)
    assert b"".join(body) == scheme.encode()
    close(app)


def test_without_tables_the_pages_say_what_to_run(folder: Path) -> None:
    app = stask_web.create_app({"INSTANCE": str(folder), "TESTING": True})
    answer = app.test_client().get("/account/sign-in")
    assert answer.status_code == 503
    assert "flask stask init-db" in answer.text
    close(app)


def test_user_commands_make_list_and_remove_accounts(app: Flask, accounts: Accounts, browser: Browser) -> None:
    run = app.test_cli_runner().invoke
    added = run(args=["stask", "user", "add", "ada", "--role", "admin", "--password-stdin"], input=f"{PASSWORD}\n")
    assert added.exit_code == 0
    assert browser.sign_in().status_code == 303
    told = json.loads(run(args=["stask", "user", "add", "bob", "--role", "operator", "--json"]).output)
    assert browser.get(told["link"]).status_code == 200
    listed = json.loads(run(args=["stask", "user", "list", "--json"]).output)
    assert [(one["name"], one["role"]) for one in listed] == [("ada", "admin"), ("bob", "operator")]
    link = json.loads(run(args=["stask", "user", "link", "bob", "--json"]).output)["link"]
    assert browser.get(told["link"]).status_code == 410
    assert browser.get(link).status_code == 200
    assert run(args=["stask", "user", "remove", "bob"]).exit_code == 0
    assert [account.name for account in accounts.all()] == ["ada"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["add", "ada"], "is taken"),
        (["add", "bob", "--password-stdin"], "at least 10 characters"),
        (["add", ""], "A name has 1 to 100 characters"),
        (["link", "eve"], "no account 'eve'"),
        (["link"], "for whom"),
        (["remove", "ada"], "only admin"),
        (["remove", "eve"], "no account 'eve'"),
    ],
)
def test_a_user_command_that_fails_says_why_in_one_line(
    app: Flask, accounts: Accounts, args: list[str], words: str
) -> None:
    accounts.add("ada", "admin", PASSWORD)
    result = app.test_cli_runner().invoke(args=["stask", "user", *args], input="short\n")
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_user_link_without_a_name_makes_the_first_account(app: Flask, browser: Browser) -> None:
    result = app.test_cli_runner().invoke(args=["stask", "user", "link"])
    assert result.exit_code == 0
    assert "Create the first account" in browser.get(result.output.split()[-1]).text
