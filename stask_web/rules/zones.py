"""Time zones by their names."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from ..errors import InvalidSchedule
from ..language import tr
from ..text import clean


@lru_cache(maxsize=64)
def find_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name, such as ``"Europe/Kyiv"``.

    :raises InvalidSchedule: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, TypeError, OSError):
        raise InvalidSchedule(
            {
                "timezone": tr(
                    "There is no time zone %(name)s. Enter a name such as Europe/Kyiv.",
                    name=repr(clean(str(name), 50)),
                )
            }
        ) from None


@lru_cache(maxsize=1)
def local_zone() -> str:
    """The IANA name of this machine's time zone; ``"UTC"`` where it cannot be told."""
    names = [os.environ.get("TZ", "").lstrip(":")]
    try:
        names.append(str(Path("/etc/localtime").resolve(strict=True)).partition("/zoneinfo/")[2])
        names.append(Path("/etc/timezone").read_text().strip())
    except (OSError, UnicodeDecodeError):
        pass
    for name in names:
        try:
            if name:
                return find_zone(name).key.removeprefix("Etc/")
        except InvalidSchedule:
            continue
    return "UTC"
