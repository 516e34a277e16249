"""Schedules: each instant brings one task whoever fires, what is broken stops no other, a worker may have its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from stask_web import BaseWorker, Upload, stask
from stask_web.creation import Creation
from stask_web.errors import (
    AlreadyRunning,
    InvalidOptions,
    InvalidSchedule,
    ScheduleNotFound,
    UnknownAction,
    WorkerInactive,
)
from stask_web.models import Schedule, Task
from stask_web.schedules import CATCH_UP, Firing, Schedules
from stask_web.uploads import For, Uploads

from .conftest import Host, ProductWorker

MINUTELY = {"type": "periodic", "frequency": "minutely"}
DAILY = {"type": "periodic", "frequency": "daily", "time": "18:00"}
KYIV = ZoneInfo("Europe/Kyiv")


class TokenOptions(BaseModel):
    """With a secret."""

    token: SecretStr
    limit: int = 10


class TokenWorker(BaseWorker):
    """Has one action only."""

    identifier = "token"
    title = "Token"

    def task_fetch(self, task: Any, options: TokenOptions) -> None: ...


@pytest.fixture
def door(host: Host) -> Schedules:
    """The door to schedules."""
    door: Schedules = host.state.schedules
    return door


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged about schedules."""
    caplog.set_level(logging.INFO, "stask_web.schedules")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "stask_web.schedules"]


def minutely(door: Schedules, **more: Any) -> Schedule:
    """A schedule of each minute."""
    return door.create("product", "sync_stock", MINUTELY, {"source": "api"}, **more)


def due(schedule: Schedule) -> float:
    """When it fires next."""
    assert schedule.next_fire_at is not None
    return schedule.next_fire_at.timestamp()


def created() -> list[Task]:
    return Task.query().order_by(Task.id).all()


def instants() -> list[float]:
    """The instants for which tasks were created."""
    return [task.start_at.timestamp() for task in created() if task.start_at is not None]


def set_columns(host: Host, schedule: Schedule, **values: Any) -> None:
    """Change a row behind the door's back."""
    with host.state.database.write() as connection:
        connection.execute(sa.update(Schedule).where(Schedule.id == schedule.id).values(**values))


# -- firing


def test_a_schedule_creates_its_task_when_it_is_due(door: Schedules) -> None:
    schedule = minutely(door, user_id=7, priority="low")
    at = due(schedule)
    assert door.tick(at - 0.001) == []
    (task_id,) = door.tick(at)
    (task,) = created()
    assert (task.id, task.identifier, task.action, task.meta) == (task_id, "product", "sync_stock", {"source": "api"})
    assert (task.started_by, task.priority, task.schedule_id) == (7, "low", schedule.id)
    assert task.start_at is not None
    assert task.start_at.timestamp() == at
    assert (task.lane, task.due_at) == (3, None)  # it may start at once
    after = door.get(schedule.id)
    assert (after.last_task_id, after.last_error) == (task_id, None)
    assert after.last_fire_at is not None
    assert (after.last_fire_at.timestamp(), due(after)) == (at, at + 60)


def test_each_instant_fires_once_however_often_one_ticks(door: Schedules) -> None:
    at = due(minutely(door))
    fired = [door.tick(at + seconds) for seconds in (0, 0, 0.5, 59.9, 60, 60, 119, 120)]
    assert [len(ids) for ids in fired] == [1, 0, 0, 0, 1, 0, 0, 1]
    assert instants() == [at, at + 60, at + 120]


def test_two_processes_that_see_the_same_instant_fire_it_once(
    host: Host, door: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one fires between our look and our transaction."""
    at = due(minutely(door))
    others: list[list[int]] = []
    prepare = Creation.prepare

    def meanwhile(self: Creation, *arguments: Any) -> Any:
        monkeypatch.setattr(Creation, "prepare", prepare)
        others.append(Firing(host.state).fire(at).task_ids)
        return prepare(self, *arguments)

    monkeypatch.setattr(Creation, "prepare", meanwhile)
    assert door.tick(at) == []
    assert [len(ids) for ids in others] == [1]
    assert instants() == [at]


def test_a_rollback_leaves_the_instant_to_be_fired(
    host: Host, door: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = due(minutely(door))
    insert = Creation.insert

    def fail(self: Creation, connection: sa.Connection, new: Any) -> int:
        insert(self, connection, new)
        raise sa.exc.OperationalError("COMMIT", None, Exception("the disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(Creation, "insert", fail)
        with pytest.raises(sa.exc.OperationalError):
            door.tick(at)
    assert created() == []
    assert len(door.tick(at)) == 1
    assert instants() == [at]


@pytest.mark.parametrize("change", [{"enabled": False}, {"next_fire_at": None}, {"next_fire_at": 4e9}])
def test_a_schedule_that_was_turned_off_or_changed_meanwhile_does_not_fire(
    host: Host, door: Schedules, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    schedule = minutely(door)
    at = due(schedule)
    prepare = Creation.prepare

    def meanwhile(self: Creation, *arguments: Any) -> Any:
        set_columns(host, schedule, **change)
        return prepare(self, *arguments)

    monkeypatch.setattr(Creation, "prepare", meanwhile)
    assert door.tick(at) == []
    assert created() == []


def test_many_that_are_due_together_all_fire(door: Schedules) -> None:
    schedules = [minutely(door) for _ in range(60)]
    assert len(door.tick(max(map(due, schedules)))) == 60


def test_an_inline_engine_runs_what_was_fired(tmp_path: Path) -> None:
    from stask_web.database import upgrade

    host = Host(tmp_path, STASK_ENGINE="inline")
    host.state.registry.add(ProductWorker)
    with host.app.app_context():
        upgrade(host.state.database)
        host.state.roster.set_active("product", True)
        stask.schedules.tick(due(stask.schedules.create("product", "sync-stock", MINUTELY)))
        assert [task.status_text for task in created()] == ["completed"]
        host.state.database.engine.dispose()
        host.db.engine.dispose()


# -- missed instants and clocks


@pytest.mark.parametrize(("late", "fires"), [(0.0, True), (CATCH_UP - 1, True), (CATCH_UP, False), (90_000.0, False)])
def test_a_missed_instant_is_caught_up_with_if_it_is_less_than_ten_minutes_ago(
    door: Schedules, warnings: Callable[[], list[str]], late: float, fires: bool
) -> None:
    schedule = door.create("product", "sync_stock", DAILY, timezone="Europe/Kyiv")
    at = due(schedule)
    assert bool(door.tick(at + late)) is fires
    after = door.get(schedule.id)
    assert instants() == ([at] if fires else [])
    assert due(after) > at + late
    if not fires:
        assert "18:00" in str(after.last_error)
        assert "Missed" in " ".join(warnings())
    assert door.tick(at + late + 1) == []


def test_of_many_missed_instants_only_the_newest_is_caught_up_with(door: Schedules) -> None:
    at = due(minutely(door))
    assert len(door.tick(at + 7 * 86_400 + 30)) == 1
    assert instants() == [at + 7 * 86_400]


def test_a_clock_that_jumps_two_hours_ahead_brings_one_task(door: Schedules) -> None:
    at = due(minutely(door))
    for now in (at, at + 7200, at + 7200.5, at + 7201):
        door.tick(now)
    assert instants() == [at, at + 7200]


def test_a_clock_that_jumps_two_hours_back_brings_none_twice(host: Host, door: Schedules) -> None:
    at = due(minutely(door))
    door.tick(at)
    for now in range(int(at) - 7200, int(at) + 60, 60):
        Firing(host.state).realign(now)
        assert door.tick(now) == []
    door.tick(at + 60)
    assert instants() == [at, at + 60]


def test_what_was_fired_is_fired_no_more_even_if_the_row_says_so(host: Host, door: Schedules) -> None:
    schedule = minutely(door)
    at = due(schedule)
    door.tick(at + 120)
    set_columns(host, schedule, next_fire_at=at)
    assert door.tick(at + 120) == []
    assert due(door.get(schedule.id)) == at + 180
    assert door.get(schedule.id).last_error is None


def test_realigned_in_the_past_it_waits_for_what_was_not_fired(host: Host, door: Schedules) -> None:
    schedule = minutely(door)
    at = due(schedule)
    door.tick(at)
    Firing(host.state).realign(at - 7200)
    assert due(door.get(schedule.id)) == at + 60


def test_after_a_clock_that_ran_ahead_schedules_come_back(host: Host, door: Schedules) -> None:
    schedule = door.create("product", "sync_stock", DAILY)
    at = due(schedule)
    door.tick(at - 3600 + 400 * 86_400)  # the clock says next year; today's run is not told as missed for ever
    assert due(door.get(schedule.id)) > at + 300 * 86_400
    Firing(host.state).realign(at - 3500)
    assert due(door.get(schedule.id)) == at
    assert len(door.tick(at)) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(-7200, 7200), st.booleans()), min_size=5, max_size=25))
def test_whatever_the_clock_does_no_instant_fires_twice(host: Host, steps: list[tuple[float, bool]]) -> None:
    door, before = host.state.schedules, len(created())
    schedule = minutely(door)
    now = due(schedule)
    for move, realign in steps:
        now += move
        if realign:
            Firing(host.state).realign(now)
        assert len(door.tick(now)) <= 1
    found = [task.start_at for task in created()[before:]]
    assert len(found) == len(set(found))
    door.remove(schedule)


@pytest.mark.parametrize(("day", "runs"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_an_hourly_schedule_fires_23_or_25_times_when_the_clock_is_set(
    host: Host, door: Schedules, day: tuple[int, int, int], runs: int
) -> None:
    schedule = door.create("product", "sync_stock", {"type": "periodic"}, timezone="Europe/Kyiv")
    begin = datetime(*day, tzinfo=KYIV).timestamp()
    set_columns(host, schedule, next_fire_at=begin)
    end = datetime(day[0], day[1], day[2] + 1, tzinfo=KYIV).timestamp()
    now = begin
    while now < end:
        door.tick(now)
        now += 600
    assert instants() == [begin + 3600 * hour for hour in range(runs)]
    assert begin + 3600 * runs == end


def test_a_single_moment_fires_once_and_is_over(door: Schedules) -> None:
    at = int(time.time()) + 3600
    text = datetime.fromtimestamp(at, KYIV).isoformat()
    schedule = door.create("product", "sync_stock", {"type": "once", "datetime": text}, timezone="Europe/Kyiv")
    assert due(schedule) == at
    assert len(door.tick(at + 5)) == 1
    assert door.get(schedule.id).next_fire_at is None
    assert door.tick(at + 100_000) == []
    assert instants() == [at]
    Firing(door.state).realign(at + 1)
    assert door.get(schedule.id).next_fire_at is None


# -- what is broken


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"identifier": "gone"}, "no worker 'gone'"),
        ({"action": "gone"}, "no action 'gone'"),
        ({"action": "import", "meta": {"batch": 0}}, "batch"),
        ({"secrets": b"no secret of ours"}, "SECRET_KEY"),
        ({"rule": {"type": "cron", "cron": "what"}}, "rule cannot be read"),
        ({"rule": ["daily"]}, "could not be fired"),
        ({"timezone": "Europe/Atlantis"}, "no time zone"),
    ],
)
def test_a_broken_schedule_is_reported_and_stops_no_other(
    host: Host, door: Schedules, warnings: Callable[[], list[str]], values: dict[str, Any], words: str
) -> None:
    broken, good = minutely(door), minutely(door)
    set_columns(host, broken, **values)
    assert door.problem(door.get(good.id)) is None
    assert len(door.tick(due(good))) == 1
    after = door.get(broken.id)
    assert words in str(after.last_error)
    assert any(f"chedule {broken.id} " in line for line in warnings())
    assert after.next_fire_at is None or due(after) > due(good)
    assert created()[0].schedule_id == good.id
    assert len(door.tick(due(good) + 60)) == 1


def test_json_that_is_none_stops_no_other(host: Host, door: Schedules) -> None:
    broken, good = minutely(door), minutely(door)
    with host.state.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE s_schedules SET rule = '{{' WHERE id = {broken.id}")
    assert len(door.tick(due(good))) == 1
    with host.state.database.read() as connection:
        row = connection.execute(sa.select(Schedule.next_fire_at, Schedule.last_error).where(Schedule.id == broken.id))
        assert list(row) == [(None, "It could not be fired: JSONDecodeError.")]
    Firing(host.state).realign(due(good))


def test_a_mended_schedule_fires_again(host: Host, door: Schedules) -> None:
    schedule = minutely(door)
    set_columns(host, schedule, rule={"type": "cron", "cron": "what"})
    door.tick(due(schedule))
    assert door.problem(schedule.id)
    mended = door.update(schedule.id, rule=MINUTELY)
    assert mended.last_error is None
    assert len(door.tick(due(mended))) == 1


def test_a_validator_that_raises_stops_no_other(host: Host, door: Schedules, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, good = minutely(door), minutely(door)
    from stask_web.schedules import firing

    load = firing.load_action

    def explode(state: Any, schedule: Schedule) -> Any:
        if schedule.id == broken.id:
            raise ZeroDivisionError("division by zero")
        return load(state, schedule)

    monkeypatch.setattr(firing, "load_action", explode)
    assert len(door.tick(due(good))) == 1
    assert "ZeroDivisionError: division by zero" in str(door.get(broken.id).last_error)


def test_a_worker_that_is_turned_off_is_not_started(
    host: Host, door: Schedules, warnings: Callable[[], list[str]]
) -> None:
    schedule = minutely(door)
    host.state.roster.set_active("product", False)
    at = due(schedule)
    assert door.tick(at) == door.tick(at + 60) == []
    assert "turned off" in str(door.get(schedule.id).last_error)
    assert "turned off" in str(door.problem(schedule.id))
    host.state.roster.set_active("product", True)
    assert len(door.tick(at + 120)) == 1
    assert door.get(schedule.id).last_error is None
    assert instants() == [at + 120]


def test_an_action_that_must_be_alone_is_not_stacked(host: Host, door: Schedules) -> None:
    schedule, other = door.create("product", "rebuild", MINUTELY), minutely(door)
    at = due(schedule)
    assert len(door.tick(at)) == 2
    assert [created()[-1].schedule_id] == [other.id] == [Task.get(door.tick(at + 60)[0]).schedule_id]  # type: ignore[union-attr]
    assert "waiting or running" in str(door.get(schedule.id).last_error)
    host.state.tasks.cancel(door.get(schedule.id).last_task_id)
    assert len(door.tick(at + 120)) == 2
    assert door.get(schedule.id).last_error is None


# -- the door


def test_what_is_wrong_is_refused_when_it_is_made(door: Schedules) -> None:
    with pytest.raises(UnknownAction):
        door.create("product", "nothing", DAILY)
    with pytest.raises(InvalidOptions, match="file"):
        door.create("product", "import", DAILY)
    with pytest.raises(InvalidSchedule, match="no time zone"):
        door.create("product", "sync_stock", DAILY, timezone="Mars")
    with pytest.raises(InvalidSchedule, match="passed"):
        door.create("product", "sync_stock", {"type": "once", "datetime": "2020-01-01 00:00"})
    with pytest.raises(ValueError, match="priority"):
        door.create("product", "sync_stock", DAILY, priority="urgent")
    assert door.all() == []


def test_a_schedule_tells_its_next_runs_in_its_own_zone(door: Schedules) -> None:
    schedule = door.create("product", "sync_stock", DAILY, timezone="Europe/Kyiv", title="Evening")
    runs = schedule.next_runs(3)
    assert {(run.hour, run.minute, str(run.tzinfo)) for run in runs} == {(18, 0, "Europe/Kyiv")}
    assert [run.date().toordinal() - runs[0].date().toordinal() for run in runs] == [0, 1, 2]
    assert schedule.next_fire_at == runs[0]
    assert schedule.words == "every day at 18:00 (Europe/Kyiv)"
    assert (schedule.title, door.next_runs(schedule.id, 3)) == ("Evening", runs)


def test_the_time_zone_is_that_of_the_settings_by_default(tmp_path: Path) -> None:
    host = Host(tmp_path, STASK_TIMEZONE="Pacific/Chatham")
    assert host.state.settings.timezone == "Pacific/Chatham"
    host.state.database.engine.dispose()


def test_turned_off_it_has_no_next_run_and_catches_nothing_up(door: Schedules) -> None:
    schedule = minutely(door)
    off = door.disable(schedule.id)
    assert (off.enabled, off.next_fire_at, off.next_runs()) == (False, None, [])
    assert door.tick(due(schedule)) == []
    on = door.enable(off)
    assert due(on) > time.time()


def test_a_changed_rule_counts_from_now_on(door: Schedules) -> None:
    schedule = minutely(door)
    door.tick(due(schedule))
    changed = door.update(schedule, rule=DAILY, timezone="Europe/Kyiv", title="New", data={"source": "file"})
    assert (changed.words, changed.title, changed.meta) == (
        "every day at 18:00 (Europe/Kyiv)",
        "New",
        {"source": "file"},
    )
    assert changed.priority is None
    assert due(changed) == changed.next_runs(1)[0].timestamp()
    with pytest.raises(InvalidSchedule):
        door.update(schedule, rule={"type": "cron", "cron": "x"})


def test_a_change_does_not_fire_again_what_was_fired(door: Schedules) -> None:
    schedule = minutely(door)
    at = due(schedule) + 600
    door.tick(at)
    changed = door.update(schedule.id, rule=MINUTELY)  # the clock of this machine is ten minutes behind that tick's
    assert due(changed) == at + 60


def test_a_removed_schedule_is_gone_and_its_tasks_stay(door: Schedules) -> None:
    schedule = minutely(door)
    door.tick(due(schedule))
    door.remove(schedule.id)
    assert door.all() == []
    assert len(created()) == 1
    for call in (door.get, door.remove, door.enable, door.run_now):
        with pytest.raises(ScheduleNotFound, match=f"no schedule {schedule.id}"):
            call(schedule.id)
    with pytest.raises(ScheduleNotFound):
        door.update(schedule, title="too late")


def test_run_now_starts_it_and_leaves_the_next_run(host: Host, door: Schedules) -> None:
    schedule = door.create("product", "rebuild", DAILY)
    task = door.run_now(schedule.id, user_id="ann")
    assert (task.started_by, task.schedule_id, task.start_at) == ("ann", schedule.id, None)
    after = door.get(schedule.id)
    assert (after.last_task_id, after.next_fire_at) == (task.id, schedule.next_fire_at)
    with pytest.raises(AlreadyRunning):
        door.run_now(schedule.id)
    host.state.roster.set_active("product", False)
    with pytest.raises(WorkerInactive):
        door.run_now(schedule.id)


def test_secrets_are_kept_sealed_and_stay_when_left_out(host: Host, door: Schedules) -> None:
    host.state.registry.add(TokenWorker)
    host.state.roster.set_active("token", True)
    schedule = door.create("token", "fetch", MINUTELY, {"token": "s3cret"})
    assert "s3cret" not in str(vars(schedule))
    schedule = door.update(schedule, data={"limit": 20})
    assert schedule.meta == {"limit": 20}
    door.tick(due(schedule))
    (task,) = created()
    assert task.meta == {"limit": 20}
    assert host.state.vault.open(task.secrets) == {"token": "s3cret"}


def test_a_file_that_a_schedule_uses_is_kept(host: Host, door: Schedules, tmp_path: Path) -> None:
    uploads = Uploads(host.state.database, host.state.storage)
    host.state.storage.prepare()
    source = tmp_path / "products.csv"
    source.write_text("sku\nA1\n")
    with source.open("rb") as stream:
        received = uploads.receive(stream, "products.csv", Upload(".csv"), 1000, For("product", "import", "file", 1))
    from stask_web.options import UploadedPath

    file = UploadedPath.of(received.path, "products.csv", received.token)
    schedule = door.create("product", "import", MINUTELY, {"file": file})
    later = time.time() + 10 * 86_400
    assert uploads.clean(now=later) == 0
    (task_id,) = door.tick(due(schedule))
    host.state.tasks.cancel(task_id)
    assert Task.query().delete() == 1
    assert host.state.storage.upload_path(received.token).exists()
    door.remove(schedule)
    assert uploads.clean(now=later) == 1


# -- a worker's own schedule


class EveningWorker(BaseWorker):
    """Has a schedule in code."""

    identifier = "evening"
    title = "Evening"
    defaults: ClassVar[dict[str, Any]] = {"schedule": {"enabled": True, **DAILY, "timezone": "Europe/Kyiv"}}

    def task_report(self, task: Any, options: dict[str, Any]) -> None: ...


@pytest.fixture
def evening(host: Host) -> Iterator[EveningWorker]:
    """A worker with a schedule in code, turned on."""
    host.state.registry.add(EveningWorker)
    host.state.roster.set_active("evening", True)
    yield EveningWorker()


def test_a_schedule_in_code_is_a_row_like_the_others(door: Schedules, evening: EveningWorker) -> None:
    (row,) = door.all("evening")
    assert (row.owner, row.action, row.words) == ("evening", "report", "every day at 18:00 (Europe/Kyiv)")
    assert len(door.tick(due(row))) == 1
    door.sync()
    (same,) = door.all("evening")
    assert (same.id, same.last_task_id, due(same)) == (row.id, created()[0].id, due(row) + 86_400)


def test_a_stored_schedule_lies_over_that_of_the_code(door: Schedules, evening: EveningWorker) -> None:
    evening.set_config("schedule.time", "07:15")
    (row,) = door.all("evening")
    assert row.words == "every day at 07:15 (Europe/Kyiv)"
    assert evening.get_schedule()["time"] == "07:15"
    evening.set_config("schedule", {"enabled": True, "type": "cron", "cron": "0 3 * * *", "options": {"source": "api"}})
    (row,) = door.all("evening")
    assert (row.words, row.meta) == ("at 03:00 (Europe/Kyiv)", {"source": "api"})


def test_turning_the_row_off_or_changing_it_is_written_to_the_settings(door: Schedules, evening: EveningWorker) -> None:
    (row,) = door.all("evening")
    off = door.disable(row)
    assert (off.id, off.enabled, off.next_fire_at) == (row.id, False, None)
    assert evening.get_schedule()["enabled"] is False
    on = door.update(row.id, enabled=True, rule={"type": "periodic", "frequency": "hourly"}, data={"a": 1})
    assert (on.words, on.meta, on.enabled) == ("every hour (Europe/Kyiv)", {"a": 1}, True)
    schedule = evening.get_schedule()
    assert (schedule["frequency"], schedule["options"]) == ("hourly", {"a": 1})
    door.remove(on)
    assert door.all() == []
    assert evening.get_schedule()["type"] == "manual"
    door.sync()
    assert door.all() == []


def test_a_worker_without_schedule_is_started_by_hand(door: Schedules) -> None:
    assert ProductWorker().get_schedule() == {"enabled": False, "type": "manual"}
    assert ProductWorker().should_run_now() is False
    door.sync()
    assert door.all() == []


def test_a_worker_of_several_actions_says_which(host: Host, door: Schedules, warnings: Callable[[], list[str]]) -> None:
    worker = ProductWorker()
    worker.set_config("schedule", {"enabled": True, **DAILY})
    (row,) = door.all()
    assert "Say which action" in str(row.last_error)
    assert row.next_fire_at is None
    assert "'product' has a schedule that cannot be used" in " ".join(warnings())
    worker.set_config("schedule.action", "sync-stock")
    (row,) = door.all()
    assert (row.action, row.last_error) == ("sync_stock", None)
    assert len(door.tick(due(row))) == 1


def test_a_wrong_schedule_of_a_worker_is_told_and_does_not_fire(door: Schedules, evening: EveningWorker) -> None:
    evening.set_config("schedule.time", "25:00")
    (row,) = door.all("evening")
    assert "18:30" in str(row.last_error)  # the example of a right one
    assert row.next_fire_at is None
    assert "cannot be read" in row.words
    evening.set_config("schedule.time", "08:00")
    assert door.all("evening")[0].last_error is None


def test_an_overridden_get_schedule_that_raises_leaves_the_row(
    host: Host, door: Schedules, evening: EveningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: EveningWorker) -> dict[str, Any]:
        raise RuntimeError("no settings")

    monkeypatch.setattr(EveningWorker, "get_schedule", broken)
    minutely(door)
    door.sync()
    assert len(door.all()) == 2


@pytest.mark.parametrize(
    ("schedule", "minute", "expected"),
    [
        (DAILY, "18:00", True),
        (DAILY, "18:01", False),
        (DAILY, "17:59", False),
        ({"type": "once", "datetime": "2026-06-03 18:00:30"}, "18:00", True),
        ({"type": "regular", "start_time": "17:00", "end_time": "19:00", "interval": "every_30min"}, "18:30", True),
        ({"type": "manual"}, "18:00", False),
    ],
)
def test_should_run_now_is_true_in_the_minute_of_an_instant(
    host: Host, schedule: dict[str, Any], minute: str, expected: bool
) -> None:
    worker = ProductWorker()
    worker.set_config("schedule", {"enabled": True, "action": "sync_stock", "timezone": "Europe/Kyiv", **schedule})
    now = datetime.fromisoformat(f"2026-06-03 {minute}:40").replace(tzinfo=KYIV)
    assert worker.should_run_now(now) is expected
    worker.set_config("schedule.enabled", False)
    assert worker.should_run_now(now.timestamp()) is False
