"""A look at a file before it is saved: tables in any encoding, text, pictures; bounded, and nothing ever runs."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from stask_web import previews
from stask_web.previews import look_at
from tests.browser.gallery_site import picture

from .conftest import JSON, Site

HTML = b"<!doctype html><script>alert(1)</script><h1>Report</h1>\n"


def seen(client: FlaskClient, task_id: int, number: int = 0) -> dict[str, object]:
    answer = client.get(f"/stask/tasks/{task_id}/files/{number}/preview", headers=JSON)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return dict(answer.get_json())


def with_file(site: Site, name: str, data: bytes) -> int:
    task_id = site.ended()
    site.file(task_id, name, data)
    return task_id


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "koi8_u", "cp866"])
def test_a_table_is_shown_as_a_table_in_any_encoding(site: Site, viewer: FlaskClient, encoding: str) -> None:
    text = "Артикул;Назва\r\n" + "".join(f"A{number};Кабель довгий та товстий\r\n" for number in range(300))
    task_id = with_file(site, "products.csv", text.encode(encoding))
    found = seen(viewer, task_id)
    assert (found["kind"], found["header"], found["more"]) == ("table", ["Артикул", "Назва"], True)
    assert len(found["rows"]) == 100  # type: ignore[arg-type]
    assert found["rows"][0] == ["A0", "Кабель довгий та товстий"]  # type: ignore[index]
    html = viewer.get(f"/stask/tasks/{task_id}/files/0/preview").get_data(as_text=True)
    assert "Кабель довгий та товстий" in html
    assert "Only the first 100 rows are shown." in html
    assert f'href="/stask/tasks/{task_id}/result"' in html


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1251"])
def test_only_the_beginning_of_a_huge_table_is_read(site: Site, viewer: FlaskClient, encoding: str) -> None:
    line = "Кабель довгий;12,50\r\n"
    task_id = with_file(site, "huge.csv", ("Назва;Ціна\r\n" + line * 200_000).encode(encoding))
    found = seen(viewer, task_id)
    assert found["rows"][-1] == ["Кабель довгий", "12,50"]  # type: ignore[index]
    assert found["more"] is True


def test_cells_lines_and_columns_are_cut(site: Site, viewer: FlaskClient) -> None:
    wide = ",".join(f"c{number}" for number in range(200)) + "\n" + ",".join(["W" * 150] * 200) + "\n"
    found = seen(viewer, with_file(site, "wide.csv", wide.encode()))
    assert len(found["header"]) == len(found["rows"][0]) == previews.COLUMNS  # type: ignore[arg-type, index]
    long = seen(viewer, with_file(site, "long.csv", b"a,b\n" + b"W" * 5000 + b",1\n"))
    assert len(long["rows"][0][0]) == previews.CELL  # type: ignore[index]
    text = seen(viewer, with_file(site, "one.txt", b"x" * 1_000_000))
    assert len(str(text["text"])) <= previews.WIDTH + 1
    assert text["more"] is True


def test_what_is_no_table_is_shown_as_text(site: Site, viewer: FlaskClient) -> None:
    assert seen(viewer, with_file(site, "one.csv", b"only a header\n"))["kind"] == "text"
    assert seen(viewer, with_file(site, "quote.csv", b'a,b\n"never closed,1\n2,3\n'))["kind"] == "text"
    assert seen(viewer, with_file(site, "empty.csv", b""))["kind"] == "empty"


def test_json_is_shown_with_its_order(site: Site, viewer: FlaskClient) -> None:
    data = {"shop": "Київ", "prices": [1, 2]}
    found = seen(viewer, with_file(site, "data.json", json.dumps(data).encode()))
    assert (found["kind"], found["text"]) == ("json", json.dumps(data, indent=2, ensure_ascii=False))
    assert seen(viewer, with_file(site, "bad.json", b'{"a": '))["kind"] == "text"
    assert seen(viewer, with_file(site, "deep.json", b"[" * 60_000))["kind"] == "text"


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "picture.png", "table.csv"])
def test_html_and_svg_are_shown_as_text_whatever_they_are_called(site: Site, viewer: FlaskClient, name: str) -> None:
    task_id = with_file(site, name, HTML)
    html = viewer.get(f"/stask/tasks/{task_id}/files/0/preview").get_data(as_text=True)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert viewer.get(f"/stask/tasks/{task_id}/files/0/picture").status_code == 404


def test_a_picture_is_served_as_what_it_is_and_can_do_nothing(site: Site, viewer: FlaskClient) -> None:
    task_id = with_file(site, "page.html", picture(4, 4))
    assert f'src="/stask/tasks/{task_id}/files/0/picture"' in viewer.get(
        f"/stask/tasks/{task_id}/files/0/preview"
    ).get_data(as_text=True)
    with viewer.get(f"/stask/tasks/{task_id}/files/0/picture") as answer:
        assert answer.data == picture(4, 4)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_pictures_are_known_by_their_content() -> None:
    heads = {
        b"\x89PNG\r\n\x1a\n": "image/png",
        b"\xff\xd8\xff\xe0": "image/jpeg",
        b"GIF89a": "image/gif",
        b"RIFF\0\0\0\0WEBP": "image/webp",
        b"RIFF\0\0\0\0WAVE": "",
        b"<svg xmlns=": "",
    }
    assert {head: previews.picture_type(head) for head in heads} == heads


def test_a_picture_that_is_too_big_is_not_served(
    site: Site, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "PICTURE", 10)
    task_id = with_file(site, "big.png", picture(4, 4))
    assert seen(viewer, task_id)["kind"] == "large"
    assert viewer.get(f"/stask/tasks/{task_id}/files/0/picture").status_code == 404


@pytest.mark.parametrize("data", [bytes(range(256)) * 10, b"%PDF-1.7\n1 0 obj\n", b"PK\x03\x04" + b"\0" * 100])
def test_binary_data_says_that_it_cannot_be_shown(site: Site, viewer: FlaskClient, data: bytes) -> None:
    assert seen(viewer, with_file(site, "data.bin", data))["kind"] == "binary"


def test_terminal_codes_and_broken_letters_do_no_harm(site: Site, viewer: FlaskClient) -> None:
    found = seen(viewer, with_file(site, "out.log", b"\x1b[31mred\x1b[0m caf\xc3\xa9 \xff ok\n" * 3))
    assert str(found["text"]).startswith("red caf")
    assert "\x1b" not in str(found["text"])


def test_a_file_that_is_gone_says_so_on_the_page_and_in_its_preview(site: Site, viewer: FlaskClient) -> None:
    task_id = site.ended()
    site.file(task_id, "there.csv", b"a,b\n1,2\n")
    site.file(task_id, "gone.csv", b"a,b\n1,2\n", "file").unlink()
    html = viewer.get(f"/stask/tasks/{task_id}").get_data(as_text=True)
    assert html.count("Not there any more") == 1
    assert f"/tasks/{task_id}/files/0/preview" in html
    assert f"/tasks/{task_id}/files/1" not in html
    assert viewer.get(f"/stask/tasks/{task_id}/files/1/preview").status_code == 410
    assert viewer.get(f"/stask/tasks/{task_id}/files/2/preview").status_code == 404


def test_a_preview_needs_the_right_to_download(site: Site, anonymous: FlaskClient) -> None:
    task_id = with_file(site, "a.csv", b"a,b\n1,2\n")
    for part in ("preview", "picture"):
        address = f"/stask/tasks/{task_id}/files/0/{part}"
        assert anonymous.get(address).status_code == 302
        assert site.client("nobody").get(address).status_code == 403


def test_somebody_elses_file_is_not_shown(own_site: Site) -> None:
    task_id = with_file(own_site, "a.csv", b"a,b\n1,2\n")
    assert own_site.client("other").get(f"/stask/tasks/{task_id}/files/0/preview").status_code == 404


def test_a_file_outside_of_the_results_is_never_shown(site: Site, viewer: FlaskClient) -> None:
    task_id = with_file(site, "a.csv", b"a,b\n1,2\n")
    inside = site.state.storage.result_path(task_id, "a.csv")
    inside.unlink()
    inside.symlink_to("/etc/passwd")
    assert viewer.get(f"/stask/tasks/{task_id}/files/0/preview").status_code == 410


def test_a_table_whose_first_line_alone_is_longer_than_what_is_read(site: Site) -> None:
    path = site.folder / "long.csv"
    path.write_bytes("і".encode() * 100_000)
    assert look_at(path, "long.csv").kind == "text"
