"""Every setting is on its page, with the default that it has."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from stask_web.config import SETTINGS
from stask_web.standalone import settings as standalone

from .pages import ROOT, read, rows, section


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """``docs/make_settings.py``."""
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs" / "make_settings.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_code_says(maker: ModuleType) -> None:
    page = read("docs/settings.md")
    assert maker.page(page) == page, "run: python docs/make_settings.py"


def test_every_setting_is_in_the_table() -> None:
    named = {row[0].strip("`") for row in rows(read("docs/settings.md"))}
    assert {setting.name for setting in SETTINGS} <= named


def test_every_variable_of_the_standalone_panel_is_documented() -> None:
    told = section("docs/settings.md", "The standalone panel")
    for name in (standalone.INSTANCE, standalone.SECRET_KEY, standalone.PROXIES):
        assert f"`{name}`" in told
