"""The web process of ``flask stask up``: gunicorn with threads, serving the app that flask was given.

Run as ``python -m stask_web.cli.web``; it takes a listening socket over from its parent, so that connections wait
instead of failing while it restarts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import threading
from collections.abc import Sequence
from typing import Any

from flask.cli import ScriptInfo
from gunicorn.app.base import BaseApplication

from .lifeline import tie_to_parent

THREADS = 128
#: Seconds that requests get to end after SIGTERM. Live connections never end by themselves: they are cut then.
GRACE = 1.5


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn, set up for one app.

    :param app: what ``flask --app`` was given, or None for wsgi.py or app.py.
    :param fd: the listening socket.
    :param ready: where to write a byte when the app is loaded.
    """

    def __init__(self, app: str | None, fd: int, ready: int | None) -> None:
        self._app = app
        self._fd = fd
        self._ready = ready
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        options = {
            "bind": [f"fd://{self._fd}"],
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "graceful_timeout": 3,
            "loglevel": "warning",
            "control_socket_disable": True,
            "post_fork": self._after_fork,
            "post_worker_init": self._after_load,
        }
        for key, value in options.items():
            # Older gunicorns know no control socket.
            if key in self.cfg.settings:
                self.cfg.set(key, value)

    def load(self) -> Any:
        """Load the app, anew in each web process."""
        return ScriptInfo(app_import_path=self._app).load_app()

    def _after_fork(self, arbiter: Any, worker: Any) -> None:
        tie_to_parent(worker.ppid, signal.SIGKILL)

    def _after_load(self, worker: Any) -> None:
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            _end_in_time(sig)
        if self._ready is not None:
            with contextlib.suppress(OSError):
                os.write(self._ready, b"1")


def _end_in_time(sig: signal.Signals) -> None:
    """Let a stop signal do what gunicorn does with it, and end this process after the grace time in any case."""
    usual = signal.getsignal(sig)

    def stop(number: int, frame: Any) -> None:
        timer = threading.Timer(GRACE, os._exit, (0,))
        timer.daemon = True
        timer.start()
        if callable(usual):
            usual(number, frame)

    signal.signal(sig, stop)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until a signal says to stop."""
    parser = argparse.ArgumentParser(prog="stask_web.cli.web")
    parser.add_argument("--app")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--ready", type=int)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args(argv)
    tie_to_parent(options.parent)
    WebServer(options.app, options.fd, options.ready).run()


if __name__ == "__main__":
    main()
