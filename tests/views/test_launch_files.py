"""Files of a form without JavaScript: they join, one can be taken away, and a second run keeps those of the first."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel, Field

from stask_web import BaseWorker, Upload

from .browsing import as_sent
from .conftest import JSON, Site


class FileOptions(BaseModel):
    name: str = Field(min_length=2)
    papers: Annotated[list[Path], Upload(".txt")] = Field(default_factory=list)
    cover: Annotated[Path | None, Upload(".txt")] = None
    more: Annotated[list[Path] | None, Upload(".txt")]


class FileWorker(BaseWorker):
    identifier, title = "files", "Files"

    def task_go(self, task: Any, options: FileOptions) -> None: ...


GO = "/stask/workers/files/run/go"


@pytest.fixture
def client(site: Site) -> FlaskClient:
    site.add(FileWorker)
    return site.client("operator")


def files(*names: str) -> list[tuple[io.BytesIO, str]]:
    return [(io.BytesIO(name.encode()), name) for name in names]


def kept(site: Site, field: str = "papers") -> list[str]:
    """The names of the files of the newest task, whose bytes are there."""
    task = max(site.all(), key=lambda task: task.id)
    found = task.meta[field] if isinstance(task.meta[field], list) else [task.meta[field]]
    for file in found:
        assert site.state.storage.upload_path(file["upload"]).read_bytes() == file["name"].encode()
    return [file["name"] for file in found]


def wrong(client: FlaskClient, **data: Any) -> str:
    """The page of a form that was refused for its name."""
    answer = client.post(GO, data={"name": "x", **data})
    assert answer.status_code == 422
    return answer.get_data(as_text=True)


def right(client: FlaskClient, html: str, **data: Any) -> None:
    answer = client.post(GO, data=as_sent(html, name="Ada", **data), headers=JSON)
    assert answer.status_code == 201, answer.get_json()


def test_files_of_two_goes_join(site: Site, client: FlaskClient) -> None:
    html = wrong(client, papers=files("one.txt", "two.txt"))
    right(client, html, papers=files("three.txt"))
    assert kept(site) == ["one.txt", "two.txt", "three.txt"]


def test_one_file_can_be_taken_away(site: Site, client: FlaskClient) -> None:
    html = wrong(client, papers=files("one.txt", "two.txt"), cover=files("cover.txt"))
    sent = as_sent(html)
    assert html.count('name="papers__remove"') == 2
    right(client, html, papers__remove=sent["papers__upload"][:1], cover__remove=sent["cover__upload"])
    assert kept(site) == ["two.txt"]
    assert site.all()[0].meta["cover"] is None


def test_a_file_in_the_place_of_one_replaces_it(site: Site, client: FlaskClient) -> None:
    html = wrong(client, cover=files("old.txt"))
    right(client, html, cover=files("new.txt"))
    assert kept(site, "cover") == ["new.txt"]


def test_one_file_that_is_refused_takes_no_other_with_it(site: Site, client: FlaskClient) -> None:
    html = wrong(client, papers=files("one.txt"))
    again = client.post(GO, data=as_sent(html, name="Ada", papers=files("bad.exe", "two.txt")))
    assert again.status_code == 422
    right(client, again.get_data(as_text=True))
    assert kept(site) == ["one.txt", "two.txt"]


def test_a_file_that_is_sent_twice_counts_once(site: Site, client: FlaskClient) -> None:
    html = wrong(client, papers=files("one.txt"))
    right(client, html, papers__upload=as_sent(html)["papers__upload"] * 2)
    assert kept(site) == ["one.txt"]


def test_edit_and_run_again_keeps_the_files_and_takes_more(site: Site, client: FlaskClient) -> None:
    assert client.post(GO, data={"name": "Ada", "papers": files("one.txt", "two.txt")}).status_code == 303
    [task] = site.all()
    html = client.get(f"{GO}?from={task.id}").get_data(as_text=True)
    right(client, html, papers=files("three.txt"))
    assert kept(site) == ["one.txt", "two.txt", "three.txt"]


def test_no_file_is_none_where_that_may_be(site: Site, client: FlaskClient) -> None:
    assert client.post(GO, data={"name": "Ada"}).status_code == 303
    [task] = site.all()
    assert (task.meta["papers"], task.meta["cover"], task.meta["more"]) == ([], None, None)
