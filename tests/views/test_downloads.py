"""Downloads: byte for byte, as attachments, and nothing but what the task has recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from stask_web.status import Status

from .conftest import Site

DATA = bytes(range(256)) * 5000


def with_file(
    site: Site, name: str = "products.csv", data: bytes = DATA, kind: str = "result", **values: Any
) -> tuple[int, Path]:
    """A task with one file that lies where results lie."""
    task_id = site.ended(**values)
    path = site.state.storage.result_path(task_id, name)
    path.write_bytes(data)
    record(site, task_id, path, name, kind)
    return task_id, path


def record(site: Site, task_id: int, path: Path | str, name: str = "x.csv", kind: str = "result") -> None:
    """Write down a file of a task, wherever it lies."""
    import sqlalchemy as sa

    from stask_web.models import Task

    files = [{"name": name, "path": str(path), "size": 1, "kind": kind}]
    with site.state.database.write() as connection:
        change = sa.update(Task).where(Task.id == task_id)
        connection.execute(change.values(files=files, result=str(path) if kind == "result" else None))


def test_a_result_comes_byte_for_byte_and_never_opens_in_the_page(site: Site, viewer: FlaskClient) -> None:
    task_id, _ = with_file(site, "page.html")
    with viewer.get(f"/stask/tasks/{task_id}/result") as answer:
        assert answer.status_code == 200
        assert answer.is_streamed
        assert answer.data == DATA
        assert answer.headers["Content-Disposition"] == "attachment; filename=page.html"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_name_in_any_script_survives(site: Site, viewer: FlaskClient) -> None:
    task_id, _ = with_file(site, "прайс 2026.csv")
    with viewer.get(f"/stask/tasks/{task_id}/result") as answer:
        header = answer.headers["Content-Disposition"]
    assert "filename*=UTF-8''%D0%BF%D1%80%D0%B0%D0%B9%D1%81%202026.csv" in header


def test_a_further_file_comes_by_its_number(site: Site, viewer: FlaskClient) -> None:
    task_id, _ = with_file(site, "refused.csv", kind="refused")
    with viewer.get(f"/stask/tasks/{task_id}/files/0") as answer:
        assert answer.data == DATA
    assert viewer.get(f"/stask/tasks/{task_id}/files/1").status_code == 404
    assert viewer.get(f"/stask/tasks/{task_id}/files/{2**80}").status_code == 404
    assert viewer.get(f"/stask/tasks/{task_id}/result").status_code == 404


def test_a_task_without_files_has_none(site: Site, viewer: FlaskClient) -> None:
    task_id = site.ended(Status.FAILED)
    assert viewer.get(f"/stask/tasks/{task_id}/result").status_code == 404
    assert viewer.get(f"/stask/tasks/{task_id}/files/0").status_code == 404


def test_a_file_that_was_cleaned_away_is_gone(site: Site, viewer: FlaskClient) -> None:
    task_id, path = with_file(site)
    path.unlink()
    answer = viewer.get(f"/stask/tasks/{task_id}/result")
    assert answer.status_code == 410
    assert "The file is gone" in answer.get_data(as_text=True)
    assert str(path.parent) not in answer.get_data(as_text=True)


def test_no_recorded_path_leads_out_of_the_results(site: Site, admin: FlaskClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    task_id, path = with_file(site)
    other, _ = with_file(site)
    path.unlink()
    path.symlink_to(secret)
    outside = [
        secret,
        path,
        path.parent / ".." / ".." / ".." / ".." / "secret",
        f"/proc/self/cwd{secret}",
        "/etc/passwd",
    ]
    for place in [*outside, site.state.storage.result_dir(other) / "products.csv", path.parent, "", "\x00"]:
        record(site, task_id, place)
        answer = admin.get(f"/stask/tasks/{task_id}/result")
        assert answer.status_code in (404, 410), place
        assert b"secret" not in answer.data


def test_a_result_under_a_named_root_is_given(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    root.mkdir()
    (root / "out.csv").write_bytes(b"1")
    site = Site(tmp_path, STASK_RESULT_ROOTS=[str(root)])
    with site.app.app_context():
        site.fill()
        task_id = site.ended()
        record(site, task_id, root / "out.csv")
        with site.client("viewer").get(f"/stask/tasks/{task_id}/result") as answer:
            assert answer.data == b"1"
    site.state.database.engine.dispose()


def test_the_log_comes_as_text_and_as_json_lines(site: Site, viewer: FlaskClient) -> None:
    task_id = site.ended()
    journal = site.state.journals.of(task_id)
    journal.log("info", "first")
    journal.log("warning", "зворотний рядок", {"line": 7})
    text = viewer.get(f"/stask/tasks/{task_id}/log/download")
    assert text.headers["Content-Disposition"] == f'attachment; filename="task-{task_id}.log"'
    assert [line[20:] for line in text.get_data(as_text=True).splitlines()] == [
        "INFO first",
        'WARNING зворотний рядок {"line":7}',
    ]
    lines = viewer.get(f"/stask/tasks/{task_id}/log/download?format=jsonl").get_data(as_text=True).splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["first", "зворотний рядок"]


def test_a_log_that_was_never_written_is_empty(site: Site, viewer: FlaskClient) -> None:
    answer = viewer.get(f"/stask/tasks/{site.task()}/log/download")
    assert answer.status_code == 200
    assert answer.data == b""


@pytest.mark.parametrize("wanted", ["xml", "", "../etc"])
def test_a_format_that_is_none_is_refused(site: Site, viewer: FlaskClient, wanted: str) -> None:
    assert viewer.get(f"/stask/tasks/{site.ended()}/log/download?format={wanted}").status_code == 422
