"""Writes the table of ``docs/settings.md`` from ``stask_web.config.SETTINGS``: ``python docs/make_settings.py``.

A test compares the two, so the page is never behind the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stask_web.config import KIB, MIB, SETTINGS, Setting

PAGE = Path(__file__).resolve().parent / "settings.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"

#: What a setting takes, by the name of the function that reads it.
KINDS = {
    "_seconds": "seconds",
    "_optional_seconds": "seconds",
    "_count": "whole number from 1",
    "_optional_count": "whole number from 1",
    "_days": "whole number from 0",
    "_period": "seconds, more than 0",
    "_flag": "true or false",
    "_names": "list of names",
    "_paths": "list of paths",
    "_text": "text",
    "_uri": "database URI",
    "_path": "path",
    "_as_is": "policy, callable or import string",
    "_zone": "name of a time zone",
}


def table() -> str:
    """All settings as a table of Markdown."""
    lines = ["| setting | takes | default | what it does |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {kind(one)} | {shown(one.default)} | {one.help} |" for one in SETTINGS]
    return "\n".join(lines)


def kind(setting: Setting) -> str:
    """What a setting takes, in words."""
    name = setting.read.__name__
    return KINDS[name] if name in KINDS else choices(setting)


def choices(setting: Setting) -> str:
    """The words of a setting that takes one of a few: its own complaint names them."""
    try:
        setting.read("?")
    except ValueError as error:
        return str(error).removeprefix("one of ").replace(", ", " or ")
    raise AssertionError(f"{setting.name} takes anything; name its kind in KINDS")


def shown(value: Any) -> str:
    """A default as one would write it."""
    if value is None or value == ():
        return "nothing"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int) and value and value % MIB == 0:
        return f"{value // MIB} MiB"
    if isinstance(value, int) and value and value % KIB == 0:
        return f"{value // KIB} KiB"
    return f"{value:g}" if isinstance(value, float) else str(value)


def page(text: str) -> str:
    """The page with the table in its place.

    :param text: the page as it is.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
