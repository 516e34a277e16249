"""System: processes, the queue and why it waits, sizes, settings; waking the workers, and deleting what is old."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import vitals
from stask_web.models import Process, Schedule, Task
from stask_web.pruning import Pruner
from stask_web.status import Status
from stask_web.views import system, upkeep

from .conftest import JSON, Site


def process(site: Site, name: str = "p", **values: Any) -> str:
    """A supervisor that just gave a sign of life, with its lock file in our storage."""
    now = datetime.now(UTC)
    (site.state.storage.run / f"{name}.lock").touch()
    facts = {"id": name, "host": "web1", "pid": 4711, "started_at": now, "beat_at": now, "concurrency": 2, "busy": 0}
    row = {**facts, "lock": f"{name}.lock", "info": {}, **values}
    with site.state.database.write() as connection:
        connection.execute(sa.insert(Process).values(**row))
    return name


def old(site: Site, number: int = 1, days: float = 40, status: Status = Status.COMPLETED) -> list[int]:
    """Tasks that ended long ago."""
    moment = datetime.now(UTC) - timedelta(days=days)
    return [site.ended(status, created_at=moment, finished_at=moment) for _ in range(number)]


def test_only_who_manages_workers_sees_it(site: Site) -> None:
    for path in ("/system", "/tasks/clean"):
        assert site.client().get(f"/stask{path}").status_code == 302
        assert site.client().get(f"/stask{path}", headers=JSON).status_code == 401
        for name in ("viewer", "operator"):
            assert site.client(name).get(f"/stask{path}").status_code == 403
        assert site.client("admin").get(f"/stask{path}").status_code == 200


@pytest.mark.parametrize("path", ["/tasks/process", "/tasks/clean"])
def test_operators_neither_wake_nor_clean(site: Site, path: str) -> None:
    [task] = old(site)
    assert site.client().post(f"/stask{path}", headers=JSON).status_code == 401
    for name in ("viewer", "operator"):
        assert site.client(name).post(f"/stask{path}", data={"sure": "1"}).status_code == 403
    assert site.get(task)


def test_the_navigation_has_it_for_admins_only(admin: FlaskClient, operator: FlaskClient) -> None:
    assert 'data-key-shortcut="y"' in admin.get("/stask/").text
    assert "/stask/system" not in operator.get("/stask/").text


# Processes


def test_a_process_is_shown_with_what_it_runs(site: Site, admin: FlaskClient) -> None:
    owner = process(site, busy=1, host="<i>web1</i>")
    task = site.running(owner=owner)
    page = admin.get("/stask/system").text
    assert "Process 4711 on &lt;i&gt;web1&lt;/i&gt;" in page
    assert "1 of 2 places busy" in page
    assert f'href="/stask/tasks/{task}"' in page
    [told] = admin.get("/stask/system", headers=JSON).get_json()["processes"]
    assert told["tasks"] == [task]
    assert told["alive"] and not told["code_is_old"]


def test_a_task_that_no_process_has_is_shown_too(site: Site, admin: FlaskClient) -> None:
    site.running(owner="gone")
    assert "runs outside of these processes" in admin.get("/stask/system").text


def test_a_process_that_is_silent_is_told(site: Site, admin: FlaskClient) -> None:
    process(site, beat_at=datetime.now(UTC) - timedelta(minutes=5))
    page = admin.get("/stask/system").text
    assert "No sign of life" in page
    assert "flask stask work" in page, "none is alive"


def test_without_a_process_the_command_stands_on_top(site: Site, admin: FlaskClient) -> None:
    assert '<code class="banner-code">flask stask work</code>' in admin.get("/stask/system").text
    process(site)
    assert "banner-code" not in admin.get("/stask/system").text


def test_a_process_with_old_code_is_to_be_restarted(
    site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(site, started_at=datetime.now(UTC) - timedelta(hours=1))
    words = "It was started before the newest change of the code. Restart it."
    monkeypatch.setattr(system, "STARTED", time.time())
    monkeypatch.setattr(vitals, "newest_code", lambda registry: time.time() - 7200)
    assert words not in admin.get("/stask/system").text
    monkeypatch.setattr(vitals, "newest_code", lambda registry: time.time() - 1800)
    assert admin.get("/stask/system").text.count(words) == 1


def test_a_web_process_with_old_code_says_so(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "newest_code", lambda registry: time.time())
    monkeypatch.setattr(system, "STARTED", time.time() - 60)
    assert "Restart it" in admin.get("/stask/system").text


def test_a_process_of_another_version_is_told(site: Site, admin: FlaskClient) -> None:
    process(site, info={"version": "0.0.9"})
    assert "It runs stask-web 0.0.9, this page" in admin.get("/stask/system").text


def test_a_process_with_another_storage_is_told(site: Site, admin: FlaskClient) -> None:
    process(site)
    assert "Its storage is another folder" not in admin.get("/stask/system").text
    (site.state.storage.run / "p.lock").unlink()
    assert "Its storage is another folder" in admin.get("/stask/system").text


def test_the_age_of_the_code_is_that_of_its_newest_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "_code", {})
    name = type(site).__module__.partition(".")[0]
    mine = Path(__file__)
    monkeypatch.setattr(vitals, "_files", lambda modules, names: iter([str(mine)] if name in names else []))
    assert vitals.newest_code(site.state.registry) == os.stat(mine).st_mtime
    assert vitals.facts_of_this(site.state.registry)["version"] == vitals.our_version() != ""


# Queue


def test_the_queue_says_how_many_wait_and_why(site: Site, admin: FlaskClient) -> None:
    first = site.task(priority="high", lane=1)
    for _ in range(3):
        site.task()
    soon = datetime.now(UTC) + timedelta(hours=1)
    site.task(lane=None, due_at=soon)
    site.task(lane=None, due_at=soon, attempt_no=1)
    lanes = {lane["kind"]: lane for lane in admin.get("/stask/system", headers=JSON).get_json()["queue"]}
    assert {kind: lane["count"] for kind, lane in lanes.items()} == {
        "high": 1, "normal": 3, "low": 0, "scheduled": 1, "retrying": 1,
    }  # fmt: skip
    assert lanes["high"]["first"] == first
    assert "No worker process is running" in admin.get("/stask/system").text
    process(site, busy=2)
    page = admin.get("/stask/system").text
    assert "All 2 places are busy" in page
    assert "Waits for those of higher priority" in page


def test_a_long_queue_is_counted_up_to_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "QUEUE_LOOK", 2)
    for _ in range(4):
        site.task()
    normal = next(lane for lane in vitals.queue(site.state.database) if lane.kind == "normal")
    assert (normal.n, normal.exact) == (2, False)
    assert "2+" in site.client("admin").get("/stask/system").text


# Where it lies


def test_database_storage_and_versions_are_told(site: Site, admin: FlaskClient) -> None:
    (site.state.storage.journal / "0").mkdir()
    (site.state.storage.journal / "0" / "1.log").write_bytes(b"x" * 3000)
    vitals._sizes.clear()
    answer = admin.get("/stask/system", headers=JSON).get_json()
    assert answer["database"]["dialect"] == "sqlite"
    assert answer["database"]["size"] > 10_000
    assert answer["database"]["revision"] == answer["database"]["newest_revision"]
    assert answer["storage"]["journal"] == {"size": 3000, "exact": True}
    assert {"stask-web", "Python", "Flask", "SQLAlchemy"} <= set(answer["versions"])
    page = admin.get("/stask/system").text
    assert "2.9 KB" in page
    assert "up to date" in page


def test_a_big_folder_is_measured_by_a_sample(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a").write_bytes(b"x" * 100)
    assert vitals._measure(tmp_path, time.monotonic() + 60).size == 2000
    found = vitals._measure(tmp_path, 0.0)
    assert not found.whole
    assert found.size == 2000, "one part of twenty, times twenty"


def test_changed_settings_are_shown_but_no_secret(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'own-secret-name.db'}"
    site = Site(tmp_path, STASK_RETENTION_DAYS=7, STASK_DATABASE_URI=uri, STASK_AUTO_ACTIVATE=True)
    with site.app.app_context():
        from stask_web.database import upgrade

        upgrade(site.state.database)
        found = {fact.name: fact.value for fact in system._changed(site.state)}
        site.state.database.engine.dispose()
        site.db.engine.dispose()
    assert found == {"STASK_RETENTION_DAYS": "7", "STASK_DATABASE_URI": "set, not shown", "STASK_AUTO_ACTIVATE": "on"}


def test_a_schedule_that_is_late_is_told(site: Site, admin: FlaskClient) -> None:
    now = datetime.now(UTC)
    row = {
        "identifier": "product", "action": "sync_stock", "title": "Stock at night", "timezone": "UTC",
        "rule": {"type": "cron", "cron": "0 2 * * *"}, "created_at": now, "updated_at": now,
    }  # fmt: skip
    with site.state.database.write() as connection:
        connection.execute(sa.insert(Schedule).values(next_fire_at=now + timedelta(minutes=5), **row))
    assert "Schedules that are late" not in admin.get("/stask/system").text
    with site.state.database.write() as connection:
        connection.execute(sa.update(Schedule).values(next_fire_at=now - timedelta(minutes=5)))
    page = admin.get("/stask/system").text
    assert "Schedules that are late" in page
    assert "Stock at night" in page


# Waking


def test_waking_says_what_happens(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []
    monkeypatch.setattr(site.state.tasks, "wake", lambda: woken.append(1))
    assert "flask stask work" in admin.post("/stask/tasks/process", headers=JSON).get_json()["message"]
    process(site)
    site.task()
    answer = admin.post("/stask/tasks/process", data={"_back": "system"})
    assert (answer.status_code, answer.location) == (303, "/stask/system")
    page = admin.get("/stask/system").text
    assert "One worker process looks at the queue now. One task waits." in page
    assert "looks at the queue now" not in admin.get("/stask/system").text, "said once"
    assert len(woken) == 2


# Deleting


def test_the_form_offers_the_usual_age_and_deletes_nothing(site: Site, admin: FlaskClient) -> None:
    [task] = old(site)
    page = admin.get("/stask/tasks/clean").text
    assert 'name="days" value="30"' in page
    assert "Delete one task" not in page
    assert "Delete one task?" in admin.get("/stask/tasks/clean?days=30").text
    assert "nothing to delete" in admin.get("/stask/tasks/clean?days=50").text
    assert "nothing to delete" in admin.get("/stask/tasks/clean?days=30&status=failed").text
    assert site.get(task)


def test_a_form_is_asked_before_anything_is_deleted(site: Site, admin: FlaskClient) -> None:
    old(site, 3)
    asked = admin.post("/stask/tasks/clean", data={"days": "30"})
    assert asked.status_code == 200
    assert "Delete 3 tasks?" in asked.text
    assert len(site.all()) == 3


def test_old_tasks_are_deleted_and_no_others(site: Site, admin: FlaskClient) -> None:
    old(site, 3)
    kept = [site.ended(), site.task(created_at=datetime.now(UTC) - timedelta(days=90)), *old(site, 1, 10)]
    failed = old(site, 2, status=Status.FAILED)
    data = {"days": "30", "status": "completed", "sure": "1"}
    answer = admin.post("/stask/tasks/clean", data=data)
    assert (answer.status_code, answer.location) == (303, "/stask/system")
    assert "Deleted 3 tasks." in admin.get("/stask/system").text
    assert {task.id for task in site.all()} == {*kept, *failed}


def test_what_is_left_is_said_and_gone_on_with(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old(site, 5)
    monkeypatch.setattr("stask_web.pruning.BATCH", 2)
    monkeypatch.setattr(upkeep, "CLEAN_FOR", 0.0)
    answer = admin.post("/stask/tasks/clean", data={"days": "30", "status": "", "sure": "1"})
    assert answer.location == "/stask/tasks/clean?days=30"
    page = admin.get(answer.location).text
    assert "Deleted 2 tasks. 3 are left." in page
    assert "Delete 3 tasks</button>" in page
    told = admin.post("/stask/tasks/clean", headers=JSON, data={"days": "30"}).get_json()
    assert (told["deleted"], told["left"], told["exact"]) == (2, 1, True)


def test_many_are_counted_about(site: Site, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from stask_web.rows import count_endings, count_key

    monkeypatch.setattr("stask_web.pruning.COUNT_LOOK", 3)
    for task_id in old(site, 6):
        with site.state.database.write() as connection:
            count_endings(connection, count_key(site.get(task_id)), n=1)
    amount = Pruner(site.state).count_old(30)
    assert (amount.n, amount.exact) == (6, False)
    assert "Delete about 6 tasks?" in admin.get("/stask/tasks/clean?days=30").text


@pytest.mark.parametrize("days", ["", "-1", "many", "1e9", "nan"])
def test_an_age_that_cannot_be_is_told_and_kept(site: Site, admin: FlaskClient, days: str) -> None:
    [task] = old(site)
    for answer in (
        admin.get(f"/stask/tasks/clean?days={days}"),
        admin.post("/stask/tasks/clean", data={"days": days, "sure": "1"}),
    ):
        assert answer.status_code == 422
        assert "Enter a number of days" in answer.text
        assert f'name="days" value="{days}"' in answer.text
    answer = admin.post("/stask/tasks/clean", headers=JSON, data={"days": days})
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == ["days"]
    assert site.get(task)


def test_a_status_that_is_no_end_is_refused(site: Site, admin: FlaskClient) -> None:
    site.task()
    assert admin.post("/stask/tasks/clean", data={"days": "0", "status": "pending", "sure": "1"}).status_code == 422
    assert len(Task.query().all()) == 1


def test_the_count_follows_the_index_on_the_end(site: Site) -> None:
    from stask_web.pruning import _old

    with site.state.database.read() as connection:
        select = _old(30, "failed").with_only_columns(Task.id).limit(5)
        text = select.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = " ".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "ix_s_tasks_finished_at_status" in plan


def test_inside_a_dialog_the_form_comes_alone(admin: FlaskClient) -> None:
    part = admin.get("/stask/tasks/clean?partial=1").text
    assert "<html" not in part
    assert "data-dialog-close" in part


def test_the_part_that_changes_comes_alone(site: Site, admin: FlaskClient) -> None:
    part = admin.get("/stask/system?partial=1&part=now").text
    assert "<html" not in part
    assert "Queue" in part


def test_a_program_says_in_json_what_to_delete(site: Site, admin: FlaskClient) -> None:
    kept = old(site, 3)
    answer = admin.post("/stask/tasks/clean", json={"days": 5000, "status": "failed"}, headers=JSON)
    assert answer.get_json()["deleted"] == 0
    assert [site.get(task_id).id for task_id in kept] == kept
    assert admin.post("/stask/tasks/clean", json=[30], headers=JSON).status_code == 422
    assert admin.post("/stask/tasks/clean", json={"days": "many"}, headers=JSON).status_code == 422
