"""What is checked before any view, in this order: tables, user, CSRF. Rights, object and state follow in the view."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..controls import flaw_of
from ..errors import InvalidOptions, TablesMissing
from ..language import tr
from ..sentences import sentence
from ..state import current_state
from .errors import BadToken, message_page
from .visitor import ask_visitor, wants_json

_OPEN = {"stask.static", "stask.health", "stask.language"}
#: Bytes that a launch form may have beside its file.
_REST = 256 * 1024
_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


def register(bp: Blueprint) -> None:
    """Bind the checks to our blueprint only."""
    bp.before_request(_check_address)
    bp.before_request(_limit_body)
    bp.before_request(_check_tables)
    bp.before_request(_check_user)
    bp.before_request(_check_token)
    bp.before_request(_check_form)
    bp.before_request(_check_json)
    bp.after_request(_protect)


def csrf_token() -> str:
    """The token for our forms: the host's own when it has CSRFProtect, for both come from Flask-WTF.

    "" where nothing asks for it: then a host needs no session for our pages.
    """
    if not current_app.config.get("WTF_CSRF_ENABLED", True):
        return ""
    from flask_wtf.csrf import generate_csrf  # processes without pages need none of it

    return str(generate_csrf())


def _check_address() -> None:
    """No text of a database holds a NUL, PostgreSQL even refuses to look for one: nothing has such an address."""
    if "\0" in request.path:
        abort(404)
    request.args = _without_nul(request.args)


def _check_json() -> None:
    """What is nested deeper than anything of ours, or holds half a sign, is refused before anybody looks into it."""
    if request.method in _UNSAFE and request.is_json:
        try:
            wrong = flaw_of(request.get_json(silent=True))
        except RecursionError:
            wrong = sentence("recursion_depth_exceeded")
        if wrong:
            raise InvalidOptions({"": wrong})


def _check_form() -> None:
    if request.method == "POST" and request.form:  # a PUT is a chunk of a file, and no form
        request.form = _without_nul(request.form)


def _without_nul(sent: Any) -> Any:
    if not any("\0" in value for _, value in sent.items(multi=True)):
        return sent
    return type(sent)([(name, value.replace("\0", "")) for name, value in sent.items(multi=True)])


def _limit_body() -> None:
    """A form with a file may be as large as an upload may be, whatever the host allows elsewhere."""
    if request.method == "POST" and request.endpoint == "stask.launch":
        request.max_content_length = current_state().settings.max_upload + _REST


def _check_tables() -> None:
    if request.endpoint not in _OPEN and not current_state().database.ready():
        raise TablesMissing


def _check_user() -> ResponseReturnValue | None:
    if request.endpoint in _OPEN:
        return None
    if ask_visitor() is not None:
        return None
    address = current_state().policy.login_url(_way_back())
    if wants_json():
        return jsonify(error=tr("Sign in first."), login=address), 401
    return redirect(address) if address else message_page(401)


def _way_back() -> str:
    """Where to go on after signing in: this page; for something that was sent, the page it was sent from."""
    if request.method == "GET":
        return request.script_root + (request.full_path if request.query_string else request.path)
    return request.script_root + request.path if request.endpoint == "stask.launch" else url_for("stask.dashboard")


def _check_token() -> None:
    if request.method not in _UNSAFE or not current_app.config.get("WTF_CSRF_ENABLED", True):
        return
    host = current_app.extensions.get("csrf")
    if host is not None:
        host.protect()
        return
    from flask_wtf.csrf import validate_csrf
    from wtforms import ValidationError

    try:
        validate_csrf(_sent_token())
    except ValidationError as error:
        raise BadToken(str(error)) from None


def _sent_token() -> Any:
    headers = current_app.config.get("WTF_CSRF_HEADERS", ["X-CSRFToken", "X-CSRF-Token"])
    name = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    found = next((request.headers[header] for header in headers if header in request.headers), None)
    return found or request.form.get(name)


def _protect(response: Response) -> Response:
    """Headers of our own, each only where the host sets none."""
    if response.mimetype == "text/html" and "Content-Security-Policy" not in response.headers:
        response.headers["Content-Security-Policy"] = _POLICY
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if response.mimetype in ("text/html", "application/json"):
        response.headers.setdefault("Cache-Control", "no-store")
        response.vary.update(("Accept", "Accept-Language"))
        response.vary.add("Cookie")
    return response
