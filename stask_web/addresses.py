"""Addresses that came from outside: where a person may be sent."""

from __future__ import annotations

from urllib.parse import urlsplit


def local_address(address: str) -> str | None:
    """The address if it lies on this site, else None: a link must not lead a signed-in person elsewhere."""
    if not address.startswith("/") or address.startswith("//") or "\\" in address:
        return None
    if any(ord(letter) < 33 or ord(letter) == 127 for letter in address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc else address
