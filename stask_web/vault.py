"""Secrets of tasks and workers: encrypted with a key derived from the host's SECRET_KEY.

The library for it is loaded with the first secret: it takes 6 MB, and a supervisor never opens one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, STaskError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class Vault:
    """Encrypts with the newest key, decrypts with any.

    :param keys: SECRET_KEY first, then SECRET_KEY_FALLBACKS.
    """

    def __init__(self, keys: Iterable[str | bytes]) -> None:
        self._keys = [key for key in keys if key]
        self._box: MultiFernet | None = None
        #: Called with all secrets that go in or out: whoever runs an action keeps them out of its log.
        self.passed: Callable[[Iterable[Any]], None] | None = None

    def seal(self, values: Mapping[Any, Any]) -> bytes | None:
        """Encrypt a dict of secrets; nothing gives None."""
        if not values:
            return None
        self._tell(values)
        return self._open_box().encrypt(json.dumps(dict(values)).encode())

    def open(self, sealed: bytes | None) -> dict[str, Any]:
        """Decrypt what :meth:`seal` made.

        :raises STaskError: when no key fits any more.
        """
        if not sealed:
            return {}
        from cryptography.fernet import InvalidToken

        try:
            values: dict[str, Any] = json.loads(self._open_box().decrypt(bytes(sealed)))
        except InvalidToken:
            raise STaskError(
                "The secrets cannot be read: SECRET_KEY has changed. Put the old key into SECRET_KEY_FALLBACKS."
            ) from None
        self._tell(values)
        return values

    def _tell(self, values: Mapping[Any, Any]) -> None:
        if self.passed is not None:
            self.passed(values.values())

    def _open_box(self) -> MultiFernet:
        if self._box is None:
            if not self._keys:
                raise ConfigError("SECRET_KEY is not set, so secrets cannot be kept. Set it in the app's config.")
            from cryptography.fernet import Fernet, MultiFernet

            self._box = MultiFernet([Fernet(_derive(key)) for key in self._keys])
        return self._box


def _derive(key: str | bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    raw = key.encode() if isinstance(key, str) else key
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"stask-web secrets").derive(raw)
    return base64.urlsafe_b64encode(derived)
