"""What every engine and every database must hold; ``test_*.py`` beside it say on what."""

from __future__ import annotations

import time

from stask_web import Status

from ..faults.site import Site


class QueueContract:
    """What holds in any engine: order, attempts, outcomes. ``drain`` runs all that may start now."""

    def drain(self, site: Site) -> None:
        """Run what may start now."""
        raise NotImplementedError

    def test_a_task_runs_once_and_is_completed(self, site: Site) -> None:
        task = site.create("note")
        self.drain(site)
        done = site.wait(task)
        assert (done.status, done.attempts, done.progress) == (Status.COMPLETED, 1, 100)
        assert site.notes("ran") == [f"{task} 1"]
        (attempt,) = site.attempts(task)
        assert (attempt.number, attempt.outcome) == (1, "completed")
        assert attempt.ended_at == done.finished_at

    def test_high_before_normal_before_low_and_the_oldest_first(self, site: Site) -> None:
        priorities = ["low", "normal", "high", "low", "high", "normal"]
        tasks = {site.create("note", priority=priority): priority for priority in priorities}
        self.drain(site)
        for task in tasks:
            site.wait(task)
        ran = [int(line.split()[0]) for line in site.notes("ran")]
        rank = {"high": 1, "normal": 2, "low": 3}
        assert ran == sorted(tasks, key=lambda task: (rank[tasks[task]], task))

    def test_a_task_waits_for_its_time(self, site: Site) -> None:
        later, now = site.create("note", start_at=time.time() + 3600), site.create("note")
        self.drain(site)
        site.wait(now)
        assert site.task(later).is_pending()
        self.make_due(site, later)
        self.drain(site)
        assert site.wait(later).status == Status.COMPLETED

    def test_an_error_starts_again_after_a_while_until_no_attempt_is_left(self, site: Site) -> None:
        task = site.create("raise", kind="value")
        site.until(lambda: self.drain(site) or site.task(task).is_finished(), "no attempt is left")
        done = site.wait(task)
        assert (done.status, done.attempts) == (Status.FAILED, 3)
        assert [attempt.outcome for attempt in site.attempts(task)] == ["error"] * 3

    def test_endings_are_counted_by_day(self, site: Site) -> None:
        tasks = [site.create("nothing"), site.create("nothing"), site.create("raise", kind="failed")]
        self.drain(site)
        for task in tasks:
            site.wait(task)
        assert site.stats() == {Status.COMPLETED: 2, Status.FAILED: 1}

    def test_a_withdrawn_task_never_starts(self, site: Site) -> None:
        task, other = site.create("note"), site.create("nothing")
        site.cancel(task)
        self.drain(site)
        site.wait(other)
        assert site.attempts(task) == []
        assert site.notes("ran") == []

    def test_a_retried_task_runs_again_and_keeps_its_old_attempts(self, site: Site) -> None:
        task = site.create("raise", kind="failed")
        self.drain(site)
        site.wait(task)
        site.retry(task)
        self.drain(site)
        site.until(lambda: len(site.attempts(task)) == 2, "the second attempt")
        done = site.wait(task)
        assert (done.attempts, done.attempt_no) == (1, 2)

    def test_a_worker_that_is_gone_fails_its_task_with_a_sentence(self, site: Site) -> None:
        task = site.create("nothing")
        with site.state.database.write() as connection:
            connection.exec_driver_sql(f"UPDATE s_tasks SET identifier = 'gone' WHERE id = {task}")
        self.drain(site)
        done = site.wait(task)
        assert done.status == Status.FAILED
        assert "'gone' is not here any more" in done.message

    def make_due(self, site: Site, task: int) -> None:
        """Let its time come, if it waits for one."""
        with site.state.database.write() as connection:
            now = time.time()
            connection.exec_driver_sql(f"UPDATE s_tasks SET due_at = {now} WHERE id = {task} AND due_at IS NOT NULL")


class EngineContract(QueueContract):
    """What the embedded engine holds besides, with real processes."""

    def drain(self, site: Site) -> None:
        """A worker with one child takes everything in order."""
        if not site.workers:
            site.start(concurrency=1)

    def test_a_task_that_is_due_starts_by_itself(self, site: Site) -> None:
        self.drain(site)
        at = time.time() + 1.0
        done = site.wait(site.create("note", start_at=at))
        assert done.started_at is not None
        assert -0.01 < done.started_at.timestamp() - at < 1.0

    def test_an_idle_worker_is_woken(self, site: Site) -> None:
        self.drain(site)
        site.wait(site.create("nothing"))
        waits = []
        for _ in range(10):
            done = site.wait(site.create("nothing"))
            assert done.started_at is not None
            waits.append((done.started_at - done.created_at).total_seconds())
        assert sorted(waits)[5] < 0.1, waits

    def test_a_task_is_found_without_a_wake_up(self, site: Site) -> None:
        self.drain(site)
        site.wait(site.create("nothing"))
        task = site.create("nothing", start_at=time.time() + 3600)
        with site.state.database.write() as connection:
            connection.exec_driver_sql(f"UPDATE s_tasks SET lane = 2, due_at = NULL WHERE id = {task}")
        assert site.wait(task, patience=5).status == Status.COMPLETED

    def test_many_tasks_and_two_workers_none_doubled_none_missing(self, site: Site) -> None:
        tasks = site.create_many("note", 400)
        for _ in range(2):
            site.start(concurrency=2)
        for task in tasks:
            assert site.wait(task).status == Status.COMPLETED
        assert sorted(site.notes("ran")) == sorted(f"{task} 1" for task in tasks)
        assert site.stats() == {Status.COMPLETED: 400}

    def test_progress_reaches_the_row_while_it_runs(self, site: Site) -> None:
        self.drain(site)
        task = site.create("rows", rows=10_000, pause=0.003)
        site.until(lambda: site.task(task).is_running() and (site.task(task).processed or 0) > 10, "the row is current")
        site.until(lambda: site.task(task).eta is not None, "there is an estimate")
        row = site.task(task)
        assert (row.total, row.message) == (10_000, "Working")
        site.until(lambda: site.task(task).eta is not None, "there is enough to go by for an estimate")
        site.cancel(task)
        assert site.wait(task).status == Status.CANCELLED

    def test_a_lost_attempt_cannot_end_the_task(self, site: Site) -> None:
        """Fenced: what an attempt reports after its task was taken from it is dropped."""
        self.drain(site)
        task = site.create("sleep", seconds=1.0)
        site.wait_note("started")
        with site.state.database.write() as connection:
            connection.exec_driver_sql(f"UPDATE s_tasks SET claim_token = 'other', owner = NULL WHERE id = {task}")
        site.until(
            lambda: "dropped" in site.workers[0].output() or "not ours" in site.workers[0].output(), "it is told"
        )
        assert site.task(task).status == Status.RUNNING
