"""Reads the documentation: code blocks with their section, tables, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")), *sorted(ROOT.glob("docs/*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block.

    :param section: the heading that it stands under.
    :param line: of its fence, for messages.
    """

    page: str
    section: str
    kind: str
    text: str
    line: int


def read(name: str) -> str:
    """A page by its name, e.g. ``"docs/routes.md"``."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, *kinds: str) -> list[Block]:
    """The fenced blocks of a page in their order, of these kinds."""
    text = read(name)
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        heads = re.findall(r"^#+ (.+)$", without_code(before), re.MULTILINE)
        section = heads[-1] if heads else ""
        block = Block(name, section, match[1], match[2], before.count("\n") + 1)
        if not kinds or block.kind in kinds:
            found.append(block)
    return found


def without_code(text: str) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def commands(block: Block) -> Iterator[str]:
    """The command lines of a shell block, without comments."""
    for line in block.text.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#.*$", "", line).strip()
        if command and not command.startswith("#"):
            yield command


def section(name: str, heading: str) -> str:
    """The text below one heading of a page, up to the next of the same or a higher level."""
    text = read(name)
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"{name} has no section {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """The rows of all tables of Markdown in a text, without heads and rules; cells are stripped."""
    found: list[list[str]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_row = line.startswith("|") and not re.match(r"^\|[-| :]+\|$", line)
        is_head = number + 1 < len(lines) and re.match(r"^\|[-| :]+\|$", lines[number + 1])
        if is_row and not is_head:
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return found


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(text: str) -> list[str]:
    """The targets of all links and pictures of a page."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(text))
