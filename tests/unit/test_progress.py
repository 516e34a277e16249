"""Progress: words for time, the rate, and when a value is told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stask_web import TaskInterrupt, nice_eta
from stask_web.progress import Meter, Report, read_eta


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (135, "2m 15s"), (0, "0s"), (59.6, "1m"), (3600, "1h"), (3661, "1h 1m"), (90061, "1d 1h"), (86400, "1d"),
        (-5, "0s"),
        (None, ""), (math.nan, ""), (math.inf, ""), ("3m", "3m"), ("", ""), (object(), ""), (86400 + 60, "1d"),
    ],
)  # fmt: skip
def test_nice_eta_has_a_sensible_answer_for_everything(seconds: object, text: str) -> None:
    assert nice_eta(seconds) == text


@given(st.integers(0, 10**7))
def test_a_written_eta_reads_back_to_within_its_smaller_unit(seconds: int) -> None:
    read = read_eta(nice_eta(seconds))
    assert read is not None
    unit = 86400 if seconds >= 86400 * 2 else 3600 if seconds >= 86400 else 60 if seconds >= 3600 else 1
    assert 0 <= seconds - read < max(unit, 60 if seconds >= 3600 else 1) or seconds - read == 0


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_eta_comes_from_the_recent_rate() -> None:
    clock = Clock()
    meter = Meter(clock)
    for done in range(10, 110, 10):
        clock.now += 1
        meter.add(done)
    assert meter.rate() == pytest.approx(10)
    assert meter.eta(100, 200) == pytest.approx(10)


def test_there_is_no_estimate_before_there_is_something_to_go_by() -> None:
    clock = Clock()
    meter = Meter(clock)
    clock.now += 30  # a file is read through before the first row
    meter.add(0)
    clock.now += 0.1
    meter.add(1)
    assert meter.eta(1, 90_000) is None
    clock.now += 0.9
    meter.add(3000)
    assert meter.eta(3000, 90_000) == pytest.approx(29)


def test_the_eta_never_rises_by_more_than_a_fifth_at_once() -> None:
    clock = Clock()
    meter = Meter(clock)
    clock.now += 1
    meter.add(100)
    first = meter.eta(100, 1000)
    clock.now += 20  # a long silence: the rate falls
    meter.add(101)
    second = meter.eta(101, 1000)
    assert first is not None and second is not None
    assert second <= max(first - 20, 1.0) * 1.2 + 1e-9


def test_the_first_value_is_told_at_once_and_the_newest_is_never_lost() -> None:
    told: list[dict[str, object]] = []
    report = Report(told.append, Clock())
    assert report.due
    report.processed, report.total = 0, 10
    report.flush()
    report.processed = 1
    report.flush()
    assert [item["processed"] for item in told] == [0, 1]
    assert not report.due
    report.processed = 2
    report.processed = 3
    report.tick()
    assert [item["processed"] for item in told] == [0, 1, 3]
    assert not report.due
    report.tick()  # nothing new: the next push is told at once
    assert report.due and len(told) == 3


def test_reports_as_often_as_the_timer_ticks_hardly_ever_wait_for_it() -> None:
    """Ten a second, now sooner and now later than the timer, which is a little slow."""
    clock, told = Clock(), []
    report = Report(told.append, clock)
    waited = 0
    moments = [(100 + 0.1 * n + (0.004 if n % 3 else 0.0), "push") for n in range(3000)]
    moments += [(100.05 + 0.1002 * n, "tick") for n in range(3000)]
    for number, (clock.now, what) in enumerate(sorted(moments)):
        if what == "tick":
            report.tick()
            continue
        report.processed = number
        if report.due:
            report.flush()
        else:
            waited += 1
    assert waited <= 3000 * 0.05
    assert len(told) <= 3002


def test_a_tight_loop_is_told_of_ten_times_a_second() -> None:
    clock, told = Clock(), []
    report = Report(told.append, clock)
    for number in range(50_000):
        clock.now += 0.0001
        report.processed = number
        if report.due:
            report.flush()
        if number % 1000 == 500:
            report.tick()
    assert 50 <= len(told) <= 53


def test_progress_is_computed_clamped_and_nonsense_is_ignored() -> None:
    report = Report(lambda values: None)
    report.processed, report.total = 3, 4
    assert report.snapshot()["progress"] == 75
    report.progress = 250
    assert report.snapshot()["progress"] == 100
    report.progress = math.nan
    report.eta = "2m 15s"
    assert report.snapshot() == {"progress": 75, "processed": 3, "total": 4, "eta": 135.0, "message": None}
    report.total = 0
    assert report.snapshot()["progress"] is None


def test_an_interrupt_waits_for_the_next_sign_of_progress_and_the_first_kind_stays() -> None:
    report = Report(lambda values: None)
    report.flush()
    report.interrupt("cancel")
    report.interrupt("drain")
    assert report.due
    with pytest.raises(TaskInterrupt) as caught:
        report.flush()
    assert caught.value.kind == "cancel"
    with pytest.raises(TaskInterrupt):
        report.flush()
