"""How actions end, and what they leave in the journal."""

from __future__ import annotations

import json

import pytest

from stask_web import Status
from stask_web.engines.inline import process_pending

from .site import Site


@pytest.mark.parametrize("kind", ["value", "exit", "keyboard", "nul", "long", "str"])
def test_every_exception_ends_the_attempt_and_the_last_one_the_task(site: Site, kind: str) -> None:
    site.start(concurrency=1)
    task = site.create("raise", kind=kind)
    done = site.wait(task)
    assert done.status == Status.FAILED
    assert [attempt.outcome for attempt in site.attempts(task)] == ["error"] * 3
    assert done.error
    assert len(done.error) <= 190
    assert "\x00" not in done.error + done.message
    assert any("Traceback" in line for line in site.log(task))


def test_between_attempts_a_task_says_why_and_when(site: Site) -> None:
    site.start(concurrency=1)
    with site.state.database.write() as connection:
        connection.exec_driver_sql("UPDATE s_workers SET active = 1")
    task = site.create("raise", kind="value")
    site.until(
        lambda: site.task(task).attempts == 1 and site.task(task).is_pending(), "it waits for the second attempt"
    )
    waiting = site.task(task)
    assert waiting.message.startswith("Attempt 1 of 3 stopped: ")
    assert waiting.due_at is not None
    assert waiting.lane is None


def test_a_failure_that_the_author_meant_is_final(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("raise", kind="failed")
    done = site.wait(task)
    assert (done.status, done.message, done.attempts) == (Status.FAILED, "The shop is closed.", 1)


def test_print_descriptors_logging_and_children_land_in_the_journal(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("print")
    assert site.wait(task).status == Status.COMPLETED
    log = site.log(task)
    for text in ("from print", "from fd 2", "from logging", "from a child", "without end"):
        assert log.count(text) == 1, log


def test_uncommitted_work_is_rolled_back_and_that_is_told(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("uncommitted")
    assert site.wait(task).status == Status.COMPLETED
    assert site.log(task) == ["Changes in db.session were not committed, so they were rolled back: row"]
    with site.state.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM row").scalar() == 0


@pytest.mark.parametrize(
    "way", ["object", "core", "connection", "driver", "text", "bulk", "update", "nested", "core later core"]
)
def test_whatever_way_it_was_written_what_was_not_committed_is_told(site: Site, way: str) -> None:
    task = site.create("writes", ways=["none", *way.split()])
    process_pending(site.app, 1)
    assert site.task(task).status == Status.COMPLETED
    assert site.log(task) == ["Changes in db.session were not committed, so they were rolled back: row"]


@pytest.mark.parametrize("way", ["none", "committed", "committed later", "core later", "connection nested later"])
def test_nothing_is_told_of_what_was_committed_or_only_read(site: Site, way: str) -> None:
    task = site.create("writes", ways=way.split())
    process_pending(site.app, 1)
    assert site.task(task).status == Status.COMPLETED
    assert site.log(task) == []


def test_what_one_task_has_not_committed_is_no_part_of_the_next(site: Site) -> None:
    site.start(concurrency=1)
    for way in ("connection", "object", "committed"):
        assert site.wait(site.create("writes", ways=[way])).status == Status.COMPLETED
    with site.state.database.read() as connection:
        assert connection.exec_driver_sql("SELECT text FROM row").scalars().all() == ["kept"]


def test_the_next_task_finds_the_process_as_it_was(site: Site) -> None:
    site.start(concurrency=1)
    for thread in (False, False, True, False):
        task = site.create("untidy", thread=thread)
        assert site.wait(task).status == Status.COMPLETED
        told = "Threads were left running, so they end with their process: importer-1"
        assert site.log(task) == [told] * thread
    states = [json.loads(line) for line in site.notes("state")]
    pids = [state.pop() for state in states]
    assert pids[0] == pids[1] == pids[2] != pids[3], "the process with the thread is replaced"
    assert states[:2] == [states[2]] * 2
    assert states[3][:5] == states[0][:5]


def test_a_process_pool_works_and_a_fork_that_comes_back_does_not_speak_for_the_task(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("pool")
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.COMPLETED, 1)
    assert site.notes("ran") == ["55"]


def test_a_traceback_begins_in_the_action(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("raise", kind="value")
    site.wait(task)
    lines = site.log(task)[0].splitlines()
    assert lines[0].startswith("Traceback")
    assert "in task_raise" in lines[1]


def test_a_long_line_and_much_output_are_kept_within_the_caps(site: Site) -> None:
    site.start(concurrency=1)
    many, long = site.create("flood", lines=20_000, length=100), site.create("flood", lines=1, length=5_000_000)
    assert site.wait(many).status == Status.COMPLETED
    assert site.wait(long).status == Status.COMPLETED
    assert len(site.log(many)) == 20_000
    assert sum(map(len, site.log(long))) == 5_000_000


def test_refused_rows_are_counted_and_come_as_a_file(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("rows", rows=20)
    done = site.wait(task)
    assert (done.status, done.warnings, done.counts) == (Status.COMPLETED, 3, {"done": 20})
    assert (done.processed, done.total, done.progress) == (20, 20, 100)
    (file,) = done.files
    assert (file["name"], file["kind"]) == ("refused.csv", "refused")
    with open(file["path"], encoding="utf-8-sig") as lines:
        assert lines.read().splitlines() == [
            "number,reason,line", "3,it is a seventh,4", "10,it is a seventh,11", "17,it is a seventh,18",
        ]  # fmt: skip


def test_an_action_may_cancel_itself(site: Site) -> None:
    site.start(concurrency=1)
    done = site.wait(site.create("interrupts", kind="cancel"))
    assert (done.status, done.attempts) == (Status.CANCELLED, 1)


@pytest.mark.parametrize("kind", ["drain", "timeout"])
def test_an_interrupt_that_nobody_asked_for_is_an_error_of_the_program(site: Site, kind: str) -> None:
    site.start(concurrency=1)
    task = site.create("interrupts", kind=kind)
    done = site.wait(task)
    assert (done.status, done.attempts) == (Status.FAILED, 3)
    assert [attempt.outcome for attempt in site.attempts(task)] == ["error"] * 3


def test_numbers_that_no_column_holds_are_cut_and_stop_nobody(site: Site) -> None:
    site.start(concurrency=1)
    first, second = site.create("infinite"), site.create("nothing")
    done = site.wait(first)
    assert (done.status, done.processed, done.total) == (Status.COMPLETED, 2**63 - 1, 2**63 - 1)
    assert site.wait(second).status == Status.COMPLETED


def test_an_outcome_that_cannot_be_written_keeps_no_other(site: Site) -> None:
    first, second = site.create("unfit"), site.create("nothing")
    site.start(concurrency=2)
    done = site.wait(first)
    assert (done.status, done.warnings) == (Status.COMPLETED, 0)
    assert done.message == "What it said of its end could not be stored."
    assert site.wait(second).status == Status.COMPLETED
    assert [attempt.outcome for attempt in site.attempts(second)] == ["completed"]


def test_a_result_that_is_gone_again_is_none_and_the_task_ran_once(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("vanish")
    done = site.wait(task)
    assert (done.status, done.message, done.result, done.files) == (Status.COMPLETED, "Made a file", None, None)
    assert len(site.attempts(task)) == 1
    assert any("'gone.csv' cannot be read any more" in line for line in site.log(task))


def test_names_and_contexts_that_cannot_be_stored_stop_nobody(site: Site) -> None:
    site.start(concurrency=1)
    task, other = site.create("odd_names"), site.create("odd_result")
    done = site.wait(task)
    assert done.status == Status.COMPLETED
    assert [file["name"] for file in done.files or []] == ["good.csv"]
    assert any("is not kept: its name is not UTF-8" in line for line in site.log(task))
    assert [line for line in site.log(task) if line.startswith("odd")] == ["odd 1", "odd 2", "odd 3"]
    refused = site.wait(other)
    assert refused.status == Status.FAILED
    assert "is not UTF-8" in refused.message


def test_an_async_action_runs_to_its_end_and_one_that_yields_says_so(site: Site) -> None:
    site.start(concurrency=1)
    task, other = site.create("coroutine"), site.create("yields")
    assert site.wait(task).status == Status.COMPLETED
    assert site.notes("ran") == [str(task)]
    assert site.wait(other).status == Status.FAILED
    assert any("task_yields yields" in line for line in site.log(other))
