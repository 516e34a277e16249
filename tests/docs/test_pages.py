"""What the pages on access, embedding and operations say is true, and their code runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from flask import Flask, render_template_string

from stask_web import AccessPolicy, BaseWorker, RolePolicy, STask, Task, signals, stask
from stask_web.access import PERMISSIONS, ROLES
from stask_web.claims import CRASH_LIMIT, LONGEST_BACKOFF
from stask_web.config import load_settings
from stask_web.database import VERSION_TABLE, upgrade
from stask_web.models import Base
from stask_web.paths import PACKAGE, TEMPLATES
from stask_web.pruning import BATCH
from stask_web.rules import read_rule
from stask_web.schedules.firing import CATCH_UP
from stask_web.standalone import limits
from stask_web.state import state_of
from stask_web.status import Status
from stask_web.testing import run_action

from .conftest import Reader
from .pages import ROOT, blocks, commands, read, rows, section

ACCESS, EMBEDDING, OPERATIONS = "docs/access.md", "docs/embedding.md", "docs/operations.md"
#: Programs in examples that are not ours.
NOT_OURS = ("sqlite3",)


class StockWorker(BaseWorker):
    """The one that operations.md schedules."""

    identifier = "stock"
    title = "Stock"

    def task_sync(self, task: Any, options: dict[str, Any]) -> None:
        """Do nothing."""


def set_up(reader: Reader, **options: Any) -> None:
    """Put stask-web into the reader's site."""
    app = reader.app
    app.config["STASK_AUTO_ACTIVATE"] = True
    STask().init_app(app, db=app.extensions["test_db"], access=lambda user, permission, target: True, **options)
    upgrade(state_of(app).database)
    state_of(app).registry.add(StockWorker)
    with app.app_context():
        stask.discover_workers()


def read_page(reader: Reader, page: str) -> None:
    """Run all code of a page in its order."""
    for block in blocks(page, "python"):
        reader.run_code(block)


# Access


def test_the_roles_may_what_the_page_says() -> None:
    table = [row for row in rows(section(ACCESS, "Permissions")) if len(row) == 5]
    assert [row[0].strip("`") for row in table] == sorted(PERMISSIONS, key=[r[0].strip("`") for r in table].index)
    assert len(table) == len(PERMISSIONS)
    for column, role in enumerate(("viewer", "operator", "admin"), 2):
        assert {row[0].strip("`") for row in table if row[column] == "yes"} == ROLES[role]
        assert {row[column] for row in table} <= {"yes", "no"}


def test_reserved_permissions_are_those_that_no_page_asks_for() -> None:
    sources = [*(PACKAGE / "views").glob("*.py"), PACKAGE / "sockets.py", *TEMPLATES.rglob("*.html")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for row in rows(section(ACCESS, "Permissions")):
        name = row[0].strip("`")
        asked = re.search(rf"""(?:may|need|the_task|the_worker)\([^)]*["']{name}["']""", code) is not None
        assert asked is not row[1].startswith("reserved"), name


def test_every_method_of_a_policy_is_documented() -> None:
    told = {row[0].strip("`").partition("(")[0] for row in rows(section(ACCESS, "A policy of your own"))}
    real = {name for name, value in vars(AccessPolicy).items() if callable(value) and not name.startswith("_")}
    assert told == real


def test_the_policies_of_the_page_decide_as_it_says(reader: Reader) -> None:
    set_up(reader)
    reader.names.update(signed_in_person=lambda: None, name_of=str)
    read_page(reader, ACCESS)
    ada = SimpleNamespace(id=1, name="Ada", role="editor", is_head=False)
    olena = SimpleNamespace(id=2, name="Olena", role=None, is_head=True)
    policy: RolePolicy = reader.names["policy"]
    assert [policy.role_of(one) for one in (ada, olena)] == ["operator", "viewer"]
    payroll = SimpleNamespace(identifier="payroll")
    may = reader.names["may"]
    assert [may(one, "launch", payroll) for one in (ada, olena)] == [False, True]
    assert may(ada, "launch", StockWorker) and not may(ada, "cancel", StockWorker)
    own: AccessPolicy = reader.names["Departments"]()
    theirs = Task(identifier="stock", action="sync", started_by=2)
    assert [own.may(one, "view", theirs) for one in (ada, olena)] == [False, True]
    assert not own.may(olena, "audit", None)


def test_sign_in_is_slowed_down_as_the_page_says() -> None:
    told = section(ACCESS, "The standalone panel")
    assert (limits.PER_PAIR, limits.PER_ADDRESS, limits.PER_NAME, limits.WINDOW) == (5, 25, 50, 300.0)
    assert "after 5 in 5 minutes for a name from one address, 25 from one address, or 50 for one name" in told


# Embedding


def test_every_argument_is_documented() -> None:
    import inspect

    names = set(inspect.signature(STask.init_app).parameters) - {"self", "app"}
    assert {row[0].strip("`") for row in rows(section(EMBEDDING, "What is added, and what is left alone"))} == names


def test_the_code_on_embedding_runs(reader: Reader, folder: Path) -> None:
    sent: list[str] = []
    reader.names.update(send_mail=sent.append, policy=RolePolicy("role"))
    read_page(reader, EMBEDDING)
    assert reader.app.extensions["stask"] is not None
    assert state_of(reader.app).socketio is reader.names["socketio"]
    worker = type("Failing", (StockWorker,), {"task_sync": lambda self, task, options: self.mark_failed(task, "No.")})
    run_action(reader.app, worker, "sync")
    assert sent == ["stock.sync: No."]
    signals.task_failed.disconnect(reader.names["tell_the_team"])


def test_every_signal_is_documented() -> None:
    real = {name for name, value in vars(signals).items() if isinstance(value, signals.NamedSignal)}
    assert {row[0].strip("`") for row in rows(section(EMBEDDING, "Signals"))} == real


def html(section_name: str) -> list[str]:
    """The HTML examples below a heading."""
    return [block.text for block in blocks(EMBEDDING, "html") if block.section == section_name]


def test_the_layout_of_the_page_holds_the_panel(reader: Reader, folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "base.html").write_text(html("Your layout")[0])
    reader.app.config["STASK_BASE_TEMPLATE"] = "base.html"
    set_up(reader)
    page = signed_in(reader.app).get("/stask/")
    assert page.status_code == 200
    assert "<header>The shop</header>" in page.text
    assert 'class="stask is-embedded is-panel"' in page.text


def signed_in(app: Flask) -> Any:
    """A browser with somebody in it."""
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = "Olena", True
    return client


def test_widgets_and_progress_stand_on_a_page_of_the_host(reader: Reader, folder: Path) -> None:
    """With the worker and the widget template of the page, in the host's own folder."""
    page, template = html("Widgets and progress on your pages")
    (folder / "templates" / "stock").mkdir(parents=True)
    (folder / "templates" / "stock" / "widget.html").write_text(template)
    set_up(reader)
    (code,) = (block for block in blocks(EMBEDDING, "python") if "render_widget" in block.text)
    reader.names.update(task_sync=StockWorker.task_sync)
    reader.run_code(code)
    with reader.app.app_context():
        task = state_of(reader.app).database
        assert task is not None
        made = run_action(reader.app, StockWorker, "sync").task
        state_of(reader.app).registry.add(reader.names["StockWorker"])

    def shown() -> str:
        return render_template_string(page.replace('"product"', '"stock"'), task=made)

    reader.app.add_url_rule("/mine", "mine", shown)
    text = signed_in(reader.app).get("/mine").text
    assert "3 products are out of stock" in text
    assert f'data-task="{made.id}"' in text
    assert "stask.css" in text
    assert "out of stock" not in reader.app.test_client().get("/mine").text


def test_the_parts_for_own_widgets_are_there() -> None:
    named = re.search(r"\{# For a worker's own widget: .*? import (.+?) %\}", read("templates/stask_web/widget.html"))
    assert named is not None
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(str(TEMPLATES)), autoescape=True)
    source = read("templates/stask_web/widget.html")
    macros = set(re.findall(r"\{% macro (\w+)\(", source))
    assert set(named[1].split(", ")) <= macros | set(environment.globals)


def test_the_entry_point_is_read_by_discovery() -> None:
    from stask_web.discovery import GROUP

    (block,) = blocks(EMBEDDING, "toml")
    assert list(tomllib.loads(block.text)["project"]["entry-points"]) == [GROUP]


# Operations


def test_the_code_on_operations_runs(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(reader)
    read_page(reader, OPERATIONS)
    assert "Europe/Kyiv" in capsys.readouterr().out
    with reader.app.app_context():
        own = {schedule.identifier: schedule.words for schedule in stask.schedules.all()}
    assert own.keys() == {"stock", "feed"}
    assert "06:30" in own["feed"]


def test_the_rules_of_schedules_can_be_read() -> None:
    import json

    examples = [json.loads(row[1].strip("`")) for row in rows(section(OPERATIONS, "Schedules")) if "{" in row[1]]
    assert {read_rule(rule).data["type"] for rule in examples} == {"manual", "once", "periodic", "regular", "cron"}


def test_every_table_is_documented() -> None:
    told = {name for row in rows(section(OPERATIONS, "Tables")) for name in re.findall(r"`(\w+)`", row[0])}
    assert told == {*Base.metadata.tables, VERSION_TABLE}


def test_every_status_is_documented() -> None:
    told = {(int(row[0]), row[1]) for row in rows(section(OPERATIONS, "Statuses"))}
    assert told == {(int(status), status.text) for status in Status}


def test_every_folder_is_documented(reader: Reader) -> None:
    set_up(reader)
    storage = state_of(reader.app).storage
    storage.prepare()
    told = {row[0].strip("`/") for row in rows(section(OPERATIONS, "Storage"))}
    assert told == {path.name for path in storage.root.iterdir()}


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    page = read(OPERATIONS)
    assert CRASH_LIMIT == 3 and "the third death in all ends it" in page
    assert LONGEST_BACKOFF == 3600 and "an hour at most" in page
    assert BATCH == 1000 and "at most 1,000 tasks in a transaction" in page
    assert CATCH_UP == 600 and "less than 10 minutes late" in page
    settings = load_settings({})
    readme = read("README.md")
    assert (settings.cancel_grace, settings.kill_grace) == (10, 5)
    assert "SIGTERM after 10 s and SIGKILL 5 s later" in readme
    assert settings.drain == 30 and "the 30 s that running" in readme
    assert settings.max_attempts == 3 and "three times in all" in readme


@pytest.mark.parametrize("page", [ACCESS, EMBEDDING, OPERATIONS, "docs/settings.md", "docs/routes.md"])
def test_commands_on_the_page_run(reader: Reader, page: str) -> None:
    set_up(reader)
    for block in blocks(page, "sh"):
        for command in commands(block):
            if command.split()[0] not in NOT_OURS:
                reader.run_command(command)


def test_the_settings_of_the_page_are_taken(reader: Reader) -> None:
    read_page(reader, "docs/settings.md")
    settings = load_settings(reader.app.config)
    assert (settings.drain, settings.worker_packages) == (60, ("shop.workers",))


def test_benchmarks_that_are_named_are_there() -> None:
    for name in re.findall(r"`(?:python -m )?(benchmarks\.\w+)`", read(OPERATIONS)):
        assert (ROOT / f"{name.replace('.', '/')}.py").is_file()
