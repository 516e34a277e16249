"""The README is true: each code block runs, each command does what it says, the twelve lines work for real."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web import STask
from stask_web.cli import load, stask_group
from stask_web.models import Task
from stask_web.testing import run_action

from .conftest import Person, Reader
from .pages import ROOT, Block, blocks, commands

#: Commands that other tests run, and where.
ELSEWHERE = {
    "make run": "tests/packaging/test_make_run.py",
    "pip install ./stask-web": "tests/packaging/test_wheel.py",
}
#: Commands that go on until they are stopped, or need such a one: run for real further below.
RUNS_ON = re.compile(r"stask up$|--wait$")
GETTING_STARTED = ("Install it in your site", "The first worker")


@pytest.fixture
def read_all(reader: Reader, folder: Path) -> Reader:
    """Somebody who has done everything that the README says, in its order."""
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    first = next(block for block in blocks("README.md", "python") if "HelloWorker" in block.text)
    (folder / "shop" / "workers.py").write_text(first.text)
    db = reader.app.extensions["test_db"]
    reader.names["Order"] = type("Order", (db.Model,), {"number": sa.Column(sa.String, primary_key=True)})
    with reader.app.app_context():
        db.create_all()
    for block in blocks("README.md", "python", "sh"):
        if block.kind == "python":
            reader.run_code(block)
        else:
            follow(reader, block)
    return reader


def follow(reader: Reader, block: Block) -> None:
    """Run what can be run of a shell block."""
    for command in commands(block):
        if command in ELSEWHERE:
            assert (ROOT / ELSEWHERE[command]).is_file()
        elif not RUNS_ON.search(command):
            reader.work()
            reader.run_command(command)


def test_all_of_it_works_in_its_order(read_all: Reader) -> None:
    with read_all.app.app_context():
        assert Task.by_identifier("hello").count() == 2
        assert {task.message for task in Task.by_identifier("hello")} == {"Everybody was greeted"}


def test_the_task_came_with_the_order(read_all: Reader) -> None:
    with read_all.app.app_context():
        db, order = read_all.names["db"], read_all.names["Order"]
        assert db.session.scalar(sa.select(order.number)) == "2026-117"
        (task,) = Task.by_identifier("mail").by_action("confirm")
        assert task.meta == {"order": "2026-117"}


@pytest.mark.parametrize(
    ("worker", "action", "ends"),
    [
        ("MailWorker", "newsletter", ""),
        ("CacheWorker", "rebuild", ""),
        ("ReportWorker", "sales", "The report is ready"),
        ("StockWorker", "sync", ""),
    ],
)
def test_each_worker_of_a_recipe_runs(read_all: Reader, worker: str, action: str, ends: str) -> None:
    run = run_action(read_all.app, read_all.names[worker], action)
    assert run.ok, run.log
    assert run.message == ends


def test_the_report_can_be_downloaded(read_all: Reader) -> None:
    run = run_action(read_all.app, read_all.names["ReportWorker"], "sales")
    assert run.files["sales.csv"].read_text() == "Lamp,3\nChair,1\n"


def test_the_newsletter_starts_once(read_all: Reader) -> None:
    spec = read_all.names["MailWorker"]().spec("newsletter")
    assert (spec.max_attempts, spec.unique, bool(spec.confirm)) == (1, True, True)


def test_a_failed_warehouse_is_told_in_a_sentence(read_all: Reader) -> None:
    def closed() -> list[Any]:
        raise ConnectionError

    read_all.names["warehouse_items"] = closed
    run = run_action(read_all.app, read_all.names["StockWorker"], "sync")
    assert run.message == "The warehouse does not answer. What was read is saved."


def test_the_form_is_made_of_the_types(read_all: Reader) -> None:
    spec = read_all.names["ProductWorker"]().spec("import")
    kinds = {field.name: field.kind for field in spec.fields()}
    assert kinds == {
        "file": "file",
        "shop": "select",
        "mode": "select",
        "discount": "number",
        "token": "secret",
    }
    assert spec.dry_run == "dry_run"


def test_the_test_of_the_readme_passes(read_all: Reader, tmp_path: Path) -> None:
    read_all.names["test_a_row_without_a_name_is_refused"](read_all.app, tmp_path)


def test_the_policy_of_the_readme_gives_roles(read_all: Reader) -> None:
    policy = read_all.names["ShopPolicy"]()
    people = [Person("Olena", "staff"), Person("Marek", "staff"), Person("Ivan", "guest")]
    assert [policy.role_of(person) for person in people] == ["admin", "operator", "viewer"]


def test_the_panel_is_drawn_inside_the_base_template(host: Flask, folder: Path) -> None:
    """The two blocks that the README names are all that a base template needs."""
    (folder / "templates").mkdir()
    (folder / "templates" / "base.html").write_text(
        "<!doctype html><title>{% block title %}{% endblock %}</title><h1>My shop</h1>{% block content %}{% endblock %}"
    )
    (block,) = (block for block in blocks("README.md", "python") if "BASE_TEMPLATE" in block.text)
    exec(block.text, {"app": host})
    host.config["STASK_ACCESS"] = lambda user, permission, target: True
    STask().init_app(host, db=host.extensions["test_db"])
    assert host.test_cli_runner().invoke(args=["stask", "init-db"]).exit_code == 0
    client = host.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = "Olena", True
    page = client.get("/stask/")
    assert page.status_code == 200
    assert "<h1>My shop</h1>" in page.text
    assert "<title>Dashboard" in page.text


# In production


def units() -> list[str]:
    """The command lines of the systemd units."""
    found = [
        match
        for block in blocks("README.md", "ini")
        for match in re.findall(r"^ExecStart(?:Pre)?=(.+)$", block.text, re.MULTILINE)
    ]
    assert len(found) == 3
    return found


@pytest.mark.parametrize("line", units(), ids=lambda line: line.split()[0].rpartition("/")[2])
def test_the_units_start_what_there_is(line: str, folder: Path) -> None:
    program, *words = shlex.split(line)
    if program.endswith("/flask"):
        name, *options = words[words.index("stask") + 1 :]
        load(name)
        command = stask_group.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {option for option in options if option.startswith("-")} <= known
        return
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "app.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    check = [sys.executable, "-m", "gunicorn", "--check-config", *words]
    done = subprocess.run(check, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_worker_has_time_to_drain_before_systemd_kills_it() -> None:
    (worker,) = (block.text for block in blocks("README.md", "ini") if "stask work" in block.text)
    stop = re.search(r"TimeoutStopSec=(\d+)", worker)
    from stask_web.config import load_settings

    assert stop is not None
    assert int(stop[1]) > load_settings({}).drain
    assert "KillMode=mixed" in worker


def test_nginx_hands_sockets_on() -> None:
    (block,) = blocks("README.md", "nginx")
    place = block.text[block.text.index("location /socket.io/") :]
    assert 'proxy_set_header Connection "upgrade";' in place
    assert "proxy_set_header Upgrade $http_upgrade;" in place


# For real

APP = """\
from flask import Flask
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config.update(SECRET_KEY="not so secret", SQLALCHEMY_DATABASE_URI="sqlite:///shop.db")
db = SQLAlchemy(app)
login = LoginManager(app)
login.user_loader(lambda name: None)

"""


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    """The environment of a reader's terminal."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("FLASK", "STASK", "PYTHON", "PORT", "INSTANCE"))
    }
    return {**clean, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1"}


def argv(command: str) -> tuple[list[str], dict[str, str]]:
    """A command line for this Python, and the variables that it sets."""
    words = shlex.split(command)
    variables = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    assert words[0] == "flask"
    return [sys.executable, "-m", *words], variables


@contextmanager
def up(command: str, folder: Path, environ: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What ``flask stask up`` serves, on a free port -> its address, and what it said until then."""
    words, variables = argv(command)
    process = subprocess.Popen(
        [*words, "--port", "0"],
        cwd=folder,
        env={**environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    try:
        while not (found := re.search(r"Running at (http://127\.0\.0\.1:\d+)", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        if "STASK_WORKER_PACKAGES" in variables:
            said += process.stdout.readline()
        yield found[1], said
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        process.stdout.close()


def status_of(address: str) -> int:
    """The HTTP status of a page."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


@pytest.fixture
def site(folder: Path) -> Path:
    """The site with the README's own lines in it, as files."""
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    three_lines, worker, *_ = (block.text for block in blocks("README.md", "python"))
    (folder / "shop" / "app.py").write_text(APP + three_lines)
    (folder / "shop" / "workers.py").write_text(worker)
    return folder


@pytest.mark.slow
def test_the_first_worker_works_for_real(site: Path, environ: dict[str, str]) -> None:
    """Every command of the first two sections, in its order, as processes of their own."""
    code = [block.text for block in blocks("README.md", "python") if block.section in GETTING_STARTED][2]
    wanted = [
        command
        for block in blocks("README.md", "sh")
        if block.section in GETTING_STARTED
        for command in commands(block)
        if command not in ELSEWHERE
    ]
    at = next(number for number, command in enumerate(wanted) if command.endswith("stask up"))
    before, after = [run(command, site, environ) for command in wanted[:at]], wanted[at + 1 :]
    assert "Everybody was greeted" in before[-1]
    with up(wanted[at], site, environ) as (address, _):
        assert status_of(f"{address}/stask/") == 401, "nobody is signed in"
        assert status_of(f"{address}/stask/health") == 200
        script = f"from shop.app import app\nwith app.app_context():\n{indented(code)}    print(task.id)\n"
        made = subprocess.run(
            [sys.executable, "-c", script], cwd=site, env=environ, capture_output=True, text=True, check=False
        )
        assert made.stdout.strip() == "2", made.stderr
        assert after and all("Everybody was greeted" in run(command, site, environ) for command in after)
        shown = run("flask --app shop.app stask show 2", site, environ)
        assert "Everybody was greeted" in shown


@pytest.mark.slow
def test_the_standalone_panel_starts_by_its_command(site: Path, environ: dict[str, str]) -> None:
    (command,) = (
        command for block in blocks("README.md", "sh") for command in commands(block) if "stask_web" in command
    )
    with up(command, site, environ) as (address, said):
        link = re.search(rf"{address}(/account/link/\S+)", said)
        assert link is not None, said
        assert status_of(address + link[1]) == 200
    assert (site / "instance" / "stask.db").is_file()


def run(command: str, folder: Path, environ: dict[str, str]) -> str:
    """Run a command to its end -> what it printed."""
    words, variables = argv(command)
    done = subprocess.run(
        words, cwd=folder, env={**environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def indented(code: str) -> str:
    """The lines of a block below a ``with``."""
    return "".join(f"    {line}\n" for line in code.splitlines())
