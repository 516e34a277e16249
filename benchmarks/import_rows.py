"""How many rows a second the example shop imports through a real worker process, progress, log and refusals included.

Run it with: python -m benchmarks.import_rows [ROUNDS]. The rate is that of the task as people see it, start to end:
the file is read twice (once to check it), each row is checked, and every 200 rows are committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = 5
FLOOR = 1500
PATIENCE = 60.0


def main() -> None:
    """Print the rate of the first import, which creates, and of those after it, which change."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SHOP_INSTANCE"] = folder
        from examples.shop.app import create_app
        from examples.shop.setup import set_up

        app = create_app()
        set_up(app)
        command = [sys.executable, "-m", "flask", "--app", "examples.shop.app", "stask", "work", "--concurrency", "1"]
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            with app.app_context():
                rates = [measure(Path(folder) / "products.csv") for _ in range(max(rounds, 1))]
        finally:
            worker.terminate()
            worker.wait()
    each = ", ".join(f"{rate:,.0f}" for rate in rates)
    print(f"import of {app.extensions['rows']:,} rows: {rates[0]:,.0f} rows/s created; all rounds: {each} rows/s")
    print(f"the slowest is {min(rates) / FLOOR:.1f} times the floor of {FLOOR:,} rows/s")


def measure(path: Path) -> float:
    """One import -> rows a second."""
    from flask import current_app

    from stask_web import Task, stask

    created = stask.create("product", "import", {"file": str(path)})
    task: Any = None
    deadline = time.monotonic() + PATIENCE
    while task is None or not task.is_finished():
        assert time.monotonic() < deadline, f"the import did not end within {PATIENCE:.0f} s"
        time.sleep(0.05)
        task = Task.get(created.id)
    assert task.status_text == "completed", task.message
    assert task.message == "3,161 imported, 40 refused", task.message
    current_app.extensions["rows"] = task.total
    return float(task.total / task.duration)


if __name__ == "__main__":
    main()
