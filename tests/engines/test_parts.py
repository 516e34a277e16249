"""The small parts of the engine, each for itself."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from stask_web import Status
from stask_web.claims import Claim, Outcome, backoff, decide, stopped_by
from stask_web.engines import owner
from stask_web.engines.capture import Capture
from stask_web.engines.ledger import Away, Ledger
from stask_web.engines.owner import OwnerLock
from stask_web.engines.reaper import Reaper
from stask_web.engines.ticks import Ticks
from stask_web.engines.wake import WakeSocket, wake_folder
from stask_web.engines.wire import Reader, Unpacker, Writer, pack
from stask_web.journal import Journal
from stask_web.runner.pen import Pen
from stask_web.runner.stars import STARS
from stask_web.vitals import facts_of_this, our_version, processes

from ..faults.site import Site


def claim(**changes: object) -> Claim:
    """A claim of a first attempt of three."""
    plain = Claim(1, "w", "a", 2, 1, 3, 1, 0, False, "{}", None, None, 0.0, None, 0.0, "token", "me", False)
    return plain._replace(**changes)  # type: ignore[arg-type]


class TestWire:
    """Messages over pipes."""

    def test_messages_come_whole_however_they_are_cut(self) -> None:
        data = pack({"a": 1}) + pack(["ї", None]) + pack("x" * 100_000)
        unpacker, found = Unpacker(), []
        for at in range(0, len(data), 7):
            found += unpacker.feed(data[at : at + 7])
        assert found == [{"a": 1}, ["ї", None], "x" * 100_000]

    def test_a_writer_never_waits_for_a_reader(self) -> None:
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        os.set_blocking(read_end, False)
        writer, reader = Writer(write_end), Reader(read_end)
        writer.send("x" * 200_000)
        assert writer.left
        found: list[object] = []
        while writer.left:
            found += reader.ready()
            writer.flush()
        found += reader.ready()
        assert found == ["x" * 200_000]
        os.close(read_end)
        writer.send("nobody is there")
        assert not writer.left
        os.close(write_end)


class TestOwner:
    """Locks tell who is alive."""

    def test_a_lock_tells_life_and_death(self, tmp_path: Path) -> None:
        lock = OwnerLock(tmp_path)
        assert owner.is_alive(tmp_path, lock.id) is True
        assert owner.take(tmp_path, lock.id) is None
        lock.release(keep=True)
        assert owner.is_alive(tmp_path, lock.id) is False
        taken = owner.take(tmp_path, lock.id)
        assert taken is not None
        assert owner.is_alive(tmp_path, lock.id) is True, "somebody cleans up already"
        owner.forget(tmp_path, lock.id, taken)
        assert owner.is_alive(tmp_path, lock.id) is None, "no such file here: the lock cannot tell"

    def test_a_fork_holds_the_lock_for_as_long_as_it_lives(self, tmp_path: Path) -> None:
        lock = OwnerLock(tmp_path)
        command = [sys.executable, "-c", "input()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[lock.fd])
        lock.release(keep=True)
        assert owner.is_alive(tmp_path, lock.id) is True
        child.communicate(b"\n")
        assert owner.is_alive(tmp_path, lock.id) is False

    def test_a_free_lock_of_another_kernel_tells_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "far.lock").write_text("another boot id")
        assert owner.is_alive(tmp_path, "far") is None


class TestWake:
    """Datagrams."""

    @pytest.mark.parametrize("deep", [False, True])
    def test_every_socket_of_the_folder_is_woken_also_by_a_path_that_no_address_can_hold(
        self, tmp_path: Path, deep: bool
    ) -> None:
        folder = tmp_path / ("x" * 120 if deep else "run")
        folder.mkdir()
        sockets = [WakeSocket(folder, f"{number}" * 32) for number in range(2)]
        assert not any(socket.drain() for socket in sockets)
        assert wake_folder(folder) == 2
        assert [socket.drain() for socket in sockets] == [True, True]
        assert not any(socket.drain() for socket in sockets)
        for socket in sockets:
            socket.close()
        assert list(folder.iterdir()) == []

    def test_dead_and_full_sockets_harm_nobody(self, tmp_path: Path) -> None:
        (tmp_path / "dead.sock").write_text("")
        socket = WakeSocket(tmp_path, "full")
        for _ in range(2000):
            wake_folder(tmp_path)
        assert socket.drain()
        socket.close()
        assert wake_folder(tmp_path / "absent") == 0


class TestTicks:
    """Steps from time to time."""

    def test_a_step_is_due_now_early_and_then_by_its_period(self) -> None:
        ticks, seen = Ticks(), []
        ticks.every("a", 100.0, lambda: seen.append("a"), early=(0.0, 0.01))
        ticks.on_demand("b", lambda: seen.append("b"))
        assert not ticks.pending("b")
        ticks.once("b", 50.0)
        ticks.once("b", 0.0)
        ticks.once("b", 50.0)
        for step in ticks.due():
            step()
        assert seen == ["a", "b"]
        assert ticks.wait() <= 0.01
        time.sleep(0.011)
        assert len(ticks.due()) == 1
        assert 99 < ticks.wait() <= 100


class TestCapture:
    """Output becomes lines."""

    def test_lines_are_put_together_and_the_last_one_needs_no_end(self, tmp_path: Path) -> None:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        journal, capture = Journal(tmp_path / "1.log"), Capture(read_end)
        pen = Pen(lambda: journal, 1)
        for piece in (b"one\ntw", b"o\n", b"\xff\x00three"):
            os.write(write_end, piece)
            capture.drain(pen)
        assert [line["message"] for line in journal.lines()] == ["one", "two"]
        capture.finish(pen)
        assert [line["message"] for line in journal.lines()][2] == "��three"
        os.close(read_end)
        os.close(write_end)
        pen.close()

    def test_a_line_that_is_written_anew_ends_as_its_last_state(self, tmp_path: Path) -> None:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        journal, capture = Journal(tmp_path / "1.log"), Capture(read_end)
        pen = Pen(lambda: journal, 1)
        for piece in (
            b"\r  0%\r 50%",
            b"\r100%",
            b"\n",
            b"dos\r\nsplit\r",
            b"\nbar 1\rbar 2\r",
            b"\r\n\r\n",
            b"a\rb\r",
        ):
            os.write(write_end, piece)
            capture.drain(pen)
        assert [line["message"] for line in journal.lines()] == ["100%", "dos", "split", "bar 2", ""]
        for number in range(100_000):
            capture._take(b"\r%d %%" % number, pen)
        assert len(capture._rest) < 20, "it does not grow"
        capture.finish(pen)
        assert [line["message"] for line in journal.lines()][5:] == ["99999 %"]
        os.close(read_end)
        os.close(write_end)
        pen.close()


class TestPen:
    """The journal of a run."""

    def test_secrets_are_written_as_stars(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "1.log")
        pen = Pen(lambda: journal, 1)
        pen.hide(["hunter2-long", "hunter2", "abc"])
        pen.log("info", "hunter2-long and hunter2 and abc", {"password": ["hunter2"]})
        pen.progress({"message": pen.text("with hunter2", 100), "progress": 1})
        text = (tmp_path / "1.log").read_text()
        assert "hunter2" not in text
        assert "abc" in text, "too short to hide without hiding half of every line"
        pen.close()

    def test_a_secret_is_found_however_it_is_written(self) -> None:
        for secret in ("p@ss/w'o\"rd", "back\\\\slash", "two words & more", "пароль-\U0001f511", "one\ttab<\x80>"):
            pen = Pen(lambda: Journal(Path("never-written")), 1)
            pen.hide([secret])
            both = f"'\"{secret}"
            written = [
                secret, repr(secret), repr(both), repr({"a": [secret]}), ascii(secret), repr(secret.encode()),
                json.dumps(secret), json.dumps(secret, ensure_ascii=False), json.dumps(json.dumps(secret)),
                repr(json.dumps(both)), quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret)),
                quote(secret, safe="@'&").lower(), html.escape(secret),
            ]  # fmt: skip
            for text in written:
                scrubbed = pen.scrub(f"before {text} after")
                assert STARS in scrubbed, text
                assert re.fullmatch(r"""before [\[\]'"{}a: b\\*]*\*{8}['"\]}\\]* after""", scrubbed), (text, scrubbed)

    def test_a_secret_of_many_lines_is_found_line_by_line_and_with_its_ends_written_out(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "1.log")
        pen = Pen(lambda: journal, 1)
        key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n}\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
        pen.hide([key])
        pen.lines(key.splitlines())
        pen.log("info", f"{key!r} and {json.dumps(key)} in {quote(key)}", {key: key, "error": ValueError(key)})
        text = (tmp_path / "1.log").read_text()
        assert "MIIE" not in text
        assert "kqhk" not in text
        assert '"m":"}"' in text, "too short"
        pen.close()

    def test_a_text_is_cut_when_its_secrets_are_out(self) -> None:
        pen = Pen(lambda: Journal(Path("never-written")), 1)
        pen.hide(["0123456789"])
        assert pen.text("x" * 10 + "0123456789", 15) == "x" * 10 + "****…"

    def test_more_may_be_hidden_later_and_is_told_once(self) -> None:
        pen, told = Pen(lambda: Journal(Path("never-written")), 1), []
        pen.told = told.append
        pen.hide(["first-one"])
        pen.hide(["second-one", "first-one"])
        pen.hide(["second-one"])
        assert pen.scrub("first-one, second-one") == f"{STARS}, {STARS}"
        assert told == [["first-one"], ["first-one", "second-one"]]

    def test_a_secret_of_backslashes_takes_no_time(self) -> None:
        pen = Pen(lambda: Journal(Path("never-written")), 1)
        pen.hide(["\\" * 30 + "x"])
        assert pen.scrub("\\" * 20_000) == "\\" * 20_000

    def test_a_journal_that_cannot_be_written_costs_lines_and_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "folder").write_text("a file where a folder should be")
        journal = Journal(tmp_path / "folder" / "1.log")
        pen = Pen(lambda: journal, 1)
        pen.log("info", "lost")
        pen.log("info", "lost, too")
        (tmp_path / "folder").unlink()
        pen.log("info", "kept")
        assert [line["message"] for line in journal.lines()] == ["2 lines could not be written here.", "kept"]
        pen.close()


class TestDecisions:
    """What becomes of a task."""

    def test_an_error_starts_again_while_attempts_are_left(self) -> None:
        ended = decide(claim(), Outcome("error", "An error in the program", delay=10.0), now=5.0)
        assert ended == (Status.PENDING, "Attempt 1 of 3 stopped: An error in the program", 15.0)
        assert decide(claim(attempts=3), Outcome("error", "An error in the program"), now=5.0).status == Status.FAILED

    def test_what_must_not_happen_twice_is_not_started_again_after_a_crash(self) -> None:
        assert decide(claim(max_attempts=1), Outcome("crashed", "It died"), now=0.0).status == Status.FAILED

    def test_drained_and_lost_attempts_come_back_at_once_whatever_the_count(self) -> None:
        for kind in ("drained", "lost"):
            assert decide(claim(attempts=3), Outcome(kind), now=0.0)[::2] == (Status.PENDING, None)

    def test_the_wait_doubles_with_a_jitter_and_has_a_limit(self) -> None:
        for attempts, middle in ((1, 10.0), (2, 20.0), (3, 40.0), (40, 3600.0)):
            assert 0.8 * middle <= backoff(attempts, 10.0) <= 1.2 * middle

    def test_the_sentence_of_a_stop(self) -> None:
        assert stopped_by("Ann", 1204) == "Stopped by Ann at row 1,204"
        assert stopped_by(None, None) == "Stopped"


class TestReaper:
    """Dead owners."""

    @pytest.fixture
    def running(self, sqlite_site: Site) -> Iterator[tuple[Site, int, Ledger]]:
        """A site with one task that an owner without a lock file has in hand."""
        task = sqlite_site.create("nothing")
        far = Ledger(sqlite_site.state.database, "far")
        far.beat(concurrency=1, busy=1, stopping=False)
        assert [found.id for found in far.settle([], [1]).claims] == [task]
        yield sqlite_site, task, far
        far.close()

    def test_a_process_says_of_what_code_it_is(self, sqlite_site: Site) -> None:
        ledger = Ledger(sqlite_site.state.database, "coded", info=facts_of_this(sqlite_site.state.registry))
        ledger.beat(concurrency=1, busy=0, stopping=False)
        ledger.close()
        [row] = processes(sqlite_site.state.database)
        assert set(row.info) == {"version", "python", "code"}
        assert row.info["version"] == our_version()

    def test_an_owner_out_of_reach_is_dead_after_its_lease_without_a_sign_of_life(
        self, running: tuple[Site, int, Ledger]
    ) -> None:
        site, task, far = running
        me, now = Ledger(site.state.database, "me"), [0.0]
        reaper = Reaper(me, site.state.storage.run, site.state.journals, 30.0, clock=lambda: now[0])
        for now[0] in (0.0, 20.0, 29.0):
            assert reaper.look() == 0
        far.beat(concurrency=1, busy=1, stopping=False)
        for now[0] in (31.0, 60.0):
            assert reaper.look() == 0, "it has given a sign of life"
        now[0] = 62.0
        assert reaper.look() == 1
        assert site.task(task).status == Status.PENDING
        assert site.processes() == []
        me.close()

    def test_a_clock_that_jumps_takes_nothing(self, running: tuple[Site, int, Ledger]) -> None:
        site, task, _ = running
        me = Ledger(site.state.database, "me")
        with site.state.database.write() as connection:
            connection.exec_driver_sql("UPDATE s_processes SET beat_at = beat_at - 7200")
        reaper = Reaper(me, site.state.storage.run, site.state.journals, 30.0)
        assert reaper.look() == 0
        assert site.task(task).status == Status.RUNNING
        me.close()

    def test_a_stopped_task_of_a_dead_owner_is_cancelled(self, running: tuple[Site, int, Ledger]) -> None:
        site, task, _ = running
        site.cancel(task, by="Ann")
        me = Ledger(site.state.database, "me")
        me.give_back("far", Outcome("lost", "gone"))
        assert (site.task(task).status, site.task(task).message) == (Status.CANCELLED, "Stopped by Ann")
        me.close()

    def test_a_late_outcome_is_dropped(self, running: tuple[Site, int, Ledger]) -> None:
        site, task, far = running
        (held,) = far.claims.owned(far._cursor(), "far")
        far.give_back("far", Outcome("lost", "gone"))
        from stask_web.engines.ledger import Reported

        assert far.settle([Reported(held, Outcome("completed"), 0.0)], []).ended == [None]
        assert site.task(task).status == Status.PENDING
        assert site.stats() == {}


def test_a_locked_database_is_away_and_soon(sqlite_site: Site) -> None:
    ledger = Ledger(sqlite_site.state.database, "me")
    with sqlite_site.state.database.write():
        began = time.monotonic()
        with pytest.raises(Away) as caught, ledger.transaction():
            pass
        assert caught.value.busy
        assert time.monotonic() - began < 0.5
    with ledger.transaction():
        pass
    ledger.close()
