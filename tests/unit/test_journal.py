"""The journal: nothing lost, nothing doubled, whatever position a reader comes with."""

from __future__ import annotations

import json
import multiprocessing
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stask_web import logfile
from stask_web.columns import to_json
from stask_web.journal import NOTHING, Journal, Journals


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journals(tmp_path, cap=50 * 2**20, line_cap=8192).of(7)


def messages(journal: Journal) -> list[str]:
    return [line["message"] for line in journal.lines()]


def test_a_journal_that_was_never_written_is_empty(journal: Journal) -> None:
    assert journal.read(None).lines == []
    assert journal.read("abc:5").end == NOTHING
    assert journal.end() == NOTHING
    assert journal.progress() is None and journal.size() == 0
    assert not journal.path.exists()


def test_reading_on_from_each_end_gives_every_line_once(journal: Journal) -> None:
    seen: list[str] = []
    position = None
    for number in range(50):
        journal.log("info", f"line {number}")
        chunk = journal.read(position, limit=40)
        seen += [line["m"] for line in chunk.lines]
        position = chunk.end
    while journal.read(position).lines:
        chunk = journal.read(position, limit=40)
        seen += [line["m"] for line in chunk.lines]
        position = chunk.end
    assert seen == [f"line {number}" for number in range(50)]


def test_a_cleared_journal_begins_a_new_generation_and_a_reader_starts_anew(journal: Journal) -> None:
    journal.log("info", "old")
    old = journal.end()
    journal.clear()
    journal.log("info", "new")
    chunk = journal.read(old)
    assert [line["m"] for line in chunk.lines] == ["new"]
    assert chunk.start.split(":")[0] != old.split(":")[0]


def test_a_torn_last_line_is_not_shown_and_ended_by_the_next_writer(journal: Journal) -> None:
    journal.log("info", "whole")
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"t":1,"a":1,"k":"log","l":"info","m":"to')
    assert [line["m"] for line in journal.read(None).lines] == ["whole"]
    journal.log("info", "next")
    assert messages(journal) == ["whole", "next"]


def test_a_long_line_is_split_and_read_back_whole(journal: Journal) -> None:
    text = "ж" * 20_000 + "\n" + "x" * 9000
    journal.log("info", text)
    assert len(journal.read(None, limit=10**6).lines) > 4
    assert messages(journal) == [text]


def test_text_that_no_file_can_take_is_made_storable(journal: Journal) -> None:
    journal.log("error", "a\x00b\ud800c", {"bad": float("nan"), "key": object})
    [line] = journal.lines()
    assert line["message"] == "a�b�c"
    assert line["context"]["bad"] is None


def test_over_its_cap_a_journal_keeps_head_and_tail_and_marks_the_gap_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.log", cap=20_000)
    for number in range(2000):
        journal.log("info", f"line {number}")
    assert journal.size() <= 20_000
    lines = journal.lines()
    texts = [line["message"] for line in lines]
    assert texts[0] == "line 0" and texts[-1] == "line 1999"
    assert [line["kind"] for line in lines].count("gap") == 1


def test_the_last_lines_and_the_older_ones_before_them(journal: Journal) -> None:
    for number in range(100):
        journal.log("info", f"line {number}")
        journal.write([{"t": 1, "a": 1, "k": "progress", "p": {"progress": number}}])
    last = journal.last(10)
    assert [line["m"] for line in last.lines] == [f"line {number}" for number in range(90, 100)]
    assert journal.read(last.end).lines == []
    older = journal.before(last.start, 10)
    assert [line["m"] for line in older.lines] == [f"line {number}" for number in range(80, 90)] and older.more
    oldest = journal.before(older.start, 200)
    assert len(oldest.lines) == 80 and not oldest.more


def test_the_last_progress_is_found_behind_later_log_lines(journal: Journal) -> None:
    journal.write([{"t": 5.0, "a": 2, "k": "progress", "p": {"progress": 40, "message": "x"}}])
    journal.log("info", "later")
    assert journal.progress() == {"progress": 40, "message": "x", "t": 5.0, "a": 2}


def test_downloads_hold_what_people_see(journal: Journal) -> None:
    journal.log("info", "hello", {"n": 1}, at=1_790_000_000)
    journal.write([{"t": 5.0, "a": 1, "k": "progress", "p": {"progress": 40}}])
    assert b"".join(logfile.text(journal)) == b'2026-09-21 14:13:20 INFO hello {"n":1}\n'
    assert json.loads(b"".join(logfile.jsonl(journal)))["message"] == "hello"


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["info", "warning", "error"]),
            _TEXTS,
            st.none() | st.dictionaries(st.text("ab", min_size=1), st.integers() | _TEXTS, max_size=2),
            st.sampled_from(["log", "out"]),
            st.integers(1, 3),
            st.floats(0, 4e9).map(lambda at: round(at, 3)),
        ),
        max_size=20,
    )
)
def test_a_download_has_the_same_lines_as_the_page(rows: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "1.log", line_cap=64)
        for level, message, context, kind, attempt, at in rows:
            journal.log(level, message, context, attempt=attempt, kind=kind, at=at)
            journal.write([{"t": at, "a": 1, "k": "progress", "p": {"progress": 1}}])
        journal.close()
        lines = journal.lines()
        assert [json.loads(line) for line in b"".join(logfile.jsonl(journal)).split(b"\n")[:-1]] == lines
        told = [
            f"{line['timestamp'][:19].replace('T', ' ')} {line['level'].upper()} {line['message']}"
            + (f" {to_json(line['context'])}" if line["context"] else "")
            for line in lines
        ]
        assert b"".join(logfile.text(journal)).decode() == "".join(f"{line}\n" for line in told)


def test_a_download_of_a_big_log_takes_little_memory(journal: Journal) -> None:
    for start in range(0, 40_000, 5000):
        journal.write(
            [each for row in range(start, start + 5000) for each in journal.records("info", f"Row {row} " * 8)]
        )
    journal.close()
    assert journal.size() > 5 * 2**20
    for format in (logfile.text, logfile.jsonl):
        tracemalloc.start()
        lines = sum(piece.count(b"\n") for piece in format(journal))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines == 40_000
        assert peak < 3 * 2**20


def test_a_download_passes_over_what_is_no_record(journal: Journal) -> None:
    journal.log("info", "before")
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"t":1,"a":1,"k":"log","l":"info","m":"torn\n[]\n\n{"a":1}\n')
        file.write(b'{"k":"log","t":2,"a":1,"l":"info","m":"in another order"}\n{"t":1,"a":1,"k":"log"')
    said = b"".join(logfile.text(journal)).decode().splitlines()
    assert [line.split(" INFO ")[1] for line in said] == ["before", "in another order"]


def write_lines(path: Path, name: str) -> None:
    journal = Journal(path)
    for number in range(500):
        journal.log("info", f"{name} {number}")


def test_several_processes_write_whole_lines(journal: Journal) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_lines, args=(journal.path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(messages(journal)) == sorted(f"{name} {number}" for name in "abc" for number in range(500))


@pytest.mark.parametrize("position", ["", "x", "a:b", "a:-5", "a:" + "9" * 30, ":::", "\x00:0"])
def test_a_position_that_is_none_starts_at_the_beginning(journal: Journal, position: str) -> None:
    journal.log("info", "first")
    assert [line["m"] for line in journal.read(position).lines] == ["first"]


def test_the_last_lines_are_found_behind_minutes_of_mere_progress(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.log")
    for number in range(5):
        journal.log("info", f'line {number} with "k":"progress" in it')
    numbers = {"t": 1.0, "a": 1, "k": "progress", "p": {"message": "x" * 200}}
    journal.write([numbers] * 3000)
    last = journal.last(3, limit=4096)
    assert [record["m"][:6] for record in last.lines] == ["line 2", "line 3", "line 4"]
    assert last.end == journal.read(last.end).end
    older = journal.before(last.start, 10, limit=4096)
    assert [record["m"][:6] for record in older.lines] == ["line 0", "line 1"]
    assert older.more is False
    journal.close()


def test_a_torn_last_line_is_not_counted_in(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1.log")
    journal.log("info", "whole")
    end = journal.end()
    with journal.path.open("ab") as file:
        file.write(b'{"t":1,"a":1,"k":"log","m":"to')
    assert journal.end() == end
    assert [record["m"] for record in journal.last(5).lines] == ["whole"]
    journal.close()
