"""Numbers, sizes and shares as the reader writes them.

Babel is asked once a language for its signs. English needs none of it: a process without readers never loads it.
"""

from __future__ import annotations

from functools import cache

from .language import DEFAULT, mark, reader, tr
from .text import human_size as english_size

_SIZES = {
    "B": mark("%(size)s B"),
    "KB": mark("%(size)s KB"),
    "MB": mark("%(size)s MB"),
    "GB": mark("%(size)s GB"),
    "TB": mark("%(size)s TB"),
}


def number(value: float | None) -> str:
    """A number with grouped thousands, e.g. ``1204`` as ``"1,204"``; nothing for None."""
    return "" if value is None else localised(f"{value:,}")


def localised(text: str) -> str:
    """A number as the reader writes it.

    :param text: as English does: ``"1,204.5"``.
    """
    language = reader().language
    return text if language == DEFAULT else text.translate(_signs(language))


@cache
def _signs(language: str) -> dict[int, str]:
    from babel import Locale

    signs = Locale.parse(language).number_symbols["latn"]
    return {ord(","): signs["group"], ord("."): signs["decimal"]}


def human_size(size: float) -> str:
    """A number of bytes for people, e.g. ``2202009`` as ``"2.1 MB"`` (1 KB is 1,024 bytes)."""
    if reader().language == DEFAULT:
        return english_size(size)
    digits, _, unit = english_size(size).partition(" ")
    return tr(_SIZES[unit], size=localised(digits))


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, e.g. ``"94.1 %"``; nothing of nothing. Only all of it is 100 %."""
    if not whole:
        return ""
    percents = part / whole * 100
    if part in (0, whole):
        return f"{localised(format(percents, '.0f'))} %"
    return f"{localised(format(min(99.9, max(0.1, percents)), '.1f'))} %"
