"""Where a standalone panel takes its settings from: the instance folder, the environment, the caller."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from flask import Flask

from ..config import SETTINGS
from ..errors import ConfigError
from ..fileio import open_bytes

#: Environment variables that only a standalone panel reads.
INSTANCE, SECRET_KEY, PROXIES = "STASK_INSTANCE", "STASK_SECRET_KEY", "STASK_PROXIES"
#: How like one of ours a name must be to be a slip of the pen.
_NEARLY = 0.85
_log = logging.getLogger(__name__)


def instance_folder(config: Mapping[str, Any]) -> Path:
    """The folder for database, key and files, made if it is not there: ``INSTANCE``, or ``instance`` here.

    :param config: the caller's settings.
    """
    named = config.get("INSTANCE") or os.environ.get(INSTANCE) or os.environ.get("INSTANCE") or "instance"
    folder = Path(named).resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The instance folder {str(folder)!r} cannot be made: {error.strerror}.") from error
    return folder


def apply_settings(app: Flask, config: Mapping[str, Any]) -> None:
    """Fill the app's config: what is usual, ``config.py`` of the instance folder, the environment, the caller.

    :raises ConfigError: a value cannot be used.
    """
    folder = Path(app.instance_path)
    app.config.from_mapping(
        SESSION_COOKIE_NAME="stask_session",  # on localhost sites of all ports share their cookies
        SESSION_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_NAME="stask_remember",
        REMEMBER_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_HTTPONLY=True,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a page left open must not lose what was typed
    )
    app.config.from_pyfile(str(folder / "config.py"), silent=True)
    app.config.from_prefixed_env()
    app.config.update(_from_environment())
    app.config.update({key: value for key, value in config.items() if key != "INSTANCE"})
    uri = app.config.pop("STASK_DATABASE_URI", None) or app.config.get("SQLALCHEMY_DATABASE_URI")
    app.config["SQLALCHEMY_DATABASE_URI"] = uri or f"sqlite:///{_private_file(folder / 'stask.db')}"
    if not app.config.get("SECRET_KEY"):
        app.config["SECRET_KEY"] = os.environ.get(SECRET_KEY) or secret_key(folder / "secret_key")
    app.config.setdefault("REMEMBER_COOKIE_SECURE", bool(app.config["SESSION_COOKIE_SECURE"]))


def _private_file(path: Path) -> Path:
    """Make the file if it is not there: readable for its owner only, which SQLite's log files beside it take over."""
    with contextlib.suppress(FileExistsError):
        os.close(open_bytes(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return path


def _from_environment() -> dict[str, Any]:
    """Our settings, and no other ``STASK_...``: orchestrators set variables of that form by themselves."""
    known = {setting.name for setting in SETTINGS}
    for name in sorted(os.environ.keys() - known - {INSTANCE, SECRET_KEY, PROXIES}):
        if name.startswith("STASK_") and (near := get_close_matches(name, known, 1, _NEARLY)):
            _log.warning("The environment variable %r is no setting of ours. Did you mean %r?", name, near[0])
    return {name: _read(value) for name, value in os.environ.items() if name in known}


def _read(text: str) -> Any:
    """Lists and null as JSON; of a text the setting itself makes a number or a path, as it must be."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, list | str | None) else text


def proxies() -> int:
    """How many proxies stand before the site and may be believed: ``STASK_PROXIES``, by default none."""
    text = os.environ.get(PROXIES, "0")
    if not text.isdigit():
        raise ConfigError(f"{PROXIES} is {text!r}, but must be the number of proxies before the site.")
    return int(text)


def secret_key(path: Path) -> str:
    """The key that signs sessions: made once, readable for its owner only.

    Of several processes that start at once, one wins: the file appears whole, with one key for all.
    """
    with contextlib.suppress(FileNotFoundError):
        if key := path.read_text("ascii").strip():
            return key
        raise ConfigError(f"{str(path)!r} is empty. Remove it; a new key is made at the next start.")
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(open_bytes(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        _move_without_replacing(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return path.read_text("ascii").strip()


def _move_without_replacing(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not target.exists():
            source.rename(target)
