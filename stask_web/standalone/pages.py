"""The pages for signing in, by password or by a one-time link."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, redirect, render_template, request, session, url_for
from flask_login import current_user, login_required, logout_user
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response as BaseResponse

from ..addresses import local_address
from ..errors import STaskError, TablesMissing
from ..language import LANGUAGES, Reader, reader, set_reader, tr, trn
from ..readers import choose_reader
from ..state import current_state
from .accounts import SHORTEST_PASSWORD, AccountError
from .invitation import announce_if_lost
from .limits import SignInLimit
from .session import accounts, address_of
from .session import sign_in as begin_session

#: Marks a session that began with a one-time link: its password may have been forgotten, so the old one is not asked.
BY_LINK = "_stask_by_link"
Answer = str | BaseResponse | tuple[str, int] | tuple[str, int, dict[str, str]]

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def make_blueprint() -> Blueprint:
    """The blueprint ``account``."""
    bp = Blueprint("account", __name__)
    limit = SignInLimit()

    @bp.get("/sign-in")
    def sign_in() -> Answer:
        """The form for name and password, or what to do while there is no account."""
        if current_user.is_authenticated:
            return redirect(_next_page())
        current_state().database.require()
        if not accounts().any():
            announce_if_lost(current_app._get_current_object())  # type: ignore[attr-defined]
            return _page("empty")
        return _page("sign_in")

    @bp.post("/sign-in")
    def try_sign_in() -> Answer:
        """Sign in by name and password."""
        name, address = request.form.get("name", ""), address_of(request)
        if (wait := limit.wait(name, address)) > 0:
            minutes = max(1, round(wait / 60))
            text = trn(
                "Too many tries. Wait %(num)s minute, then try again.",
                "Too many tries. Wait %(num)s minutes, then try again.",
                minutes,
            )
            return *_page("sign_in", 429, error=text, name=name), {"Retry-After": str(int(wait) + 1)}
        account = accounts().check(name, request.form.get("password", ""))
        if account is None:
            limit.failed(name, address)
            return _page("sign_in", 422, error=tr("This name and password do not fit together."), name=name)
        limit.passed(name, address)
        target = _next_page()
        begin_session(account, remember="remember" in request.form)
        return redirect(target, 303)

    @bp.post("/sign-out")
    def sign_out() -> Answer:
        """End the session."""
        logout_user()
        # Flask-Login removes its remember cookie by this mark; the rest of the session goes.
        mark = session.get("_remember")
        session.clear()
        if mark:
            session["_remember"] = mark
        return redirect(url_for("account.sign_in"), 303)

    @bp.get("/link/<token>")
    def link(token: str) -> Answer:
        """Show what a link is good for. Only the button uses it: mail scanners and previews open links, too."""
        return _link_page(token)

    @bp.post("/link/<token>")
    def use_link(token: str) -> Answer:
        """Use a link: make the first account, or sign in."""
        found = accounts().link(token)
        if found is None:
            return _page("gone", 410)
        if found.account_id is None:
            return _make_first(token)
        account = accounts().use_link(token)
        if account is None:
            return _page("gone", 410)
        begin_session(account)
        session[BY_LINK] = True
        return redirect(url_for("account.password"), 303)

    @bp.get("/password")
    @login_required  # type: ignore[untyped-decorator]  # Flask-Login ships no types
    def password() -> Answer:
        """The form for one's own password."""
        return _page("password")

    @bp.post("/password")
    @login_required  # type: ignore[untyped-decorator]
    def set_password() -> Answer:
        """Set one's own password; other sessions end."""
        return _set_password(limit)

    bp.before_request(lambda: set_reader(choose_reader()))
    bp.teardown_request(lambda error: set_reader(Reader()))
    bp.register_error_handler(CSRFError, _too_old)
    bp.register_error_handler(STaskError, _not_ready)
    bp.after_request(_guard)
    return bp


def _make_first(token: str) -> Answer:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        account = accounts().make_first(token, name, password)
    except AccountError as error:
        return _page("first", 422, error=error.message, name=name, token=token)
    if account is None:
        return _page("gone", 410)
    begin_session(account)
    return redirect(url_for("stask.dashboard"), 303)


def _set_password(limit: SignInLimit) -> Answer:
    account = accounts().get(current_user.id)
    if account is None:
        return redirect(url_for("account.sign_in"), 303)
    address = address_of(request)
    if account.password_hash and not session.get(BY_LINK):
        if limit.wait(account.name, address) > 0:
            return _page("password", 429, error=tr("Too many tries. Wait a few minutes, then try again."))
        if accounts().check(account.name, request.form.get("current", "")) is None:
            limit.failed(account.name, address)
            return _page("password", 422, error=tr("The current password is not right."))
    try:
        account = accounts().set_password(account, request.form.get("password", ""))
    except AccountError as error:
        return _page("password", 422, error=error.message)
    begin_session(account)
    return redirect(url_for("stask.dashboard"), 303)


def _link_page(token: str, status: int = 200, error: str | None = None) -> Answer:
    current_state().database.require()
    found = accounts().link(token)
    if found is None:
        return _page("gone", 410)
    if found.account_id is None:
        return _page("first", status, token=token, error=error)
    account = accounts().get(found.account_id)
    if account is None:
        return _page("gone", 410)
    return _page("link", status, token=token, name=account.name, error=error)


def _page(page: str, status: int = 200, /, **context: Any) -> tuple[str, int]:
    values = {
        "error": None,
        "name": "",
        "next": request.values.get("next", ""),
        "shortest": SHORTEST_PASSWORD,
        "ask_current": bool(getattr(current_user, "has_password", False)) and not session.get(BY_LINK),
        **context,
    }
    theme = request.cookies.get("stask_theme")
    values["theme"] = theme if theme in ("light", "dark") else "system"
    values |= {"tr": tr, "trn": trn, "language": reader().language, "languages": LANGUAGES, "here": _here()}
    return render_template(f"stask_web/account/{page}.html", **values), status


def _here() -> str:
    """The address of this page, to come back to when another language was chosen."""
    return request.script_root + (request.full_path if request.query_string else request.path)


def _next_page() -> str:
    """Where to go after signing in: the page that was asked for, if it is one of this site, else the panel."""
    return local_address(request.values.get("next", "")) or url_for("stask.dashboard")


def _too_old(error: CSRFError) -> Answer:
    """The form's token is missing or of another session: show the form again."""
    text = tr("This page had been open for too long. Try again.")
    if request.endpoint == "account.use_link":
        return _link_page((request.view_args or {})["token"], 400, text)
    return _page("password" if request.endpoint == "account.set_password" else "sign_in", 400, error=text)


def _not_ready(error: STaskError) -> Answer:
    """The tables are missing or the database is busy."""
    missing = isinstance(error, TablesMissing)
    text = tr("The tables of stask-web are missing or old. Run:") if missing else error.message
    return _page("not_ready", 503, text=text, command="flask stask init-db" if missing else "")


def _guard(response: Response) -> Response:
    """These pages are nobody's to keep, to frame, or to tell other sites about."""
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "strict-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
