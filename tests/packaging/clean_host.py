"""Run by ``test_wheel`` in a clean environment outside the checkout: a host of ten lines, one page, its stylesheet.

Writes what it saw, as JSON, to the file named in its first argument; the same of the standalone panel. It is no test
module, and imports nothing but the wheel and what it depends on.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import stask_web
from stask_web import AccessPolicy, STask
from stask_web.paths import STATIC, TEMPLATES


class Everyone(AccessPolicy):
    """A policy that knows one user, who may do everything."""

    def current_user(self) -> object:
        return "ann"

    def user_id(self, user: object) -> str:
        return "ann"

    def may(self, user: object, permission: str, target: object = None) -> bool:
        return True


def make_host(folder: Path) -> Flask:
    """Make the smallest host app that embeds the panel."""
    app = Flask(__name__, instance_path=str(folder))
    app.config.update(SECRET_KEY="x" * 32, SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'host.db'}", TESTING=True)
    db = SQLAlchemy(app)
    STask().init_app(app, db=db, access=Everyone())
    return app


def look(app: Flask, address: str) -> dict[str, object]:
    """Make the tables by the command, open a page, fetch what it links to."""
    made = app.test_cli_runner().invoke(args=["stask", "init-db"])
    client = app.test_client()
    page = client.get(address, follow_redirects=True)
    links = re.findall(r'(?:href|src)="([^"]+\.(?:css|js))[^"]*"', page.text)
    return {
        "init_db": [made.exit_code, made.output],
        "page": [page.status_code, page.mimetype, page.text],
        "links": {link: client.get(link).status_code for link in links},
    }


if __name__ == "__main__":
    here = Path.cwd()
    alone = stask_web.create_app({"INSTANCE": str(here / "alone"), "TESTING": True})
    answer = {
        "files": [stask_web.__file__, str(TEMPLATES), str(STATIC)],
        "embedded": look(make_host(here), "/stask/"),
        "alone": look(alone, "/"),
    }
    Path(sys.argv[1]).write_text(json.dumps(answer))
