"""The commands: what they print, and that a failure is one line and a code other than 0."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from pydantic import BaseModel

from stask_web import BaseWorker, STask, TaskFailed, Upload
from stask_web.cli.group import COMMANDS
from stask_web.cli.tasks import read_options
from stask_web.cli.watch import _Plain, bar
from stask_web.models import Task
from stask_web.state import state_of
from stask_web.status import Status

Invoke = Callable[..., Result]


class GreetWorker(BaseWorker):
    """Says hello, or fails, as it is told."""

    identifier = "greet"
    title = "Greetings"

    def task_hello(self, task: Any, options: dict[str, Any]) -> None:
        """Greets."""
        task.logger().log("info", "about to greet")
        self.mark_finished(task, None, f"Hello {options.get('name', 'world')}")

    def task_leave(self, task: Any, options: Any) -> None:
        raise KeyboardInterrupt

    def task_sulk(self, task: Any, options: dict[str, Any]) -> None:
        """Fails."""
        raise TaskFailed("Not today.")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """A host without tables."""
    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(TESTING=True, SECRET_KEY="test", STASK_DATABASE_URI=f"sqlite:///{tmp_path / 'stask.db'}")
    STask(app, access=lambda user, permission, target: True)
    state_of(app).registry.add(GreetWorker)
    yield app
    state_of(app).database.engine.dispose()


@pytest.fixture
def bare(app: Flask) -> Invoke:
    """Runs ``flask stask ...`` on an app without tables."""
    return lambda *args, **more: app.test_cli_runner().invoke(args=["stask", *args], **more)


@pytest.fixture
def run(app: Flask, bare: Invoke) -> Invoke:
    """Runs ``flask stask ...`` on an app with tables, whose worker is on."""
    assert bare("init-db").exit_code == 0
    assert bare("activate", "greet").exit_code == 0
    return bare


def failed(result: Result, words: str) -> bool:
    """Whether it failed with one line that has these words."""
    lines = result.stderr.strip().splitlines()
    return result.exit_code != 0 and len(lines) == 1 and words in lines[0]


def test_init_db_makes_the_tables_turns_on_wal_and_says_so(bare: Invoke, tmp_path: Path) -> None:
    result = bare("init-db")
    assert result.exit_code == 0
    assert "Created the tables" in result.output
    assert "WAL" in result.output
    with sa.create_engine(f"sqlite:///{tmp_path / 'stask.db'}").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert sa.inspect(connection).has_table("s_tasks")


def test_init_db_a_second_time_changes_nothing(bare: Invoke) -> None:
    bare("init-db")
    assert json.loads(bare("init-db", "--json").output) == {"ready": True, "changes": []}


#: What each command needs to be called; others are called by their name alone.
NEEDED = {
    "activate": "greet", "deactivate": "greet", "create": "greet hello", "run": "greet hello", "show": "1", "log": "1",
    "cancel": "1", "retry": "1",
}  # fmt: skip
#: These make the tables, or are for a panel with accounts only.
READY = {"init-db", "up", "user"}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - READY))
def test_every_command_without_tables_says_what_to_run_in_one_line(bare: Invoke, command: str) -> None:
    result = bare(command, *NEEDED.get(command, "").split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: The tables of stask-web are missing or old. Run: flask stask init-db\n"


def test_discover_registers_new_workers_turned_off(bare: Invoke) -> None:
    bare("init-db")
    result = bare("discover")
    assert result.exit_code == 0
    assert "New: greet, Greetings (off)" in result.output
    assert "flask stask activate greet" in result.output
    assert "No new worker." in bare("discover").output


def test_discover_names_broken_modules_with_their_reason_and_fails(tmp_path: Path, monkeypatch: Any) -> None:
    package = tmp_path / "shaky_workers"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("1 / 0\n")
    (package / "sound.py").write_text(
        textwrap.dedent("""
        from stask_web import BaseWorker

        class SoundWorker(BaseWorker):
            identifier = "sound"

            def task_ping(self, task, options):
                pass
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="test", STASK_DATABASE_URI=f"sqlite:///{tmp_path / 'stask.db'}")
    app.config["STASK_WORKER_PACKAGES"] = ["shaky_workers"]
    STask(app, access=lambda user, permission, target: True)
    invoke = app.test_cli_runner().invoke
    invoke(args=["stask", "init-db"])
    result = invoke(args=["stask", "discover", "--json"])
    state_of(app).database.engine.dispose()
    found = json.loads(result.stdout)
    assert [worker["identifier"] for worker in found["new"]] == ["sound"]
    assert [item["name"] for item in found["broken"]] == ["shaky_workers.broken"]
    assert failed(result, "ZeroDivisionError")


def test_workers_lists_actions_and_state(run: Invoke) -> None:
    [worker] = json.loads(run("workers", "--json").output)
    assert worker["identifier"] == "greet"
    assert worker["active"] is True
    assert set(worker["actions"]) == {"hello", "leave", "sulk"}
    assert "greet" in run("workers").output


def test_a_worker_that_is_turned_off_gets_no_task(run: Invoke) -> None:
    assert run("deactivate", "greet").exit_code == 0
    assert failed(run("create", "greet", "hello"), "turned off")
    assert run("activate", "greet").exit_code == 0
    assert run("create", "greet", "hello").exit_code == 0


def test_create_queues_a_task_with_its_options(run: Invoke, app: Flask) -> None:
    result = run("create", "greet", "hello", "--option", "name=Ada", "--priority", "high", "--json")
    told = json.loads(result.output)
    with app.app_context():
        task = Task.get(told["id"])
    assert task is not None
    assert (task.status, task.priority, task.meta) == (Status.PENDING, "high", {"name": "Ada"})


def test_run_here_runs_in_this_process_and_says_how_it_ended(run: Invoke) -> None:
    result = run("run", "greet", "hello", "--option", "name=Ada", "--here")
    assert (result.exit_code, result.output.strip()) == (0, "Hello: Hello Ada")


def test_run_here_of_a_task_that_fails_fails(run: Invoke) -> None:
    assert failed(run("run", "greet", "sulk", "--here"), "Not today.")


def test_ctrl_c_in_a_run_here_stops_the_task_and_ends_the_command(run: Invoke, app: Flask) -> None:
    result = run("run", "greet", "leave", "--here")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.strip().endswith("It was interrupted from the keyboard")
    assert json.loads(run("show", "1", "--json").output)["status_text"] == "cancelled"


def test_a_running_task_is_shown_with_the_numbers_of_its_journal(run: Invoke, app: Flask) -> None:
    run("create", "greet", "hello")
    state = state_of(app)
    with state.database.write() as connection:
        connection.execute(sa.update(Task).values(status=Status.RUNNING, attempt_no=1, lane=None))
    told = {"progress": 37, "processed": 1204, "total": 3201, "message": "Greeting"}
    state.journals.of(1).write([{"t": time.time(), "a": 1, "k": "progress", "p": told}])
    assert json.loads(run("show", "1", "--json").output)["processed"] == 1204
    assert json.loads(run("tasks", "--json").output)[0]["message"] == "Greeting"


def test_run_here_prints_one_json_document(run: Invoke) -> None:
    told = json.loads(run("run", "greet", "hello", "--data", '{"name": "Bo"}', "--here", "--json").stdout)
    assert (told["status_text"], told["message"]) == ("completed", "Hello Bo")


def finish_soon(app: Flask, status: Status, message: str) -> threading.Thread:
    """A worker's part, played by a thread: ends the first task that waits."""

    def play() -> None:
        database = state_of(app).database
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with database.write() as connection:
                change = sa.update(Task).where(Task.status == Status.PENDING)
                if connection.execute(change.values(status=status, message=message, finished_at=time.time())).rowcount:
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=play)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("status", "code"), [(Status.COMPLETED, 0), (Status.FAILED, 1), (Status.CANCELLED, 1)], ids=str
)
def test_run_wait_exits_with_0_only_when_the_task_completed(run: Invoke, app: Flask, status: Status, code: int) -> None:
    thread = finish_soon(app, status, "So it ended.")
    result = run("run", "greet", "hello", "--wait")
    thread.join()
    assert result.exit_code == code
    assert "No worker process is running" in result.stdout
    assert ("So it ended." in result.output) is (status != Status.CANCELLED)


def test_unknown_names_and_bad_options_are_one_line(run: Invoke) -> None:
    assert failed(run("run", "greeet", "hello"), "Did you mean 'greet'?")
    assert failed(run("run", "greet", "shout"), "hello")
    assert failed(run("run", "greet", "hello", "--option", "name"), "NAME=VALUE")
    assert failed(run("run", "greet", "hello", "--data", "{"), "no JSON")
    assert failed(run("run", "greet", "hello", "--data", "[1]"), "JSON object")
    assert failed(run("show", "99"), "no task 99")


def test_options_come_from_data_and_over_it_one_by_one() -> None:
    assert read_options(("a=1", "b=x=y", "a=2"), '{"b": 0, "c": true}') == {"a": ["1", "2"], "b": "x=y", "c": True}


def test_cancel_and_retry(run: Invoke) -> None:
    run("create", "greet", "hello")
    assert json.loads(run("cancel", "1", "--json").output)["status_text"] == "cancelled"
    assert failed(run("cancel", "1"), "nothing to stop")
    assert json.loads(run("retry", "1", "--json").output)["status_text"] == "pending"
    assert failed(run("retry", "1"), "retried")


def test_tasks_and_show_tell_how_it_went(run: Invoke) -> None:
    run("run", "greet", "hello", "--here")
    run("run", "greet", "sulk", "--here")
    assert [task["id"] for task in json.loads(run("tasks", "--json").output)] == [2, 1]
    assert [task["id"] for task in json.loads(run("tasks", "--status", "failed", "--json").output)] == [2]
    assert "Not today." in run("tasks").output
    told = json.loads(run("show", "1", "--json").output)
    assert [(attempt["number"], attempt["outcome"]) for attempt in told["attempts"]] == [(1, "completed")]
    assert "Hello world" in run("show", "1").output


def test_log_prints_the_journal_and_follow_ends_with_the_task(run: Invoke) -> None:
    run("run", "greet", "hello", "--here")
    assert "about to greet" in run("log", "1").output
    assert "about to greet" in run("log", "1", "--follow").output
    lines = json.loads(run("log", "1", "--json").output)
    assert "about to greet" in [line["message"] for line in lines]
    followed = run("log", "1", "--follow", "--json")
    assert [json.loads(line) for line in followed.output.splitlines()] == lines


def test_log_follow_fails_with_a_task_that_fails_and_its_lines_stay_json(run: Invoke) -> None:
    run("run", "greet", "sulk", "--here")
    plain = run("log", "1", "--follow")
    assert plain.exit_code == 1 and "Not today." in plain.stderr
    followed = run("log", "1", "--follow", "--json")
    assert followed.exit_code == 1 and "Not today." in followed.stderr
    assert all(json.loads(line)["kind"] for line in followed.stdout.splitlines())


def test_a_long_line_is_one_line_also_while_it_is_followed(run: Invoke, app: Flask) -> None:
    run("run", "greet", "hello", "--here")
    texts = ["a" * 20_000, "b" * 300_000, "short"]
    journal = state_of(app).journals.of(1)
    for text in texts:
        journal.log("info", text)
    told = [json.loads(line)["message"] for line in run("log", "1", "--follow", "--json").output.splitlines()]
    assert told[-3:] == texts
    assert [line[17:] for line in run("log", "1", "--follow").output.splitlines()[-3:]] == texts


def test_prune_deletes_what_is_old_enough(run: Invoke) -> None:
    run("run", "greet", "hello", "--here")
    assert json.loads(run("prune", "--json").output) == {"deleted": 0}
    assert json.loads(run("prune", "--days", "0", "--status", "failed", "--json").output) == {"deleted": 0}
    assert run("prune", "--status", "running").exit_code == 2
    assert json.loads(run("prune", "--days", "0", "--status", "completed", "--json").output) == {"deleted": 1}
    assert json.loads(run("tasks", "--json").output) == []


def test_health_fails_when_tasks_wait_and_no_process_is_alive(run: Invoke) -> None:
    assert run("health").exit_code == 0
    run("create", "greet", "hello")
    result = run("health", "--json")
    assert json.loads(result.stdout)["ok"] is False
    assert failed(result, "no worker process is alive")


def test_user_on_a_host_says_that_accounts_are_the_hosts(run: Invoke) -> None:
    for command in (("list",), ("add", "ada"), ("link", "ada"), ("remove", "ada")):
        assert failed(run("user", *command), "accounts of its own")


def test_up_needs_an_import_name(run: Invoke) -> None:
    assert failed(run("up"), "flask --app NAME stask up")


def test_a_bar_is_as_wide_as_it_says() -> None:
    assert [bar(value, 4) for value in (None, 0, 50, 100)] == ["░░░░", "░░░░", "██░░", "████"]


@pytest.mark.skipif(sys.platform == "win32", reason="no worker on Windows")
def test_every_command_has_help_and_all_but_the_servers_json(app: Flask) -> None:
    from stask_web.cli import load, stask_group
    from stask_web.cli.group import COMMANDS

    load()
    assert set(stask_group.commands) == set(COMMANDS)
    commands = {name: command for name, command in stask_group.commands.items() if name != "user"}
    for name, command in commands.items():
        assert command.help, name
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in options) is (name not in ("work", "up")), name


@pytest.mark.parametrize(
    "line",
    [
        *("cancel 99999999999999999999", "retry 99999999999999999999", "show 99999999999999999999"),
        *("log 99999999999999999999", "tasks --limit 99999999999999999999"),
        *("prune --days nan", "prune --days 1e400", "prune --days=-1", "prune --days 99999"),
    ],
)
def test_numbers_that_cannot_be_are_refused_in_words(run: Invoke, line: str) -> None:
    result = run(*line.split())
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.strip()


class PricesOptions(BaseModel):
    """A file and a number."""

    file: Annotated[Path, Upload(".csv")]
    pause: float = 0.0


class PricesWorker(BaseWorker):
    """Reads a file."""

    identifier = "prices"

    def task_load(self, task: Any, options: PricesOptions) -> None:
        """Prints, and says what it read."""
        print("printed by the action")
        self.mark_finished(task, message=f"Read {options.file.read_text()}")


def test_a_file_of_the_command_line_is_that_of_its_own_folder(
    run: Invoke, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_of(app).registry.add(PricesWorker)
    assert run("activate", "prices").exit_code == 0
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "list.csv").write_text("it")
    monkeypatch.chdir(tmp_path / "sub")
    made = json.loads(run("create", "prices", "load", "--option", "file=list.csv", "--json").stdout)
    with app.app_context():
        assert state_of(app).tasks.get(made["id"]).meta["file"] == str(tmp_path / "sub" / "list.csv")
    assert failed(run("create", "prices", "load", "--option", "file=nope.csv"), "--option file: there is no file")


def test_an_option_that_there_is_not_is_said_with_what_it_may_mean(run: Invoke, app: Flask, tmp_path: Path) -> None:
    state_of(app).registry.add(PricesWorker)
    assert run("activate", "prices").exit_code == 0
    result = run("create", "prices", "load", "--data", json.dumps({"file": __file__, "paus": 1}))
    assert failed(result, "--option paus: there is no such option; did you mean 'pause'?")


def test_json_of_a_run_here_is_one_document(run: Invoke, app: Flask, tmp_path: Path) -> None:
    state_of(app).registry.add(PricesWorker)
    assert run("activate", "prices").exit_code == 0
    (tmp_path / "list.csv").write_text("it")
    result = run("run", "prices", "load", "--here", "--json", "--option", f"file={tmp_path / 'list.csv'}")
    assert json.loads(result.stdout)["message"] == "Read it"
    assert "printed by the action" in result.stderr


def test_work_says_that_it_works(run: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stask_web.engines.supervisor.Supervisor.run", lambda self: 0)
    assert "Running tasks in 2 processes. Ctrl-C stops." in run("work", "--concurrency", "2").stderr


def test_a_run_off_a_terminal_says_each_thing_once(capsys: pytest.CaptureFixture[str]) -> None:
    plain = _Plain()
    for text in ("Number 2 in the queue", "Number 2 in the queue", "Starts next"):
        plain._next = 0.0
        plain.show((text, text))
    assert capsys.readouterr().out.splitlines() == ["Number 2 in the queue", "Starts next"]
