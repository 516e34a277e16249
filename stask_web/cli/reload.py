"""Notices that a source file changed, for ``flask --debug stask up`` and ``work``."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

#: Seconds between two looks.
EVERY = 0.7


class Sources:
    """The Python files of the modules that are loaded here, and those beside them; installed packages are left out."""

    def __init__(self) -> None:
        self._seen = dict(self._files())

    def changed(self) -> Path | None:
        """A file that was changed, added or removed since the last call, or None."""
        now = dict(self._files())
        before, self._seen = self._seen, now
        different = {path for path in now.keys() | before.keys() if now.get(path) != before.get(path)}
        return min(different, default=None)

    @staticmethod
    def _files() -> Iterator[tuple[Path, int]]:
        for folder in _folders():
            for path in folder.glob("*.py"):
                try:
                    yield path, path.stat().st_mtime_ns
                except OSError:
                    continue


def _folders() -> set[Path]:
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    folders = {Path(file).resolve().parent for file in files if file}
    return {folder for folder in folders if not any(folder.is_relative_to(place) for place in installed)}
