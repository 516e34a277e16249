"""Every command and option is on its page, and each example there runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from flask import Flask
from pydantic import BaseModel

import stask_web
from stask_web import BaseWorker, RolePolicy, STask, TaskFailed, stask
from stask_web.cli import load, stask_group
from stask_web.database import upgrade
from stask_web.state import state_of

from .conftest import Reader
from .pages import DOCS, blocks, commands, read, rows, section

PAGE = "docs/commands.md"
#: Commands that go on until they are stopped; the README's test starts them for real.
RUNS_ON = ("up", "work")


def all_commands(group: click.Group = stask_group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, e.g. ``"user add"``."""
    for name, command in group.commands.items():
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield before + name, command
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{before}{name} ")


load()
COMMANDS = dict(all_commands())


def options(command: click.Command) -> list[click.Option]:
    """The options that people see."""
    return [item for item in command.params if isinstance(item, click.Option) and not item.hidden]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented_with_all_its_options(name: str) -> None:
    told = section(PAGE, name)
    named = {option for row in rows(told) for option in re.findall(r"`(--?[\w-]+)`", row[0])}
    known = {option for item in options(COMMANDS[name]) for option in item.opts}
    assert named == known
    assert any(name in command for block in blocks(PAGE, "sh") for command in commands(block))


def test_the_page_names_no_other_command() -> None:
    heads = set(re.findall(r"^## (.+)$", read(PAGE), re.MULTILINE))
    assert heads == set(COMMANDS)
    listed = {name for row in rows(read(PAGE).partition("\n## ")[0]) for name in re.findall(r"\[`(.+?)`\]", row[0])}
    assert listed == set(COMMANDS)


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if options(command)])
def test_all_that_print_a_result_know_json(name: str) -> None:
    known = {option for item in options(COMMANDS[name]) for option in item.opts}
    assert "--json" in known or name in RUNS_ON


class ExportOptions(BaseModel):
    """Two fields."""

    format: Literal["csv", "json"] = "csv"
    active_only: bool = True


class ProductWorker(BaseWorker):
    """Of the examples."""

    identifier = "product"
    title = "Products"

    def task_export(self, task: Any, options: ExportOptions) -> None:
        """Write a file."""
        self.result_path(task, f"products.{options.format}").write_text("sku\n")
        self.log(task, "info", "Wrote a file")

    def task_import(self, task: Any, options: dict[str, Any]) -> None:
        """Fail."""
        raise TaskFailed("The file was empty.")


class MailWorker(BaseWorker):
    """Of the examples, too."""

    identifier = "mail"
    title = "Mail"

    def task_send(self, task: Any, options: dict[str, Any]) -> None:
        """Do nothing."""


@pytest.fixture
def filled(reader: Reader) -> Reader:
    """A site with a completed task 1, a failed task 2 and a waiting task 3."""
    app = reader.app
    app.config["STASK_AUTO_ACTIVATE"] = True
    STask().init_app(app, db=app.extensions["test_db"], access=RolePolicy("role"))
    upgrade(state_of(app).database)
    for worker in (ProductWorker, MailWorker):
        state_of(app).registry.add(worker)
    with app.app_context():
        stask.discover_workers()
        for action in ("export", "import"):
            assert stask.create("product", action) is not None
        stask.process_pending_tasks()
        stask.create("mail", "send")
    return reader


@pytest.fixture
def panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A standalone panel with tables."""
    for name in ("SERVER_SOFTWARE", "FLASK_RUN_FROM_CLI", "STASK_INSTANCE", "INSTANCE"):
        monkeypatch.delenv(name, raising=False)
    app = stask_web.create_app({"INSTANCE": str(tmp_path / "panel"), "TESTING": True})
    upgrade(state_of(app).database)
    yield app
    state_of(app).database.engine.dispose()
    with app.app_context():
        state_of(app).host_db.engine.dispose()


def words_of(command: str) -> list[str]:
    """The words behind ``stask``."""
    words = shlex.split(command)
    return words[words.index("stask") + 1 :]


def test_every_example_runs(filled: Reader, panel: Flask) -> None:
    """In the order of the page, in this process; examples for accounts on a standalone panel."""
    accounts = Reader.__new__(Reader)
    accounts.app = panel
    for block in blocks(PAGE, "sh"):
        for command in commands(block):
            name, *rest = words_of(command)
            if name in RUNS_ON:
                COMMANDS[name].make_context(name, rest)
                continue
            if name == "health":
                filled.work()  # it fails while a task waits and nobody is there to run it
            said = (accounts if "--app stask_web" in command else filled).run_command(command)
            if "--json" in rest:
                json.loads(said)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_commands_within_sentences_are_real(page: Path) -> None:
    """Every ``flask ... stask ...`` that a page names, and its options, exist."""
    for line in re.findall(r"`(flask [^`]*\bstask\b [^`]+)`", page.read_text(encoding="utf-8")):
        for one in re.split(r" \| ", line.partition(" stask ")[2]):
            words = one.split()
            if not words or words[0].isupper() or words[0] == "...":
                continue
            command = COMMANDS.get(" ".join(words[:2])) or stask_group.commands.get(words[0])
            assert command is not None, f"{page.name}: {line}"
            known = {option for item in command.params for option in item.opts} | {"--help"}
            assert {word for word in words if word.startswith("--")} <= known, f"{page.name}: {line}"
