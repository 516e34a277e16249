"""What CONTRIBUTING.md and CHANGELOG.md say of the project is so."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from .pages import ROOT, blocks, commands, read

PAGE = "CONTRIBUTING.md"


def project() -> dict[str, Any]:
    """What ``pyproject.toml`` says."""
    return tomllib.loads(read("pyproject.toml"))


def test_the_layers_are_those_that_the_check_holds() -> None:
    (block,) = (block for block in blocks(PAGE, "text") if block.section == "Layers")
    told = re.findall(r"[a-z_]+", block.text)
    checked = project()["tool"]["importlinter"]["contracts"][0]["layers"]
    assert told == [layer.strip("()") for layer in checked]


def test_every_library_is_listed_with_its_reason() -> None:
    text = read(PAGE).lower()
    names = {re.split(r"[^\w-]", one)[0].lower() for one in project()["project"]["dependencies"]}
    assert {name for name in names if name not in text} == set()
    assert "charset-normalizer" not in text


def test_the_make_targets_are_there() -> None:
    makefile = read("Makefile")
    lines = [command for page in (PAGE, "README.md") for block in blocks(page, "sh") for command in commands(block)]
    lines += re.findall(r"`([^`\n]*\bmake [^`\n]+)`", read(PAGE))
    named = {word for line in lines if (found := re.search(r"\bmake (.+)", line)) for word in found[1].split()}
    named = {word for word in named if re.fullmatch(r"[a-z-]+", word)}
    assert {"run", "test", "check"} <= named
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_every_folder_of_tests_is_listed() -> None:
    real = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    told = set(re.findall(r"^\| `tests/(\w+)` \|", read(PAGE), re.MULTILINE))
    assert real <= told


def test_the_changes_begin_with_this_version() -> None:
    first = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert first is not None
    assert first[1] == project()["project"]["version"]
