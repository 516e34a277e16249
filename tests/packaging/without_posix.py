"""A site on a Python that has nothing of POSIX, as on Windows: ``python without_posix.py FOLDER``; prints what it did.

The libraries are imported before that is taken away: they find their own way there. Locks are those of a stand-in for
``msvcrt``, which keeps them in memory.
"""

from __future__ import annotations

import builtins
import json
import os
import select
import signal
import socket
import sys
import time
import types
from pathlib import Path
from typing import Any

# What a site loads beside us, and what the standard library makes of it.
import flask
import flask_sqlalchemy
import pydantic

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "gunicorn", "_posixsubprocess", "syslog")
NAMES: dict[Any, tuple[str, ...]] = {
    os: (
        "fork", "forkpty", "setsid", "killpg", "getpgid", "setpgid", "getuid", "geteuid", "getgid", "uname", "pread",
        "pwrite", "preadv", "fchmod", "fchown", "chown", "sysconf", "getloadavg", "mkfifo", "nice",
        "sched_getaffinity", "sched_yield", "set_blocking", "register_at_fork", "sync", "fdatasync", "posix_spawn",
        "posix_fadvise", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "WNOHANG", "WIFEXITED",
        "wait", "wait3", "wait4",
    ),
    signal: (
        "SIGKILL", "SIGHUP", "SIGCHLD", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT", "SIGTSTP",
        "SIGPIPE", "SIGWINCH", "setitimer", "alarm", "pause", "pthread_sigmask", "pthread_kill", "sigwait",
    ),
    socket: ("AF_UNIX", "socketpair"),
    select: ("poll", "epoll"),
    time: ("tzset",),
}  # fmt: skip


def make_it_so() -> types.ModuleType:
    """Take away what is POSIX; gives the stand-in for msvcrt."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in NAMES.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    os.O_BINARY = 0  # type: ignore[attr-defined]
    held: dict[tuple[int, int], int] = {}
    locks = types.ModuleType("msvcrt")
    locks.LK_NBLCK, locks.LK_UNLCK, locks.held = 2, 0, held  # type: ignore[attr-defined]

    def locking(fd: int, how: int, count: int) -> None:
        assert count == 1 and os.lseek(fd, 0, os.SEEK_CUR) > 2**32, "a locked place must not be one of the file's own"
        file = os.fstat(fd).st_dev, os.fstat(fd).st_ino
        if how == locks.LK_UNLCK:
            del held[file]
        elif file in held:
            raise PermissionError(13, "Permission denied")
        else:
            held[file] = fd

    locks.locking = locking  # type: ignore[attr-defined]
    sys.modules["msvcrt"] = locks
    remove, replace, rename, close = os.unlink, os.replace, os.rename, os.close

    def let_go(fd: int) -> None:
        for file in [file for file, holder in held.items() if holder == fd]:
            del held[file]
        close(fd)

    os.close = let_go

    def refuse_open(path: Any) -> None:
        with_it = [fd for fd in _descriptors() if _names(fd) == os.path.abspath(path)]
        if with_it:
            raise PermissionError(32, "The process cannot access the file because it is being used", str(path))

    def unlink(path: Any, **more: Any) -> None:
        refuse_open(path)
        remove(path, **more)

    def put(source: Any, target: Any, **more: Any) -> None:
        refuse_open(source)
        refuse_open(target)
        replace(source, target, **more)

    def move(source: Any, target: Any, **more: Any) -> None:
        if os.path.exists(target):
            raise FileExistsError(17, "Cannot create a file when that file already exists", str(target))
        refuse_open(source)
        rename(source, target, **more)

    os.unlink = os.remove = unlink  # type: ignore[assignment]
    os.replace, os.rename = put, move
    return locks


def _descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _names(fd: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None


def main(folder: Path) -> None:
    """Make a site, create a task, draw the dashboard, take an upload, read and shorten a log, run inline."""
    locks = make_it_so()
    from typing import Annotated

    from stask_web import BaseWorker, RolePolicy, STask, Upload, stask
    from stask_web.state import state_of

    builtins.__dict__.update(Path=Path, Annotated=Annotated, Upload=Upload)

    class Options(pydantic.BaseModel):
        file: Annotated[Path, Upload(".csv")]

    class LoadWorker(BaseWorker):
        identifier, title = "load", "Load"

        def task_load(self, task: Any, options: Options) -> None:
            task.logger().log("info", "loading")
            self.mark_finished(task, None, f"{options.file.stat().st_size} bytes")

    LoadWorker.task_load.__annotations__["options"] = Options

    class Everybody(RolePolicy):
        def current_user(self) -> Any:
            return types.SimpleNamespace(id=1, name="Anna", role="admin")

    app = flask.Flask("site", instance_path=str(folder))
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite:///site.db", WTF_CSRF_ENABLED=False)
    app.config.update(STASK_LOG_CAP=8192, TESTING=True)
    STask(app, db=flask_sqlalchemy.SQLAlchemy(app), access=Everybody("role"))
    state = state_of(app)
    state.registry.add(LoadWorker)
    runner, client, said = app.test_cli_runner(), app.test_client(), {}
    for command in ("init-db", "activate load", "workers", "health", "--help", "work", "up", "work --help"):
        result = runner.invoke(args=["stask", *command.split()])
        said[command] = (result.exit_code, result.output)
    begun = client.post("/stask/workers/load/uploads", json=dict(action="load", field="file", name="NUL.csv", size=4))
    token = begun.get_json()["token"]
    said["chunk"] = client.put(f"/stask/uploads/{token}/0", data=b"a\n1\n").get_json()
    said["finish"] = client.post(f"/stask/uploads/{token}/finish").get_json()
    launched = client.post("/stask/workers/load/run/load", data={"file__upload": token})
    said["launch"] = (launched.status_code, launched.headers.get("Location"))
    with app.app_context():
        made = stask.create("load", "load", {"file": __file__})
        for number in range(200):
            stask.log(made, "info", f"line {number} {'x' * 60}")
        said["log"] = [line["message"].split()[1] for line in made.get_logs()[-2:]]
        said["size"] = state.journals.of(made.id).size()
    pages = (
        "",
        "tasks",
        "workers",
        "workers/load",
        "workers/load/run/load",
        f"tasks/{made.id}",
        "schedules",
        "statistics",
    )
    pages += ("statistics", "system", "live?stats=1", f"tasks/{made.id}/log/download", "static/css/stask.css", "health")
    said["pages"] = {page: client.get(f"/stask/{page}", buffered=True).status_code for page in pages}
    with app.app_context():
        said["run"] = stask.process_pending_tasks()
        said["told"] = [task.message for task in stask.get_pending_tasks()]
        made.clear_logs()
        said["cleared"] = len(made.get_logs())
    said["held"] = len(locks.held)
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
