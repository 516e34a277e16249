"""The commands ``flask stask schedules``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from .conftest import Host

Invoke = Callable[..., Result]


@pytest.fixture
def run(host: Host) -> Invoke:
    """Runs ``flask stask schedules ...``."""
    runner = host.app.test_cli_runner()
    return lambda *words: runner.invoke(args=["stask", "schedules", *words])


def test_the_list_has_the_rule_in_words_and_the_next_five_runs(run: Invoke) -> None:
    added = run("add", "product", "sync-stock", "--cron", "15 2 * * mon-fri", "--tz", "Europe/Kyiv", "--option", "k=v")
    assert added.exit_code == 0, added.output
    run("add", "product", "sync_stock", "--daily", "18:00", "--title", "Evening", "--off")
    first, *lines, last = run().output.splitlines()
    assert first == "1  product.sync_stock: at 02:15, Monday through Friday (Europe/Kyiv)"
    assert len(lines) == 5
    assert all("02:15 +0" in line and line.split()[1] not in ("Sat", "Sun") for line in lines)
    assert last.startswith('2  product.sync_stock "Evening": every day at 18:00')
    assert last.endswith(", off")


def test_json_has_all_of_it(run: Invoke) -> None:
    run("add", "product", "sync_stock", "--every", "30", "--from", "08:00", "--to", "18:00", "--data", '{"n": 1}')
    (found,) = json.loads(run("--json").output)
    assert found["rule"] == {"type": "regular", "start_time": "08:00", "end_time": "18:00", "interval": 30}
    assert (found["options"], found["enabled"], found["own"], found["problem"]) == ({"n": 1}, True, False, None)
    assert len(found["next_runs"]) == 5
    assert json.loads(run("--json", "--worker", "other").output) == []


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (("--hourly", "15"), "every hour at 15 minutes past"),
        (("--weekly", "mon,thu@18:00"), "every Monday and Thursday at 18:00"),
        (("--once", "2099-12-31 18:30"), "once, on 31 December 2099 at 18:30"),
        (("--every", "120"), "every 2 hours from 00:00 to 24:00"),
        (("--rule", '{"type": "manual"}'), "only by hand"),
    ],
)
def test_each_rule_has_its_option(run: Invoke, when: tuple[str, ...], words: str) -> None:
    made = run("add", "product", "sync_stock", *when, "--tz", "UTC", "--json")
    assert json.loads(made.output)["words"].removesuffix(" (UTC)") == words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("add", "product", "sync_stock"), "Say when"),
        (("add", "product", "sync_stock", "--daily", "18:00", "--hourly", "5"), "Say when"),
        (("add", "product", "sync_stock", "--cron", "61 * * * *"), "cron: This is no cron expression (bad minute)"),
        (
            ("add", "product", "sync_stock", "--daily", "18:00", "--tz", "Mars"),
            "timezone: There is no time zone 'Mars'",
        ),
        (("add", "product", "sync_stock", "--weekly", "18:00"), "days: Choose days of the week"),
        (("add", "product", "sync_stock", "--rule", "{"), "--rule is no JSON"),
        (("add", "product", "sync_stock", "--rule", "[]"), "--rule must be a JSON object"),
        (("add", "product", "import", "--daily", "18:00"), "file: Fill this in."),
        (("add", "produkt", "import", "--daily", "18:00"), "Did you mean 'product'?"),
        (("enable", "9"), "There is no schedule 9."),
        (("disable", "9"), "There is no schedule 9."),
        (("remove", "9"), "There is no schedule 9."),
        (("run", "9"), "There is no schedule 9."),
    ],
)
def test_what_is_wrong_is_one_line(run: Invoke, command: tuple[str, ...], words: str) -> None:
    result = run(*command)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert words in line


def test_a_schedule_is_switched_started_and_removed(run: Invoke, host: Host) -> None:
    run("add", "product", "sync_stock", "--daily", "18:00")
    assert ", off" in run("disable", "1").output
    assert ", off" not in run("enable", "1").output
    assert "Task 1 waits" in run("run", "1").output
    assert host.state.tasks.get(1).schedule_id == 1
    assert run("tick").output == "Nothing is due.\n"
    assert "Schedule 1 is removed" in run("remove", "1").output
    assert "There is no schedule" in run().output


def test_tick_fires_what_is_due(run: Invoke, host: Host) -> None:
    run("add", "product", "sync_stock", "--hourly", "0")
    with host.state.database.write() as connection:
        connection.exec_driver_sql("UPDATE s_schedules SET next_fire_at = next_fire_at - 3600")
        overdue = connection.exec_driver_sql("SELECT next_fire_at FROM s_schedules").scalar_one()
    host.state.schedules.tick(overdue)
    assert json.loads(run("tick", "--json").output) == {"created": []}
    with host.state.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE s_schedules SET next_fire_at = strftime('%s', 'now') - 5, last_fire_at = NULL"
        )
    assert run("tick").output == "Created: task 2\n"


def test_a_problem_is_shown_in_the_list(run: Invoke, host: Host) -> None:
    run("add", "product", "sync_stock", "--daily", "18:00")
    host.state.roster.set_active("product", False)
    assert "!  Its worker is turned off." in run().output
