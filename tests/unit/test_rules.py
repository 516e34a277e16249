"""When a schedule fires: on ordinary days, on days when the clock is set, and in words."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stask_web.errors import InvalidSchedule
from stask_web.rules import describe, find_zone, last_within, next_after, next_instants, read_rule
from stask_web.rules.zones import local_zone

KYIV, NEW_YORK, LORD_HOWE, CHATHAM = "Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham"
ZONES = [KYIV, NEW_YORK, LORD_HOWE, CHATHAM]
#: Zone -> the local days in 2026 on which its clock is set forward and back.
FORWARD = {KYIV: (3, 29), NEW_YORK: (3, 8), LORD_HOWE: (10, 4), CHATHAM: (9, 27)}
BACK = {KYIV: (10, 25), NEW_YORK: (11, 1), LORD_HOWE: (4, 5), CHATHAM: (4, 5)}


def at(zone: str, *parts: int, fold: int = 0) -> float:
    """A moment on the clock of a zone."""
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).timestamp()  # type: ignore[misc, arg-type]


def midnight(zone: str, month: int, day: int) -> float:
    return at(zone, 2026, month, day)


def runs(config: dict[str, Any], zone: str, after: float, n: int = 5) -> list[str]:
    """The next runs as local times with their offset."""
    return [f"{run:%m-%d %H:%M %z}" for run in next_instants(read_rule(config), zone, after, n)]


def runs_of_day(config: dict[str, Any], zone: str, month: int, day: int) -> list[float]:
    """All instants of one local day."""
    rule, low, high = read_rule(config), midnight(zone, month, day), midnight(zone, month, day + 1)
    found = []
    instant = next_after(rule, zone, low - 0.5)
    while instant is not None and instant < high:
        found.append(instant)
        instant = next_after(rule, zone, instant)
    return found


def daily(time: str) -> dict[str, Any]:
    return {"type": "periodic", "frequency": "daily", "time": time}


def hourly(minute: int = 0) -> dict[str, Any]:
    return {"type": "periodic", "frequency": "hourly", "time": f"*:{minute:02}"}


# -- the rules on ordinary days

AFTER = at(KYIV, 2026, 6, 3, 12, 34, 56)  # a Wednesday


@pytest.mark.parametrize(
    ("config", "expected", "words"),
    [
        ({"type": "once", "datetime": "2026-07-20 03:30:00"}, ["07-20 03:30"], "once, on 20 July 2026 at 03:30"),
        (
            {"type": "once", "datetime": "2026-07-20T00:30:00+00:00"},
            ["07-20 03:30"],
            "once, on 20 July 2026 at 03:30",
        ),
        ({"type": "periodic", "frequency": "minutely"}, ["06-03 12:35", "06-03 12:36"], "every minute"),
        ({"type": "periodic", "frequency": "every_15min"}, ["06-03 12:45", "06-03 13:00"], "every 15 minutes"),
        ({"type": "periodic"}, ["06-03 13:00", "06-03 14:00"], "every hour"),
        (hourly(5), ["06-03 13:05", "06-03 14:05"], "every hour at 5 minutes past"),
        (daily("18:00"), ["06-03 18:00", "06-04 18:00"], "every day at 18:00"),
        (daily("9:05"), ["06-04 09:05", "06-05 09:05"], "every day at 09:05"),
        (
            {"type": "periodic", "frequency": "weekly", "time": "08:00", "days": ["mon", "thursday"]},
            ["06-04 08:00", "06-08 08:00"],
            "every Monday and Thursday at 08:00",
        ),
        (
            {"type": "periodic", "frequency": "weekly", "time": "08:00", "days": [1, 2, 3, 4, 5]},
            ["06-04 08:00", "06-05 08:00", "06-08 08:00"],
            "every Monday to Friday at 08:00",
        ),
        (
            {"type": "periodic", "frequency": "weekly", "time": "08:00", "days": "sun, 6"},
            ["06-06 08:00", "06-07 08:00"],
            "every Saturday and Sunday at 08:00",
        ),
        (
            {"type": "periodic", "frequency": "monthly", "time": "08:00", "day": "last"},
            ["06-30 08:00", "07-31 08:00"],
            "on the last day of every month at 08:00",
        ),
        (
            {"type": "periodic", "frequency": "monthly", "time": "08:00", "day": 3},
            ["07-03 08:00", "08-03 08:00"],
            "on day 3 of every month at 08:00",
        ),
        (
            {"type": "regular", "start_time": "08:00", "end_time": "13:00", "interval": "every_15min"},
            ["06-03 12:45", "06-03 13:00", "06-04 08:00", "06-04 08:15"],
            "every 15 minutes from 08:00 to 13:00",
        ),
        (
            {"type": "regular", "start_time": "22:00", "end_time": "01:00", "frequency": "hourly", "days": ["wed"]},
            ["06-03 22:00", "06-03 23:00", "06-04 00:00", "06-04 01:00", "06-10 22:00"],
            "every hour from 22:00 to 01:00, Wednesday",
        ),
        (
            {"type": "regular", "start_time": "00:00", "end_time": "24:00", "interval": 480},
            ["06-03 16:00", "06-04 00:00", "06-04 08:00"],
            "every 8 hours from 00:00 to 24:00",
        ),
        (
            {"type": "cron", "cron": "15 2 * * MON-FRI"},
            ["06-04 02:15", "06-05 02:15", "06-08 02:15"],
            "at 02:15, Monday through Friday",
        ),
        ({"type": "cron", "cron": "0 0 29 2 *"}, ["02-29 00:00"], "at 00:00, on day 29 of the month, only in February"),
        ({"type": "cron", "cron": "@weekly"}, ["06-07 00:00"], "at 00:00, only on Sunday"),
    ],
)
def test_a_rule_names_its_next_runs_and_its_words(config: dict[str, Any], expected: list[str], words: str) -> None:
    rule = read_rule(config, KYIV)
    assert [f"{run:%m-%d %H:%M}" for run in next_instants(rule, KYIV, AFTER, len(expected))] == expected
    assert describe(rule, KYIV) == f"{words} ({KYIV})"
    assert read_rule(rule.data) == rule  # what is stored says the same


def test_a_manual_rule_never_fires() -> None:
    rule = read_rule({})
    assert next_after(rule, KYIV, AFTER) is None
    assert describe(rule, KYIV) == "only by hand"


def test_a_single_moment_fires_once() -> None:
    rule = read_rule({"type": "once", "datetime": "2026-07-20 03:30:15"})
    moment = at(KYIV, 2026, 7, 20, 3, 30, 15)
    assert next_after(rule, KYIV, moment - 0.1) == moment
    assert next_after(rule, KYIV, moment) is None


def test_the_keys_of_another_type_are_ignored_but_not_unknown_ones() -> None:
    config = {"enabled": True, "type": "cron", "cron": "0 3 * * *", "frequency": "daily", "time": "18:00", "days": []}
    assert read_rule(config).data == {"type": "cron", "cron": "0 3 * * *"}
    with pytest.raises(InvalidSchedule, match="no such key"):
        read_rule({"type": "periodic", "frequency": "daily", "tiem": "18:00"})


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"type": "sometimes"}, "type"),
        ({"type": "once"}, "datetime"),
        ({"type": "once", "datetime": "soon"}, "datetime"),
        ({"type": "once", "datetime": "0001-01-01T00:00:00+14:00"}, "datetime"),
        ({"type": "periodic", "frequency": "yearly"}, "frequency"),
        ({"type": "periodic", "frequency": "every_7min"}, "frequency"),
        ({"type": "periodic", "frequency": "every_0min"}, "frequency"),
        ({"type": "periodic", "frequency": "hourly", "time": "*:60"}, "time"),
        ({"type": "periodic", "frequency": "daily"}, "time"),
        (daily("24:00"), "time"),
        (daily("12:60"), "time"),
        (daily("noon"), "time"),
        ({"type": "periodic", "frequency": "weekly", "time": "08:00"}, "days"),
        ({"type": "periodic", "frequency": "weekly", "time": "08:00", "days": ["m"]}, "days"),
        ({"type": "periodic", "frequency": "weekly", "time": "08:00", "days": [8]}, "days"),
        ({"type": "periodic", "frequency": "monthly", "time": "08:00", "day": 31}, "day"),
        ({"type": "regular", "start_time": "08:00", "end_time": "08:00"}, "end_time"),
        ({"type": "regular", "start_time": "08:00"}, "end_time"),
        ({"type": "regular", "start_time": "08:00", "end_time": "10:00", "interval": "often"}, "interval"),
        ({"type": "regular", "start_time": "08:00", "end_time": "10:00", "interval": 0}, "interval"),
        ({"type": "cron"}, "cron"),
        ({"type": "cron", "cron": "* * * *"}, "cron"),
        ({"type": "cron", "cron": "* * * * * *"}, "cron"),
        ({"type": "cron", "cron": "61 * * * *"}, "cron"),
        ({"type": "cron", "cron": "0 0 30 2 *"}, "cron"),
        ({"type": "cron", "cron": "@reboot"}, "cron"),
        ({"type": "cron", "cron": "9" * 5000 + " * * * *"}, "cron"),
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence_at_its_key(config: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        read_rule(config)
    assert list(caught.value.errors) == [key]
    assert caught.value.errors[key].strip()


@given(st.text(alphabet="0123456789*/,-#LWlwMONjan@ \x00\ud800", max_size=30))
def test_no_text_breaks_the_reading_of_cron(text: str) -> None:
    try:
        rule = read_rule({"type": "cron", "cron": text})
    except InvalidSchedule:
        return
    assert rule.words()


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no slow generator
@given(
    st.dictionaries(
        st.sampled_from(["type", "frequency", "time", "days", "day", "interval", "start_time", "end_time", "datetime"]),
        st.one_of(
            st.none(), st.integers(), st.text(max_size=8), st.lists(st.text(max_size=4), max_size=3),
            st.sampled_from(["periodic", "regular", "once", "weekly", "monthly", "daily", "08:00", "mon"]),
        ),
    )
)  # fmt: skip
def test_no_values_break_the_reading_of_a_rule(config: dict[str, Any]) -> None:
    try:
        rule = read_rule(config)
    except InvalidSchedule:
        return
    assert rule.words()
    next_instants(rule, KYIV, AFTER, 2)


def test_an_unknown_time_zone_is_refused() -> None:
    for name in ("Europe/Nowhere", "", "../etc/passwd", "/etc/localtime", "Europe", "a\x00b", "x" * 500):
        with pytest.raises(InvalidSchedule, match="no time zone"):
            find_zone(name)


def test_the_machines_own_zone_is_one() -> None:
    assert find_zone(local_zone())


# -- days on which the clock is set


@pytest.mark.parametrize(
    ("zone", "time", "expected"),
    [
        (KYIV, "03:30", ["03-28 03:30 +0200", "03-29 04:00 +0300", "03-30 03:30 +0300"]),
        (NEW_YORK, "02:15", ["03-07 02:15 -0500", "03-08 03:00 -0400", "03-09 02:15 -0400"]),
        (LORD_HOWE, "02:15", ["10-03 02:15 +1030", "10-04 02:30 +1100", "10-05 02:15 +1100"]),
        (CHATHAM, "03:00", ["09-26 03:00 +1245", "09-27 03:45 +1345", "09-28 03:00 +1345"]),
        ("America/Havana", "00:00", ["03-07 00:00 -0500", "03-08 01:00 -0400", "03-09 00:00 -0400"]),
    ],
)
def test_a_skipped_time_fires_once_at_the_next_valid_minute(zone: str, time: str, expected: list[str]) -> None:
    month, day = FORWARD.get(zone, (3, 8))
    assert runs(daily(time), zone, midnight(zone, month, day - 1) - 1, 3) == expected
    cron = {"type": "cron", "cron": f"{int(time[3:])} {int(time[:2])} * * *"}
    assert runs(cron, zone, midnight(zone, month, day - 1) - 1, 3) == expected


@pytest.mark.parametrize(
    ("zone", "time", "expected"),
    [
        (KYIV, "03:30", ["10-25 03:30 +0300", "10-26 03:30 +0200"]),
        (NEW_YORK, "01:30", ["11-01 01:30 -0400", "11-02 01:30 -0500"]),
        (LORD_HOWE, "01:45", ["04-05 01:45 +1100", "04-06 01:45 +1030"]),
        (CHATHAM, "03:00", ["04-05 03:00 +1345", "04-06 03:00 +1245"]),
    ],
)
def test_a_doubled_time_fires_once_the_first_time(zone: str, time: str, expected: list[str]) -> None:
    assert runs(daily(time), zone, midnight(zone, *BACK[zone]) - 1, 2) == expected


def test_several_skipped_times_fire_once_together() -> None:
    config = {"type": "cron", "cron": "*/20 3 * * *"}
    expected = ["03-29 04:00 +0300", "03-30 03:00 +0300", "03-30 03:20 +0300"]
    assert runs(config, KYIV, midnight(KYIV, 3, 29) - 1, 3) == expected


def test_a_day_that_a_zone_leaves_out_fires_once_at_its_end() -> None:
    expected = ["12-29 18:00 -1000", "12-31 00:00 +1400", "12-31 18:00 +1400"]
    assert runs(daily("18:00"), "Pacific/Apia", at("Pacific/Apia", 2011, 12, 29), 3) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("config", [hourly(), hourly(15), hourly(45), {"type": "cron", "cron": "0 * * * *"}])
def test_hourly_fires_each_time_the_clock_shows_its_minute(zone: str, config: dict[str, Any]) -> None:
    for day in (FORWARD[zone], BACK[zone]):
        minute = int(config.get("time", "*:00")[2:])
        expected = [t for t in minutes_of_day(zone, *day) if datetime.fromtimestamp(t, ZoneInfo(zone)).minute == minute]
        assert runs_of_day(config, zone, *day) == expected


@pytest.mark.parametrize(
    ("zone", "minute", "forward", "back"),
    [(KYIV, 0, 23, 25), (NEW_YORK, 30, 23, 25), (LORD_HOWE, 15, 23, 24), (LORD_HOWE, 45, 24, 25), (CHATHAM, 0, 23, 25)],
)
def test_hourly_fires_23_or_25_times(zone: str, minute: int, forward: int, back: int) -> None:
    assert len(runs_of_day(hourly(minute), zone, *FORWARD[zone])) == forward
    assert len(runs_of_day(hourly(minute), zone, *BACK[zone])) == back


@pytest.mark.parametrize("zone", ZONES)
def test_every_five_minutes_leaves_no_gap_and_doubles_nothing(zone: str) -> None:
    for day in (FORWARD[zone], BACK[zone]):
        found = runs_of_day({"type": "periodic", "frequency": "every_5min"}, zone, *day)
        assert {b - a for a, b in itertools.pairwise(found)} == {300.0}


@pytest.mark.parametrize("zone", ZONES)
def test_a_window_fires_at_each_of_its_times_once(zone: str) -> None:
    config = {"type": "regular", "start_time": "00:00", "end_time": "06:00", "interval": 15}
    for day, gaps in ((FORWARD[zone], True), (BACK[zone], False)):
        found = runs_of_day(config, zone, *day)
        shown = Counter(f"{datetime.fromtimestamp(t, ZoneInfo(zone)):%H:%M}" for t in found)
        assert set(shown.values()) == {1}
        assert (len(found) < 25) is gaps


def minutes_of_day(zone: str, month: int, day: int) -> list[float]:
    """Each minute that passes on one local day."""
    first, last = midnight(zone, month, day), midnight(zone, month, day + 1)
    return [first + 60.0 * number for number in range(round((last - first) / 60))]


# -- what always holds

crons = st.builds(
    " ".join,
    st.tuples(
        st.sampled_from(["0", "15", "45", "*/20", "*/7", "*", "3,33"]),
        st.sampled_from(["*", "0", "1", "2", "3", "1-3", "*/2", "0-23", "23"]),
        st.sampled_from(["*", "1", "*/3", "L", "5,29"]),
        st.just("*"),
        st.sampled_from(["*", "0", "mon-fri", "6"]),
    ),
)
#: Moments around the days on which a clock is set, and any others.
moments = st.one_of(
    st.builds(
        lambda zone, days, shift: midnight(zone, *days[zone]) + shift,
        st.sampled_from(ZONES), st.sampled_from([FORWARD, BACK]), st.floats(-7200, 6 * 3600),
    ),
    st.floats(1_700_000_000, 2_000_000_000),
)  # fmt: skip


@settings(deadline=None)
@given(crons, st.sampled_from(ZONES), moments)
def test_instants_rise_and_none_comes_twice(cron: str, zone: str, after: float) -> None:
    rule = read_rule({"type": "cron", "cron": cron})
    found = [run.timestamp() for run in next_instants(rule, zone, after, 6)]
    assert found == sorted(set(found))
    assert found[0] > after
    for earlier, instant in itertools.pairwise(found):  # from wherever one looks, the same one is next
        assert next_after(rule, zone, (earlier + instant) / 2) == instant
        assert next_after(rule, zone, instant - 0.001) == instant


@settings(deadline=None, max_examples=60)
@given(crons, st.sampled_from(ZONES), st.sampled_from([FORWARD, BACK]))
def test_each_wall_time_fires_as_often_as_promised(cron: str, zone: str, days: dict[str, tuple[int, int]]) -> None:
    """Counted minute by minute, without the arithmetic that is tested."""
    rule, tz = read_rule({"type": "cron", "cron": cron}), ZoneInfo(zone)
    month, day = days[zone]
    shown = Counter(f"{datetime.fromtimestamp(t, tz):%H:%M}" for t in minutes_of_day(zone, month, day))
    begin = datetime(2026, month, day)
    named = set(
        itertools.takewhile(lambda wall: wall < begin + timedelta(days=1), rule.wall(begin - timedelta(seconds=1)))
    )
    fired = Counter(
        f"{datetime.fromtimestamp(t, tz):%H:%M}" for t in runs_of_day({"type": "cron", "cron": cron}, zone, month, day)
    )
    skipped = {wall for wall in named if f"{wall:%H:%M}" not in shown}
    for wall in named - skipped:
        text = f"{wall:%H:%M}"
        assert fired[text] == (shown[text] if rule.every_hour else 1)
    extra = set(fired) - {f"{wall:%H:%M}" for wall in named}
    assert len(extra) <= (1 if skipped and not rule.every_hour else 0)  # the end of the gap, if nothing is due there
    if skipped and not rule.every_hour:
        assert any(text > f"{max(skipped):%H:%M}" for text in fired)


@settings(deadline=None, max_examples=50)
@given(crons, st.sampled_from(ZONES), moments, st.floats(0, 7_200))
def test_the_last_within_is_the_last_of_all(cron: str, zone: str, low: float, span: float) -> None:
    rule = read_rule({"type": "cron", "cron": cron})
    expected = None
    instant = next_after(rule, zone, low)
    while instant is not None and instant <= low + span:
        expected, instant = instant, next_after(rule, zone, instant)
    assert last_within(rule, zone, low, low + span) == expected


def test_five_runs_are_found_quickly() -> None:
    begin = time.perf_counter()
    for _ in range(20):
        runs({"type": "periodic", "frequency": "minutely"}, KYIV, at(KYIV, 2026, 10, 25, 3, 30))
    assert (time.perf_counter() - begin) / 20 < 0.1
