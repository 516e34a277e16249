"""A site with one typed action, which notes what its process had to load for it: ``python -m ... FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from flask import Flask
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, DryRun, STask, Upload
from stask_web.engines.supervisor import Supervisor
from stask_web.signals import child_started
from stask_web.state import state_of

_inherited: set[str] = set()


@child_started.connect
def _look(app: Flask) -> None:
    _inherited.update(sys.modules)


class Options(BaseModel):
    """Of many kinds."""

    into: str
    format: Literal["csv", "json"] = "csv"
    count: int = Field(3, ge=1)
    file: Annotated[Path, Upload(".csv")] | None = None
    token: SecretStr | None = None
    dry_run: Annotated[bool, DryRun()] = False


class TypedWorker(BaseWorker):
    """Has settings, too."""

    identifier = "typed"

    class Settings(BaseModel):
        """One of them."""

        limit: int = 5

    def task_note(self, task: Any, options: Options) -> None:
        """Note the modules that were loaded since this process began."""
        self.push_progress(task, processed=1, total=self.config.limit, message="Noting")
        self.log(task, "info", "Noting")
        Path(options.into).write_text(" ".join(sorted(set(sys.modules) - _inherited)))


def make_app(folder: Path) -> Flask:
    """The app, for the test and its worker."""
    app = Flask("typed", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="typed",
        STASK_DATABASE_URI=f"sqlite:///{folder}/test.db",
        STASK_STORAGE=str(folder / "stask"),
        STASK_AUTO_ACTIVATE=True,
    )
    STask(app, access=lambda user, permission, target: True)
    state_of(app).registry.add(TypedWorker)
    return app


if __name__ == "__main__":
    raise SystemExit(Supervisor(make_app(Path(sys.argv[1])), concurrency=1).run())
