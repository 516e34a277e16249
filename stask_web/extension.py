"""The extension: ``STask(app, db=db, access=...)`` puts the panel, the API and the commands into a Flask app."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from werkzeug.local import LocalProxy

from .access import AccessPolicy, load_policy
from .bindings import AppServices
from .config import Settings, load_settings
from .creation import Engine
from .database import VERSION_TABLE, Database, open_database
from .discovery import Registry
from .engines.wake import wake
from .errors import ConfigError
from .joining import patience
from .journal import Journals
from .models import BIND_KEY, Base, Task, WorkerRecord
from .pruning import Statuses
from .queries import task_or_none
from .roster import Roster
from .schedules import Schedules
from .state import STATE_KEY, State, current_state, state_of
from .storage import Storage
from .tasks import Tasks
from .vault import Vault

EXTENSION_KEY = "stask"

Access = AccessPolicy | Callable[[Any, str, Any], Any] | str


class STask:
    """The extension object; one may serve several apps, and it keeps none of them.

    :param app: set up this app at once; without it call :meth:`init_app` later. The other arguments are those of
        ``init_app``.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        if app is not None:
            self.init_app(app, **options)

    def init_app(
        self,
        app: Flask,
        *,
        db: Any = None,
        socketio: Any = None,
        access: Access | None = None,
        url_prefix: str = "/stask",
        celery: Any = None,
    ) -> None:
        """Set up an app. Call it after Flask-SQLAlchemy, Flask-Login, CSRFProtect and Flask-Migrate.

        :param db: the host's Flask-SQLAlchemy; found by itself when it is set up already.
        :param socketio: the host's Flask-SocketIO, for live pages by socket; without it they poll.
        :param access: who may do what: a policy, a callable ``(user, permission, target) -> bool``, or an import
            string.
        :param url_prefix: where the panel lies; ``""`` for the root of an app that is made for it.
        :param celery: the host's Celery app, for ``STASK_ENGINE = "celery"``.
        :raises ConfigError: names the setting or argument and what it may be.
        """
        if EXTENSION_KEY in app.extensions:
            raise ConfigError("stask-web is already set up on this app. Call init_app once, in one place.")
        settings = load_settings(app.config, Path(app.instance_path))
        access = access if access is not None else settings.access
        if access is None:
            raise ConfigError(
                "Say who may use the panel: STask(app, access=...) with a RolePolicy, an AccessPolicy or a callable "
                "(user, permission, target) -> bool. Without it nothing is shown to anybody."
            )
        if settings.engine == "celery":
            raise ConfigError("STASK_ENGINE is 'celery', which this version does not have yet. Use 'database'.")
        if settings.journal == "database":
            raise ConfigError("STASK_JOURNAL is 'database', which this version does not have yet. Use 'file'.")
        host_db = db if db is not None else app.extensions.get("sqlalchemy")
        state = _make_state(app, settings, host_db)
        state.policy = load_policy(access)
        state.socketio = socketio
        state.tasks = Tasks(state, _engine(app, state))
        state.roster = Roster(state)
        state.schedules = Schedules(state)
        app.extensions[EXTENSION_KEY] = self
        app.extensions[STATE_KEY] = state
        _keep_migrations_apart(app)
        _add_to_host(app, state, url_prefix)

    # -- tasks

    def create(
        self,
        identifier: str,
        action: str,
        data: Mapping[str, Any] | None = None,
        priority: str | None = None,
        user_id: Any = None,
        *,
        session: Any = None,
        start_at: datetime | float | None = None,
    ) -> Task:
        """Create a task; see :meth:`stask_web.tasks.Tasks.create`. It is durable when this returns.

        :param identifier: the worker's.
        :param action: the action, in any spelling.
        :param data: its options.
        :param priority: high, normal or low; by default the action's.
        :param user_id: who starts it.
        :param session: join this session's transaction instead.
        :param start_at: not before then.
        :raises STaskError: its subclasses say which worker, action or option is wrong.
        """
        task: Task = _tasks().create(identifier, action, data, priority, user_id, session=session, start_at=start_at)
        return task

    def create_many(
        self,
        identifier: str,
        action: str,
        items: Iterable[Mapping[str, Any] | None],
        priority: str | None = None,
        user_id: Any = None,
        *,
        session: Any = None,
        start_at: datetime | float | None = None,
    ) -> list[int]:
        """Create a task for each item of options, all or none, in one transaction -> their ids.

        Many times as fast as :meth:`create` for each.
        """
        return _tasks().create_many(identifier, action, items, priority, user_id, session=session, start_at=start_at)

    def get(self, task_id: int) -> Task | None:
        """The task of that id, or None."""
        return task_or_none(current_state().database, task_id)

    def process_pending_tasks(self, batch_size: int = 10) -> int:
        """Run waiting tasks here and now, in the order of priority.

        :param batch_size: how many at most.
        :returns: how many completed.
        """
        from .engines.inline import process_pending

        return process_pending(_app(), batch_size)

    def execute(self, task: Task) -> bool:
        """Run one waiting task here and now -> whether it completed; ``task`` is brought up to date."""
        from .engines.inline import execute

        return execute(_app(), task)

    def get_pending_tasks(self, limit: int = 20) -> list[Task]:
        """Waiting tasks in the order in which they start."""
        tasks: list[Task] = _tasks().pending(limit)
        return tasks

    def get_stats(self) -> dict[str, int]:
        """How many tasks are pending, running, completed, failed, cancelled, and total."""
        return _tasks().stats()

    def cancel(self, task: Task | int, by: str | None = None) -> Task:
        """Withdraw a waiting task or ask a running one to stop."""
        return _tasks().cancel(task, by)

    def retry(self, task: Task | int) -> Task:
        """Start a failed or cancelled task again."""
        return _tasks().retry(task)

    def log(self, task: Task, level: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        """Write a line to a task's log. Levels: debug, info, warning, error."""
        _tasks().log(task, level, message, context)

    def clean_old_tasks(self, days: float = 30, status: Statuses | None = None) -> int:
        """Delete tasks that ended more than ``days`` days ago, with attempts, logs, results and uploads -> how many.

        A file that a kept task uses stays; waiting and running tasks are never touched. See
        :mod:`stask_web.pruning` for what is promised.

        :param status: only these ends: ``Status.COMPLETED``, ``"failed"``, or several; by default all.
        """
        return _tasks().clean_old_tasks(days, status)

    def clean_old_logs(self, days: float = 30) -> int:
        """Remove logs of ended tasks older than ``days`` days -> how many."""
        return _tasks().clean_old_logs(days)

    # -- schedules

    @property
    def schedules(self) -> Schedules:
        """The schedules of the current app: ``create``, ``update``, ``enable``, ``disable``, ``remove``, ``run_now``,
        ``all``, ``next_runs``."""
        schedules: Schedules = current_state().schedules
        return schedules

    # -- workers

    def discover_workers(self) -> list[WorkerRecord]:
        """Register worker classes that are new -> those."""
        return _roster().discover()

    def rescan_workers(self) -> list[WorkerRecord]:
        """Bring the registered workers' texts up to date -> those that changed."""
        return _roster().rescan()

    def clean_orphaned_workers(self) -> int:
        """Forget workers whose class no longer exists -> how many."""
        return _roster().clean_orphaned()

    def get_workers(self, active_only: bool = False) -> list[WorkerRecord]:
        """The registered workers by scope and identifier."""
        return _roster().all(active_only=active_only)

    def get_worker(self, identifier: str) -> WorkerRecord | None:
        """One registered worker, or None."""
        return _roster().get(identifier)

    def activate_worker(self, identifier: str) -> WorkerRecord:
        """Turn a worker on."""
        return _roster().set_active(identifier, True)

    def deactivate_worker(self, identifier: str) -> WorkerRecord:
        """Turn a worker off: it gets no new tasks."""
        return _roster().set_active(identifier, False)


class _Waking:
    """The embedded engine as the web process sees it: other processes run the tasks, here they are only woken."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.at_once = False

    def created(self, ids: Sequence[int]) -> None:
        wake(self._state)

    def cancelled(self, task_id: int) -> None:
        self.created([task_id])


class _Inline:
    """``STASK_ENGINE=inline``: a task runs at once, where it is created; one with a time waits for it."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.at_once = True

    def created(self, ids: Sequence[int]) -> None:
        from .engines.inline import execute_id

        for task_id in ids:
            execute_id(self._app, task_id, early=False)

    def cancelled(self, task_id: int) -> None:
        """The action sees it at its next sign of progress."""


def _engine(app: Flask, state: State) -> Engine:
    return _Inline(app) if state.settings.engine == "inline" else _Waking(state)


def _make_state(app: Flask, settings: Settings, host_db: Any) -> State:
    database = _open(app, settings, host_db)
    database.patience = partial(patience, database, host_db)
    assert settings.storage is not None
    storage = Storage(settings.storage)
    secret_keys = [app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or [])]
    state = State(
        app_name=app.name,
        settings=settings,
        database=database,
        storage=storage,
        registry=Registry(settings.worker_packages),
        vault=Vault([key for key in secret_keys if key]),
        journals=Journals(storage.journal, cap=settings.log_cap, line_cap=settings.line_cap),
        host_db=host_db,
        _app=weakref.ref(app),
    )
    state.services = AppServices(state)
    return state


def _open(app: Flask, settings: Settings, host_db: Any) -> Database:
    """Open our database: STASK_DATABASE_URI, the host's bind of our name, or the host's default one."""
    folder = Path(app.instance_path)
    if host_db is None:
        return open_database(settings.database_uri, None, sync=settings.sqlite_sync, folder=folder)
    with app.app_context():
        engines = host_db.engines
    bound = engines.get(BIND_KEY)
    if bound is not None and settings.database_uri:
        raise ConfigError(
            f"STASK_DATABASE_URI and the bind {BIND_KEY!r} of SQLALCHEMY_BINDS both name our database. Keep one."
        )
    if bound is not None:
        entry = app.config["SQLALCHEMY_BINDS"][BIND_KEY]
        options = entry if isinstance(entry, Mapping) else {}
    else:
        options = dict(getattr(host_db, "_engine_options", {})) | app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {})
    database = open_database(
        settings.database_uri,
        bound or engines.get(None),
        sync=settings.sqlite_sync,
        host_arguments=options.get("connect_args"),
        folder=folder,
    )
    engines.setdefault(BIND_KEY, database.engine)
    return database


def _keep_migrations_apart(app: Flask) -> None:
    """Let the host's Flask-Migrate neither create nor drop our tables."""
    migrate = app.extensions.get("migrate")
    if migrate is None:
        return
    ours = {*Base.metadata.tables, VERSION_TABLE}
    before = migrate.configure_args.get("include_name")

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "table" and name in ours:
            return False
        return before is None or bool(before(name, kind, parents))

    migrate.configure_args["include_name"] = include_name


def _add_to_host(app: Flask, state: State, url_prefix: str) -> None:
    from .cli import stask_group
    from .views import create_blueprint, template_globals

    prefix = f"/{url_prefix.strip('/')}".rstrip("/")
    app.register_blueprint(create_blueprint(state, prefix), url_prefix=prefix or None)
    app.jinja_env.globals.update(template_globals(state))
    app.cli.add_command(stask_group)
    if state.socketio is not None:
        from .sockets import register

        register(state.socketio, app, state)


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined, no-any-return]


def _tasks() -> Tasks:
    tasks: Tasks = current_state().tasks
    return tasks


def _roster() -> Roster:
    roster: Roster = current_state().roster
    return roster


def _current() -> STask:
    state_of(_app())
    extension: STask = current_app.extensions[EXTENSION_KEY]
    return extension


#: The extension of the current app, as ``flask.current_app`` is the app.
stask: STask = LocalProxy(_current)  # type: ignore[assignment]
