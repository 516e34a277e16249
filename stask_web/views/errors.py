"""Error answers: a page or JSON that says what happened and what to do, never a path, SQL or traceback."""

from __future__ import annotations

import logging
import secrets
from typing import Any, NamedTuple

from flask import Blueprint, Response, jsonify, make_response, request, url_for
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from ..errors import (
    AlreadyRunning,
    DatabaseBusy,
    IllegalMove,
    InvalidOptions,
    ScheduleChanged,
    ScheduleNotFound,
    STaskError,
    TablesMissing,
    TaskNotFound,
    TransactionOpen,
    UnknownAction,
    UnknownWorker,
    UploadRefused,
    WorkerInactive,
)
from ..language import mark, reader, tr
from .visitor import wants_json

log = logging.getLogger(__name__)


class BadToken(Exception):
    """The form's token is missing, too old or not of this session."""


class Words(NamedTuple):
    """What an error page says; of the table in English."""

    title: str
    text: str
    icon: str = "alert"
    tone: str = "attention"


WORDS: dict[int, Words] = {
    400: Words(
        mark("This could not be sent"),
        mark("The page had been open for too long. Go back, reload it and try again. Nothing was changed."),
    ),
    401: Words(mark("Sign in first"), mark("This page is for people who are signed in."), "user", "muted"),
    403: Words(
        mark("Not for your account"), mark("You may not do this. If you should, ask whoever runs this site."), "user"
    ),
    404: Words(mark("Nothing here"), mark("It was deleted, or the address is wrong."), "search", "muted"),
    405: Words(
        mark("This is not a page"),
        mark("The address is used by a button. Go back and press it there."),
        "info",
        "muted",
    ),
    409: Words(
        mark("Not any more"),
        mark("It has changed since you opened the page. Reload to see how it is now. Nothing was changed."),
        "info",
    ),
    410: Words(
        mark("The file is gone"),
        mark("It was removed with old tasks. Run the action again to make a new one."),
        "file",
        "muted",
    ),
    413: Words(mark("Too big"), mark("The file is larger than this site takes. Nothing was saved.")),
    422: Words(
        mark("Something does not fit"), mark("Go back, mend what is marked and try again. Nothing was changed.")
    ),
    429: Words(mark("Too fast"), mark("You started many tasks within a minute. Wait a little and try again."), "clock"),
    500: Words(
        mark("Something went wrong here"), mark("It is our fault, not yours. It has been noted."), "cross", "failed"
    ),
    503: Words(
        mark("Busy at the moment"), mark("The database is busy. Nothing was changed; try again in a moment."), "clock"
    ),
}

#: What an error of ours means in HTTP; the first class that fits counts.
STATUS: tuple[tuple[type[STaskError], int], ...] = (
    (UnknownWorker, 404),
    (UnknownAction, 404),
    (TaskNotFound, 404),
    (ScheduleNotFound, 404),
    (ScheduleChanged, 409),
    (WorkerInactive, 409),
    (AlreadyRunning, 409),
    (IllegalMove, 409),
    (InvalidOptions, 422),
    (DatabaseBusy, 503),
    (TablesMissing, 503),
)


def register(bp: Blueprint) -> None:
    """Bind the handlers to our blueprint only. By number, or a handler of the host's for that number would win."""
    for status in WORDS:
        bp.register_error_handler(status, _http)
    bp.register_error_handler(HTTPException, _http)
    bp.register_error_handler(STaskError, _ours)
    bp.register_error_handler(BadToken, _bad_token)
    bp.register_error_handler(OperationalError, _database)
    bp.register_error_handler(PoolTimeout, _database)
    bp.register_error_handler(Exception, _unexpected)


def _http(error: HTTPException) -> Response:
    if error.response is not None and isinstance(error.response, Response):
        return error.response
    if error.code is not None and error.code < 400:
        return make_response(error.get_response())
    # What the host aborted with, or what a handler of ours wrapped: only a number that we know, never its text.
    if (error.code or 500) >= 500 and error.code != 503:
        return _unexpected(getattr(error, "original_exception", None) or error)
    answer = message_page(error.code or 500)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer


def _ours(error: STaskError) -> Response:
    if isinstance(error, TablesMissing):
        return _tables_missing()
    if isinstance(error, UploadRefused):
        return message_page(error.status if error.status in WORDS else 422, error.message)
    status = next((number for cls, number in STATUS if isinstance(error, cls)), None)
    if status is None:
        return _unexpected(error)
    if isinstance(error, TransactionOpen):  # what is to do is a developer's, and none of who reads the page
        log.error("%s %s: %s", request.method, request.path, error.message, exc_info=error)
        error = DatabaseBusy()
    answer = message_page(status, None if status == 404 else _said(error))
    if status == 503:
        answer.headers["Retry-After"] = "2"
    return answer


def _said(error: STaskError) -> str:
    """The sentence for people; of options without the names that code knows them by."""
    return " ".join(error.errors.values()) if isinstance(error, InvalidOptions) else error.message


def _tables_missing() -> Response:
    text = tr("The tables of stask-web are missing or old. Whoever runs this site makes them with:")
    words = Words(tr("Not set up yet"), text, "alert")
    return _answer(503, words, code="flask stask init-db")


def _bad_token(error: BadToken) -> Response:
    return message_page(400)


def _database(error: Exception) -> Response:
    log.warning("The database did not answer in time at %s: %s", request.path, type(error).__name__, exc_info=error)
    answer = message_page(503)
    answer.headers["Retry-After"] = "2"
    return answer


def _unexpected(error: BaseException) -> Response:
    """Log the error under an id and show only that."""
    name = secrets.token_hex(4)
    log.error("Unexpected error %s at %s %s", name, request.method, request.path, exc_info=error)
    return _answer(500, words_of(500), note=tr("Say the number %(number)s when you report it.", number=name))


def message_page(status: int, text: str | None = None) -> Response:
    """The error answer of a status, as JSON when it is asked for.

    :param text: a sentence that says more than the usual one.
    """
    words = words_of(status)
    return _answer(status, words._replace(text=text) if text else words)


def words_of(status: int) -> Words:
    """What is said of a status, in the reader's language."""
    words = WORDS.get(status) or WORDS[422 if status < 500 else 500]
    return words._replace(title=tr(words.title), text=tr(words.text))


def _answer(status: int, words: Words, **more: Any) -> Response:
    if wants_json():
        text = " ".join(part for part in (words.text, more.get("code"), more.get("note")) if part)
        return make_response(jsonify(error=text), status)
    from .page import render_message

    try:
        html = render_message(status, words, **more)
    except Exception:
        # The page around it may need what is broken. A bare one never does.
        log.exception("The error page itself could not be drawn.")
        html = _bare(words, more)
    return make_response(html, status)


def _bare(words: Words, more: dict[str, Any]) -> str:
    from markupsafe import escape

    lines = [words.text, more.get("code"), more.get("note")]
    body = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    css = url_for("stask.static", filename="css/stask.css")
    return (
        f'<!doctype html><html lang="{reader().language}"><meta charset="utf-8"><title>{escape(words.title)}</title>'
        f'<link rel="stylesheet" href="{css}"><body class="stask"><main class="message-page">'
        f'<h1 class="message-page-title">{escape(words.title)}</h1>{body}</main></body></html>'
    )
