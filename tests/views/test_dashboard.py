"""The dashboard: what whom it shows, and that one broken widget never takes the rest with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from stask_web import BaseWorker
from stask_web.models import Process, Schedule
from stask_web.status import Status
from stask_web.views import widgets

from .conftest import JSON, Site


def text(client: FlaskClient, address: str = "/stask/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_an_operator_sees_the_actions_he_may_start(operator: FlaskClient) -> None:
    page = text(operator)
    assert "Product management" in page
    assert "Import products" in page
    assert "Rebuild everything" not in page


def test_an_admin_also_sees_the_actions_of_admins(admin: FlaskClient) -> None:
    assert "Rebuild everything" in text(admin)


def test_a_viewer_sees_the_widget_without_anything_to_start(viewer: FlaskClient) -> None:
    page = text(viewer)
    assert "Product management" in page
    assert "/run/" not in page


def test_workers_are_in_the_navigation_of_admins_only(admin: FlaskClient, operator: FlaskClient) -> None:
    assert 'href="/stask/workers"' in text(admin)
    assert 'href="/stask/workers"' not in text(operator)


def test_who_may_see_nothing_is_refused(site: Site) -> None:
    assert site.client("nobody").get("/stask/").status_code == 403


def test_a_worker_that_is_off_has_no_widget(site: Site, admin: FlaskClient) -> None:
    site.state.roster.set_active("product", False)
    assert "Import products" not in text(admin)


def test_without_a_worker_admins_get_the_first_one_to_copy(
    site: Site, admin: FlaskClient, operator: FlaskClient
) -> None:
    site.state.roster.set_active("product", False)
    assert "class HelloWorker(BaseWorker)" in text(admin)
    page = text(operator)
    assert "Nothing has been set up for you yet" in page
    assert "HelloWorker" not in page


def test_counts_lead_to_the_tasks_they_count(site: Site, admin: FlaskClient) -> None:
    site.task()
    site.running()
    page = text(admin)
    assert 'data-stat="pending">1<' in page
    assert 'data-stat="running">1<' in page
    assert "/stask/tasks?status=pending" in page


def test_failures_are_red_until_somebody_opens_them(site: Site, admin: FlaskClient) -> None:
    failed = site.ended(Status.FAILED, message="The file was empty")
    red = 'count-number tone-failed" data-stat-box data-stat-alarm="unseen"><span data-stat="failed_24h">1<'
    assert red in text(admin)
    assert admin.get(f"/stask/tasks/{failed}").status_code == 200
    assert red not in text(admin)


def test_a_banner_says_that_no_process_is_alive_while_tasks_wait(
    site: Site, admin: FlaskClient, operator: FlaskClient
) -> None:
    assert "No worker process is running" not in text(admin)
    site.task()
    assert "flask stask work" in text(admin)
    page = text(operator)
    assert "start by themselves when it is back" in page
    assert "flask stask work" not in page


def test_a_live_process_ends_the_banner(site: Site, admin: FlaskClient) -> None:
    site.task()
    now = datetime.now(UTC)
    with site.state.database.write() as connection:
        facts = {"id": "p", "host": "h", "pid": 1, "started_at": now, "beat_at": now, "concurrency": 1, "lock": "p"}
        connection.execute(sa.insert(Process).values(**facts, info={}))
    assert "No worker process is running" not in text(admin)


class Broken(BaseWorker):
    identifier, title = "broken", "Broken one"

    def task_go(self, task: Any, options: Any) -> None: ...

    def render_widget(self) -> str:
        raise RuntimeError("secret detail")


def test_a_broken_widget_gets_its_own_card_and_keeps_its_actions(
    site: Site, admin: FlaskClient, operator: FlaskClient
) -> None:
    site.add(Broken)
    page = text(operator)
    assert "This widget could not be drawn" in page
    assert "/stask/workers/broken/run/go" in page
    assert "Import products" in page
    assert "secret detail" not in page
    assert "secret detail" in text(admin)


class Slow(BaseWorker):
    identifier, title = "slow", "Slow one"

    def task_go(self, task: Any, options: Any) -> None: ...

    def render_widget(self) -> str:
        return "<p>drawn at last</p>"


@pytest.fixture
def slow(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with a worker whose widget takes too long, however long it takes."""
    monkeypatch.setattr(widgets, "SLOW", -1.0)
    monkeypatch.setattr(widgets, "_slow", WeakKeyDictionary())
    site.add(Slow)
    return site


def test_a_slow_widget_is_left_out_from_the_second_view_on(slow: Site, operator: FlaskClient) -> None:
    assert "drawn at last" in text(operator)
    page = text(operator)
    assert "drawn at last" not in page
    assert "takes a while to draw" in page
    assert "/stask/workers/slow/run/go" in page
    assert "takes a while" not in page.split('data-widget="product"')[1].split("</article>")[0]


def test_a_slow_widget_is_fetched_by_the_page_or_by_a_link(slow: Site, operator: FlaskClient) -> None:
    text(operator)
    page = text(operator)
    slot = page.split('data-widget="slow"')[1].split(">")[0]
    assert 'data-digest=""' in slot, "the page fetches what has another digest than it is told"
    assert 'data-partial="/stask/workers/slow?part=widget"' in slot
    assert "drawn at last" in text(operator, "/stask/workers/slow?part=widget&partial=1")
    assert 'href="/stask/workers/slow?widget=now"' in page
    assert "drawn at last" in text(operator, "/stask/workers/slow?widget=now")


def test_a_widget_that_became_quick_is_in_the_page_again(
    slow: Site, operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(operator)
    monkeypatch.setattr(widgets, "SLOW", 60.0)
    assert "drawn at last" not in text(operator)
    text(operator, "/stask/workers/slow?part=widget&partial=1")
    assert "drawn at last" in text(operator)


def test_many_widgets_that_take_a_little_do_not_add_up(
    slow: Site, operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Slow):
        identifier, title = "other", "Other one"

    slow.add(Other)
    monkeypatch.setattr(widgets, "SLOW", 60.0)
    monkeypatch.setattr(widgets, "SLOW_TOGETHER", 0.0)
    page = text(operator)
    assert page.count("drawn at last") == 1
    assert page.count("takes a while to draw") == 1


class Custom(BaseWorker):
    identifier, title = "custom", "My own"

    def task_go(self, task: Any, options: Any) -> None: ...

    def render_widget(self) -> str:
        return self.services.render("own.html", worker=self, stock="<7>")


def test_a_custom_widget_may_use_our_macros(site: Site, admin: FlaskClient) -> None:
    from jinja2 import ChoiceLoader, DictLoader

    own = (
        '{% from "stask_web/widget.html" import card, actions, head, state %}'
        "{% call card(widget) %}<p>In stock: {{ stock }}</p>{% endcall %}"
    )
    site.app.jinja_loader = ChoiceLoader([DictLoader({"own.html": own})])
    site.add(Custom)
    page = text(admin)
    assert "In stock: &lt;7&gt;" in page
    assert "/stask/workers/custom/run/go" in page
    assert "could not be drawn" not in page


def test_a_running_task_is_shown_with_its_numbers(site: Site, operator: FlaskClient) -> None:
    site.running(progress=37, processed=1204, total=3201, eta=118.0, message="Importing")
    page = text(operator)
    assert "37 % · 1,204 of 3,201 · about 2 min left" in page
    assert 'value="37"' in page


def test_somebody_elses_run_carries_his_name(site: Site) -> None:
    site.running()
    assert "Max Berg" in text(site.client("other"))


def test_a_result_can_be_downloaded_from_the_widget(site: Site, operator: FlaskClient) -> None:
    files = [{"name": "refused.csv", "path": "/x/refused.csv", "size": 3412, "kind": "refused"}]
    task_id = site.ended(warnings=40, counts={"imported": 3161}, files=files)
    page = text(operator)
    assert "Download refused rows" in page
    assert f"/stask/tasks/{task_id}/files/0" in page
    assert "3,161 imported, 40 refused" in page


def test_a_failure_stays_on_the_widget_until_it_is_opened(site: Site, operator: FlaskClient) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    site.ended(Status.FAILED, message="The file was empty", finished_at=long_ago, started_at=long_ago)
    assert "See why" in text(operator)


def test_recent_tasks_are_eight_and_newest_first(site: Site, operator: FlaskClient) -> None:
    ids = [site.ended(message=f"Run {number}") for number in range(10)]
    page = text(operator, "/stask/?partial=1&part=recent")
    shown = [task_id for task_id in ids if f'data-task="{task_id}"' in page]
    assert shown == ids[2:]
    assert page.index(f'data-task="{ids[9]}"') < page.index(f'data-task="{ids[8]}"')


def test_with_own_only_an_operator_sees_no_task_of_others(own_site: Site) -> None:
    mine, theirs = own_site.ended(started_by=2), own_site.running(started_by=3)
    page = text(own_site.client("operator"))
    assert f'data-task="{mine}"' in page
    assert f'data-task="{theirs}"' not in page
    assert f'data-task="{theirs}"' in text(own_site.client("admin"))


def test_the_dashboard_as_json(site: Site, operator: FlaskClient) -> None:
    site.running(progress=5)
    data = operator.get("/stask/", headers=JSON).get_json()
    assert data["counts"]["running"] == 1
    assert data["workers"] == ["product"]
    assert data["recent"][0]["look"] == "running"


def test_the_hours_are_drawn(site: Site, operator: FlaskClient) -> None:
    site.ended()
    page = text(operator)
    assert page.count("<title>") == 25
    assert "1 completed, 0 failed" in page


def test_admins_are_told_of_new_workers_and_of_a_storage_that_is_not_there(
    site: Site, admin: FlaskClient, operator: FlaskClient, monkeypatch: Any
) -> None:
    site.state.registry.add(Custom)
    assert "One new worker was found" in text(admin)
    assert "One new worker was found" not in text(operator)
    monkeypatch.setattr("stask_web.views.dashboard.os.access", lambda *_: False)
    page = text(admin)
    assert "Files cannot be kept" in page
    assert "One new worker was found" not in page
    assert "Files cannot be kept" not in text(operator)


def test_many_widgets_can_be_searched(site: Site, admin: FlaskClient) -> None:
    assert 'name="find"' not in text(admin)
    for number in range(10):
        worker = type(f"Worker{number}", (Custom,), {"identifier": f"w{number}", "title": f"Worker {number}"})
        worker.render_widget = BaseWorker.render_widget  # type: ignore[method-assign]
        site.add(worker)
    assert 'name="find"' in text(admin)
    found = text(admin, "/stask/?find=wORKER+7")
    assert 'data-widget="w7"' in found
    assert 'data-widget="w6"' not in found
    assert 'data-widget="product"' in text(admin, "/stask/?find=import")
    assert "Nothing matches" in text(admin, "/stask/?find=%3Cb%3E")


def test_a_widget_says_when_its_schedule_starts_it_next(site: Site, operator: FlaskClient) -> None:
    assert "Next: " not in text(operator)
    now = datetime.now(UTC)
    late, soon = now + timedelta(days=400), now + timedelta(days=300)
    for moment, enabled in ((late, True), (soon, True), (now + timedelta(days=200), False), (None, True)):
        row = {"identifier": "product", "action": "sync_stock", "rule": {}, "timezone": "UTC", "enabled": enabled}
        with site.state.database.write() as connection:
            values = {**row, "next_fire_at": moment, "meta": {}, "created_at": now, "updated_at": now}
            connection.execute(sa.insert(Schedule).values(**values))
    local = soon.astimezone()
    assert f"Next: {local.day} {local:%b}" in text(operator)


def test_the_strip_of_hours_is_a_part_of_its_own(site: Site, operator: FlaskClient) -> None:
    site.ended()
    part = text(operator, "/stask/?partial=1&part=hours").strip()
    assert part.startswith("<figure")
    assert part.endswith("</figure>")
    assert 'data-partial="/stask/?part=hours"' in part
    assert "1 completed, 0 failed" in part


def test_the_first_worker_can_be_copied(site: Site, admin: FlaskClient) -> None:
    site.state.roster.set_active("product", False)
    page = text(admin)
    assert 'data-copy="#first-worker"' in page
    code = page[page.index('<code id="first-worker">') + len('<code id="first-worker">') : page.index("</code></pre>")]
    assert len(code.splitlines()) <= 12
    import html

    namespace: dict[str, Any] = {"__name__": "hello"}
    exec(html.unescape(code), namespace)
    assert namespace["HelloWorker"].identifier == "hello"


def test_a_withdrawn_schedule_and_a_retry_are_worded_on_the_widget(site: Site, operator: FlaskClient) -> None:
    site.task(
        due_at=datetime.now(UTC) + timedelta(seconds=90),
        attempts=1,
        attempt_no=1,
        message="Attempt 1 of 3 stopped: The warehouse did not answer",
    )
    page = text(operator, "/stask/workers/product?partial=1&part=widget")
    assert "Starts again in 1 min" in page
    assert "Attempt 1 of 3 stopped: The warehouse did not answer" in page
    assert "Start now" in page
    assert "Give up" in page


def test_counts_lead_to_exactly_what_they_count(site: Site, operator: FlaskClient) -> None:
    now = datetime.now(UTC)
    midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    old, before = now - timedelta(days=3), midnight - timedelta(minutes=1)
    today = site.ended(created_at=old, finished_at=midnight)
    site.ended(finished_at=before)
    failed = site.ended(Status.FAILED, created_at=old, finished_at=now - timedelta(hours=23))
    site.ended(Status.FAILED, finished_at=now - timedelta(hours=25))
    page = text(operator)
    for name, wanted in (("completed_today", [today]), ("failed_24h", [failed])):
        found = re.search(rf'href="([^"]+)">\s*<span class="count-number[^>]*><span data-stat="{name}">1<', page)
        assert found is not None, name
        rows = operator.get(found[1].replace("&amp;", "&"), headers=JSON).get_json()["tasks"]
        assert [row["id"] for row in rows] == wanted
        assert "Ended" in operator.get(found[1].replace("&amp;", "&")).get_data(as_text=True)
