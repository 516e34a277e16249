"""The reader of each answer, and the form by which he chooses his language."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint, abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..addresses import local_address
from ..language import LANGUAGES, Reader, reader, set_reader
from ..readers import LANGUAGE_COOKIE, choose_reader
from .visitor import wants_json

_YEAR = 365 * 24 * 3600


class Choice(NamedTuple):
    """One language of the menu: its code, its own name, and whether the page is in it."""

    code: str
    name: str
    here: bool


def register(bp: Blueprint) -> None:
    """Decide it before anything makes text, and forget it after the request: a thread serves the next person."""
    bp.before_request(lambda: set_reader(choose_reader()))
    bp.teardown_request(lambda error: set_reader(Reader()))
    bp.post("/language", endpoint="language")(choose)


def choose() -> ResponseReturnValue:
    """Keep the chosen language in a cookie, and go back to the page; no other site can be named."""
    wanted = request.form.get("language", "")
    if wanted not in LANGUAGES:
        abort(422)
    back = local_address(request.form.get("next", "")) or url_for("stask.dashboard")
    answer = jsonify(language=wanted) if wants_json() else redirect(back, 303)
    answer.set_cookie(
        LANGUAGE_COOKIE, wanted, max_age=_YEAR, path="/", secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return answer


def language_choices() -> list[Choice]:
    """The languages there are, for a menu."""
    mine = reader().language
    return [Choice(code, name, code == mine) for code, name in LANGUAGES.items()]
