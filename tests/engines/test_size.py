"""A supervisor stays small: it imports nothing that only pages need, and does nothing while there is nothing to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.site import make_site, worker
from benchmarks.size import CORE, core_of, measure_host, size_of

#: Megabytes of RSS that stask-web may add to a Flask app with SQLAlchemy.
OURS = 20.0
#: What only pages, sockets, secrets, migrations and standalone panels need.
NEEDLESS = (
    "alembic", "cryptography", "flask_login", "flask_socketio", "flask_wtf", "gunicorn", "socketio", "wtforms",
)  # fmt: skip

IMPORTS = """
import sys
from pathlib import Path
from benchmarks.site import make_app
from stask_web.engines import supervisor
from stask_web.state import state_of
app = make_app(Path(sys.argv[1]))
state_of(app).database.require()
state_of(app).registry.classes()
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_a_supervisor_imports_no_library_of_pages(tmp_path: Path) -> None:
    make_site(tmp_path)
    command = [sys.executable, "-c", IMPORTS, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(NEEDLESS) & set(found)
    assert "stask_web" in found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_supervisor_is_small_and_rests_when_idle(tmp_path: Path) -> None:
    make_site(tmp_path)
    with worker(tmp_path, 2) as process:
        size = size_of(process.pid)
        core_of(process.pid, 3.0)  # the looks right after the start
        core = core_of(process.pid, 3.0)
    assert size.rss - measure_host().rss < OURS
    assert core < CORE
