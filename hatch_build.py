"""Build hook: puts templates and static files into wheels and fetches browser code of others from the npm lock.

Standard wheels get ``templates/`` and ``static/`` inside the package. Editable installs do not: they find both at the
repository's top level, and a copy would go stale.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("templates", "static")

# What a page loads, and nothing more: (file in node_modules, file in static/vendor).
FONT_AWESOME = "@fortawesome/fontawesome-free"
FILES = (
    ("socket.io-client/dist/socket.io.min.js", "socket.io.min.js"),
    ("socket.io-client/LICENSE", "socket.io.LICENSE.txt"),
    (f"{FONT_AWESOME}/css/all.min.css", "fontawesome/css/all.min.css"),
    (f"{FONT_AWESOME}/LICENSE.txt", "fontawesome/LICENSE.txt"),
)
FONTS = f"{FONT_AWESOME}/webfonts"

# The map is not shipped; a page that names it makes the browser's console complain.
SOURCE_MAP = re.compile(rb"\n?(?://# sourceMappingURL=\S*|/\*# sourceMappingURL=.*?\*/)\s*$")

NPM = ("npm", "ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error")


class AssetsMissing(Exception):
    """The browser code of others could not be fetched."""


class AssetsHook(BuildHookInterface):
    """Runs before each build of a wheel (standard or editable) and of an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the vendored files if they are not those of the lock, then name the folders that the wheel takes.

        Without npm, or without a network, the build goes on and says so: the pages then poll, and workers' icons stay
        empty. ``STASK_ASSETS=require`` makes that an error (for a release and for CI).
        """
        root = Path(self.root)
        editable = version == "editable"
        try:
            if fetch_assets(root, sample_data=editable):
                self.app.display_info("Browser code of others is in static/vendor/.")
        except AssetsMissing as error:
            if os.environ.get("STASK_ASSETS") == "require":
                raise
            self.app.display_warning(f"{error} The panel works without it: pages poll, and icons are left out.")
        if self.target_name == "wheel" and not editable:
            for name in FOLDERS:
                build_data["force_include"][str(root / name)] = f"stask_web/{name}"


def fetch_assets(root: Path, *, sample_data: bool) -> bool:
    """Bring ``static/vendor/`` to what ``package-lock.json`` says.

    :param root: the repository's (or unpacked sdist's) top level.
    :param sample_data: also ask for the films that the example shop is made from, which stay in ``node_modules/``.
    :returns: whether anything had to be done.
    :raises AssetsMissing: when npm is absent or fails.
    """
    vendor = root / "static" / "vendor"
    films = root / "node_modules" / "vega-datasets" / "data" / "movies.json"
    wanted = digest_of(root)
    if stamp_of(vendor) == wanted and (films.exists() or not sample_data):
        return False
    run_npm(root)
    copy_assets(root / "node_modules", vendor, stamp=wanted)
    return True


def digest_of(root: Path) -> str:
    """Return the SHA-256 of the lock and of this file, which together decide what lies in ``static/vendor/``."""
    digest = hashlib.sha256()
    for name in ("package-lock.json", "hatch_build.py"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def stamp_of(vendor: Path) -> str:
    """Return the digest that ``vendor`` was made from, or an empty string. (Times do not survive an sdist.)"""
    try:
        return (vendor / "made-from.txt").read_text().strip()
    except OSError:
        return ""


def run_npm(root: Path) -> None:
    """Install the locked packages into ``node_modules/``, running none of their scripts."""
    npm = shutil.which(NPM[0])
    if npm is None:
        raise AssetsMissing("npm was not found, so the Socket.IO client and Font Awesome were not fetched.")
    command = [npm, *NPM[1:]]
    done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssetsMissing(f"npm failed with exit code {done.returncode}: {done.stderr.strip()[-2000:]}")


def copy_assets(modules: Path, vendor: Path, *, stamp: str) -> None:
    """Copy what a page loads from ``modules`` to ``vendor``, all of it or nothing."""
    fresh = modules / ".stask-vendor"
    shutil.rmtree(fresh, ignore_errors=True)
    fonts = [
        (f"{FONTS}/{font.name}", f"fontawesome/webfonts/{font.name}") for font in (modules / FONTS).glob("*.woff2")
    ]
    for source, target in (*FILES, *fonts):
        place = fresh / target
        place.parent.mkdir(parents=True, exist_ok=True)
        content = (modules / source).read_bytes()
        place.write_bytes(content if place.suffix == ".woff2" else SOURCE_MAP.sub(b"\n", content))
    (fresh / "made-from.txt").write_text(stamp + "\n")
    shutil.rmtree(vendor, ignore_errors=True)
    vendor.parent.mkdir(exist_ok=True)
    fresh.rename(vendor)
