"""Workers: discovery, registration, settings."""

from __future__ import annotations

import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from stask_web import WorkerRecord, stask
from stask_web.actions import action, action_specs
from stask_web.errors import UnknownWorker
from stask_web.worker import BaseWorker

from .conftest import Host, ProductWorker

GOOD = """
from stask_web import BaseWorker
class Base{n}(BaseWorker):
    pass
class Mail(Base{n}):
    identifier = "mail{n}"
    scope = "post"
    title = "Mail"
    def task_send(self, task, options): ...
"""


@pytest.fixture
def package(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    name = f"workers_{abs(hash(request.node.nodeid))}"
    folder = tmp_path / "packages" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "good.py").write_text(GOOD.replace("{n}", ""))
    (folder / "broken.py").write_text("import nothing_like_this\n")
    (folder / "unmade.py").write_text(
        "from stask_web import BaseWorker\nclass U(BaseWorker):\n"
        "    identifier = 'u'\n    def __init__(self): raise RuntimeError('no way')\n"
    )
    sys.path.insert(0, str(tmp_path / "packages"))
    request.addfinalizer(lambda: sys.path.remove(str(tmp_path / "packages")))
    return name


def make(tmp_path: Path, package: str, **config: object) -> Host:
    return Host(tmp_path, STASK_WORKER_PACKAGES=[package], **config)


def test_nothing_is_imported_before_it_is_needed(tmp_path: Path, package: str) -> None:
    make(tmp_path, package)
    assert package not in sys.modules


def test_new_workers_are_found_off_and_a_broken_one_stops_no_other(tmp_path: Path, package: str) -> None:
    from stask_web.database import upgrade

    host = make(tmp_path, package)
    with host.app.app_context():
        upgrade(host.state.database)
        assert [record.identifier for record in stask.discover_workers()] == ["mail"]
        assert stask.discover_workers() == []
        record = stask.get_worker("mail")
        assert record is not None and not record.active and record.scope == "post" and record.title == "Mail"
        broken = {item.name.rsplit(".", 1)[-1]: item.reason for item in host.state.registry.broken}
        assert "nothing_like_this" in broken["broken"] and "line 1" in broken["broken"]
        assert "no way" in broken["unmade:U"]
        assert stask.activate_worker("mail").active
        assert [item.identifier for item in WorkerRecord.only_active().all()] == ["mail"]
        assert not stask.deactivate_worker("mail").active
        with pytest.raises(UnknownWorker):
            stask.activate_worker("nobody")


def test_auto_activate_turns_new_workers_on(tmp_path: Path, package: str) -> None:
    from stask_web.database import upgrade

    host = make(tmp_path, package, STASK_AUTO_ACTIVATE=True)
    with host.app.app_context():
        upgrade(host.state.database)
        host.state.roster.register_new()
        assert stask.get_worker("mail").active  # type: ignore[union-attr]


def test_a_worker_whose_class_is_gone_is_cleaned(host: Host) -> None:
    host.state.registry._added.clear()
    assert [record.title for record in stask.get_workers()] == ["Product management"]
    assert stask.clean_orphaned_workers() == 1
    assert stask.get_workers() == []


def test_rescan_updates_what_the_class_says(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stask.rescan_workers() == []
    monkeypatch.setattr(ProductWorker, "scope", "market")
    assert [record.identifier for record in stask.rescan_workers()] == ["product"]
    assert [record.identifier for record in WorkerRecord.by_scope("market").all()] == ["product"]


def test_settings_are_defaults_with_stored_values_over_them(host: Host) -> None:
    worker = ProductWorker()
    assert worker.get_config("api.timeout", 5) == 30 and worker.get_config("api.none", 5) == 5
    worker.set_config("api.timeout", 60)
    worker.update_config({"batch_size": 7})
    assert worker.settings() == {"api": {"timeout": 60, "url": "https://example.com"}, "batch_size": 7}
    assert ProductWorker.defaults["api"]["timeout"] == 30


def test_a_worker_creates_its_own_tasks(host: Host) -> None:
    assert ProductWorker().create_task("sync-stock", {"a": 1}).meta == {"a": 1}


def test_an_action_says_its_words_or_they_come_from_its_name() -> None:
    class Reports(BaseWorker):
        identifier = "r"

        @action("Send the report", confirm="Mail goes out.", max_attempts=1)
        def task_send(self, task: object, options: object) -> None: ...

        def task_build_all(self, task: object, options: object) -> None:
            """Build every
            report.

            Slow."""

        def _task_hidden(self) -> None: ...

        def helper(self) -> None: ...

    specs = action_specs(Reports)
    assert list(specs) == ["send", "build_all"]
    assert (specs["send"].title, specs["send"].confirm, specs["send"].max_attempts) == (
        "Send the report",
        "Mail goes out.",
        1,
    )
    assert (specs["build_all"].title, specs["build_all"].description) == ("Build all", "Build every report.")
    with pytest.raises(ValueError, match="max_attempts"):
        action(max_attempts=0)(lambda self, task, options: None)


def test_a_package_that_ends_the_program_and_names_that_fit_no_address_stop_no_other(
    tmp_path: Path, package: str
) -> None:
    folder = tmp_path / "packages" / package
    for name, text in {
        "leaves/__init__.py": "raise SystemExit(3)\n",
        "__main__.py": "raise SystemExit('a program')\n",
        "below/__init__.py": "",
        "below/deep.py": GOOD.replace("{n}", "2"),
        "slash.py": GOOD.replace("{n}", "3").replace("mail3", "ma/il"),
        "long.py": GOOD.replace("{n}", "4").replace("mail4", "m" * 101),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    host = make(tmp_path, package)
    with host.app.app_context():
        assert sorted(host.state.registry.classes()) == ["mail", "mail2"]
        reasons = {item.name.removeprefix(f"{package}."): item.reason for item in host.state.registry.broken}
    assert reasons["leaves"].startswith("SystemExit: 3")
    assert "cannot stand in an address" in reasons["slash:Mail"] and "long:Mail" in reasons
    assert "__main__" not in reasons


@pytest.mark.parametrize(
    ("facts", "allowed"),
    [
        *(({"timeout": value}, "a number of seconds above 0, or None") for value in (-1, 0, nan, inf, "60", True)),
        *(({"max_attempts": value}, "a whole number, 1 or more") for value in (0, -1, 2.5, "3", True)),
        *(({"priority": value}, "one of high, normal, low") for value in ("urgent", "", 1, ["high"])),
        *(({"unique": value}, "True, False or a list of names") for value in ("shop", [], [1], 1, None, [""])),
    ],
)
def test_what_is_wrong_with_an_action_is_said_when_its_class_is_made(facts: dict[str, Any], allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"Odd\.task_import: {next(iter(facts))} is .+, but must be {allowed}"):

        class Odd(BaseWorker):
            identifier = "odd"

            @action(**facts)
            def task_import(self, task: Any, options: Any) -> None: ...


def test_what_fits_an_action_is_taken() -> None:
    for facts in ({"timeout": 0.5}, {"timeout": 60}, {"max_attempts": 1}, {"unique": {"shop"}}, {"unique": iter("a")}):
        action(**facts)(lambda self, task, options: None)  # type: ignore[arg-type]
