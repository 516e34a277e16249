"""Who reads this answer: the language and the time zone, from the choice of the person, the host or the browser."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, request

from ..language import DEFAULT, LANGUAGES, Reader, set_reader

#: The cookie with the language that a person chose, and the one with the browser's time zone, set by ``zone.js``.
LANGUAGE_COOKIE = "stask_language"
ZONE_COOKIE = "stask_zone"


def register(bp: Blueprint) -> None:
    """Decide it before anything makes text, and forget it after the request: a thread serves the next person."""
    bp.before_request(lambda: set_reader(choose()))
    bp.teardown_request(lambda error: set_reader(Reader()))


def choose() -> Reader:
    """The reader of this request."""
    return Reader(_language(), _zone())


def _language() -> str:
    """The person's own choice, else the host's Babel, else the browser's wish."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    if "babel" in current_app.extensions:
        from flask_babel import get_locale

        locale = get_locale()
        if locale is not None and locale.language in LANGUAGES:
            return str(locale.language)
    return request.accept_languages.best_match(LANGUAGES, DEFAULT) or DEFAULT


def _zone() -> ZoneInfo | None:
    name = request.cookies.get(ZONE_COOKIE, "")
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # unknown, no name of a zone, or a folder of them
        return None
