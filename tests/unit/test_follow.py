"""Commands beside a task that really runs: ``log --follow`` says each line, ``run --wait`` draws one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

SITE = """
    from flask import Flask
    from pathlib import Path
    import time

    from stask_web import BaseWorker, STask, TaskFailed

    app = Flask(__name__)
    app.config.update(SECRET_KEY="x", STASK_DATABASE_URI="sqlite:///tasks.db", STASK_AUTO_ACTIVATE=True)
    app.config.update(STASK_WORKER_PACKAGES=["followed_site"])
    STask(app, access=lambda *_: True)

    class SlowWorker(BaseWorker):
        identifier, title = "slow", "Slow"

        def task_steps(self, task, options):
            task.logger().log("info", "first step")
            while not Path(options["gate"]).exists():
                self.push_progress(task, message="waiting")
                time.sleep(0.05)
            print("second step", flush=True)
            if options.get("fail"):
                raise TaskFailed("No third step.")
"""


class Running:
    """A site with a worker process, and its commands."""

    def __init__(self, folder: Path) -> None:
        (folder / "followed_site.py").write_text(textwrap.dedent(SITE))
        self.folder, self.gate = folder, folder / "gate"
        self.environ = {name: text for name, text in os.environ.items() if not name.startswith(("STASK_", "FLASK_"))}
        self.environ |= {"PYTHONPATH": str(folder)}
        self.run("init-db")
        self.worker = self.start("work", "--concurrency", "1")

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "followed_site", "stask", *args],
            cwd=self.folder, env=self.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *args: str) -> str:
        with self.start(*args) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.gate.touch()
    running.worker.terminate()
    running.worker.communicate(timeout=60)


@pytest.mark.parametrize(("more", "code"), [({}, 0), ({"fail": True}, 1)], ids=["completed", "failed"])
@pytest.mark.parametrize("form", [["--json"], []], ids=["json", "plain"])
def test_lines_come_while_the_task_runs_and_the_exit_code_is_how_it_ended(
    running: Running, form: list[str], more: dict[str, bool], code: int
) -> None:
    running.run("create", "slow", "steps", "--data", json.dumps({"gate": str(running.gate), **more}))
    with running.start("log", "1", "--follow", *form) as following:
        assert following.stdout is not None
        line = following.stdout.readline()
        assert (json.loads(line)["message"] if form else line.split(maxsplit=2)[2].strip()) == "first step"
        still = following.poll() is None and "Running" in running.run("tasks")
        running.gate.touch()
        rest, said = following.communicate(timeout=60)
    assert still
    lines = [json.loads(line)["message"] for line in rest.splitlines()] if form else rest
    assert "second step" in lines
    assert following.returncode == code
    assert ("No third step." in said) == bool(code)


def test_run_wait_rewrites_one_line_in_a_terminal(running: Running) -> None:
    ours, theirs = pty.openpty()
    data = json.dumps({"gate": str(running.gate)})
    command = [sys.executable, "-m", "flask", "--app", "followed_site", "stask", "run", "slow", "steps", "--wait"]
    with subprocess.Popen(
        [*command, "--data", data], cwd=running.folder, env=running.environ, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        drawn = b""
        while piece := _read(ours):
            drawn += piece
            if b"waiting" in drawn and "░".encode() in drawn:
                running.gate.touch()
        process.wait(60)
    os.close(ours)
    text = drawn.decode()
    assert process.returncode == 0, text
    before, newline, after = text.rstrip("\r\n").rpartition("\n")
    assert text.count("\r\x1b[K") > 2 and "\n" not in before + newline, text
    assert "░" in text and after.split("\x1b[K")[-1].startswith("Steps:")


def test_run_wait_draws_no_bar_where_there_is_no_terminal(running: Running) -> None:
    running.gate.touch()
    said = running.run("run", "slow", "steps", "--wait", "--data", json.dumps({"gate": str(running.gate)}))
    assert "Steps:" in said
    assert not {"░", "█", "\x1b", "\r"} & set(said)


def test_a_worker_that_debugs_takes_changed_code_and_loses_no_running_task(running: Running) -> None:
    running.worker.terminate()
    running.worker.communicate(timeout=60)
    running.environ["FLASK_DEBUG"] = "1"
    running.worker = running.start("work", "--concurrency", "1")
    running.run("create", "slow", "steps", "--data", json.dumps({"gate": str(running.gate)}))
    with running.start("log", "1", "--follow", "--json") as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["message"] == "first step"
        site = running.folder / "followed_site.py"
        site.write_text(site.read_text().replace("first step", "a step of the new code"))
        said: list[str] = []
        while line := following.stdout.readline():
            said.append(json.loads(line)["message"])
            if said[-1] == "a step of the new code":
                running.gate.touch()
        following.wait(60)
    assert said.count("a step of the new code") == 1 and "second step" in said, said
    assert following.returncode == 0
    told = json.loads(running.run("show", "1", "--json"))
    assert [attempt["outcome"] for attempt in told["attempts"]][-1] == "completed"
    assert len(told["attempts"]) == 2


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
