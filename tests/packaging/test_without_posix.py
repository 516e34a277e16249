"""On Windows the web part works alone: tried on a Python from which all that is missing there was taken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc for open files")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a site did there; see the script."""
    script = Path(__file__).with_name("without_posix.py")
    folder = tmp_path_factory.mktemp("without")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("command", ["init-db", "activate load", "workers", "health", "--help", "work --help"])
def test_commands_work(said: dict[str, Any], command: str) -> None:
    assert said[command][0] == 0, said[command]


@pytest.mark.parametrize("command", ["work", "up"])
def test_what_runs_tasks_refuses_with_a_sentence(said: dict[str, Any], command: str) -> None:
    code, text = said[command]
    assert code == 1 and "On Windows the web part works alone" in text and text.count("\n") == 1


def test_every_page_is_drawn(said: dict[str, Any]) -> None:
    assert set(said["pages"].values()) == {200}


def test_an_upload_is_taken_under_a_name_that_is_no_device(said: dict[str, Any]) -> None:
    assert said["chunk"] == {"received": 4}
    assert (said["finish"]["name"], said["finish"]["preview"]["rows"]) == ("_NUL.csv", [["1"]])
    assert said["launch"][0] == 303


def test_a_log_is_written_shortened_read_and_cleared(said: dict[str, Any]) -> None:
    assert said["log"] == ["198", "199"] and 0 < said["size"] <= 8192 + 4096
    assert said["cleared"] == 0


def test_tasks_run_inline_and_every_lock_is_let_go(said: dict[str, Any]) -> None:
    assert said["run"] == 2 and said["told"] == []
    assert said["held"] == 0
