"""Whose language a page is in, and that none of its texts is left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from flask import Flask, request, url_for
from flask.testing import FlaskClient
from flask_babel import Babel, lazy_gettext
from pydantic import BaseModel, Field, SecretStr

from stask_web import BaseWorker, Choices, DryRun, Upload, action, language
from stask_web.models import Attempt, Stat
from stask_web.readers import LANGUAGE_COOKIE, ZONE_COOKIE
from stask_web.status import Status
from stask_web.views.widgets import stask_progress, stask_widget

from .conftest import JSON, PEOPLE, ProductWorker, Site
from .pseudo import Marked, foreign_in_html, foreign_in_json, is_foreign

UK = {"Accept-Language": "uk-UA,uk;q=0.9,en;q=0.5"}
HTML = {"Accept": "text/html"}


def chosen(client: FlaskClient, code: str) -> FlaskClient:
    """The same person, who has chosen a language."""
    client.set_cookie(LANGUAGE_COOKIE, code)
    return client


# Whose language


def test_a_page_is_in_english_when_nobody_asks_for_another(operator: FlaskClient) -> None:
    html = operator.get("/stask/").text
    assert '<html lang="en">' in html and "Recent tasks" in html


def test_a_page_is_in_the_language_of_the_browser(operator: FlaskClient) -> None:
    answer = operator.get("/stask/", headers=UK)
    assert '<html lang="uk">' in answer.text and "Останні завдання" in answer.text
    assert "Accept-Language" in answer.headers["Vary"] and "Cookie" in answer.headers["Vary"]


def test_a_language_that_there_is_not_is_english(operator: FlaskClient) -> None:
    assert '<html lang="en">' in operator.get("/stask/", headers={"Accept-Language": "de, fr;q=0.8"}).text
    assert '<html lang="uk">' in operator.get("/stask/", headers={"Accept-Language": "de, uk;q=0.2"}).text


def test_the_own_choice_comes_before_the_browser(operator: FlaskClient) -> None:
    assert '<html lang="en">' in chosen(operator, "en").get("/stask/", headers=UK).text
    assert '<html lang="uk">' in chosen(operator, "../x").get("/stask/", headers=UK).text


def test_the_next_person_of_the_thread_reads_english(site: Site) -> None:
    chosen(site.client("operator"), "uk").get("/stask/")
    assert language.reader() == language.Reader()
    assert "Recent tasks" in site.client("viewer").get("/stask/").text


def test_an_error_is_told_in_the_language(operator: FlaskClient) -> None:
    chosen(operator, "uk")
    assert "Тут нічого немає" in operator.get("/stask/tasks/999").text
    assert operator.get("/stask/tasks/999", headers=JSON).json == {"error": "Це видалено, або адреса неправильна."}


def test_polling_is_answered_in_the_language(site: Site, operator: FlaskClient) -> None:
    task_id = site.running(progress=37, processed=1204, total=3201, message="Imports")
    path = f"/stask/live?tasks={task_id}&stats=0"
    english = operator.get(path)
    ukrainian = operator.get(path, headers={**UK, "If-None-Match": english.headers["ETag"]})
    assert ukrainian.status_code == 200
    assert ukrainian.json is not None and english.json is not None
    assert english.json["tasks"][0]["task"]["fields"]["amount"] == "1,204 of 3,201"
    assert ukrainian.json["tasks"][0]["task"]["fields"]["amount"] == "1\xa0204 з 3\xa0201"


def test_times_are_told_by_the_clock_of_the_browser(site: Site, operator: FlaskClient) -> None:
    at = datetime(2020, 6, 1, 22, 30, 5, tzinfo=UTC)
    site.ended(created_at=at, started_at=at, finished_at=at)
    operator.set_cookie(ZONE_COOKIE, "Asia/Tokyo")
    assert 'title="2 Jun 2020, 07:30:05 JST"' in operator.get("/stask/tasks").text
    operator.set_cookie(ZONE_COOKIE, "Europe/Kyiv")
    assert 'title="2 черв. 2020, 01:30:05 EEST"' in operator.get("/stask/tasks", headers=UK).text
    for nonsense in ("../../etc/passwd", "Nowhere/Land", "x" * 200, "Europe"):
        operator.set_cookie(ZONE_COOKIE, nonsense)
        assert operator.get("/stask/tasks").status_code == 200


def test_a_day_of_the_filter_is_that_of_the_reader(site: Site, operator: FlaskClient) -> None:
    late = datetime(2020, 6, 1, 22, 30, tzinfo=UTC)
    task_id = site.ended(created_at=late, started_at=late, finished_at=late)
    operator.set_cookie(ZONE_COOKIE, "Asia/Tokyo")

    def on(day: str) -> list[int]:
        answer = operator.get(f"/stask/tasks?from={day}&to={day}", headers=JSON)
        assert answer.json is not None
        return [task["id"] for task in answer.json["tasks"]]

    assert on("2020-06-02") == [task_id]
    assert on("2020-06-01") == []


def test_a_start_without_a_zone_is_meant_by_the_readers_clock(site: Site, operator: FlaskClient) -> None:
    operator.set_cookie(ZONE_COOKIE, "Asia/Tokyo")
    path = "/stask/workers/product/run/sync_stock"
    assert "Asia/Tokyo" in operator.get(path).text
    operator.post(path, data={"_start_at": "2099-01-02T09:00"})
    assert site.all()[-1].start_at == datetime(2099, 1, 2, 0, 0, tzinfo=UTC)


# The choice


def test_a_language_is_chosen_by_a_form_that_comes_back(operator: FlaskClient) -> None:
    page = operator.get("/stask/tasks?status=failed").text
    assert re.search(r'<form [^>]*action="/stask/language"', page)
    assert 'name="next" value="/stask/tasks?status=failed"' in page
    answer = operator.post("/stask/language", data={"language": "uk", "next": "/stask/tasks?status=failed"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/stask/tasks?status=failed")
    cookie = answer.headers["Set-Cookie"]
    assert f"{LANGUAGE_COOKIE}=uk" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert '<html lang="uk">' in operator.get("/stask/").text


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", ""])
def test_it_never_leads_to_another_site(operator: FlaskClient, address: str) -> None:
    answer = operator.post("/stask/language", data={"language": "uk", "next": address})
    assert answer.headers["Location"] == "/stask/"


def test_a_language_that_there_is_not_cannot_be_chosen(operator: FlaskClient) -> None:
    assert operator.post("/stask/language", data={"language": "xx"}).status_code == 422


def test_whoever_is_not_signed_in_may_choose(anonymous: FlaskClient) -> None:
    assert anonymous.post("/stask/language", data={"language": "uk", "next": "/"}).status_code == 303


def test_it_needs_the_token_of_a_form(site: Site, operator: FlaskClient) -> None:
    site.app.config["WTF_CSRF_ENABLED"] = True
    assert operator.post("/stask/language", data={"language": "uk"}).status_code == 400


def test_programs_get_json(operator: FlaskClient) -> None:
    answer = operator.post("/stask/language", data={"language": "uk"}, headers=JSON)
    assert answer.json == {"language": "uk"} and "Set-Cookie" in answer.headers


# The host's Babel


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Site]:
    """A host with Flask-Babel, by which it says who reads what. No app context is open: it keeps its locale in that."""
    site = Site(tmp_path)
    Babel(site.app, locale_selector=lambda: request.headers.get("X-Locale", "en"))
    with site.app.app_context():
        site.fill()
    yield site
    site.state.database.engine.dispose()
    with site.app.app_context():
        site.db.engine.dispose()


def test_the_hosts_locale_comes_before_the_browser(hosts: Site) -> None:
    operator = hosts.client("operator")
    assert '<html lang="uk">' in operator.get("/stask/", headers={"X-Locale": "uk_UA"}).text
    assert '<html lang="en">' in operator.get("/stask/", headers={**UK, "X-Locale": "en"}).text
    assert '<html lang="uk">' in operator.get("/stask/", headers={**UK, "X-Locale": "de"}).text
    assert '<html lang="en">' in chosen(operator, "en").get("/stask/", headers={"X-Locale": "uk"}).text


class LazyOptions(BaseModel):
    """Every word is lazy."""

    shop: Literal["a"] = Field("a", title=lazy_gettext("Shop"), description=lazy_gettext("Which one"))
    note: str = Field("", json_schema_extra={"group": lazy_gettext("Group"), "placeholder": lazy_gettext("Holder")})
    city: Annotated[str, Choices(lambda: [("kyiv", lazy_gettext("City"))])] = "kyiv"


class LazyWorker(BaseWorker):
    """A worker of a host in several languages."""

    identifier = "lazy"
    title = lazy_gettext("Title")
    description = lazy_gettext("About")

    @action(lazy_gettext("Act"), description=lazy_gettext("Does it"), confirm=lazy_gettext("Sure"))
    def task_act(self, task: Any, options: LazyOptions) -> None: ...

    @action(lazy_gettext("At once"))
    def task_at_once(self, task: Any, options: Any) -> None: ...


@pytest.fixture
def lazy(hosts: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Lazy strings of the host show the locale in which they were evaluated."""
    from flask_babel import Domain, get_locale

    monkeypatch.setattr(Domain, "gettext", lambda self, text, **values: f"{text}-{get_locale()}")
    with hosts.app.test_request_context():
        hosts.add(LazyWorker)
        hosts.ended(identifier="lazy", action="act")
    return hosts


def test_lazy_words_of_an_author_are_those_of_each_request(lazy: Site) -> None:
    operator = lazy.client("operator")
    pages = {
        "/stask/": ["Title", "Act", "At once"],
        "/stask/tasks": ["Act", "Title"],
        "/stask/workers/lazy": ["Title", "About", "Act"],
        "/stask/workers/lazy/run/act": ["Act", "Does it", "Shop", "Which one", "Group", "Holder", "City"],
        "/stask/tasks/1": ["Act"],
    }
    for path, words in pages.items():
        for locale in ("en", "uk"):
            text = operator.get(path, headers={"X-Locale": locale}).text
            other = {"en": "uk", "uk": "en"}[locale]
            assert [word for word in words if f"{word}-{locale}" not in text] == [], path
            assert [word for word in words if f"{word}-{other}" in text] == [], path


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/tasks", "/tasks/1", "/tasks/1/progress", "/live?tasks=1"),
        *("/workers", "/workers/lazy", "/workers/lazy/run/act"),
    ],
)
def test_lazy_words_become_json(lazy: Site, path: str) -> None:
    answer = lazy.client("admin").get(f"/stask{path}", headers={**JSON, "X-Locale": "uk"})
    assert answer.status_code == 200 and answer.json is not None
    if path not in ("/",):
        assert "-uk" in json.dumps(answer.json)


def test_a_lazy_question_is_asked(lazy: Site) -> None:
    answer = lazy.client("operator").post("/stask/workers/lazy/run/act", data={"_ask": "1"}, headers={"X-Locale": "uk"})
    assert answer.status_code == 200 and "Sure-uk" in answer.text and "Shop-uk" in answer.text


# A page of the host


def test_a_widget_on_a_page_of_the_host_is_in_the_language(site: Site) -> None:
    task_id = site.running(message="")

    @site.app.get("/own")
    def own() -> str:
        return f"{stask_widget('product')}{stask_progress(task_id)}"

    html = site.client("operator").get("/own", headers=UK).text
    assert 'lang="uk"' in html and "Зупинити" in html
    assert language.reader() == language.Reader()


def test_the_own_check_of_a_form_is_translated(operator: FlaskClient) -> None:
    data = {"name": "x", "count": "99", "price": "many"}
    answer = operator.post("/stask/workers/product/run/labels", data=data, headers={**JSON, **UK})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["error"] == "Перевірте 3 поля."
    assert answer.json["errors"] == {
        "name": "Введіть щонайменше 2 символи.",
        "count": "Введіть 9 або менше.",
        "price": "Введіть число, наприклад 12.50.",
    }


def test_several_tasks_are_spoken_of_in_the_right_form(site: Site, operator: FlaskClient) -> None:
    ids = ",".join(str(site.ended(Status.FAILED)) for _ in range(5))
    chosen(operator, "uk")
    assert "Запустити знову 5 завдань" in operator.get(f"/stask/tasks/bulk?act=retry&id={ids}").text
    answer = operator.post("/stask/tasks/bulk", data={"act": "retry", "id": ids}, headers=JSON)
    assert answer.json is not None and answer.json["message"] == "Запущено знову: 5."


def test_the_report_for_a_developer_is_in_english(site: Site, operator: FlaskClient) -> None:
    task_id = site.ended(Status.FAILED, message="An error in the program, at row 5 of 9")
    html = chosen(operator, "uk").get(f"/stask/tasks/{task_id}").text
    assert "Message: An error in the program, at row 5 of 9" in html
    assert "Зупинилося через помилку в програмі, на рядку 5 з 9" in html


def test_what_is_written_into_rows_is_english_whoever_did_it(site: Site, operator: FlaskClient) -> None:
    task_id = site.task()
    chosen(operator, "uk").post(f"/stask/tasks/{task_id}/cancel")
    assert site.get(task_id).message == "Withdrawn by Max Berg."
    assert "Відкликано до початку (Max Berg)" in operator.get("/stask/tasks").text


# No text is left behind


def cities(country: str) -> list[tuple[str, str]]:
    """Choices of the host, in its language."""
    return [("α", "Αθήνα"), ("β", "Βόλος")]


class GreekOptions(BaseModel):
    """A field of every kind; every word of the host is Greek, so that Latin letters are ours."""

    file: Annotated[Path, Upload(".csv")] = Field(title="Αρχείο", description="Μία γραμμή")
    country: Literal["α", "β"] = Field("α", title="Χώρα")
    city: Annotated[str, Choices(cities)] = Field("α", title="Πόλη")
    words: str | None = Field(None, title="Λόγια", max_length=1000)
    several: list[Literal["α", "β"]] = Field(default_factory=list, title="Πολλά")
    amount: int = Field(3, ge=1, le=9, title="Πόσα")
    flag: bool = Field(True, title="Σημαία")
    token: SecretStr | None = Field(None, title="Μυστικό")
    dry_run: Annotated[bool, DryRun()] = False


class GreekWorker(BaseWorker):
    """The host's own words."""

    identifier = "greek"
    title = "Εργάτης"
    description = "Περιγραφή"

    @action("Εισαγωγή", description="Φέρνει", confirm=True)
    def task_big(self, task: Any, options: GreekOptions) -> None: ...

    @action("Αμέσως", description="Τώρα")
    def task_small(self, task: Any, options: Any) -> None: ...

    @action("Μόνο ένα", description="Μία φορά", unique=True)
    def task_only_one(self, task: Any, options: Any) -> None: ...


@pytest.fixture
def pseudo(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose readers see every text of ours between marks."""
    monkeypatch.setattr(language, "_catalogue", lambda code: Marked())
    site.state.registry._added.clear()
    for name, person in list(PEOPLE.items()):
        monkeypatch.setitem(PEOPLE, name, person._replace(name="Άννα"))
    with site.state.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM s_workers")
    site.add(GreekWorker)
    yield site


def states(site: Site) -> dict[str, int]:
    """A task in each state -> its id."""
    later = datetime.now(UTC) + timedelta(hours=2)
    files = [{"name": "α.csv", "path": "/x", "size": 12, "kind": kind} for kind in ("result", "refused", "file")]
    own: dict[str, Any] = {"identifier": "greek", "action": "small", "message": "Μήνυμα"}
    big: dict[str, Any] = {**own, "action": "big", "meta": {"country": "α", "flag": True, "words": None}}
    over = "Its process ended unexpectedly, at row 5 of 9: killed by SIGKILL"
    found = {
        "waiting": site.task(**own),
        "scheduled": site.task(**own, due_at=later, start_at=later),
        "retrying": site.task(**own | {"message": f"Attempt 1 of 3 stopped: {over}"}, due_at=later, attempt_no=1),
        "running": site.running(**big, progress=37, processed=5, total=9, eta=100.0, counts={"σωστά": 3}),
        "silent": site.running(**own | {"message": ""}, started_at=datetime.now(UTC) - timedelta(hours=3)),
        "stopping": site.running(**own, cancel_at=datetime.now(UTC), cancelled_by="Άννα"),
        "completed": site.ended(**big, files=files, counts={"σωστά": 3}, processed=9, total=9),
        "refused": site.ended(**own | {"message": ""}, warnings=40, counts={"σωστά": 3}),
        "checked": site.ended(**big | {"message": ""}, dry_run=True),
        "failed": site.ended(Status.FAILED, **big, attempts=2, error="Σφάλμα 7"),
        "crashed": site.ended(Status.FAILED, **own | {"message": over}, attempts=3),
        "stopped": site.ended(Status.CANCELLED, **own, cancelled_by="Άννα", processed=5, total=9),
        "withdrawn": site.task(**own | {"message": "Withdrawn."}, status=Status.CANCELLED, finished_at=later),
    }  # fmt: skip
    with site.state.database.session() as session:
        for number, outcome in enumerate(("crashed", "drained", "lost", "error", "failed"), 1):
            now = datetime.now(UTC)
            session.add(
                Attempt(
                    task_id=found["failed"], number=number, token=f"t{number}", pid=4711, outcome=outcome,
                    started_at=now - timedelta(minutes=9 - number), ended_at=now - timedelta(minutes=8 - number),
                    message="An error in the program, at row 5 of 9",
                )
            )  # fmt: skip
        today = datetime.now(UTC).date()
        for status, n in ((Status.COMPLETED, 9), (Status.FAILED, 3), (Status.CANCELLED, 1)):
            for days in (0, 40):
                day = (today - timedelta(days=days)).isoformat()
                session.add(
                    Stat(day=day, identifier="greek", action="big", status=status, n=n, gone=0, seconds=60.0 * n)
                )
        session.commit()
    return found


#: Queries of pages that show more than their bare address does.
QUERIES: dict[str, list[str]] = {
    "stask.dashboard": ["", "find=ζζζ", "partial=1&part=recent", "partial=1&part=hours"],
    "stask.tasks": [
        "", "status=failed", "q=ζζζ", "who=me&period=7d&worker=greek", "from=2020-01-01&to=2020-02-03", "partial=1",
        "before=5", "period=today",
    ],
    "stask.bulk": ["all=1", "id=1,7,10", "act=delete&id=1,7", "act=retry&id=1,10", "act=cancel&all=1"],
    "stask.worker": ["", "partial=1&part=widget", "partial=1&part=row"],
    "stask.task": ["", "attempt=1", *(f"partial=1&part={part}" for part in ("live", "row", "tray", "progress"))],
    "stask.statistics": ["", "period=today", "period=30d", "from=2026-01-01", "from=x", "worker=greek/big"],
    "stask.worker_statistics": ["", "period=today", "from=2026-05-02&to=2026-05-01"],
    "stask.schedules": ["", "q=ζζζ", "show=problems", "partial=1"],
    "stask.workers": ["", "q=ζζζ", "scope=ζ", "partial=1"],
    "stask.run": ["", "partial=1", "from=7", "partial=1&part=field&field=city"],
}  # fmt: skip
#: No pages: files, and what only programs read.
NO_PAGES = {
    "stask.static",
    "stask.export",
    "stask.result",
    "stask.file",
    "stask.log_download",
    "stask.health",
    "static",
}


def addresses(site: Site) -> dict[str, list[str]]:
    """Every address of the panel that one can open, by endpoint: each page in all states."""
    found: dict[str, list[str]] = {}
    ids = states(site)
    for rule in site.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or not rule.endpoint.startswith("stask.") or rule.endpoint in NO_PAGES:
            continue
        values: list[dict[str, Any]] = [{}]
        if "task_id" in rule.arguments:
            values = [{"task_id": task_id} for task_id in (*ids.values(), 999)]
        if "identifier" in rule.arguments:
            values = [{**each, "identifier": "greek"} for each in values]
        if "action" in rule.arguments:
            values = [{**each, "action": name} for each in values for name in ("big", "small", "only_one")]
        rest = {name: 1 for name in rule.arguments - {"task_id", "identifier", "action"}}
        for each in values:
            with site.app.test_request_context():
                address = url_for(rule.endpoint, **rest, **each)
            found.setdefault(rule.endpoint, []).extend(
                f"{address}?{query}" if query else address for query in QUERIES.get(rule.endpoint, [""])
            )
    return found


ADVICE = (
    'These texts are not translated. In a template write {{ tr("Text") }} ({{ ui.tr("Text") }} in a macro), in Python '
    'tr("Text") or mark("Text") in a table; numbers, sizes and times come from numbers.py and times.py. The words of '
    "the host are Greek here, so what has Latin letters is ours:\n"
)


def check(found: list[tuple[str, str]]) -> None:
    """None of the texts is untranslated.

    :param found: pairs of page and text.
    """
    texts = {re.sub(r"\d+", "7", text): f"{page}: {text}" for page, text in reversed(found)}
    assert not texts, ADVICE + "\n".join(sorted(texts.values()))


@pytest.mark.parametrize("who", ["admin", "viewer"])
def test_no_page_has_a_text_that_is_not_translated(pseudo: Site, who: str) -> None:
    client, found, seen = chosen(pseudo.client(who), "uk"), [], 0
    for endpoint, paths in addresses(pseudo).items():
        for path in paths:
            answer = client.get(path, headers=HTML, follow_redirects=True)
            if answer.mimetype == "text/html":
                seen += 1
                found += [(f"{endpoint} {path}", text) for text in foreign_in_html(answer.text)]
    assert seen > 100
    check(found)


def test_no_json_answer_has_a_text_that_is_not_translated(pseudo: Site) -> None:
    client, found, seen = chosen(pseudo.client("admin"), "uk"), [], 0
    for endpoint, paths in addresses(pseudo).items():
        for path in [paths[0], *(path for path in paths if re.search(r"tasks/\d+", path))]:
            answer = client.get(path, headers=JSON)
            if answer.mimetype == "application/json":
                seen += 1
                found += [(f"{endpoint} {path}", text) for text in foreign_in_json(answer.json)]
    assert seen > 20
    check(found)


#: What is sent to each POST route so that it answers with words; ``{id}`` is a task of that state.
SENT = [
    ("tasks/{waiting}/cancel", {}), ("tasks/{running}/cancel", {}), ("tasks/{completed}/cancel", {}),
    ("tasks/{running}/cancel", {"_ask": "1"}), ("tasks/{failed}/retry", {}), ("tasks/{completed}/retry", {}),
    ("tasks/{scheduled}/start", {}), ("tasks/{completed}/start", {}),
    ("tasks/{retrying}/priority", {"priority": "high"}),
    ("tasks/{retrying}/priority", {"priority": "x"}), ("tasks/process", {}),
    ("tasks/bulk", {"act": "delete", "id": "7,10,4"}), ("tasks/bulk", {"act": "retry", "id": "7,10,4,999"}),
    ("tasks/bulk", {"act": "cancel", "id": "4,7"}), ("workers/greek/run/big", {"amount": "x", "_start_at": "x"}),
    ("workers/greek/run/big", {"amount": "99", "_start_at": "2001-01-01T00:00", "_ask": "1"}),
    ("workers/greek/run/only_one", {}), ("workers/greek/run/only_one", {}), ("workers/greek/uploads", {}),
    ("workers/greek/deactivate", {}), ("workers/discover", {}), ("nothing", {}), ("uploads/x/finish", {}),
]  # fmt: skip


def test_no_answer_to_a_form_has_a_text_that_is_not_translated(pseudo: Site) -> None:
    ids, client, found = states(pseudo), chosen(pseudo.client("admin"), "uk"), []
    for path, data in SENT:
        for headers in (JSON, HTML):
            answer = client.post(f"/stask/{path.format(**ids)}", data=data, headers=headers)
            texts = foreign_in_json(answer.json) if answer.mimetype == "application/json" else ()
            if answer.mimetype == "text/html" and answer.status_code != 303:
                texts = foreign_in_html(answer.text)
            found += [(f"POST {path} {data}", text) for text in texts]
    check(found)


def test_the_search_for_texts_finds_one() -> None:
    assert foreign_in_html('<p title="Tip">⟦Stop “⟦Task⟧”⟧ and more</p><code>x</code>') == [
        "<p title> 'Tip'",
        "<p> '⟦Stop “⟦Task⟧”⟧ and more'",
    ]
    assert not is_foreign("⟦37 %⟧ · Μήνυμα · CSV")
    assert list(foreign_in_json({"error": "No", "url": "/x", "fields": {"line": "⟦x⟧"}})) == [".error 'No'"]


# The standalone panel has its pages for signing in, too.


def test_signing_in_is_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import stask_web
    from stask_web.database import upgrade
    from stask_web.standalone.accounts import Accounts
    from stask_web.state import state_of

    for name in ("SERVER_SOFTWARE", "FLASK_RUN_FROM_CLI", "STASK_INSTANCE", "INSTANCE"):
        monkeypatch.delenv(name, raising=False)
    app: Flask = stask_web.create_app({"INSTANCE": str(tmp_path), "TESTING": True})
    state = state_of(app)
    client, wrong = chosen(app.test_client(), "uk"), []
    try:
        monkeypatch.setattr(language, "_catalogue", lambda code: Marked())
        wrong += foreign_in_html(client.get("/account/sign-in").text)
        upgrade(state.database)
        accounts = Accounts(state.database)
        first = accounts.new_link(None)
        wrong += foreign_in_html(client.get("/account/sign-in").text)
        wrong += foreign_in_html(client.get(f"/account/link/{first}").text)
        ada = accounts.add("Άδα", "admin", "correct horse battery")
        link = accounts.new_link(ada)
        for path in ("/account/sign-in", f"/account/link/{link}", "/account/link/x"):
            wrong += foreign_in_html(client.get(path).text)
            wrong += foreign_in_html(client.post(path, data={"name": "x"}).text)
        app.config["WTF_CSRF_ENABLED"] = False
        wrong += foreign_in_html(client.post("/account/sign-in", data={"name": "x", "password": "x"}).text)
        client.post(f"/account/link/{link}")
        wrong += foreign_in_html(client.get("/account/password").text)
        wrong += foreign_in_html(client.post("/account/password", data={"password": "x"}).text)
        assert wrong == [], ADVICE
        monkeypatch.undo()
        html = client.get("/account/password").text
        assert '<html lang="uk">' in html and "Новий пароль" in html
        answer = client.post("/stask/language", data={"language": "en", "next": "/account/password"})
        assert answer.headers["Location"] == "/account/password"
        assert "New password" in client.get("/account/password").text
    finally:
        state.database.engine.dispose()
        with app.app_context():
            state.host_db.engine.dispose()


def test_the_usual_worker_still_stands() -> None:
    assert ProductWorker.title == "Product management"
