"""Words for people: every look, number, time and sentence."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stask_web import formatting as words
from stask_web import numbers, times
from stask_web.language import Reader, reading
from stask_web.models import Task
from stask_web.status import Status
from stask_web.text import plain
from stask_web.told import Texts

NOW = datetime.now(UTC)
TONES = {"muted", "running", "done", "attention", "failed"}


def task(status: Status = Status.PENDING, **values: Any) -> Task:
    facts = {"progress": 0, "warnings": 0, "attempt_no": 0, "message": "", "dry_run": False, "action": "import"}
    return Task(id=1, identifier="product", status=status, **{**facts, **values})


LATER = NOW + timedelta(hours=1)
LOOKS = [
    ("waiting", task()),
    ("scheduled", task(due_at=LATER)),
    ("retrying", task(due_at=LATER, attempt_no=1)),
    ("waiting", task(due_at=NOW - timedelta(seconds=1), attempt_no=1)),
    ("running", task(Status.RUNNING)),
    ("stopping", task(Status.RUNNING, cancel_at=NOW)),
    ("completed", task(Status.COMPLETED)),
    ("refused", task(Status.COMPLETED, warnings=1)),
    ("checked", task(Status.COMPLETED, dry_run=True)),
    ("refused", task(Status.COMPLETED, dry_run=True, warnings=2)),
    ("failed", task(Status.FAILED, warnings=3)),
    ("stopped", task(Status.CANCELLED, cancel_at=NOW)),
]


@pytest.mark.parametrize(("key", "given"), LOOKS)
def test_each_state_has_its_look(key: str, given: Task) -> None:
    assert words.look(given).key == key


def test_without_a_process_what_waits_is_blocked_and_nothing_else() -> None:
    assert words.look(task(), alive=False).key == "blocked"
    assert words.look(task(due_at=LATER), alive=False).key == "scheduled"
    assert words.look(task(Status.RUNNING), alive=False).key == "running"


def test_colour_is_never_alone() -> None:
    from stask_web.views.icons import icon

    for look in words.LOOKS.values():
        assert look.word
        assert look.tone in TONES
        assert icon(look.icon), look
    assert len({look.word for look in words.LOOKS.values()}) == len(words.LOOKS)


@pytest.mark.parametrize(
    ("given", "around", "reason"),
    [
        (task(), words.Surroundings(position=1), "Starts next"),
        (task(), words.Surroundings(), "Starts next"),
        (task(), words.Surroundings(position=1204), "Number 1,204 in the queue"),
        (task(), words.Surroundings(blocker="Export products"), "Starts after Export products"),
        (task(), words.Surroundings(alive=False), "No worker process is running. It starts by itself when one is back"),
        (task(Status.RUNNING), words.Surroundings(), None),
        (task(Status.FAILED), words.Surroundings(), None),
    ],
)
def test_a_waiting_task_always_has_a_reason(given: Task, around: words.Surroundings, reason: str | None) -> None:
    assert words.waiting_for(given, around) == reason


def test_the_next_attempt_is_said_in_seconds() -> None:
    soon = task(due_at=datetime.now(UTC) + timedelta(seconds=20.4), attempt_no=1)
    assert words.waiting_for(soon) == "Starts again in 20 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (0, "0 s"), (0.42, "0.4 s"), (0.04, "0 s"), (4, "4 s"), (9.96, "10 s"), (59.4, "59 s"),
        (59.6, "1 min"), (60, "1 min"), (192.4, "3 min 12 s"),
        (3600, "1 h"), (3840, "1 h 4 min"), (86400, "1 d"), (97200, "1 d 3 h"), (1e8, "1,157 d 9 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert times.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (-1, ""), (float("nan"), ""), (0, "almost done"), (4.9, "almost done"), (7, "about 5 s left"),
        (42, "about 40 s left"), (55, "about 1 min left"), (118, "about 2 min left"), (3590, "about 60 min left"),
        (4200, "about 1 h 10 min left"),
        (36000, "about 10 h left"), (260000, "about 3 days left"),
    ],
)  # fmt: skip
def test_estimates_are_calm(seconds: float | None, text: str) -> None:
    assert times.eta_words(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (9, "just now"), (45, "45 s ago"), (300, "5 min ago"), (7200, "2 h ago"), (-20, "in 20 s")],
)
def test_ages(seconds: float, text: str) -> None:
    assert times.ago(NOW - timedelta(seconds=seconds), now=NOW) == text


def test_days_are_named() -> None:
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    assert times.clock(noon + timedelta(hours=8), now=noon) == "today 20:00"
    assert times.ago(noon - timedelta(days=1), now=noon) == "yesterday 12:00"
    assert times.clock(noon + timedelta(days=1), now=noon) == "tomorrow 12:00"
    march = noon.replace(year=2026, month=3, day=12)
    assert times.clock(march, now=march + timedelta(days=30)) == "12 Mar 12:00"
    assert times.clock(march, now=march + timedelta(days=400)) == "12 Mar 2026"


def test_numbers_are_grouped() -> None:
    assert numbers.number(1234567) == "1,234,567"
    assert numbers.number(None) == ""
    assert words.amount(1204, 3201) == "1,204 of 3,201"
    assert words.amount(1204, None) == "1,204 so far"
    assert words.amount(None, 3201) == ""


@pytest.mark.parametrize(
    ("processed", "seconds", "text"),
    [
        (0, 10, ""),
        (5, 0.1, ""),
        (1420, 10, "142 a second"),
        (25, 10, "2.5 a second"),
        (38, 60, "38 a minute"),
        (1, 600, "6 an hour"),
    ],
)
def test_rates_have_a_unit_that_fits(processed: int, seconds: float, text: str) -> None:
    assert words.rate_text(processed, seconds) == text


def test_counts_are_a_sentence_and_refusals_are_named_once() -> None:
    assert words.counts_text(task(counts={"imported": 3161}, warnings=40)) == "3,161 imported, 40 refused"
    assert words.counts_text(task(counts={"refused": 40}, warnings=40)) == "40 refused"
    assert words.counts_text(task(counts={"left_out": 2})) == "2 left out"
    assert words.counts_text(task(counts={"refused": 40, "created": 7}, warnings=40)) == "7 created, 40 refused"
    assert words.counts_text(task()) == ""


def test_what_the_sentence_says_is_not_said_again() -> None:
    counts = {"refused": 40, "created": 3161}
    said = task(Status.COMPLETED, message="3,161 imported, 40 refused.", counts=counts, warnings=40)
    assert words.more_counts(said) == ""
    assert words.more_counts(task(Status.COMPLETED, message="Imported a.csv", counts={"created": 7})) == "7 created"
    assert words.more_counts(task(Status.COMPLETED, counts={"created": 7})) == ""


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (task(Status.COMPLETED, message="Exported"), "Exported"),
        (task(Status.COMPLETED), "Done"),
        (task(Status.COMPLETED, counts={"sent": 7}), "7 sent"),
        (task(Status.COMPLETED, dry_run=True), "Checked. Nothing was changed"),
        (task(Status.FAILED), "It stopped because of an error in the program"),
        (task(Status.CANCELLED), "Withdrawn before it started"),
        (task(Status.CANCELLED, started_at=NOW), "Stopped. What was done stays done"),
        (
            task(Status.CANCELLED, started_at=NOW, processed=1204, total=3201, message="Importing"),
            "Stopped at 1,204 of 3,201. What was done stays done",
        ),
    ],
)
def test_every_end_has_a_sentence(given: Task, sentence: str) -> None:
    assert words.outcome(given) == sentence


def test_the_line_of_a_running_task() -> None:
    running = task(
        Status.RUNNING, progress=37, processed=1204, total=3201, eta=118.0, started_at=NOW, message="Importing"
    )
    fields = Texts(running, title="Import products").all()
    assert fields["line"] == "37 % · 1,204 of 3,201 · about 2 min left"
    assert fields["tab"] == "37 % Import products"
    assert Texts(task(Status.RUNNING, started_at=NOW)).line == "working"


def test_every_field_is_text() -> None:
    for _, given in LOOKS:
        if given.status == Status.RUNNING and given.cancel_at is not None:
            continue  # its countdown needs an app
        assert all(isinstance(value, str) for value in Texts(given).all().values())


def test_percent_is_unknown_until_something_is_known() -> None:
    assert words.percent(task(Status.RUNNING)) is None
    assert words.percent(task(Status.RUNNING, total=10)) == 0
    assert words.percent(task(Status.RUNNING, progress=3)) == 3


def test_code_names_become_titles() -> None:
    assert words.humanise("sync_stock") == "Sync stock"
    assert words.humanise("cleanup-old-data") == "Cleanup old data"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred\x1b[0m and \x1b[1;4mbold", "red and bold"),
        ("\x1b]0;a title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
        ("a\tb\nc \x07\x08", "a\tb\nc "),
        ("\x1b(Bplain\x1b", "plain"),
        ("Amélie 🎉 שלום", "Amélie 🎉 שלום"),
        ("\x00", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_steers_a_terminal_is_not_shown(given: str, shown: str) -> None:
    assert plain(given) == shown


def test_a_speed_of_almost_nothing_is_not_said() -> None:
    assert words.rate_text(1, 10_000_000) == ""
    assert words.rate_text(1, 1800) == "2 an hour"


# Ukrainian

KYIV = Reader("uk", ZoneInfo("Europe/Kyiv"))
EVENING = datetime(2026, 11, 24, 16, 2, 11, tzinfo=UTC)


@pytest.fixture
def ukrainian() -> Iterator[None]:
    with reading(KYIV):
        yield


@pytest.mark.usefixtures("ukrainian")
@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: numbers.number(12345.6), "12\xa0345,6"),
        (lambda: numbers.number(1204), "1\xa0204"),
        (lambda: words.amount(1204, 3201), "1\xa0204 з 3\xa0201"),
        (lambda: words.percent_words(37), "37 %"),
        (lambda: times.duration(192), "3 хв 12 с"),
        (lambda: times.duration(4.2), "4,2 с"),
        (lambda: times.duration(1e8), "1\xa0157 д 9 год"),
        (lambda: times.eta_words(118), "ще близько 2 хв"),
        (lambda: numbers.human_size(2202009), "2,1 МБ"),
        (lambda: numbers.human_size(12), "12 Б"),
        (lambda: words.rate_text(25, 10), "2,5 за секунду"),
        (lambda: times.ago(EVENING - timedelta(minutes=5), now=EVENING), "5 хв тому"),
        (lambda: times.ago(EVENING - timedelta(days=1), now=EVENING), "учора о 18:02"),
        (lambda: times.clock(EVENING + timedelta(hours=2), now=EVENING), "сьогодні о 20:02"),
        (lambda: times.clock(EVENING, now=EVENING + timedelta(days=5)), "24 лист. 18:02"),
        (lambda: times.clock(EVENING, now=EVENING + timedelta(days=400)), "24 лист. 2026"),
        (lambda: times.exact(EVENING), "24 лист. 2026, 18:02:11 EET"),
        (lambda: times.day(EVENING.date().replace(year=2020)), "24 лист. 2020"),
        (lambda: words.look(task(Status.RUNNING)).word, "Виконується"),
        (lambda: words.waiting_for(task(), words.Surroundings(position=1204)), "Номер у черзі: 1\xa0204"),
        (lambda: words.counts_text(task(counts={"imported": 3161}, warnings=40)), "3\xa0161 imported, 40 відхилено"),
        (lambda: words.priority_word("high"), "Високий"),
    ],
)
def test_ukrainian_is_natural(made: Callable[[], str], text: str) -> None:
    assert made() == text


def test_the_clock_is_that_of_the_reader() -> None:
    with reading(Reader("en", ZoneInfo("America/New_York"))):
        assert times.exact(EVENING) == "24 Nov 2026, 11:02:11 EST"
        assert times.clock(EVENING, now=EVENING) == "today 11:02"
        assert times.hour(EVENING) == "11:02"
    with reading(Reader("en", ZoneInfo("Asia/Tokyo"))):
        assert times.clock(EVENING, now=EVENING - timedelta(hours=2)) == "tomorrow 01:02"


@pytest.mark.usefixtures("ukrainian")
def test_a_stored_sentence_of_ours_is_translated_and_an_authors_is_not() -> None:
    assert words.outcome(task(Status.FAILED, message="An error in the program, at row 5 of 9")) == (
        "Зупинилося через помилку в програмі, на рядку 5 з 9"
    )
    assert words.outcome(task(Status.FAILED, message="The supplier is closed")) == "The supplier is closed"
    assert words.outcome(task(Status.CANCELLED, cancelled_by="Ada")) == "Відкликано до початку (Ada)"


@pytest.mark.usefixtures("ukrainian")
def test_what_the_authors_sentence_says_is_not_said_again_in_another_writing() -> None:
    said = task(Status.COMPLETED, message="3,161 imported, 40 refused.", counts={"created": 3161}, warnings=40)
    assert words.more_counts(said) == ""


@pytest.mark.usefixtures("ukrainian")
def test_ages_are_counted_on_with_the_same_words() -> None:
    assert times.age_words() == ["щойно", "{n} с тому", "{n} хв тому", "{n} год тому"]


@pytest.mark.usefixtures("ukrainian")
@pytest.mark.parametrize(
    "make",
    [
        lambda: numbers.number(1234567),
        lambda: times.clock(EVENING),
        lambda: times.ago(EVENING),
        lambda: times.exact(NOW),
    ],
)
def test_writing_costs_next_to_nothing(make: Callable[[], str]) -> None:
    make()
    best = min(timeit.repeat(make, number=1000, repeat=5)) / 1000
    assert best < 50e-6, "a page writes hundreds of these within 15 ms; alone on a machine it takes about 4 µs"
