"""A skip is a line that says why on a person's machine, and a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "in the test": "import pytest\ndef test_it():\n    pytest.skip('no service here')\n",
    "by a marker": "import pytest\n@pytest.mark.skip(reason='no service here')\ndef test_it():\n    pass\n",
    "the whole module": "import pytest\npytest.skip('no service here', allow_module_level=True)\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n"


def run_pytest(tmp_path: Path, repository: Path, text: str, *, ci: str) -> subprocess.CompletedProcess[str]:
    """Run ``text`` as a test module under the shared conftest."""
    (tmp_path / "test_sample.py").write_text(text)
    (tmp_path / "conftest.py").write_text((repository / "tests" / "conftest.py").read_text())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-ra",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        f"--rootdir={tmp_path}",
    ]
    return subprocess.run(
        [*command, str(tmp_path)], env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("text", SKIPS.values(), ids=SKIPS)
def test_a_skip_is_a_failure_in_ci(tmp_path: Path, repository: Path, text: str) -> None:
    done = run_pytest(tmp_path, repository, text, ci="true")
    assert done.returncode in (1, 2)
    assert "no service here" in done.stdout


@pytest.mark.parametrize("text", SKIPS.values(), ids=SKIPS)
def test_a_skip_says_why_elsewhere(tmp_path: Path, repository: Path, text: str) -> None:
    done = run_pytest(tmp_path, repository, text, ci="")
    assert "1 skipped" in done.stdout
    assert "no service here" in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path, repository: Path) -> None:
    done = run_pytest(tmp_path, repository, EXPECTED_FAILURE, ci="true")
    assert done.returncode == 0
    assert "1 xfailed" in done.stdout
