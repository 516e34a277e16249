"""Settings: what cannot be is refused at the start, with its name, what was given and what is allowed."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url

from stask_web import STask, create_app
from stask_web.config import SETTINGS, load_settings
from stask_web.errors import ConfigError

NUMBERS = [
    one.name
    for one in SETTINGS
    if one.read.__name__ in ("_seconds", "_period", "_optional_seconds", "_count", "_optional_count", "_days")
]
TEXTS = ["STASK_LOGIN_URL", "STASK_BASE_TEMPLATE", "STASK_STORAGE", "STASK_TIMEZONE", "STASK_ENGINE", "STASK_JOURNAL"]


def refused(name: str, value: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings({name: value})
    return caught.value.message


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, "many", -1, float("nan"), float("inf"), 10**40, [3], {"n": 3}, b"3", object])
def test_what_is_no_number_in_range_is_refused_in_words(name: str, value: Any) -> None:
    said = refused(name, value)
    assert said.startswith(f"{name} is {str(repr(value))[:90]}") and ", but must be " in said
    assert "seconds" in said or "a whole number" in said
    assert "invalid literal" not in said and "argument" not in said


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [5, True, ["a"], b"a"])
def test_what_is_no_text_is_refused(name: str, value: Any) -> None:
    assert refused(name, value).startswith(f"{name} is {value!r}, but must be ")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("STASK_RETENTION_DAYS", 2.5, "a whole number of days, from 0 to 36,500"),
        ("STASK_RETENTION_DAYS", 36_501, "a whole number of days, from 0 to 36,500"),
        ("STASK_CONCURRENCY", 0, "a whole number, from 1"),
        ("STASK_MAX_UPLOAD", "1.5", "a whole number, from 1"),
        ("STASK_HEARTBEAT", 0, "seconds, more than 0"),
        ("STASK_POLL", "0", "seconds, more than 0"),
        ("STASK_AUTO_ACTIVATE", "perhaps", "true or false"),
        ("STASK_AUTO_ACTIVATE", 2, "true or false"),
        ("STASK_AUTO_ACTIVATE", [], "true or false"),
        ("STASK_SQLITE_WAL", None, "true or false"),
        ("STASK_SQLITE_SYNC", "off", "one of normal, full"),
        ("STASK_WORKER_PACKAGES", 5, "names of packages"),
        ("STASK_WORKER_PACKAGES", ["shop/workers"], "names of packages"),
        ("STASK_WORKER_PACKAGES", {"a": 1}, "names of packages"),
        ("STASK_RESULT_ROOTS", [5], "folders, as a list"),
        ("STASK_TIMEZONE", "Kyiv/Europe", "the name of a time zone"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, value: Any, allowed: str) -> None:
    said = refused(name, value)
    assert said.startswith(f"{name} is {value!r}, but must be {allowed}")


@pytest.mark.parametrize("value", [5, "postgresql://anna:geheim@:port/x", "geheim"])
def test_a_wrong_uri_is_refused_without_being_shown(value: Any) -> None:
    said = refused("STASK_DATABASE_URI", value)
    assert "STASK_DATABASE_URI" in said and "sqlite:///tasks.db" in said and "geheim" not in said


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    app = Flask("site", instance_path=str(tmp_path))
    app.config["STASK_DATABASE_URI"] = "mysql+oursql://db/x" if find_spec("MySQLdb") else "mysql://db/x"
    with pytest.raises(ConfigError, match=r"STASK_DATABASE_URI cannot be read|The driver of 'mysql' is not installed"):
        STask(app, access=lambda *_: True)


def test_a_long_value_is_cut() -> None:
    assert len(refused("STASK_ENGINE", "x" * 5000)) < 300


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("STASK_DRIAN", "STASK_DRAIN"), ("STASK_UPLOAD_MAX", None), ("STASK_MAX_UPLOADS", "STASK_MAX_UPLOAD"),
        ("STASK_WORKERS_PACKAGES", "STASK_WORKER_PACKAGES"), ("STASK_DATABASE_URL", "STASK_DATABASE_URI"),
        ("STASK_XYZZY", None),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest_right_one(name: str, right: str | None) -> None:
    said = refused(name, 1)
    assert said.startswith(f"There is no setting {name!r}.")
    if right is not None:
        assert said.endswith(f"Did you mean {right!r}?")
    elif name == "STASK_XYZZY":
        assert said.endswith("See the list of settings in docs/settings.md.")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("STASK_AUTO_ACTIVATE", "true", True), ("STASK_AUTO_ACTIVATE", " On ", True),
        ("STASK_AUTO_ACTIVATE", "0", False),
        ("STASK_SQLITE_WAL", "False", False), ("STASK_SQLITE_WAL", 0, False), ("STASK_DRAIN", "2.5", 2.5),
        ("STASK_TIMEOUT", "", None), ("STASK_TIMEOUT", "0", None), ("STASK_TIMEOUT", 0, None),
        ("STASK_TIMEOUT", "9", 9.0),
        ("STASK_CONCURRENCY", "", None), ("STASK_CONCURRENCY", "4", 4), ("STASK_MAX_ATTEMPTS", 3.0, 3),
        ("STASK_RETENTION_DAYS", "0", 0), ("STASK_ENGINE", "Inline", "inline"), ("STASK_LOGIN_URL", "", None),
        ("STASK_WORKER_PACKAGES", "shop.workers, mail.workers,", ("shop.workers", "mail.workers")),
        ("STASK_WORKER_PACKAGES", None, ()), ("STASK_WORKER_PACKAGES", {"shop"}, ("shop",)),
        ("STASK_RESULT_ROOTS", "/srv/a,/srv/b", (Path("/srv/a"), Path("/srv/b"))),
        ("STASK_RESULT_ROOTS", Path("/srv/a"), (Path("/srv/a"),)),
        ("STASK_DATABASE_URI", make_url("postgresql://anna:geheim@db/x"), "postgresql://anna:geheim@db/x"),
    ],
)  # fmt: skip
def test_texts_of_an_environment_are_read(name: str, text: Any, value: Any) -> None:
    assert getattr(load_settings({name: text}), name.removeprefix("STASK_").lower()) == value


def test_every_default_is_allowed() -> None:
    for setting in SETTINGS:
        load_settings({setting.name: setting.default})


def test_keys_of_others_are_left_alone() -> None:
    load_settings({"SECRET_KEY": "x", "STASKS": 1, 5: "five"})  # type: ignore[dict-item]


# -- the environment of a standalone panel


def test_a_standalone_panel_reads_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"STASK_STORAGE": "2024", "STASK_WORKER_PACKAGES": '["a", "b"]', "STASK_TIMEOUT": "null"}.items():
        monkeypatch.setenv(name, text)
    app = create_app({"INSTANCE": str(tmp_path)})
    settings = load_settings(app.config, tmp_path)
    assert settings.storage == tmp_path / "2024"
    assert settings.worker_packages == ("a", "b") and settings.timeout is None


def test_a_standalone_panel_refuses_a_wrong_value_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASK_DRAIN", "soon")
    with pytest.raises(ConfigError, match="STASK_DRAIN is 'soon', but must be seconds"):
        create_app({"INSTANCE": str(tmp_path)})


def test_a_name_in_the_environment_that_is_nearly_ours_is_told_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STASK_DRIAN", "5")
    monkeypatch.setenv("STASK_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("STASK_PORT_80_TCP_ADDR", "10.0.0.1")
    with caplog.at_level(logging.WARNING, "stask_web"):
        create_app({"INSTANCE": str(tmp_path)})
    said = [record.getMessage() for record in caplog.records if "environment" in record.getMessage()]
    assert len(said) == 1 and "'STASK_DRIAN'" in said[0] and "Did you mean 'STASK_DRAIN'?" in said[0]
