"""Where the package finds its own files: beside it in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PACKAGE", "SOCKET_CLIENT", "STATIC", "TEMPLATES", "find_folder"]


def find_folder(name: str, package: Path) -> Path:
    """Return the folder ``name`` that belongs to ``package``.

    A wheel carries it inside the package (``stask_web/templates``); a checkout or an editable install has it at the
    repository's top level, beside the package. The wheel's place wins: beside it lies all of ``site-packages``.

    :param name: the folder's name, ``"templates"`` or ``"static"``.
    :param package: the folder of the installed package.
    :returns: an absolute path; it exists unless the installation is broken.
    """
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


PACKAGE = Path(__file__).resolve().parent
"""The folder of the package itself."""

TEMPLATES = find_folder("templates", PACKAGE)
"""The folder of Jinja templates; ours lie in ``stask_web/`` below it, so that a host overrides them by name."""

STATIC = find_folder("static", PACKAGE)
"""The folder that the blueprint serves: our CSS and JS, and browser code of others in ``vendor/``."""

SOCKET_CLIENT = STATIC / "vendor" / "socket.io.min.js"
"""The Socket.IO client that the build hook puts there; without it (an install without npm) every page polls."""
