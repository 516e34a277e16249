"""The build hook: quick when nothing changed, plain words without npm, and no map in what it copies."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


class Terminal:
    """Stands for hatch's: keeps what the hook says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def display_info(self, text: str) -> None:
        self.said.append(text)

    display_warning = display_info


@pytest.fixture(scope="module")
def hook_module(repository: Path) -> ModuleType:
    """hatch_build.py, which no package holds."""
    spec = importlib.util.spec_from_file_location("hatch_build", repository / "hatch_build.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(repository: Path, tmp_path: Path) -> Path:
    """A source tree in which nothing was fetched yet."""
    for name in ("package-lock.json", "hatch_build.py"):
        shutil.copy(repository / name, tmp_path / name)
    (tmp_path / "templates").mkdir()
    (tmp_path / "static").mkdir()
    return tmp_path


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without npm."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "nowhere"))
    monkeypatch.delenv("STASK_ASSETS", raising=False)


def build(module: ModuleType, root: Path, version: str) -> tuple[Terminal, dict[str, Any]]:
    """Run the hook as hatch does for a wheel; return what it said and what it adds."""
    terminal = Terminal()
    data: dict[str, Any] = {"force_include": {}}
    hook = module.AssetsHook(str(root), {}, None, None, str(root / "dist"), "wheel", terminal)
    hook.initialize(version, data)
    return terminal, data


def fake_modules(module: ModuleType, root: Path) -> Path:
    """Make a node_modules with the few files that the hook looks for."""
    modules = root / "node_modules"
    for source, _ in module.FILES:
        (modules / source).parent.mkdir(parents=True, exist_ok=True)
        (modules / source).write_text("code();\n//# sourceMappingURL=code.js.map\n")
    (modules / module.FONTS).mkdir(parents=True)
    (modules / module.FONTS / "fa-solid-900.woff2").write_bytes(b"\0font\n//# sourceMappingURL=x")
    (modules / module.FONTS / "fa-solid-900.ttf").write_bytes(b"not wanted")
    return modules


@pytest.mark.usefixtures("no_npm")
def test_without_npm_the_install_goes_on_and_says_so(hook_module: ModuleType, root: Path) -> None:
    terminal, data = build(hook_module, root, "editable")
    assert "npm was not found" in terminal.said[0]
    assert "pages poll" in terminal.said[0]
    assert data["force_include"] == {}


@pytest.mark.usefixtures("no_npm")
def test_a_release_without_npm_is_an_error(
    hook_module: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASK_ASSETS", "require")
    with pytest.raises(hook_module.AssetsMissing, match="npm was not found"):
        build(hook_module, root, "standard")


@pytest.mark.usefixtures("no_npm")
def test_what_is_up_to_date_is_not_fetched_again(hook_module: ModuleType, root: Path) -> None:
    stamp = hook_module.digest_of(root)
    hook_module.copy_assets(fake_modules(hook_module, root), root / "static" / "vendor", stamp=stamp)
    terminal, data = build(hook_module, root, "standard")
    assert terminal.said == []
    assert data["force_include"] == {
        str(root / "templates"): "stask_web/templates",
        str(root / "static"): "stask_web/static",
    }


@pytest.mark.usefixtures("no_npm")
def test_a_changed_lock_is_fetched_again(hook_module: ModuleType, root: Path) -> None:
    stamp = hook_module.digest_of(root)
    hook_module.copy_assets(fake_modules(hook_module, root), root / "static" / "vendor", stamp=stamp)
    (root / "package-lock.json").write_text("{}")
    terminal, _ = build(hook_module, root, "standard")
    assert "npm was not found" in terminal.said[0]
    assert (root / "static" / "vendor" / "socket.io.min.js").exists()


def test_maps_are_cut_off_and_only_needed_fonts_copied(hook_module: ModuleType, root: Path) -> None:
    vendor = root / "static" / "vendor"
    (vendor / "old").mkdir(parents=True)
    hook_module.copy_assets(fake_modules(hook_module, root), vendor, stamp="x")
    assert (vendor / "socket.io.min.js").read_text() == "code();\n"
    fonts = vendor / "fontawesome" / "webfonts"
    assert [font.name for font in fonts.iterdir()] == ["fa-solid-900.woff2"]
    assert (fonts / "fa-solid-900.woff2").read_bytes() == b"\0font\n//# sourceMappingURL=x"
    assert not (vendor / "old").exists()
