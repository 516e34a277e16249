"""Uploads and results on disk: what is refused, what is left behind, who may read it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest

from stask_web import storage as storage_module
from stask_web.errors import UploadRefused
from stask_web.sniff import safe_name
from stask_web.storage import CHUNK, Storage

LIMIT = 10 * 1024 * 1024


@dataclass
class Accept:
    extensions: tuple[str, ...] = (".csv",)


CSV = Accept()


@pytest.fixture
def storage(tmp_path) -> Storage:
    storage = Storage(tmp_path / "stask")
    storage.prepare()
    return storage


def left(storage: Storage) -> list[Path]:
    return list(storage.uploads.rglob("*"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_made_before_prepare(tmp_path):
    storage = Storage(tmp_path / "stask")
    assert not storage.root.exists()
    storage.prepare()
    storage.prepare()
    assert {mode(path) for path in (storage.root, *storage.root.iterdir())} == {0o700}
    assert {path.name for path in storage.root.iterdir()} == {"journal", "uploads", "results", "run"}


def test_a_received_file_keeps_its_bytes_name_and_hash(storage):
    received = storage.receive(io.BytesIO(b"a,b\n1,2\n"), r"C:\lists\Prices 2024.CSV", CSV, LIMIT)
    assert received.name == "Prices 2024.CSV"
    assert received.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert storage.upload_path(received.token) == received.path
    assert received.path.read_bytes() == b"a,b\n1,2\n"
    assert mode(received.path) == 0o600
    assert mode(received.path.parent) == 0o700


@pytest.mark.parametrize(
    ("name", "content", "status", "sentence"),
    [
        ("a.csv", b"", 422, "The file is empty"),
        ("a.exe", b"MZ", 422, "Choose a .csv file"),
        ("a", b"x", 422, "Choose a .csv file"),
        ("a.csv", b"MZ\x90\x00\x03", 422, "This is a program, not a CSV file"),
        ("a.csv", b"MZ" + b"\xff" * 2000, 422, "This is a program, not a CSV file"),
        ("a.csv", b"\x7fELF\x02\x01", 422, "This is a program, not a CSV file"),
        ("a.csv", b"PK\x03\x04zip", 422, "ZIP archive or an Excel workbook, not a CSV file"),
        ("a.csv", b"a,b\n" * 40_000 + b"\0", 422, "holds binary data"),
        ("a.csv", b"x" * (LIMIT + 1), 413, "too big. The limit is 10.0 MB"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(storage, name, content, status, sentence):
    with pytest.raises(UploadRefused, match=sentence) as refused:
        storage.receive(io.BytesIO(content), name, CSV, LIMIT)
    assert refused.value.status == status
    assert left(storage) == []


def test_utf_16_and_a_column_called_mz_are_text(storage):
    storage.receive(io.BytesIO("a,b\n1,2\n".encode("utf-16")), "a.csv", CSV, LIMIT)
    storage.receive(io.BytesIO(b"MZ,b\n1,2\n"), "a.csv", CSV, LIMIT)


def test_other_kinds_are_checked_by_their_own_beginning(storage):
    storage.receive(io.BytesIO(b"PK\x03\x04..."), "a.xlsx", Accept((".xlsx",)), LIMIT)
    storage.receive(io.BytesIO(b"anything\0"), "a.bin", Accept(()), LIMIT)
    with pytest.raises(UploadRefused, match="This is not an XLSX file"):
        storage.receive(io.BytesIO(b"sku,name\n"), "a.xlsx", Accept((".xlsx",)), LIMIT)


def test_a_full_disk_is_said_in_a_sentence(storage, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage_module, "_create", full)
    with pytest.raises(UploadRefused, match="disk is full") as refused:
        storage.receive(io.BytesIO(b"a"), "a.csv", CSV, LIMIT)
    assert refused.value.status == 507
    assert left(storage) == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "file"),
        ("", "file"),
        (".htaccess", "htaccess"),
        ("a\x00\x1b[31mb\u202e.csv", "a[31mb.csv"),
        ("Ціни <2024>?.csv", "Ціни 2024.csv"),
    ],
)
def test_names_lose_what_is_dangerous(given, name):
    assert safe_name(given) == name


def test_a_long_name_keeps_its_extension():
    name = safe_name("ж" * 300 + ".csv")
    assert len(name.encode()) <= 255
    assert name.endswith("ж.csv")


def test_chunks_make_the_same_file(storage):
    data = os.urandom(CHUNK).replace(b"\0", b"1") + b"tail"
    token = storage.begin("a.csv", len(data), CSV, LIMIT)
    put = {"name": "a.csv", "size": len(data)}
    with pytest.raises(UploadRefused, match="Chunk 0 is next") as refused:
        storage.put(token, 1, data[CHUNK:], **put)
    assert refused.value.status == 409
    assert storage.put(token, 0, data[:CHUNK], **put) == CHUNK
    assert storage.put(token, 0, data[:CHUNK], **put) == CHUNK
    with pytest.raises(UploadRefused, match="Chunk 1 is next"):
        storage.finish(token, **put)
    assert storage.put(token, 1, data[CHUNK:], **put) == len(data)
    received = storage.finish(token, **put)
    assert received.path.read_bytes() == data
    assert received.sha256 == hashlib.sha256(data).hexdigest()
    assert storage.finish(token, **put) == received
    assert mode(received.path) == 0o600


def test_a_torn_chunk_is_sent_again(storage):
    data = b"x" * CHUNK + b"y" * CHUNK
    token = storage.begin("a.csv", len(data), CSV, LIMIT)
    storage.put(token, 0, data[:CHUNK], name="a.csv", size=len(data))
    part = storage.uploads / token[:2] / token / ".part"
    part.write_bytes(data[: CHUNK + 100])
    assert storage.next_chunk(token) == 1
    with pytest.raises(UploadRefused, match="incomplete"):
        storage.put(token, 1, b"y" * 100, name="a.csv", size=len(data))
    storage.put(token, 1, data[CHUNK:], name="a.csv", size=len(data))
    assert storage.finish(token, name="a.csv", size=len(data)).path.read_bytes() == data


def test_a_program_is_refused_with_its_first_chunk(storage):
    token = storage.begin("a.csv", 5, CSV, LIMIT)
    with pytest.raises(UploadRefused, match="This is a program"):
        storage.put(token, 0, b"MZ\x90\x00\x03", name="a.csv", size=5)


def test_a_failed_finish_leaves_nothing_behind(storage):
    data = b"a" * CHUNK + b"\0"
    token = storage.begin("a.csv", len(data), CSV, LIMIT)
    storage.put(token, 0, data[:CHUNK], name="a.csv", size=len(data))
    (storage.uploads / token[:2] / token / ".part").write_bytes(data)
    with pytest.raises(UploadRefused, match="binary"):
        storage.finish(token, name="a.csv", size=len(data))
    assert left(storage) == []


@pytest.mark.parametrize(("size", "status"), [(0, 422), (-1, 422), (LIMIT + 1, 413)])
def test_a_wrong_size_is_refused_before_a_byte_is_sent(storage, size, status):
    with pytest.raises(UploadRefused) as refused:
        storage.begin("a.csv", size, CSV, LIMIT)
    assert refused.value.status == status
    assert left(storage) == []


@pytest.mark.parametrize("token", ["", "..", "../../etc", "a" * 32 + "/..", "A" * 32, "z" * 32])
def test_a_token_that_is_none_of_ours_names_nothing(storage, token):
    with pytest.raises(UploadRefused) as refused:
        storage.upload_path(token)
    assert refused.value.status == 404


def test_a_cleaned_upload_is_gone(storage):
    with pytest.raises(UploadRefused, match="no longer here") as refused:
        storage.upload_path("0" * 32)
    assert refused.value.status == 410


def test_only_old_unused_uploads_are_cleaned(storage):
    kept, old = (storage.receive(io.BytesIO(b"a,b"), "a.csv", CSV, LIMIT) for _ in range(2))
    waiting = storage.begin("a.csv", 5, CSV, LIMIT)
    now = old.path.stat().st_mtime
    assert storage.clean_uploads(now=now + 3600) == []
    assert set(storage.clean_uploads(used=lambda token: token == kept.token, now=now + 25 * 3600)) == {
        old.token,
        waiting,
    }
    assert storage.upload_path(kept.token) == kept.path
    assert not (storage.uploads / waiting[:2] / waiting).exists()


def test_results_of_a_task_cannot_leave_its_folder(storage):
    path = storage.result_path(1204, "../../products.csv")
    assert path == storage.results / "1" / "1204" / "products.csv"
    assert mode(path.parent) == 0o700
    path.write_text("x")
    storage.delete_results(1204)
    assert not path.exists()


def test_a_big_upload_takes_neither_memory_nor_room_beside_itself(storage: Storage) -> None:
    size = 64 * 2**20
    block = b"4820000000017;12.40\n" * (CHUNK // 20 + 1)
    token = storage.begin("goods.csv", size, CSV, size)
    tracemalloc.start()
    for number in range(size // CHUNK):
        storage.put(token, number, block[:CHUNK], name="goods.csv", size=size)
        if number % 32 == 0:
            assert sum(path.stat().st_size for path in left(storage) if path.is_file()) == (number + 1) * CHUNK
    received = storage.finish(token, name="goods.csv", size=size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2**20
    assert [path.stat().st_size for path in left(storage) if path.is_file()] == [size]
    assert received.sha256 == hashlib.sha256(block[:CHUNK] * (size // CHUNK)).hexdigest()
