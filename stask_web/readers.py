"""For whom an answer is made: language and time zone, from the choice of the person, the host or the browser."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

from flask import current_app, request

from .language import DEFAULT, LANGUAGES, Reader

#: The cookie with the language that a person chose, and the one with the browser's time zone, set by ``zone.js``.
LANGUAGE_COOKIE = "stask_language"
ZONE_COOKIE = "stask_zone"
_LONGEST = 64


def choose_reader() -> Reader:
    """The reader of this request."""
    return Reader(_language(), _zone(request.cookies.get(ZONE_COOKIE, "")))


def _language() -> str:
    """The person's own choice, else the host's Babel, else the browser's wish."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    if "babel" in current_app.extensions:
        found = _of_host()
        if found in LANGUAGES:
            return found
    return request.accept_languages.best_match(LANGUAGES, DEFAULT) or DEFAULT


def _of_host() -> str:
    """The language of the host's Flask-Babel; "" when it is another Babel, or says none."""
    try:
        from flask_babel import get_locale
    except ImportError:
        return ""
    locale = get_locale()
    return str(locale.language) if locale is not None else ""


@lru_cache(256)
def _zone(name: str) -> ZoneInfo | None:
    if not name or len(name) > _LONGEST:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name of a zone, or a folder of them
        return None
