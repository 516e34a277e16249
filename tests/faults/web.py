"""A web server that may be killed: ``python -m tests.faults.web FOLDER``. It leaves its port in the file ``port``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from flask import Flask
from pydantic import BaseModel

from stask_web import BaseWorker, Upload
from stask_web.state import state_of

from .apps import OnePerson, make_app


class Options(BaseModel):
    """One file."""

    file: Annotated[Path, Upload(".csv")]


class Reader(BaseWorker):
    """Takes a table."""

    identifier = "reader"

    def task_read(self, task: Any, options: Options) -> None:
        """Read it."""


def prepare(app: Flask) -> Flask:
    """Let everybody in, and know the worker."""
    state = state_of(app)
    state.policy = OnePerson()
    state.registry.add(Reader)
    app.config["WTF_CSRF_ENABLED"] = False
    return app


if __name__ == "__main__":
    from werkzeug.serving import make_server

    folder = Path(sys.argv[1])
    server = make_server("127.0.0.1", 0, prepare(make_app(folder)), threaded=True)
    (folder / "port.new").write_text(str(server.port))
    (folder / "port.new").rename(folder / "port")
    server.serve_forever()
