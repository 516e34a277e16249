"""The settings: one table from which defaults, checks and the documentation come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from .errors import ConfigError, InvalidSchedule
from .rules import find_zone, local_zone

KIB = 1024
MIB = 1024 * KIB
_LONGEST = 10**9
_MOST = 10**12
#: A century: from any day of ours it leads to a date that there is.
_DAYS = 36_500
_NAMES = "names of packages such as shop.workers, as a list or separated by commas"


@dataclass(frozen=True)
class Setting:
    """One key of the host's config.

    :param name: the key, ``STASK_...``.
    :param default: what holds when the host sets nothing.
    :param read: turns the host's value into ours; raises ValueError with the reason.
    :param help: one line for the documentation.
    """

    name: str
    default: Any
    read: Callable[[Any], Any]
    help: str


def _number(value: Any, kind: Callable[[Any], Any], least: float, most: float, allowed: str) -> Any:
    """A number, or the text of one, which comes from an environment. True is none, though Python counts with it."""
    try:
        number = kind(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not least <= number <= most or (kind is int and number != float(value)):
        raise ValueError(allowed)
    return number


def _seconds(value: Any) -> float:
    seconds: float = _number(value, float, 0, _LONGEST, f"seconds, from 0 to {_LONGEST:,}")
    return seconds


def _period(value: Any) -> float:
    """How often something is done: without any rest in between it would take a whole core."""
    seconds: float = _number(value, float, 0.001, _LONGEST, f"seconds, more than 0 and up to {_LONGEST:,}")
    return seconds


def _optional_seconds(value: Any) -> float | None:
    return None if value is None or value == "" else _seconds(value) or None


def _count(value: Any) -> int:
    count: int = _number(value, int, 1, _MOST, f"a whole number, from 1 to {_MOST:,}")
    return count


def _optional_count(value: Any) -> int | None:
    return None if value is None or value == "" else _count(value)


def _days(value: Any) -> int:
    days: int = _number(value, int, 0, _DAYS, f"a whole number of days, from 0 to {_DAYS:,}")
    return days


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    word = str(value).strip().lower()
    if not isinstance(value, bool | int | str) or word not in words:
        raise ValueError("true or false")
    return words[word]


def _items(value: Any, kinds: type | UnionType, allowed: str) -> list[Any]:
    """A list, or a text with commas between its parts; what is empty in it is left out."""
    items = value.split(",") if isinstance(value, str) else [value] if isinstance(value, Path) else value or ()
    if not isinstance(items, list | tuple | set | frozenset) or not all(isinstance(item, kinds) for item in items):
        raise ValueError(allowed)
    return [item for item in (item.strip() if isinstance(item, str) else item for item in items) if item]


def _names(value: Any) -> tuple[str, ...]:
    names = tuple(_items(value, str, _NAMES))
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError(_NAMES)
    return names


def _paths(value: Any) -> tuple[Path, ...]:
    return tuple(Path(item) for item in _items(value, str | Path, "folders, as a list or separated by commas"))


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in words:
            raise ValueError("one of " + ", ".join(words))
        return str(word)

    return read


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("a text")
    return value or None


def _uri(value: Any) -> str | None:
    """The address of a database, as text or as SQLAlchemy's URL."""
    if isinstance(value, URL):
        return value.render_as_string(hide_password=False)
    try:
        if value not in (None, ""):
            make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("a URI such as sqlite:///tasks.db or postgresql+psycopg://user:password@host/name") from None
    return value or None


def _path(value: Any) -> Path | None:
    if value is not None and not isinstance(value, str | Path):
        raise ValueError("the path of a folder")
    return Path(value) if value else None


def _zone(value: Any) -> str:
    if value is None or value == "":
        return local_zone()
    try:
        return find_zone(value if isinstance(value, str) else "?").key
    except InvalidSchedule:
        raise ValueError("the name of a time zone such as Europe/Kyiv") from None


def _as_is(value: Any) -> Any:
    return value


SETTINGS: tuple[Setting, ...] = (
    Setting("STASK_ENGINE", "database", _one_of("database", "celery", "inline"), "What starts tasks."),
    Setting("STASK_DATABASE_URI", None, _uri, "A database of its own; by default the host's."),
    Setting(
        "STASK_STORAGE",
        None,
        _path,
        "Folder for journals, uploads and results; by default instance/stask.",
    ),
    Setting("STASK_WORKER_PACKAGES", (), _names, "Packages that are searched for worker classes."),
    Setting("STASK_AUTO_ACTIVATE", False, _flag, "Turn new workers on as they are found."),
    Setting("STASK_ACCESS", None, _as_is, "Who may do what: a policy, a callable or an import string."),
    Setting("STASK_LOGIN_URL", None, _text, "Where people sign in; by default Flask-Login's login view."),
    Setting("STASK_BASE_TEMPLATE", None, _text, "The host's base template, to show the panel inside it."),
    Setting("STASK_RESULT_ROOTS", (), _paths, "Further folders in which results may lie."),
    Setting("STASK_MAX_UPLOAD", 50 * MIB, _count, "Largest upload in bytes."),
    Setting("STASK_LOG_CAP", 50 * MIB, _count, "Largest journal of a task in bytes; head and tail are kept."),
    Setting("STASK_LINE_CAP", 8 * KIB, _count, "Longest line of a journal in bytes; longer ones are split."),
    Setting("STASK_RETENTION_DAYS", 30, _days, "How long ended tasks are kept by `prune`, in days."),
    Setting("STASK_MAX_ATTEMPTS", 3, _count, "How often a task starts by itself, at most."),
    Setting("STASK_BACKOFF", 10.0, _seconds, "Seconds before the second attempt; doubled for each further one."),
    Setting("STASK_TIMEOUT", None, _optional_seconds, "Seconds after which a task is stopped; by default never."),
    Setting("STASK_CANCEL_GRACE", 10.0, _seconds, "Seconds from a stop to SIGTERM."),
    Setting("STASK_KILL_GRACE", 5.0, _seconds, "Seconds from SIGTERM to SIGKILL."),
    Setting("STASK_CONCURRENCY", None, _optional_count, "Worker processes; by default the number of cores."),
    Setting("STASK_DRAIN", 30.0, _seconds, "Seconds that running tasks get to end when the worker stops."),
    Setting("STASK_HEARTBEAT", 5.0, _period, "Seconds between two signs of life of a worker."),
    Setting("STASK_LEASE", 30.0, _period, "Seconds of silence after which a worker out of reach counts as dead."),
    Setting("STASK_POLL", 1.0, _period, "Seconds between two looks at the queue when no wake-up comes."),
    Setting("STASK_RECYCLE", 1000, _count, "Tasks after which a worker process is replaced."),
    Setting("STASK_TIMEZONE", None, _zone, "Time zone of new schedules, e.g. Europe/Kyiv; by default the machine's."),
    Setting("STASK_LAUNCH_RATE", 30, _count, "Tasks that one user may start in a minute."),
    Setting("STASK_SOCKET_CAP", None, _optional_count, "Live connections of one web process; by default threads - 16."),
    Setting("STASK_SQLITE_WAL", True, _flag, "Let init-db turn on SQLite's write-ahead log."),
    Setting("STASK_SQLITE_SYNC", "normal", _one_of("normal", "full"), "FULL survives a power cut, and is slower."),
    Setting("STASK_JOURNAL", "file", _one_of("file", "database"), "Where journals are kept; only `file` yet."),
)


@dataclass(frozen=True)
class Settings:
    """The checked settings of one app; see :data:`SETTINGS` for each."""

    engine: str
    database_uri: str | None
    storage: Path | None
    worker_packages: tuple[str, ...]
    auto_activate: bool
    access: Any
    login_url: str | None
    base_template: str | None
    result_roots: tuple[Path, ...]
    max_upload: int
    log_cap: int
    line_cap: int
    retention_days: int
    max_attempts: int
    backoff: float
    timeout: float | None
    cancel_grace: float
    kill_grace: float
    concurrency: int | None
    drain: float
    heartbeat: float
    lease: float
    poll: float
    recycle: int
    timezone: str
    launch_rate: int
    socket_cap: int | None
    sqlite_wal: bool
    sqlite_sync: str
    journal: str


def load_settings(config: Mapping[str, Any], folder: Path | None = None) -> Settings:
    """Read and check the settings.

    :param config: the host's config; keys that are absent take their default.
    :param folder: the host's instance folder, in which relative paths lie: where a process stands must not matter,
        for web and workers stand in different folders.
    :raises ConfigError: names the key, its value and what it may be.
    """
    values = {setting.name[6:].lower(): _read(setting, config) for setting in SETTINGS}
    names = {setting.name for setting in SETTINGS}
    if unknown := sorted({key for key in config if isinstance(key, str) and key.startswith("STASK_")} - names):
        raise ConfigError(f"There is no setting {unknown[0]!r}. {did_you_mean(unknown[0])}")
    if folder is not None:
        values["storage"] = (folder / (values["storage"] or "stask")).resolve()
        values["result_roots"] = tuple((folder / root).resolve() for root in values["result_roots"])
    settings = Settings(**values)
    if settings.lease <= settings.heartbeat:
        raise ConfigError(f"STASK_LEASE ({settings.lease}) must be longer than STASK_HEARTBEAT ({settings.heartbeat}).")
    return settings


def did_you_mean(name: str) -> str:
    """Which setting may be meant by a name that there is not, as a sentence."""
    near = get_close_matches(name, [setting.name for setting in SETTINGS], 1)
    return f"Did you mean {near[0]!r}?" if near else "See the list of settings in docs/settings.md."


def _read(setting: Setting, config: Mapping[str, Any]) -> Any:
    value = config.get(setting.name, setting.default)
    try:
        return setting.read(value)
    except ValueError as error:
        secret = setting.read is _uri and isinstance(value, str)
        given = "a text (not shown, for it may hold a password)" if secret else _shown(value)
        raise ConfigError(f"{setting.name} is {given}, but must be {error}. {setting.help}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


assert {field.name for field in fields(Settings)} == {setting.name[6:].lower() for setting in SETTINGS}
