"""Text that any database, log and page can take."""

from __future__ import annotations

import re

_UNSAFE = re.compile("[\x00\ud800-\udfff]")
# Colours and cursor moves of a terminal (CSI), titles and links (OSC), other escapes; then what controls nothing here.
_ESCAPES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\].*?(?:\x07|\x1b\\\\|$)|\x1b[ -/]+[0-~]|\x1b[@-Z\\\\^_]?"
    "|[\x01-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)
_UNITS = ("B", "KB", "MB", "GB", "TB")


def clean(value: object, limit: int | None = None) -> str:
    """Turn anything into storable text: no NUL, no lone surrogate, at most ``limit`` characters.

    A ``__str__`` that raises gives the name of the type: a message about an error must not become one.
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:
        text = f"<{type(value).__name__} without text>"
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    return text if text.isprintable() else _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def plain(value: object, limit: int | None = None) -> str:
    """As :func:`clean`, and without what steers a terminal: its colours are no words for a page."""
    text = clean(value)
    if not text.isprintable():
        text = _ESCAPES.sub("", text)
    return clean(text, limit)


def human_size(size: float) -> str:
    """Write a number of bytes for people, e.g. ``2202009`` as ``"2.1 MB"`` (1 KB is 1,024 bytes)."""
    unit = 0
    while abs(size) >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"
