"""What all tests share: words for "this needs something the machine may lack", and no silent skip in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

REPOSITORY = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() == "true"

# What a test may need, and the commands of which one must be there.
NEEDS = {
    # The shell draws pages without the windows around them, with two fifths less work for the processor.
    "chromium": ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
    "git": ("git",),
    "make": ("make",),
    "npm": ("npm",),
}


def command_for(need: str) -> str | None:
    """Return the path of a command that meets ``need`` (a key of ``NEEDS``), or None."""
    return next((path for name in NEEDS[need] if (path := shutil.which(name))), None)


def pytest_configure(config: pytest.Config) -> None:
    """Register ``@pytest.mark.needs("chromium", ...)``."""
    config.addinivalue_line("markers", "needs(*names): skipped, in so many words, where one of these is not installed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a command that this machine lacks, and say which."""
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            if command_for(need) is None:
                pytest.skip(f"needs {need}, which is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI: there, everything is installed."""
    report = yield
    return refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself."""
    report = yield
    return refuse_skip(report)


def refuse_skip(report: Report) -> Report:
    """Return ``report``, failed if it was a skip (not an expected failure) and this is CI."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"A skip is a failure when CI=true. {reason}"
    return report


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top level of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; a test that asks for it is skipped where there is none."""
    path = command_for("chromium")
    if path is None:
        pytest.skip("needs chromium, which is not installed")
    return path
