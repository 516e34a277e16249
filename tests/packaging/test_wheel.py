"""The wheel, built as a release is (through the sdist) and installed in a clean environment outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BUILT = ("stask_web", "templates", "static", "pyproject.toml", "hatch_build.py", "package.json", "package-lock.json")
TEXTS = (".npmrc", ".gitignore", "README.md", "LICENSE", "CHANGELOG.md")


def run(command: Sequence[str | Path], folder: Path) -> str:
    """Run a command outside the checkout, and return its output; a failure shows all that it said."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "FLASK", "STASK"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it; the checkout itself stays as it was."""
    folder = tmp_path_factory.mktemp("build")
    for name in BUILT + TEXTS:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / "source").mkdir(exist_ok=True)
            shutil.copy(source, folder / "source" / name)
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "source"], folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def names(built: Path) -> set[str]:
    """The files in the wheel."""
    (wheel,) = built.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def seen(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a small host in a clean environment saw; see ``clean_host.py``."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (wheel,) = built.glob("*.whl")
    run([sys.executable, "-m", "venv", folder / "env"], folder)
    python = folder / "env" / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], folder)
    script = shutil.copy(Path(__file__).with_name("clean_host.py"), folder / "host.py")
    run([python, "-W", "error", script, folder / "seen.json"], folder)
    answer: dict[str, Any] = json.loads((folder / "seen.json").read_text())
    return answer


def test_the_wheel_holds_every_template_and_static_file(repository: Path, names: set[str]) -> None:
    for folder in ("templates", "static"):
        files = {path.relative_to(repository) for path in (repository / folder).rglob("*") if path.is_file()}
        assert files
        assert {f"stask_web/{path}" for path in files} - names == set()


def test_the_wheel_holds_every_compiled_catalogue(repository: Path, names: set[str]) -> None:
    catalogues = {
        str(path.relative_to(repository)) for path in repository.glob("stask_web/translations/*/*/stask.[mp]o")
    }
    assert len(catalogues) >= 2
    assert catalogues - names == set()


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"stask_web"}
    assert [name for name in names if "node_modules" in name or name.endswith((".map", ".pyc"))] == []


@pytest.mark.needs("npm")
def test_the_wheel_brings_the_socket_client_without_its_map(built: Path, names: set[str]) -> None:
    (wheel,) = built.glob("*.whl")
    client = zipfile.ZipFile(wheel).read("stask_web/static/vendor/socket.io.min.js")
    assert b"Socket.IO" in client[:200]
    assert b"sourceMappingURL" not in client
    assert "stask_web/static/vendor/fontawesome/css/all.min.css" in names
    assert "stask_web/static/vendor/fontawesome/webfonts/fa-solid-900.woff2" in names


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"hatch_build.py", "package-lock.json", ".npmrc", "LICENSE", "pyproject.toml"} <= inside
    assert [name for name in inside if name.startswith(("tests/", "examples/", "instance/", "node_modules/"))] == []


def test_a_clean_install_uses_its_own_files(repository: Path, seen: dict[str, Any]) -> None:
    module, templates, static = map(Path, seen["files"])
    assert repository not in module.parents
    assert templates == module.parent / "templates"
    assert static == module.parent / "static"


@pytest.mark.parametrize("host", ["embedded", "alone"])
def test_a_clean_install_makes_its_tables(seen: dict[str, Any], host: str) -> None:
    code, output = seen[host]["init_db"]
    assert code == 0, output


@pytest.mark.parametrize("host", ["embedded", "alone"])
def test_a_clean_install_renders_a_page_with_its_css(seen: dict[str, Any], host: str) -> None:
    status, mimetype, text = seen[host]["page"]
    assert (status, mimetype) == (200, "text/html"), text
    stylesheets = [link for link in seen[host]["links"] if link.endswith(".css")]
    assert any(link.startswith("/stask/") and link.endswith("stask.css") for link in stylesheets)
    assert {link: status for link, status in seen[host]["links"].items() if status != 200} == {}


def test_the_embedded_page_of_a_clean_install_is_the_panel(seen: dict[str, Any]) -> None:
    assert "data-stask" in seen["embedded"]["page"][2]
