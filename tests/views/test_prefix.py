"""Where the panel lies: below a prefix, at the root of an app made for it, and the app itself below a mount."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from stask_web import STask
from stask_web.database import upgrade
from stask_web.state import state_of

from .conftest import HeaderPolicy, ProductWorker

#: Attributes that hold an address. A key of the keyboard may be a slash, too.
ADDRESS = re.compile(r'(?:href|src|action|data-(?!key)[a-z-]+|name="next" value)="(/[^"]+)"')
ADMIN = {"X-User": "admin"}


class Mounted:
    """A host with a panel, and a browser that sees it through a mount.

    :param prefix: the panel's ``url_prefix``.
    :param mount: the path at which the app is mounted, ``""`` for none.
    """

    def __init__(self, folder: Path, prefix: str, mount: str) -> None:
        (folder / "static").mkdir()
        (folder / "static" / "host.css").write_text("the host's")
        self.app = Flask("host", instance_path=str(folder), root_path=str(folder))
        self.app.config.update(SECRET_KEY="x", WTF_CSRF_ENABLED=False)
        self.app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / 'host.db'}"
        self.app.add_url_rule("/about", "about", lambda: "the host's own page")
        socketio = SocketIO(self.app, async_mode="threading")
        STask(self.app, db=SQLAlchemy(self.app), socketio=socketio, access=HeaderPolicy(), url_prefix=prefix)
        self.state = state_of(self.app)
        with self.app.app_context():
            upgrade(self.state.database)
            self.state.storage.prepare()
            self.state.registry.add(ProductWorker)
            self.state.roster.set_active("product", True)
            self.task = self.state.tasks.create("product", "sync_stock").id
        outside: Callable[..., Any] = lambda environ, start: (start("418 Outside", []), [b""])[1]  # noqa: E731
        self.client = Client(DispatcherMiddleware(outside, {mount: self.app}) if mount else self.app.wsgi_app)
        self.mount = mount
        self.home = mount + (f"/{prefix.strip('/')}" if prefix.strip("/") else "")

    def pages(self, most: int = 70) -> dict[str, Any]:
        """Everything that can be reached from the dashboard by links, styles and scripts: address -> answer."""
        seen: dict[str, Any] = {}
        todo = [f"{self.home}/"]
        while todo and len(seen) < most:
            address = todo.pop(0)
            if address in seen:
                continue
            answer = seen[address] = self.client.get(address, headers=ADMIN, buffered=True)
            if answer.mimetype == "text/html":
                todo += [found.replace("&amp;", "&").split("#")[0] for found in ADDRESS.findall(answer.text)]
        return seen


@pytest.fixture(scope="module", params=[("", ""), ("/", "/tools"), ("/stask", "/tools"), ("staff/jobs/", "")], ids=str)
def mounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    prefix, mount = request.param
    mounted = Mounted(tmp_path_factory.mktemp("mounted"), prefix, mount)
    yield mounted
    mounted.state.database.engine.dispose()
    with mounted.app.app_context():
        mounted.app.extensions["sqlalchemy"].engine.dispose()


def test_every_address_of_every_page_lies_below_the_panel_and_answers(mounted: Mounted) -> None:
    pages = mounted.pages()
    assert all(address.startswith(f"{mounted.home}/") for address in pages if "socket.io" not in address)
    files = {address: answer for address, answer in pages.items() if re.search(r"\.(css|js|svg)$", address)}
    assert len(files) > 5 and {answer.status_code for answer in files.values()} == {200}
    drawn = [answer for answer in pages.values() if answer.mimetype == "text/html" and answer.status_code == 200]
    assert len(drawn) > 10
    # Buttons' addresses take no GET, and the log of task 0 is only a pattern for scripts.
    lost = [address for address, answer in pages.items() if answer.status_code in (404, 418)]
    assert [address for address in lost if not re.search(r"tasks/0/log|socket\.io|discover|rescan", address)] == []


def test_the_hosts_pages_and_files_stay_its_own(mounted: Mounted) -> None:
    assert mounted.client.get(f"{mounted.mount}/about").text == "the host's own page"
    assert mounted.client.get(f"{mounted.mount}/static/host.css").text == "the host's"


def test_answers_lead_to_places_below_the_mount(mounted: Mounted) -> None:
    client, home = mounted.client, mounted.home
    launched = client.post(f"{home}/workers/product/run/sync_stock", headers=ADMIN)
    assert launched.status_code == 303 and launched.headers["Location"].startswith(f"{home}/tasks/")
    stopped = client.post(f"{home}/tasks/{mounted.task}/cancel", headers=ADMIN)
    assert stopped.status_code == 303 and stopped.headers["Location"].startswith(f"{home}/")
    language = client.post(f"{home}/language", data={"language": "uk", "next": f"{home}/tasks?x=1"}, headers=ADMIN)
    assert language.headers["Location"] == f"{home}/tasks?x=1"
    anonymous = client.get(f"{home}/tasks?status=failed")
    assert anonymous.headers["Location"].endswith(f"next={home}/tasks?status=failed")


def test_scripts_are_told_where_sockets_parts_and_uploads_are(mounted: Mounted) -> None:
    page = mounted.client.get(f"{mounted.home}/", headers=ADMIN).text
    assert f'data-socket-path="{mounted.mount}/socket.io"' in page
    assert f'data-live="{mounted.home}/live"' in page
    answer = mounted.client.get(f"{mounted.mount}/socket.io/?EIO=4&transport=polling")
    assert answer.status_code == 200 and answer.text.startswith("0{")
    begun = mounted.client.post(
        f"{mounted.home}/workers/product/uploads",
        json={"action": "import", "field": "file", "name": "a.csv", "size": 3},
        headers=ADMIN,
    )
    assert begun.status_code == 201 and begun.get_json()["url"].startswith(f"{mounted.home}/uploads/")
    sent = mounted.client.put(f"{begun.get_json()['url']}/0", data=b"a\n1", headers=ADMIN)
    assert sent.get_json() == {"received": 3}


def test_without_a_prefix_our_files_lie_beside_the_hosts(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path, "", "")
    rules = {rule.endpoint: rule.rule for rule in mounted.app.url_map.iter_rules()}
    assert rules["stask.static"] == "/stask-static/<path:filename>"
    assert rules["static"] == "/static/<path:filename>"


def test_a_row_that_is_kept_of_one_mount_is_not_shown_below_another(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path, "", "/tools")
    inside = mounted.client.get("/tools/tasks", headers=ADMIN).text
    direct = Client(mounted.app.wsgi_app).get("/tasks", headers=ADMIN).text
    assert f'href="/tools/tasks/{mounted.task}"' in inside
    assert f'href="/tasks/{mounted.task}"' in direct and "/tools/" not in direct
