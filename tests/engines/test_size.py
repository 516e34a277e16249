"""A supervisor stays small: it imports nothing that only pages or others need, and does nothing while there is nothing
to do.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.site import make_site, start, worker
from benchmarks.size import CORE, compiled, core_of, measure_host, size_of
from stask_web.database import upgrade
from stask_web.state import state_of

from .typed_site import make_app

#: Megabytes of RSS that stask-web may add to a Flask app with SQLAlchemy.
OURS = 8.0
#: What only pages, sockets, typed options, secrets, migrations, schedules, other databases and standalone panels need.
NEEDLESS = (
    "alembic", "annotated_types", "babel", "cron_descriptor", "cronsim", "cryptography", "flask_login",
    "flask_socketio", "flask_wtf", "gunicorn", "multiprocessing", "openpyxl", "pydantic", "pydantic_core", "socketio",
    "sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql", "stask_web.cli.serve", "stask_web.cli.tasks",
    "stask_web.rules.kinds", "stask_web.rules.reading", "unittest", "wtforms",
)  # fmt: skip

IMPORTS = """
import sys
from pathlib import Path
from benchmarks.site import make_app
from stask_web.engines import supervisor

class Forkless:  # in place of the crew: it would fork now, so all that a child inherits is loaded
    def __init__(self, *arguments, **more):
        print(*sys.modules)
        sys.exit()

supervisor.Crew = Forkless
supervisor.Supervisor(make_app(Path(sys.argv[1])), concurrency=1).run()
"""


def test_a_supervisor_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    make_site(tmp_path)
    command = [sys.executable, "-c", IMPORTS, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    assert "stask_web.engines.supervisor" in found
    assert not set(NEEDLESS) & set(found)


def test_the_first_task_of_a_child_finds_all_loaded(tmp_path: Path) -> None:
    app, into = make_app(tmp_path), tmp_path / "loaded"
    state = state_of(app)
    with app.app_context():
        state.storage.prepare()
        upgrade(state.database)
        process = start([sys.executable, "-m", "tests.engines.typed_site", str(tmp_path)], tmp_path)
        try:
            task = state.tasks.create("typed", "note", {"into": str(into)})
            while not state.tasks.get(task.id).is_finished():
                time.sleep(0.01)
        finally:
            process.terminate()
            process.wait(30)
        assert state.tasks.get(task.id).status_text == "completed", state.tasks.get(task.id).message
    state.database.engine.dispose()
    assert into.read_text() == "", "each child pays for it again"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_supervisor_is_small_and_rests_when_idle(tmp_path: Path) -> None:
    with compiled(tmp_path):
        host = measure_host()
        with worker(tmp_path, 2) as process:
            core_of(process.pid, 3.0)  # the looks right after the start
            core, size = core_of(process.pid, 3.0), size_of(process.pid)
    assert size.rss - host.rss < OURS
    assert core < CORE
