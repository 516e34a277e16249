"""`docs/guide.md` shows nothing that does not run: every block of it stands in a chapter's test."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "guide.md"
CHAPTERS = sorted(HERE.glob("test_[0-9][0-9]_*.py"))


def blocks(kind: str) -> list[str]:
    """The blocks of one language."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def pieces(source: str, lines: int) -> Iterator[str]:
    """Every run of so many lines of a file, without the indentation that they share."""
    all_lines = source.splitlines()
    for start in range(len(all_lines) - lines + 1):
        yield textwrap.dedent("\n".join(all_lines[start : start + lines]))


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.strip().splitlines()[0][:60])
def test_every_example_is_tested(block: str) -> None:
    wanted = block.rstrip("\n")
    assert any(wanted in pieces(path.read_text(), wanted.count("\n") + 1) for path in CHAPTERS), wanted


@pytest.mark.parametrize(("kind", "ending"), [("html", "html"), ("toml", "py")])
def test_templates_and_entry_points_are_tested_too(kind: str, ending: str) -> None:
    sources = "".join(path.read_text() for path in HERE.rglob(f"*.{ending}"))
    assert blocks(kind)
    for block in blocks(kind):
        assert block.strip() in sources, block


def test_each_chapter_has_its_section_and_its_file() -> None:
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", PAGE.read_text(), re.MULTILINE)]
    assert numbers == [int(path.name[5:7]) for path in CHAPTERS] == list(range(1, len(CHAPTERS) + 1))
