"""Where files lie: journals, uploads, results and what runs. Nothing here knows of requests or tables.

An upload is a folder of its own, `uploads/<first two letters>/<token>/<cleaned name>`, so that its name survives beside
its bytes. While its chunks arrive the file is called `.part`; the whole chunks in it tell which one is next.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .errors import UploadRefused
from .fileio import open_bytes, replace
from .language import tr
from .sniff import Accepts, Sniffer, check_name, check_size, safe_name

CHUNK = 512 * 1024
"""Bytes in each chunk of an upload but the last."""

DAY = 24 * 3600.0

_BLOCK = 64 * 1024
_BREATH = 64 * _BLOCK
_PART = ".part"
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Received:
    """One whole file that came from a browser."""

    token: str
    name: str
    size: int
    sha256: str
    path: Path


class Storage:
    """The folder of one installation. Web and workers must see the same one.

    :param root: its place, `STASK_STORAGE`; made at the first `prepare()`.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.journal = self.root / "journal"
        self.uploads = self.root / "uploads"
        self.results = self.root / "results"
        self.run = self.root / "run"

    def prepare(self) -> None:
        """Make the folders, readable for their owner only. May be called again and by several processes at once."""
        for folder in (self.root, self.journal, self.uploads, self.results, self.run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # Results

    def result_dir(self, task_id: int) -> Path:
        """Where one task's files are written. The folder appears when it is asked for with `make_result_dir`."""
        return self.results / str(task_id // 1000) / str(task_id)

    def make_result_dir(self, task_id: int) -> Path:
        """The same folder, made."""
        folder = self.result_dir(task_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def result_path(self, task_id: int, name: str) -> Path:
        """A place for a result with a name that cannot leave the task's folder."""
        return self.make_result_dir(task_id) / safe_name(name)

    def delete_results(self, task_id: int) -> None:
        """Remove all files of one task.

        :raises OSError: not all could be removed.
        """
        with suppress(FileNotFoundError):
            shutil.rmtree(self.result_dir(task_id))

    # Uploads, as a whole

    def upload_path(self, token: str) -> Path:
        """The received file of a token.

        :raises UploadRefused: nothing is there: it was never finished, or cleaned away (410).
        """
        folder = self._folder(token)
        with suppress(FileNotFoundError):
            for entry in sorted(folder.iterdir()):
                if entry.name != _PART:
                    return entry
        raise UploadRefused(tr("The file is no longer here. Choose it again."), 410)

    def receive(self, stream: BinaryIO, name: str, accept: Accepts, limit: int) -> Received:
        """Keep a file that comes in one piece, in constant memory.

        :param stream: what to read, up to its end.
        :param name: the name as the browser gave it; only its last part is used.
        :param accept: an `Upload` with the extensions that are welcome.
        :param limit: the biggest size, in bytes.
        :raises UploadRefused: with a sentence for people; nothing is left behind.
        """
        name = check_name(name, accept)
        token = self._new_folder()
        with self._all_or_nothing(token):
            check = Sniffer(name)
            part = self._folder(token) / _PART
            with _create(part) as target:
                while block := stream.read(_BLOCK):
                    check.feed(block)
                    check_size(check.size, limit)
                    target.write(block)
                check.end()
            return self._keep(token, name, check)

    # Uploads, chunk by chunk

    def begin(self, name: str, size: int, accept: Accepts, limit: int) -> str:
        """Make room for a file that comes in chunks -> its token.

        :raises UploadRefused: by its name or size alone.
        """
        check_name(name, accept)
        check_size(size, limit)
        token = self._new_folder()
        with self._all_or_nothing(token):
            _create(self._folder(token) / _PART).close()
        return token

    def next_chunk(self, token: str) -> int:
        """The number of whole chunks that are here. A torn one does not count: it is sent again."""
        try:
            return (self._folder(token) / _PART).stat().st_size // CHUNK
        except FileNotFoundError:
            raise UploadRefused(tr("The upload is no longer here. Choose the file again."), 410) from None

    def put(self, token: str, number: int, data: bytes, *, name: str, size: int) -> int:
        """Write chunk `number` -> how many bytes of the file are here. Sending a chunk again changes nothing.

        :param data: exactly `CHUNK` bytes, for the last chunk what is left of `size`.
        :raises UploadRefused: 409 when an earlier chunk is missing, 422 when the length or the content is wrong.
        """
        start = number * CHUNK
        due = self.next_chunk(token)
        if not 0 <= number <= due or start >= size:
            raise UploadRefused(tr("Chunk %(number)s is next.", number=due), 409)
        if len(data) != min(CHUNK, size - start):
            raise UploadRefused(tr("A part of the file arrived incomplete. It is sent again."))
        if number == 0:
            Sniffer(name).feed(data)
        part = self._folder(token) / _PART
        with _clear_errors(), part.open("r+b") as target:
            target.seek(start)
            target.write(data)
        return max(part.stat().st_size, start + len(data))

    def finish(self, token: str, *, name: str, size: int) -> Received:
        """Check the whole file and keep it. Asked again, it gives the same answer.

        :raises UploadRefused: it is incomplete (409: go on sending) or not what its name says (nothing is left behind).
        """
        part = self._folder(token) / _PART
        if not part.exists():
            return self._kept(token)
        if part.stat().st_size < size:
            raise UploadRefused(tr("Chunk %(number)s is next.", number=self.next_chunk(token)), 409)
        with self._all_or_nothing(token):
            check = Sniffer(name)
            with part.open("rb") as source:
                while block := source.read(_BLOCK):
                    check.feed(block)
                    if check.size % _BREATH == 0:
                        time.sleep(0)  # under gevent the others would wait for all of it
                check.end()
            return self._keep(token, name, check)

    def discard(self, token: str) -> None:
        """Remove an upload, finished or not."""
        folder = self._folder(token)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()

    def clean_uploads(
        self, older_than: float = DAY, used: Callable[[str], bool] = lambda token: False, now: float | None = None
    ) -> list[str]:
        """Remove uploads that nobody used -> their tokens.

        :param older_than: seconds since the last chunk or the end.
        :param used: says if a task still needs the file of a token.
        """
        before = (time.time() if now is None else now) - older_than
        removed = []
        for token in self._tokens():
            with suppress(FileNotFoundError):
                folder = self._folder(token)
                newest = max([folder.stat().st_mtime, *(entry.stat().st_mtime for entry in folder.iterdir())])
                if newest < before and not used(token):
                    self.discard(token)
                    removed.append(token)
        return removed

    def is_time_to_clean(self, every: float = 3600.0) -> bool:
        """Whether uploads were not cleaned for ``every`` seconds; asking counts as cleaning, for all processes."""
        mark = self.run / "uploads-cleaned"
        with suppress(FileNotFoundError):
            if time.time() - mark.stat().st_mtime < every:
                return False
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)
        return True

    # Inside

    def _folder(self, token: str) -> Path:
        """The folder of a token. A token comes from a browser: what is none of ours names nothing."""
        if not _TOKEN.fullmatch(token):
            raise UploadRefused(tr("There is no such upload. Choose the file again."), 404)
        return self.uploads / token[:2] / token

    def _new_folder(self) -> str:
        token = secrets.token_hex(16)
        with _clear_errors():
            self._folder(token).mkdir(mode=0o700, parents=True)
        return token

    def _tokens(self) -> Iterator[str]:
        for folder in sorted(self.uploads.glob("??/*")):
            if _TOKEN.fullmatch(folder.name):
                yield folder.name

    @contextmanager
    def _all_or_nothing(self, token: str) -> Iterator[None]:
        try:
            with _clear_errors():
                yield
        except BaseException:
            self.discard(token)
            raise

    def _keep(self, token: str, name: str, check: Sniffer) -> Received:
        folder = self._folder(token)
        path = folder / safe_name(name)
        replace(folder / _PART, path)
        return Received(token, path.name, check.size, check.sha256, path)

    def _kept(self, token: str) -> Received:
        path = self.upload_path(token)
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        return Received(token, path.name, path.stat().st_size, digest, path)


def _create(path: Path) -> BinaryIO:
    """A new file that only its owner may read."""
    return os.fdopen(open_bytes(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what the disk answers into a sentence for people."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UploadRefused(
                tr("The server's disk is full. Nothing was saved; tell your administrator."), 507
            ) from error
        raise
