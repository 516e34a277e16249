"""The disk is full, or the journals' folder is gone or cannot be written: it costs lines, never a task or a page."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stask_web import Status
from stask_web.journal import Journal

from .apps import OnePerson
from .site import Site

MOUNT, UMOUNT = shutil.which("mount"), shutil.which("umount")


@contextlib.contextmanager
def mounted(place: Path, size: str) -> Iterator[None]:
    """A file system of its own of that size."""
    place.mkdir(parents=True, exist_ok=True)
    command = [str(MOUNT), "-t", "tmpfs", "-o", f"size={size},mode=0700", "stask-test", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if MOUNT else None
    if done is None or done.returncode:
        pytest.skip(f"needs the right to mount a small file system: {done.stderr.strip() if done else 'no mount'}")
    try:
        yield
    finally:
        subprocess.run([str(UMOUNT), "-l", str(place)], check=True)


@pytest.fixture
def full(make_site: Callable[..., Site]) -> Iterator[tuple[Site, Path]]:
    """A site whose journals lie on a full disk, and the file to remove so that it is full no longer."""
    site = make_site(STASK_MAX_ATTEMPTS=1)
    with mounted(site.state.storage.journal, "256k"):
        ballast = site.state.storage.journal / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        yield site, ballast
        site.close()


def pages(site: Site, task_id: int) -> dict[str, int]:
    """The answers of everything that shows a task or its log."""
    site.state.policy = OnePerson()
    client = site.app.test_client()
    task = f"/stask/tasks/{task_id}"
    addresses = (task, f"{task}/log", f"{task}/log/download", f"{task}/progress", "/stask/tasks", "/stask/")
    live = f"/stask/live?tasks={task_id}&log={task_id}:-:0"
    return {address: client.get(address).status_code for address in (*addresses, live)}


def test_a_full_disk_costs_lines_and_the_log_says_how_many(full: tuple[Site, Path]) -> None:
    site, ballast = full
    site.start(concurrency=1)
    task = site.create("rows", rows=600, pause=0.005)
    site.wait_note("started")
    site.until(lambda: (site.task(task).processed or 0) > 50, "it works, and nothing can be written")
    assert not any("seventh" in line for line in site.log(task))
    assert max(pages(site, task).values()) < 500
    ballast.unlink()
    done = site.wait(task)
    assert (done.status, done.warnings, len(site.attempts(task))) == (Status.COMPLETED, 86, 1)
    log = site.log(task)
    assert any("lines could not be written here" in line for line in log), log
    assert log[-1].endswith("it is a seventh")
    with open(done.files[0]["path"], encoding="utf-8-sig") as refused:
        assert len(refused.readlines()) == 87, "the refused rows lie elsewhere and are whole"


def test_a_disk_that_fills_up_leaves_whole_lines(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_MAX_ATTEMPTS=1)
    with mounted(site.state.storage.journal, "128k"):
        site.start(concurrency=1)
        task = site.create("flood", lines=5000, length=333)
        assert site.wait(task).status == Status.COMPLETED
        path = site.state.journals.of(task).path
        data = path.read_bytes() if path.exists() else b"\n"
        assert len(data) <= 128 * 1024
        assert data.endswith(b"\n"), "nothing is half-written"
        lines = site.state.journals.of(task).lines()
        told = sum(int(line["message"].split()[0]) for line in lines if line["kind"] == "gap")
        kept = [line["message"] for line in lines if line["kind"] == "out"]
        assert set(kept) <= {"x" * 333}
        assert len(kept) + told <= 5000, "none is told as lost that was kept"
        assert max(pages(site, task).values()) < 500
        assert site.wait(site.create("note")).status == Status.COMPLETED
        site.close()


def test_the_first_line_on_a_full_disk_leaves_nothing_that_hides_the_later_ones(full: tuple[Site, Path]) -> None:
    """A torn header would make the whole journal unreadable."""
    site, ballast = full
    journal = site.state.journals.of(77)
    with pytest.raises(OSError, match="No space left"):
        journal.log("info", "lost")
    ballast.unlink()
    journal.log("info", "kept")
    assert [line["message"] for line in journal.lines()] == ["kept"]
    journal.close()


@pytest.mark.parametrize("room", [5, 12, 200, 460])
def test_a_write_that_ends_in_the_middle_is_undone(tmp_path: Path, room: int) -> None:
    """A quota may end within a line, or within the header: told apart by a process of its own that has the limit."""
    code = f"""
import resource
from pathlib import Path
from stask_web.journal import Journal

journal = Journal(Path({str(tmp_path / "1.log")!r}))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, hard))
written = 0
try:
    for written in range(100):
        journal.log("info", "x" * 100)
except OSError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.log("info", "after")
    print(written)
"""
    command = [sys.executable, "-c", code]
    written = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    lines = [line["message"] for line in Journal(tmp_path / "1.log").lines()]
    assert lines == [*["x" * 100] * written, "after"]
    assert all(line.startswith("{") for line in (tmp_path / "1.log").read_text().splitlines())


def test_a_log_at_its_cap_on_a_full_disk_keeps_being_written_once(make_site: Callable[..., Site]) -> None:
    """There is no room to shorten it; the line itself was written, and must not be told as lost."""
    site = make_site(STASK_LOG_CAP=96 * 1024)
    with mounted(site.state.storage.journal, "128k"):
        journal = site.state.journals.of(5)
        for number in range(900):
            journal.log("info", f"{number:04} " + "y" * 60)
            if journal.size() > 97 * 1024:
                break
        assert [line["message"][:4] for line in journal.lines()][-1] == f"{number:04}"
        journal.close()


@pytest.mark.parametrize("spoilt", [b'{"g":"1234', b"\0" * 4096])
def test_a_first_line_that_a_power_cut_has_spoilt_hides_no_later_one(tmp_path: Path, spoilt: bytes) -> None:
    journal = Journal(tmp_path / "1.log")
    journal.path.write_bytes(spoilt)
    for number in range(3):
        journal.log("info", f"line {number}")
    expected = ["line 0", "line 1", "line 2"]
    assert [line["message"] for line in journal.lines()] == expected
    last = journal.last(2)
    assert [line["m"] for line in last.lines] == expected[1:]
    assert [line["m"] for line in journal.before(last.start, 5).lines] == expected[:1]
    journal.log("info", "on")
    assert [line["m"] for line in journal.read(last.end).lines] == ["on"]
    journal.close()


@contextlib.contextmanager
def no_folder(site: Site) -> Iterator[None]:
    """The journals' folder is a file: as root, nothing else stops us from writing."""
    folder = site.state.storage.journal
    folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")
    try:
        yield
    finally:
        folder.unlink()
        folder.with_name("aside").rename(folder)


def test_a_journal_folder_that_cannot_be_used_costs_lines_only(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_MAX_ATTEMPTS=2)
    worker = site.start(concurrency=1)
    with no_folder(site):
        ids = [site.create("print"), site.create("rows", rows=20), site.create("die", lives=2)]
        for task_id in ids:
            assert site.wait(task_id).status == Status.COMPLETED
        failed = site.create("raise", kind="failed")
        assert site.wait(failed).message == "The shop is closed."
        for task_id in (ids[1], failed):
            answers = pages(site, task_id)
            assert max(answers.values()) < 500, answers
        site.cancel(site.create("nothing", start_at=2e10))
    task = site.create("print")
    assert site.wait(task).status == Status.COMPLETED
    assert "from print" in site.log(task)
    assert worker.process.poll() is None


def test_a_journal_folder_that_is_removed_while_a_task_writes_is_made_anew(site: Site) -> None:
    site.start(concurrency=1)
    task = site.create("rows", rows=400, pause=0.005)
    site.until(lambda: site.state.journals.of(task).size(), "it has a log")
    shutil.rmtree(site.state.storage.journal)
    site.until(lambda: site.state.journals.of(task).size(), "it has a log again")
    assert max(pages(site, task).values()) < 500
    done = site.wait(task)
    assert (done.status, done.warnings) == (Status.COMPLETED, 57)
    assert site.log(task)[-1].endswith("it is a seventh")


@pytest.mark.skipif(MOUNT is None, reason="needs mount")
def test_a_read_only_journal_folder_costs_lines_only(make_site: Callable[..., Site]) -> None:
    site = make_site(STASK_MAX_ATTEMPTS=1)
    with mounted(site.state.storage.journal, "1m"):
        site.start(concurrency=1)
        task = site.create("rows", rows=400, pause=0.005)
        site.until(lambda: len(site.log(task)) > 2, "it writes")
        remount = [str(MOUNT), "-o", "remount", str(site.state.storage.journal)]
        ended = site.wait(task)  # until then its process writes there, and the kernel refuses
        subprocess.run([*remount[:2], "remount,ro", remount[-1]], check=True)
        assert ended.status == Status.COMPLETED
        later = site.wait(site.create("rows", rows=30))
        assert (later.status, later.warnings) == (Status.COMPLETED, 4)
        assert site.log(later.id) == []
        assert site.state.journals.of(task).size()
        for task_id in (task, later.id):
            answers = pages(site, task_id)
            assert max(answers.values()) < 500, answers
        with site.app.app_context():
            assert site.state.tasks.clean_old_tasks(-1) == 2, "rows may go although the files cannot"
        subprocess.run([*remount[:2], "remount,rw", remount[-1]], check=True)
        assert os.access(site.state.storage.journal, os.W_OK)
        with site.app.app_context():
            assert site.state.tasks.clean_old_tasks(-1) == 0
        assert not site.state.journals.of(task).size(), "they go as soon as they can"
        site.close()
