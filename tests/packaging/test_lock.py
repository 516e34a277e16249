"""The npm lock: exact, and free of the address of whatever registry its writer used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def packages(repository: Path) -> dict[str, dict[str, Any]]:
    """What the lock names, by its place in node_modules, without the project itself."""
    lock = json.loads((repository / "package-lock.json").read_text())
    return {place: package for place, package in lock["packages"].items() if place}


def test_no_registry_address_stands_in_the_lock(packages: dict[str, dict[str, Any]]) -> None:
    assert [place for place, package in packages.items() if "resolved" in package] == []


def test_npm_is_told_to_leave_the_address_out(repository: Path) -> None:
    settings = (repository / ".npmrc").read_text().split()
    assert "omit-lockfile-registry-resolved=true" in settings
    assert [line for line in settings if line.startswith("registry") or "://" in line] == []


def test_every_locked_package_has_its_checksum(packages: dict[str, dict[str, Any]]) -> None:
    assert packages
    assert [place for place, package in packages.items() if not package["integrity"].startswith("sha512-")] == []


def test_the_lock_fits_package_json(repository: Path) -> None:
    wanted = json.loads((repository / "package.json").read_text())
    locked = json.loads((repository / "package-lock.json").read_text())["packages"][""]
    assert locked["dependencies"] == wanted["dependencies"]
    assert locked["devDependencies"] == wanted["devDependencies"]


def test_the_films_of_the_example_are_of_one_version(packages: dict[str, dict[str, Any]]) -> None:
    """Numbers in tests (3,201 films) hold for this version only."""
    assert packages["node_modules/vega-datasets"]["version"] == "1.31.1"
