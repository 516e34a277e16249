"""Files in chunks over HTTP: who may send, what is refused and when, and that nothing is left behind."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel

from stask_web import AccessPolicy, BaseWorker, STask, Upload
from stask_web.database import upgrade
from stask_web.errors import UploadRefused
from stask_web.models import TaskUpload
from stask_web.state import State, state_of
from stask_web.storage import CHUNK, DAY
from stask_web.uploads import For, Uploads

LIMIT = 2 * 1024 * 1024
JSON = {"Accept": "application/json"}


class Options(BaseModel):
    """One file, and something that is none."""

    file: Annotated[Path, Upload(".csv")]
    note: str = ""


class Reader(BaseWorker):
    """Takes a table."""

    identifier = "reader"

    def task_read(self, task: Any, options: Options) -> None:
        """Read it."""
        self.mark_finished(task, message=Path(options.file).read_text())


class ByHeader(AccessPolicy):
    """The user is what a header says; viewers may not launch."""

    def current_user(self) -> str | None:
        return request.headers.get("X-User")

    def user_id(self, user: str) -> str:
        return user

    def may(self, user: str, permission: str, target: Any = None) -> bool:
        return user != "viewer" or permission == "view"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """A host with a small limit of its own on bodies, as careful hosts have it."""
    app = Flask("host", instance_path=str(tmp_path))
    app.config.update(
        TESTING=True,
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'host.db'}",
        STASK_MAX_UPLOAD=LIMIT,
        WTF_CSRF_ENABLED=False,
        MAX_CONTENT_LENGTH=1000,
    )
    db = SQLAlchemy(app)
    STask(app, db=db, access=ByHeader())
    state = state_of(app)
    with app.app_context():
        upgrade(state.database)
        state.registry.add(Reader)
        state.roster.discover()
        state.roster.set_active("reader", True)
    yield app
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def state(app: Flask) -> State:
    return state_of(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


class Sender:
    """Does what the page's JavaScript does."""

    def __init__(self, client: FlaskClient, user: str = "ann") -> None:
        self.client = client
        self.headers = {**JSON, "X-User": user}

    def begin(self, name: str = "prices.csv", size: Any = 10, **more: Any) -> Any:
        asked = {"action": "read", "field": "file", "name": name, "size": size, **more}
        return self.client.post("/stask/workers/reader/uploads", json=asked, headers=self.headers)

    def put(self, url: str, number: int, data: bytes) -> Any:
        return self.client.put(f"{url}/{number}", data=data, headers=self.headers)

    def finish(self, url: str) -> Any:
        return self.client.post(f"{url}/finish", headers=self.headers)

    def send(self, data: bytes, name: str = "prices.csv") -> Any:
        """All of it -> the last answer."""
        answer = self.begin(name, len(data))
        if answer.status_code != 201:
            return answer
        url = answer.json["url"]
        for number in range(-(-len(data) // CHUNK)):
            answer = self.put(url, number, data[number * CHUNK : (number + 1) * CHUNK])
            if answer.status_code != 200:
                return answer
        return self.finish(url)


@pytest.fixture
def ann(client: FlaskClient) -> Sender:
    return Sender(client)


def left(state: State) -> list[Path]:
    return [path for path in state.storage.uploads.rglob("*") if path.is_file()]


def test_a_file_in_chunks_arrives_whole_though_the_host_takes_only_small_bodies(ann, state):
    data = b"sku;name\n" + b"A1;Wings\n" * 100_000
    answer = ann.send(data, "C:\\lists\\Prices.CSV")
    assert answer.status_code == 200
    assert answer.json["name"] == "Prices.CSV"
    assert answer.json["size"] == len(data)
    assert answer.json["size_text"] == "879 KB"
    assert answer.json["preview"]["header"] == ["sku", "name"]
    assert answer.json["preview"]["rows"] == [["A1", "Wings"]] * 5
    upload = Uploads(state.database, state.storage).owned(answer.json["token"], "ann")
    assert upload.sha256 == hashlib.sha256(data).hexdigest()
    assert (state.storage.uploads / upload.path).read_bytes() == data


def test_chunks_may_be_sent_again_but_not_ahead(ann):
    data = b"a,b\n" * (CHUNK // 4) + b"1,2\n"
    begun = ann.begin(size=len(data))
    assert begun.json["chunk"] == CHUNK
    url = begun.json["url"]
    ahead = ann.put(url, 1, data[CHUNK:])
    assert (ahead.status_code, ahead.json["next"]) == (409, 0)
    for _ in range(2):
        assert ann.put(url, 0, data[:CHUNK]).json == {"received": CHUNK}
    early = ann.finish(url)
    assert (early.status_code, early.json["next"]) == (409, 1)
    ann.put(url, 1, data[CHUNK:])
    first, second = ann.finish(url), ann.finish(url)
    assert first.status_code == 200
    assert first.json == second.json


@pytest.mark.parametrize(
    ("name", "size", "status", "sentence"),
    [
        ("prices.exe", 10, 422, "Choose a .csv file."),
        ("prices.csv", 0, 422, "The file is empty."),
        ("prices.csv", LIMIT + 1, 413, "The file is too big. The limit is 2.0 MB."),
        ("prices.csv", "many", 422, "Say the size of the file in bytes."),
        ("prices.csv", True, 422, "Say the size of the file in bytes."),
    ],
)
def test_what_name_and_size_tell_is_refused_before_a_byte_is_sent(ann, state, name, size, status, sentence):
    answer = ann.begin(name, size)
    assert answer.status_code == status
    assert answer.json["errors"]["file"].startswith(sentence)
    assert left(state) == []


@pytest.mark.parametrize("content", [b"MZ\x90\x00\x03\x00", b"\x7fELF\x02\x01\x01\x00"])
def test_a_program_is_refused_with_its_first_chunk(ann, state, content):
    answer = ann.send(content)
    assert (answer.status_code, answer.json["error"]) == (422, "This is a program, not a CSV file.")


def test_binary_data_further_on_is_found_at_the_end_and_nothing_is_left(ann, state):
    answer = ann.send(b"a,b\n" * (CHUNK // 4) + b"1,\0\n")
    assert answer.status_code == 422
    assert "holds binary data" in answer.json["error"]
    assert left(state) == []
    assert ann.finish(f"/stask/uploads/{'0' * 32}").status_code == 404


def test_a_file_larger_than_said_is_refused(ann):
    url = ann.begin(size=4).json["url"]
    assert ann.put(url, 0, b"a,b\n1,2\n").status_code == 422
    assert ann.put(url, 0, b"x" * (CHUNK + 1)).status_code == 413


def test_only_the_uploader_may_use_the_token(ann, client):
    begun = ann.begin(size=8).json
    url = begun["url"]
    bob = Sender(client, "bob")
    assert bob.put(url, 0, b"a,b\n1,2\n").status_code == 404
    assert bob.finish(url).status_code == 404
    ann.put(url, 0, b"a,b\n1,2\n")
    assert ann.finish(url).status_code == 200
    form = {"file__upload": begun["token"]}
    theirs = client.post("/stask/workers/reader/run/read", data=form, headers=bob.headers)
    assert theirs.status_code == 422
    assert "There is no such upload" in theirs.json["errors"]["file"]
    own = client.post("/stask/workers/reader/run/read", data=form, headers=ann.headers)
    assert own.status_code == 201


def test_strangers_and_viewers_upload_nothing(client, ann, state):
    assert client.post("/stask/workers/reader/uploads", json={}, headers=JSON).status_code == 401
    viewer = Sender(client, "viewer")
    assert viewer.begin().status_code == 403
    url = ann.begin(size=4).json["url"]
    assert viewer.put(url, 0, b"a,b\n").status_code == 403
    assert viewer.finish(url).status_code == 403


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("nobody", {"action": "read", "field": "file", "name": "a.csv", "size": 3}, 404),
        ("reader", {"action": "write", "field": "file", "name": "a.csv", "size": 3}, 404),
        ("reader", {"action": "read", "field": "note", "name": "a.csv", "size": 3}, 422),
        ("reader", {"action": "read", "field": None, "name": None, "size": 3}, 422),
        ("reader", [], 422),
        ("reader", "text", 422),
    ],
)
def test_nonsense_is_answered_and_never_a_5xx(client, ann, path, asked, status):
    answer = client.post(f"/stask/workers/{path}/uploads", json=asked, headers=ann.headers)
    assert answer.status_code == status


@pytest.mark.parametrize("token", ["x", "..", "%2e%2e", "0" * 32, "A" * 32])
def test_a_token_that_is_none_of_ours_is_not_found(ann, token):
    assert ann.put(f"/stask/uploads/{token}", 0, b"a").status_code == 404
    assert ann.finish(f"/stask/uploads/{token}").status_code == 404


def test_without_javascript_the_form_itself_brings_the_file(client, ann, state):
    form = {"file": (io.BytesIO(b"sku\nA1\n"), "prices.csv")}
    answer = client.post("/stask/workers/reader/run/read", data=form, headers=ann.headers)
    assert answer.status_code == 201
    (path,) = left(state)
    assert path.name == "prices.csv"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"MZ\x90\x00\x03\x00", "This is a program, not a CSV file."),
        (b"x" * 1025, "The file is too big. The limit is 1.0 KB."),
    ],
)
def test_without_javascript_a_bad_file_is_refused_at_its_field(client, ann, state, content, sentence):
    state.settings = replace(state.settings, max_upload=1024)
    form = {"file": (io.BytesIO(content), "prices.csv")}
    answer = client.post("/stask/workers/reader/run/read", data=form, headers=ann.headers)
    assert answer.status_code == 422
    assert answer.json["errors"] == {"file": sentence}
    assert left(state) == []


def test_no_file_is_said_at_its_field(client, ann):
    answer = client.post("/stask/workers/reader/run/read", data={}, headers=ann.headers)
    assert (answer.status_code, answer.json["errors"]) == (422, {"file": "Choose a file."})


def test_a_full_disk_is_said_and_the_form_kept(ann, state, monkeypatch):
    def full(*args: Any, **kwargs: Any) -> int:
        raise UploadRefused("The server's disk is full.", 507)

    url = ann.begin(size=4).json["url"]
    monkeypatch.setattr(type(state.storage), "put", full)
    answer = ann.put(url, 0, b"a,b\n")
    assert (answer.status_code, answer.json["error"]) == (507, "The server's disk is full.")


def test_uploads_that_no_task_uses_are_cleaned_after_a_day(app, state):
    uploads = Uploads(state.database, state.storage)
    purpose = For("reader", "read", "file", "ann")
    used, unused = (uploads.receive(io.BytesIO(b"a,b"), "a.csv", Upload(".csv"), LIMIT, purpose) for _ in range(2))
    with state.database.session() as session:
        session.add(TaskUpload(task_id=1, token=used.token))
        session.commit()
    born = used.path.stat().st_mtime
    assert uploads.clean(now=born + DAY - 60) == 0
    assert uploads.clean(now=born + DAY + 60) == 1
    assert uploads.owned(used.token, "ann").done
    with pytest.raises(UploadRefused, match="no such upload"):
        uploads.owned(unused.token, "ann")
    assert not unused.path.exists()


def test_a_token_is_good_for_its_own_field_only(state):
    uploads = Uploads(state.database, state.storage)
    received = uploads.receive(io.BytesIO(b"a"), "a.csv", Upload(), LIMIT, For("reader", "read", "file", 7))
    with pytest.raises(UploadRefused, match="for something else"):
        uploads.taken(received.token, For("reader", "read", "other", 7))
    with pytest.raises(UploadRefused, match="no such upload"):
        uploads.taken(received.token, For("reader", "read", "file", "7"))
    assert uploads.taken(received.token, For("reader", "read", "file", 7)) == received
