"""Links lead somewhere, the picture is light, and nothing is named that is not there."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from .pages import DOCS, ROOT, anchors, blocks, links, read

LARGEST = 200_000


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    dead = []
    for link in links(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.is_file() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def test_every_page_is_reached_from_the_readme() -> None:
    named = links(read("README.md"))
    pages = {str(path.relative_to(ROOT)) for path in DOCS} - {"README.md"}
    assert pages <= {link.partition("#")[0] for link in named}


def test_the_picture_is_a_png_1440_wide_and_light() -> None:
    data = (ROOT / "docs" / "panel.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", data[16:20])[0] == 1440
    assert len(data) <= LARGEST
    assert "](docs/panel.png)" in read("README.md")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:tests|docs|stask_web|examples|benchmarks|templates|static)/[\w/.-]+)`", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not name.startswith("static/vendor") and not (ROOT / name).exists()] == []


def test_every_block_says_what_it_is() -> None:
    assert [block for page in DOCS for block in blocks(str(page.relative_to(ROOT))) if not block.kind] == []


def test_the_first_worker_is_the_one_that_an_empty_dashboard_shows() -> None:
    shown = re.search(r"<code[^>]*>(.+?)</code>", read("templates/stask_web/dashboard/_no_worker.html"), re.DOTALL)
    (first,) = (block for block in blocks("README.md", "python") if "HelloWorker" in block.text)
    assert shown is not None
    assert first.text.strip() == shown[1].strip()
    assert len(first.text.strip().splitlines()) == 12
