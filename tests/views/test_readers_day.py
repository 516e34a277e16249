"""Today is the reader's: it begins at the midnight of his zone, wherever the server is and whatever its hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from stask_web.language import Reader, reading
from stask_web.relay import Relay
from stask_web.times import midnight, today

from .conftest import JSON, Site


def zone_at(hour: int) -> str:
    """A zone where it is that hour now."""
    ahead = (hour - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


#: In one it is night, and yesterday began a day some hours ago; in the other it is late, and today is old.
NIGHT, LATE = 2, 22


def of(site: Site, hour: int, name: str = "admin") -> FlaskClient:
    client = site.client(name)
    client.set_cookie("stask_zone", zone_at(hour))
    return client


@pytest.fixture
def two(site: Site) -> Site:
    """A task that ended an hour ago, and one that ended ten hours ago."""
    for hours in (1, 10):
        moment = datetime.now(UTC) - timedelta(hours=hours)
        site.ended(created_at=moment, started_at=moment, finished_at=moment, message=f"MSG{hours}.")
    return site


@pytest.mark.parametrize(("hour", "expected"), [(NIGHT, 1), (LATE, 2)])
def test_completed_today_is_of_the_readers_day(two: Site, hour: int, expected: int) -> None:
    client = of(two, hour)
    for _ in range(2):
        found = client.get("/stask/live?stats=1", headers=JSON).json["stats"]
        assert found["completed_today"] == expected
        assert found["failed_24h"] == 0


def test_two_readers_of_different_days_take_turns(two: Site) -> None:
    night, late = of(two, NIGHT), of(two, LATE)
    for _ in range(3):
        for client, expected in ((night, 1), (late, 2)):
            assert client.get("/stask/live?stats=1", headers=JSON).json["stats"]["completed_today"] == expected


@pytest.mark.parametrize(("hour", "expected"), [(NIGHT, 1), (LATE, 2)])
def test_nor_is_it_another_for_who_sees_a_part_only(own_site: Site, hour: int, expected: int) -> None:
    for hours in (1, 10):
        own_site.ended(finished_at=datetime.now(UTC) - timedelta(hours=hours))
    found = of(own_site, hour, "operator").get("/stask/live?stats=1", headers=JSON).json["stats"]
    assert found["completed_today"] == expected


@pytest.mark.parametrize("period", ["today", "ended-today"])
@pytest.mark.parametrize(("hour", "expected"), [(NIGHT, {"MSG1."}), (LATE, {"MSG1.", "MSG10."})])
def test_the_list_of_today_holds_what_the_count_counts(two: Site, period: str, hour: int, expected: set[str]) -> None:
    html = of(two, hour).get(f"/stask/tasks?period={period}").get_data(as_text=True)
    assert {word for word in ("MSG1.", "MSG10.") if word in html} == expected


def test_pages_by_socket_are_told_of_their_readers_day(two: Site) -> None:
    told: list[tuple[str, int]] = []

    def tell(event: str, data: dict[str, int], room: str) -> None:
        told.append((room, data["completed_today"]))

    relay = Relay(two.app, tell, spawn=lambda run: None)
    readers = [Reader(zone=ZoneInfo(zone_at(hour))) for hour in (NIGHT, LATE)]
    assert [relay.watch_stats(reader)["completed_today"] for reader in readers] == [1, 2]
    relay.watch_stats(Reader("uk", readers[0].zone))  # the same day in another language
    relay._look_at_counts()
    assert sorted(number for _, number in told) == [1, 2]
    assert len({room for room, _ in told}) == 2
    relay._look_at_counts()
    assert len(told) == 2, "told once"
    for reader in [*readers, Reader("uk", readers[0].zone)]:
        relay.unwatch_stats(reader)
    assert not relay._wanted()


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Europe/Kyiv", date(2026, 3, 29), "2026-03-28T22:00"),  # forward at 3
        ("Europe/Kyiv", date(2026, 3, 30), "2026-03-29T21:00"),
        ("Europe/Kyiv", date(2026, 10, 25), "2026-10-24T21:00"),  # back at 4
        ("Europe/Kyiv", date(2026, 10, 26), "2026-10-25T22:00"),
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00"),  # forward at midnight: the day begins at 1
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00"),  # back at 1: midnight comes twice
        ("Asia/Kathmandu", date(2026, 6, 1), "2026-05-31T18:15"),
    ],
)
def test_the_day_begins_right_where_the_clock_changes(zone: str, day: date, begins: str) -> None:
    with reading(Reader(zone=ZoneInfo(zone))):
        begin = midnight(day)
        assert f"{begin.astimezone(UTC):%Y-%m-%dT%H:%M}" == begins
        assert today(begin) == day
        assert today(begin - timedelta(seconds=1)) == day - timedelta(days=1)


def test_without_a_zone_it_is_the_day_of_this_machine() -> None:
    day = datetime.now().date()
    assert midnight(day) == datetime(day.year, day.month, day.day).astimezone()
