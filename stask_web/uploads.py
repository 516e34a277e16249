"""Uploads and whose they are: the files in :mod:`storage`, their rows in `s_uploads`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import sqlalchemy as sa

from .columns import user_key
from .database import Database
from .errors import UploadRefused
from .language import tr
from .models import TaskUpload, Upload
from .sniff import Accepts, safe_name
from .storage import DAY, Received, Storage


@dataclass(frozen=True)
class For:
    """What a file is uploaded for.

    :param user: the uploader's id. Only he may use the token: to others it does not exist.
    """

    identifier: str
    action: str
    field: str
    user: Any


class Uploads:
    """Receives files for the forms of actions. A cheap object: make one where it is needed.

    A file that no task uses is removed by :meth:`clean` a day after it came.
    """

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    def receive(self, stream: BinaryIO, name: str, accept: Accepts, limit: int, purpose: For) -> Received:
        """Keep a file that comes in one piece, as from a form without JavaScript.

        :raises UploadRefused: nothing is left behind.
        """
        self._clean_now_and_then()
        received = self._storage.receive(stream, name, accept, limit)
        self._insert(received.token, received.name, received.size, purpose, received)
        return received

    def begin(self, name: str, size: int, accept: Accepts, limit: int, purpose: For) -> str:
        """Make room for a file that comes in chunks -> its token.

        :raises UploadRefused: by its name or size alone.
        """
        self._clean_now_and_then()
        token = self._storage.begin(name, size, accept, limit)
        self._insert(token, safe_name(name), size, purpose)
        return token

    def put(self, upload: Upload, number: int, data: bytes) -> int:
        """Write one chunk -> how many bytes are here. See :meth:`Storage.put`."""
        return self._storage.put(upload.token, number, data, name=upload.name, size=upload.expected or 0)

    def finish(self, upload: Upload) -> Received:
        """Check the whole file and keep it. See :meth:`Storage.finish`."""
        try:
            received = self._storage.finish(upload.token, name=upload.name, size=upload.expected or 0)
        except UploadRefused as refused:
            if refused.status != 409:
                self._delete([upload.token])
            raise
        if not upload.done:
            self._done(received)
        return received

    def taken(self, token: str, purpose: For) -> Received:
        """The whole file of a token, for the form it was uploaded for.

        :raises UploadRefused: it is somebody else's, for another form, unfinished, or gone.
        """
        upload = self.owned(token, purpose.user)
        if (upload.identifier, upload.action, upload.field) != (purpose.identifier, purpose.action, purpose.field):
            raise UploadRefused(tr("This file was uploaded for something else. Choose it again."), 404)
        if not upload.done:
            raise UploadRefused(tr("The file has not arrived completely yet. Wait for it, or choose it again."), 409)
        return Received(token, upload.name, upload.size, upload.sha256 or "", self._storage.upload_path(token))

    def owned(self, token: str, user: Any) -> Upload:
        """The row of a token.

        :raises UploadRefused: there is none, or it belongs to somebody else: which, he is not told (404).
        """
        with self._database.session() as session:
            upload = session.get(Upload, token)
        if upload is None or user is None or user_key(upload.user) != user_key(user):
            raise UploadRefused(tr("There is no such upload. Choose the file again."), 404)
        return upload

    def clean(self, older_than: float = DAY, now: float | None = None) -> int:
        """Remove uploads, finished or not, that no task uses -> how many.

        :param older_than: seconds since they came.
        """
        with self._database.read() as connection:
            used = set(connection.scalars(sa.select(TaskUpload.token)))
        tokens = self._storage.clean_uploads(older_than, used.__contains__, now)
        self._delete(tokens)
        return len(tokens)

    def _clean_now_and_then(self) -> None:
        """Whoever uploads removes what others left behind; once an hour is enough, for all processes together."""
        if self._storage.is_time_to_clean():
            self.clean()

    def _insert(self, token: str, name: str, size: int, purpose: For, received: Received | None = None) -> None:
        row = {
            "token": token,
            "name": name,
            "path": f"{token[:2]}/{token}/{name}",
            "size": size if received else 0,
            "expected": size,
            "sha256": received.sha256 if received else None,
            "identifier": purpose.identifier,
            "action": purpose.action,
            "field": purpose.field,
            "user": purpose.user,
            "done": received is not None,
            "created_at": datetime.fromtimestamp(time.time(), UTC),
        }
        try:
            with self._database.write() as connection:
                connection.execute(sa.insert(Upload).values(**row))
        except BaseException:
            self._storage.discard(token)
            raise

    def _done(self, received: Received) -> None:
        values = {"done": True, "size": received.size, "sha256": received.sha256}
        with self._database.write() as connection:
            connection.execute(sa.update(Upload).where(Upload.token == received.token).values(**values))

    def _delete(self, tokens: list[str]) -> None:
        if tokens:
            with self._database.write() as connection:
                for start in range(0, len(tokens), 500):
                    connection.execute(sa.delete(Upload).where(Upload.token.in_(tokens[start : start + 500])))
