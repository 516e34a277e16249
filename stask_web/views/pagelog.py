"""The log as a page first shows it: its last lines, or those of one attempt, with what repeats folded together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import news
from ..journal import Chunk, Journal

LINES = 100
#: A journal of so many bytes is looked through whole for its last lines.
SMALL = 256 * 1024
#: How many pieces are looked through, at most, for the lines of one attempt.
PIECES, PIECE = 40, 500
#: So many printed lines in a row are folded; the first of them stays to be seen.
RUN = 4


def page_log(journal: Journal, attempt: int | None = None) -> dict[str, Any]:
    """The end of a log for a page: ``end`` and ``lines``, each with ``same``, ``times``, ``folded`` and ``folds``.

    :param attempt: only the lines of this attempt.
    """
    chunk = journal.last(LINES)
    found = news.piece(chunk)
    # Before the first line that people see there may be reports of progress only.
    found["first"] = found["first"] or (len(found["lines"]) < LINES and journal.size() <= SMALL)
    if attempt is not None:
        found["lines"], found["first"] = _lines_of(journal, chunk, attempt)
    found["lines"] = list(fold(found["lines"]))
    return found


def _lines_of(journal: Journal, chunk: Chunk, attempt: int) -> tuple[list[dict[str, Any]], bool]:
    """The last lines of one attempt, and whether these are all; older pieces are read until there are enough."""
    lines: list[dict[str, Any]] = []
    whole = False
    for _ in range(PIECES):
        piece = news.piece(chunk)
        lines = [line for line in piece["lines"] if line["attempt"] == attempt] + lines
        whole = piece["first"] or any(line["attempt"] < attempt for line in piece["lines"])
        if whole or len(lines) >= LINES:
            break
        chunk = journal.before(chunk.start, PIECE)
    return lines[-LINES:], whole and len(lines) <= LINES


def fold(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same lines, marked as the page marks those that come later (see ``logfold.js``).

    An equal neighbour is ``same``, and the first of them has their number as ``times``. Of a longer run of printed
    lines the first has the number of those that follow as ``folds``, and they are ``folded``.
    """
    at = 0
    while at < len(lines):
        twins = _run(lines, at, _is_same)
        printed = _run(lines, at, _is_printed) if lines[at]["kind"] == "out" else 1
        if printed >= RUN and twins < printed:
            yield {**lines[at], "folds": printed - 1}
            yield from ({**line, "folded": True} for line in lines[at + 1 : at + printed])
            at += printed
            continue
        yield {**lines[at], "times": twins} if twins > 1 else lines[at]
        yield from ({**line, "same": True} for line in lines[at + 1 : at + twins])
        at += twins


def _run(lines: list[dict[str, Any]], start: int, fits: Any) -> int:
    end = start + 1
    while end < len(lines) and fits(lines[start], lines[end]):
        end += 1
    return end - start


def _is_same(first: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(first[name] == other[name] for name in ("message", "level", "kind", "attempt"))


def _is_printed(first: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(first[name] == other[name] for name in ("level", "kind", "attempt"))
