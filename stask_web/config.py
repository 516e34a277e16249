"""The settings: one table from which defaults, checks and the documentation come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .errors import ConfigError, InvalidSchedule
from .rules import find_zone, local_zone

KIB = 1024
MIB = 1024 * KIB


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


def _seconds(value: Any) -> float:
    number = float(value)
    if not 0 <= number < 10**9:
        raise ValueError("seconds, 0 or more")
    return number


def _optional_seconds(value: Any) -> float | None:
    return None if value in (None, "", 0) else _seconds(value)


def _count(value: Any) -> int:
    number = int(value)
    if number < 1 or number != float(value):
        raise ValueError("a whole number, 1 or more")
    return number


def _optional_count(value: Any) -> int | None:
    return None if value in (None, "") else _count(value)


def _whole(value: Any) -> int:
    number = int(value)
    if number < 0:
        raise ValueError("a whole number, 0 or more")
    return number


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError("true or false")
    return words[str(value).lower()]


def _names(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else list(value or ())
    names = tuple(item.strip() if isinstance(item, str) else item for item in items if item)
    if not all(isinstance(name, str) for name in names):
        raise ValueError("names of packages, as a list or separated by commas")
    return names


def _paths(value: Any) -> tuple[Path, ...]:
    items = [value] if isinstance(value, str | Path) else list(value or ())
    return tuple(Path(item) for item in items if item)


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if str(value).lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return str(value).lower()

    return read


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _path(value: Any) -> Path | None:
    return None if value in (None, "") else Path(value)


def _zone(value: Any) -> str:
    if value in (None, ""):
        return local_zone()
    try:
        return find_zone(str(value)).key
    except InvalidSchedule:
        raise ValueError("the name of a time zone such as Europe/Kyiv") from None


def _as_is(value: Any) -> Any:
    return value


SETTINGS: tuple[Setting, ...] = (
    Setting("STASK_ENGINE", "database", _one_of("database", "celery", "inline"), "What starts tasks."),
    Setting("STASK_DATABASE_URI", None, _text, "A database of its own; by default the host's."),
    Setting(
        "STASK_STORAGE",
        None,
        _path,
        "Folder for journals, uploads and results; by default stask in the instance folder.",
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
    Setting("STASK_RETENTION_DAYS", 30, _whole, "How long ended tasks are kept by `prune`, in days."),
    Setting("STASK_MAX_ATTEMPTS", 3, _count, "How often a task starts by itself, at most."),
    Setting("STASK_BACKOFF", 10.0, _seconds, "Seconds before the second attempt; doubled for each further one."),
    Setting("STASK_TIMEOUT", None, _optional_seconds, "Seconds after which a task is stopped; by default never."),
    Setting("STASK_CANCEL_GRACE", 10.0, _seconds, "Seconds from a stop to SIGTERM."),
    Setting("STASK_KILL_GRACE", 5.0, _seconds, "Seconds from SIGTERM to SIGKILL."),
    Setting("STASK_CONCURRENCY", None, _optional_count, "Worker processes; by default the number of cores."),
    Setting("STASK_DRAIN", 30.0, _seconds, "Seconds that running tasks get to end when the worker stops."),
    Setting("STASK_HEARTBEAT", 5.0, _seconds, "Seconds between two signs of life of a worker."),
    Setting("STASK_LEASE", 30.0, _seconds, "Seconds of silence after which a worker out of reach counts as dead."),
    Setting("STASK_POLL", 1.0, _seconds, "Seconds between two looks at the queue when no wake-up comes."),
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
    unknown = {key for key in config if key.startswith("STASK_")} - {setting.name for setting in SETTINGS}
    if unknown:
        raise ConfigError(f"There is no setting {sorted(unknown)[0]!r}. See the list of settings in the documentation.")
    if folder is not None:
        values["storage"] = (folder / (values["storage"] or "stask")).resolve()
        values["result_roots"] = tuple((folder / root).resolve() for root in values["result_roots"])
    settings = Settings(**values)
    if settings.lease <= settings.heartbeat:
        raise ConfigError(f"STASK_LEASE ({settings.lease}) must be longer than STASK_HEARTBEAT ({settings.heartbeat}).")
    return settings


def _read(setting: Setting, config: Mapping[str, Any]) -> Any:
    value = config.get(setting.name, setting.default)
    try:
        return setting.read(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{setting.name} is {value!r}, but must be: {error}. {setting.help}") from None


assert {field.name for field in fields(Settings)} == {setting.name[6:].lower() for setting in SETTINGS}
