"""The Makefile says in words what a machine lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("make")

TOO_OLD = '#!/bin/sh\ncase "$1" in -c) exit 1;; *) echo "Python 3.8.10";; esac\n'
WITHOUT_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *) exit 0;; esac\n'


def make_with(tmp_path: Path, repository: Path, python3: str) -> subprocess.CompletedProcess[str]:
    """Run `make .venv/.made` where the only Python is the script ``python3``."""
    shutil.copy(repository / "Makefile", tmp_path / "Makefile")
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "python3").write_text(python3)
    (commands / "python3").chmod(0o755)
    make = shutil.which("make")
    assert make
    return subprocess.run(
        [make, ".venv/.made"],
        cwd=tmp_path,
        env={"PATH": str(commands)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_python_that_is_too_old_is_named(tmp_path: Path, repository: Path) -> None:
    done = make_with(tmp_path, repository, TOO_OLD)
    assert done.returncode
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.8.10" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_without_venv_gets_the_command_that_helps(tmp_path: Path, repository: Path) -> None:
    done = make_with(tmp_path, repository, WITHOUT_VENV)
    assert done.returncode
    assert "apt install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_help_names_the_targets(repository: Path) -> None:
    alone = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "help"], cwd=repository, env=alone, capture_output=True, text=True, check=True, timeout=30
    )
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"run", "test", "check"}
