"""The package finds its templates and static files in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from stask_web.paths import STATIC, TEMPLATES, find_folder


def test_a_checkout_has_them_at_the_top_level(repository: Path) -> None:
    assert TEMPLATES == repository / "templates"
    assert STATIC == repository / "static"


def test_a_wheel_has_them_inside_the_package(tmp_path: Path) -> None:
    inside = tmp_path / "stask_web" / "templates"
    inside.mkdir(parents=True)
    (tmp_path / "templates").mkdir()
    assert find_folder("templates", tmp_path / "stask_web") == inside


def test_a_folder_beside_the_package_is_found(tmp_path: Path) -> None:
    (tmp_path / "stask_web").mkdir()
    (tmp_path / "static").mkdir()
    assert find_folder("static", tmp_path / "stask_web") == tmp_path / "static"
