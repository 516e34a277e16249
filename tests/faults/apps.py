"""A small app with workers that misbehave, and a worker process for it: ``python apps.py FOLDER CONCURRENCY``.

Actions tell what they do by files in a folder, so that tests wait for events.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, SecretStr

from stask_web import AccessPolicy, BaseWorker, STask, TaskFailed, TaskInterrupt

db = SQLAlchemy()


class Row(db.Model):  # type: ignore[name-defined, misc]
    """A row of the host's."""

    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String(50))


def note(options: Any, name: str, text: str = "") -> None:
    """Leave a line in a file of the test's folder."""
    with open(Path(options["notes"]) / name, "a", encoding="utf-8") as file:
        file.write(text + "\n")


class OnePerson(AccessPolicy):
    """Everybody is Ann, who may do everything."""

    def current_user(self) -> str:
        return "ann"

    def user_id(self, user: str) -> str:
        return user

    def may(self, user: str, permission: str, target: Any = None) -> bool:
        return True


class Faulty(BaseWorker):
    """Every way to go wrong."""

    identifier = "faulty"
    title = "Faulty"

    def task_nothing(self, task: Any, options: Any) -> None:
        """Do nothing."""

    def task_note(self, task: Any, options: Any) -> None:
        note(options, "ran", f"{task.id} {task.attempt_no}")

    def task_sleep(self, task: Any, options: Any) -> None:
        note(options, "started", f"{os.getpid()} {task.id}")
        until = time.monotonic() + options.get("seconds", 1.0)
        while time.monotonic() < until and not (Path(options["notes"]) / "enough").exists():
            time.sleep(0.02)
            self.push_progress(task, message="sleeping")
        note(options, "finished", str(task.id))

    def task_rows(self, task: Any, options: Any) -> None:
        note(options, "started", str(os.getpid()))
        for number in self.track(task, range(options["rows"]), message="Working"):
            self.count(task, done=1)
            if number % 7 == 3:
                self.reject(task, "it is a seventh", {"number": number}, line=number + 1)
            time.sleep(options.get("pause", 0))

    def task_exit(self, task: Any, options: Any) -> None:
        note(options, "ran", str(task.attempt_no))
        os._exit(0)

    def task_die(self, task: Any, options: Any) -> None:
        note(options, "ran", str(task.attempt_no))
        print("last words", flush=True)
        if task.attempt_no < options.get("lives", 2):
            os.kill(os.getpid(), signal.SIGKILL)

    def task_segfault(self, task: Any, options: Any) -> None:
        ctypes.string_at(0)

    def task_raise(self, task: Any, options: Any) -> None:
        kinds: dict[str, BaseException] = {
            "value": ValueError("broken"),
            "exit": SystemExit(0),
            "keyboard": KeyboardInterrupt(),
            "nul": ValueError("a\x00b\ud800c"),
            "long": ValueError("x" * 10_000_000),
            "str": Unspeakable(),
            "failed": TaskFailed("The shop is closed."),
        }
        if options.get("before"):
            self.mark_finished(task, message=options["before"])
        raise kinds[options["kind"]]

    def task_swallow(self, task: Any, options: Any) -> None:
        """Written in the guide's way."""
        note(options, "started", str(os.getpid()))
        try:
            for number in range(10_000):
                time.sleep(0.01)
                self.push_progress(task, processed=number, total=10_000)
            self.mark_finished(task)
        except Exception as error:
            self.mark_failed(task, str(error))

    def task_deaf(self, task: Any, options: Any) -> None:
        """Ignores every wish to end."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(options, "started", str(os.getpid()))
        while True:
            time.sleep(0.05)

    def task_busy(self, task: Any, options: Any) -> None:
        """Never tells anything; a signal ends it."""
        note(options, "started", str(os.getpid()))
        try:
            time.sleep(3600)
        finally:
            note(options, "cleaned")

    def task_hog(self, task: Any, options: Any) -> None:
        """Hold SQLite's write lock in one long transaction, as an import does."""
        note(options, "started", str(os.getpid()))
        db.session.add(Row(text="first"))
        db.session.flush()
        until = time.monotonic() + options["seconds"]
        number = 0
        while time.monotonic() < until:
            number += 1
            time.sleep(0.02)
            self.push_progress(task, processed=number, message="holding")
        db.session.commit()

    def task_uncommitted(self, task: Any, options: Any) -> None:
        db.session.add(Row(text="never"))
        db.session.flush()

    def task_writes(self, task: Any, options: Any) -> None:
        """Write in one of many ways, and leave it uncommitted."""
        table: Any = Row.__table__
        insert = sa.insert(table).values(text="never")
        inserted = insert.returning(table.c.id).cte("inserted")
        ways = {
            "object": lambda: db.session.add(Row(text="never")),
            "core": lambda: db.session.execute(insert),
            "connection": lambda: db.session.connection().execute(insert),
            "driver": lambda: db.session.connection().exec_driver_sql("INSERT INTO row (text) VALUES ('never')"),
            "text": lambda: db.session.execute(sa.text("/* of ours */ INSERT INTO \"row\" (text) VALUES ('never')")),
            "bulk": lambda: db.session.bulk_save_objects([Row(text="never")]),
            "cte": lambda: db.session.execute(sa.select(inserted.c.id)),
            "update": lambda: db.session.execute(sa.update(table).values(text="never")),
            "nested": lambda: db.session.begin_nested().session.execute(insert),
            "none": lambda: db.session.execute(sa.select(table)).all(),
            "committed": lambda: (db.session.execute(insert.values(text="kept")), db.session.commit()),
            "later": lambda: (db.session.commit(), db.session.connection().execute(sa.select(table)).all()),
        }
        for way in options["ways"]:
            ways[way]()

    def task_hold(self, task: Any, options: Any) -> None:
        """Write, and keep the transaction open while something happens to the database."""
        pid = db.session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
        db.session.add(Row(text="never"))
        db.session.flush()
        note(options, "started", str(pid))
        while not (Path(options["notes"]) / "enough").exists():
            time.sleep(0.02)

    def task_untidy(self, task: Any, options: Any) -> None:
        """Tell how the process is, then change all of it."""
        umask = os.umask(0o777)
        os.umask(umask)
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
        state = [os.getcwd(), umask, os.environ.get("UNTIDY"), os.environ["PATH"], "/untidy" in sys.path, str(handlers)]
        note(options, "state", json.dumps([*state, type(sys.stdout).__name__, os.getpid()]))
        folder = Path(options["notes"]) / "gone"
        folder.mkdir()
        os.chdir(folder)
        folder.rmdir()
        os.umask(0o777)
        os.environ["UNTIDY"] = os.environ["PATH"] = "/untidy"
        sys.path.append("/untidy")
        sys.stdout = io.StringIO()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if options.get("thread"):
            threading.Thread(target=time.sleep, args=(600,), name="importer-1").start()
            threading.Thread(target=time.sleep, args=(600,), name="quiet", daemon=True).start()

    def task_family(self, task: Any, options: Any) -> None:
        """Leave a daemon behind, out of the group and the session."""
        place = str(Path(options["notes"]) / "daemon")
        code = f"import os, time; os.setsid(); open({place!r}, 'w').write(str(os.getpid())); time.sleep(600)"
        middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])"
        subprocess.run([sys.executable, "-c", middle], check=True)
        while not (Path(options["notes"]) / "daemon").exists():
            time.sleep(0.01)
        note(options, "started", str(os.getpid()))
        time.sleep(options.get("seconds", 0))

    def task_pool(self, task: Any, options: Any) -> None:
        """A process pool, which ends its processes by SIGTERM; and a fork that comes back into our code."""
        with multiprocessing.get_context("fork").Pool(2) as pool:
            note(options, "ran", str(sum(pool.map(abs, range(-10, 0)))))
        if os.fork() == 0:
            raise ValueError("in the fork")
        os.wait()

    def task_print(self, task: Any, options: Any) -> None:
        print("from print")
        os.write(2, b"from fd 2\n")
        logging.getLogger("shop").info("from %s", "logging")
        subprocess.run(["echo", "from a child"], check=True)
        print("without end", end="")

    def task_loggers(self, task: Any, options: Any) -> None:
        """Log by every kind of logger, each line once."""
        separate, own, level, quiet, plain = (
            logging.getLogger(f"faulty.{name}") for name in ("separate", "own", "level", "quiet", "plain")
        )
        separate.propagate = False
        separate.info("by one that does not propagate")
        if not own.handlers:
            own.addHandler(logging.StreamHandler(sys.stderr))
        own.warning("by one with a handler")
        level.setLevel(logging.DEBUG)
        level.debug("UNSEEN")
        level.info("by one with a level")
        quiet.setLevel(logging.ERROR)
        quiet.warning("UNSEEN")
        plain.info("by a plain one")
        logging.info("by the root")
        current_app.logger.info("by the app's")
        current_app.logger.error("by the app's error")
        warnings.simplefilter("default")
        warnings.warn("by a warning", stacklevel=1)
        logging.captureWarnings(True)
        warnings.warn("by a captured warning", stacklevel=1)
        logging.captureWarnings(False)
        thread = threading.Thread(target=plain.info, args=("by a thread",))
        thread.start()
        thread.join()
        print("by print")
        logging.getLogger().setLevel(logging.CRITICAL)
        logging.disable(logging.ERROR)

    def task_endless(self, task: Any, options: Any) -> None:
        """Print for ever, as fast as it goes."""
        note(options, "started")
        while True:
            os.write(1, b"again\n" * 5000)

    def task_flood(self, task: Any, options: Any) -> None:
        for _ in range(options["lines"]):
            os.write(1, b"x" * options["length"] + b"\n")

    def task_interrupts(self, task: Any, options: Any) -> None:
        """Says that it was interrupted, which nobody has done."""
        note(options, "ran", str(task.id))
        raise TaskInterrupt(options["kind"])

    def task_infinite(self, task: Any, options: Any) -> None:
        self.push_progress(task, processed=10**30, total=10**31, eta=1e300)

    def task_unfit(self, task: Any, options: Any) -> None:
        """Leaves what no column of a database holds."""
        task._run.warnings = 2**70

    def task_vanish(self, task: Any, options: Any) -> None:
        path = self.result_path(task, "gone.csv")
        path.write_text("a\n")
        self.mark_finished(task, result=path, message="Made a file")
        path.unlink()

    def task_odd_names(self, task: Any, options: Any) -> None:
        """A file whose name is not UTF-8, and contexts that are no JSON."""
        self.result_path(task, "good.csv").write_text("a\n")
        folder = os.fsencode(self.result_path(task, "good.csv").parent)
        with open(folder + b"/\xff\xfe.csv", "w", encoding="utf-8") as file:
            file.write("a\n")
        ring: dict[Any, Any] = {}
        ring["self"] = ring
        for number, context in enumerate(({(1, 2): Unspeakable()}, ring, [1, 2]), 1):
            self.log(task, "info", f"odd {number}", context)  # type: ignore[arg-type]

    def task_odd_result(self, task: Any, options: Any) -> None:
        folder = os.fsencode(self.result_path(task, "x").parent)
        path = folder + b"/\xff\xfe.csv"
        with open(path, "w", encoding="utf-8") as file:
            file.write("a\n")
        self.mark_finished(task, result=os.fsdecode(path))

    async def task_coroutine(self, task: Any, options: Any) -> None:
        await asyncio.sleep(0)
        note(options, "ran", str(task.id))

    def task_yields(self, task: Any, options: Any) -> Iterator[int]:
        yield 1


class KeeperOptions(BaseModel):
    """One secret that is given, one that has a default."""

    token: SecretStr
    spare: SecretStr = SecretStr("spare-7rt/5")
    how: str = "say"
    notes: str = ""


class KeeperSettings(BaseModel):
    """The same of settings."""

    api_key: SecretStr = SecretStr("unset-key-55")
    other: SecretStr = SecretStr("other-key-66")


class Keeper(BaseWorker):
    """Tells all of its secrets."""

    identifier = "keeper"
    title = "Keeper"
    Settings = KeeperSettings

    def task_tell(self, task: Any, options: KeeperOptions) -> None:
        secrets = [options.token, options.spare, self.config.api_key, self.config.other]
        stored = self.services.stored_config("faulty").get("found")
        texts = [secret.get_secret_value() for secret in (*secrets, *([stored] if stored else []))]
        said = f"{texts} {' '.join(texts)} {json.dumps(texts)}"
        print(said, flush=True)
        self.log(task, "info", said, {"texts": ValueError(said), said: 1})
        self.push_progress(task, processed=1, total=2, message=said)
        if options.how == "wait":
            note(options.model_dump(), "started")
            while not (Path(options.notes) / "enough").exists():
                time.sleep(0.02)
        if options.how == "die":
            self.set_config("api_key", SecretStr("renewed-key-8"))
            os.write(2, f"{said} renewed-key-8\nthe end\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        if options.how == "raise":
            raise KeyError(said)
        if options.how == "fail":
            raise TaskFailed(said)
        self.mark_finished(task, message=said)


class Unspeakable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def make_app(folder: Path, **config: Any) -> Flask:
    """An app on a SQLite file in a folder, or on STASK_TEST_DATABASE."""
    app = Flask("faults", instance_path=str(folder))
    uri = os.environ.get("STASK_TEST_DATABASE") or f"sqlite:///{folder}/test.db"
    app.config.update(
        SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=uri, STASK_AUTO_ACTIVATE=True, STASK_STORAGE=str(folder / "stask")
    )
    settings = folder / "settings.json"
    if settings.exists():
        app.config.update(json.loads(settings.read_text()))
    app.config.update(config)
    db.init_app(app)
    STask(app, db=db, access=lambda user, permission, target: True)
    app.extensions["stask_state"].registry.add(Faulty)
    app.extensions["stask_state"].registry.add(Keeper)
    return app


if __name__ == "__main__":
    from stask_web.engines.supervisor import Supervisor

    app = make_app(Path(sys.argv[1]))
    logging.basicConfig(level=app.config.get("LOG_LEVEL", logging.INFO), format="%(asctime)s %(message)s")
    logging.disable(app.config.get("LOG_DISABLE", logging.NOTSET))
    raise SystemExit(Supervisor(app, concurrency=int(sys.argv[2])).run())
