"""What lies where in the repository, and what git keeps out of it."""

from __future__ import annotations

import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("git")

REQUIRED = {
    *("stask_web", "templates", "static", "tests", "docs", "instance", "examples", "benchmarks", ".ci"),
    *(
        "pyproject.toml",
        "hatch_build.py",
        "wsgi.py",
        "README.md",
        "Makefile",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ),
    *("package.json", "package-lock.json", ".npmrc", ".gitignore"),
}


def git(repository: Path, *arguments: str) -> list[str]:
    """Return the lines that a git command prints."""
    if not (repository / ".git").exists():
        pytest.skip("needs a git checkout; this is an unpacked archive")
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_the_top_level_holds_what_is_agreed_and_nothing_else(repository: Path) -> None:
    assert {path.split("/")[0] for path in git(repository, "ls-files")} == REQUIRED


def test_instance_is_in_git_with_its_ignore_file_only(repository: Path) -> None:
    assert git(repository, "ls-files", "instance") == ["instance/.gitignore"]


@pytest.mark.parametrize(
    "path",
    [
        "instance/shop.db",
        "instance/stask/journal/0/1.log",
        "static/vendor/socket.io.min.js",
        "node_modules/socket.io-client/package.json",
        ".venv/pyvenv.cfg",
    ],
)
def test_git_ignores_what_is_made_here(repository: Path, path: str) -> None:
    assert git(repository, "check-ignore", "--no-index", path) == [path]


def test_no_browser_code_of_others_is_committed(repository: Path) -> None:
    minified = git(repository, "ls-files", "static/vendor", "node_modules", "*.min.js", "*.min.css", "*.woff2", "*.map")
    assert minified == []


def test_the_installed_version_is_the_one_of_pyproject(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert version("stask-web") == project["version"]


def test_the_changelog_opens_with_this_version(repository: Path) -> None:
    headings = [line for line in (repository / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0].removeprefix("## ").split()[0] == version("stask-web")
