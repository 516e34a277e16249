"""Signing in: a one-time link at first, a password once somebody has set one. There is no default password."""

from __future__ import annotations

import hashlib
import secrets
import time
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.wrappers import Response

from examples.shop.models import SignInLink, User, db

HOUR = 3600.0
SHORTEST_PASSWORD = 10

bp = Blueprint("signin", __name__)


def new_link(user: User, now: float | None = None) -> str:
    """A fresh one-time token for a user. Earlier ones end."""
    token = secrets.token_urlsafe(24)
    expires_at = (time.time() if now is None else now) + HOUR
    db.session.execute(sa.delete(SignInLink).where(SignInLink.user_id == user.id))
    db.session.add(SignInLink(token_hash=_hash(token), user_id=user.id, expires_at=expires_at))
    db.session.commit()
    return token


def use_link(token: str, now: float | None = None) -> User | None:
    """The user of a token, if it is good; it is not good a second time."""
    now = time.time() if now is None else now
    good = (SignInLink.token_hash == _hash(token), SignInLink.used_at.is_(None), SignInLink.expires_at > now)
    used = db.session.execute(sa.update(SignInLink).where(*good).values(used_at=now).returning(SignInLink.user_id))
    user_id = used.scalar()
    db.session.commit()
    return db.session.get(User, user_id) if user_id is not None else None


@bp.get("/sign-in/<token>")
def by_link(token: str) -> Response | str | tuple[str, int]:
    """Sign in by a one-time link."""
    if request.method == "HEAD":  # a mail scanner or a preview: it must not use the link up
        return ""
    user = use_link(token)
    if user is None:
        return render_template("shop/link_gone.html"), 410
    login_user(user)
    return redirect(url_for("stask.dashboard"))


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Response | str | tuple[str, int]:
    """Sign in by name and password."""
    if request.method == "GET":
        return render_template("shop/sign_in.html", name="")
    name = request.form.get("name", "")
    user = db.session.scalar(sa.select(User).where(User.name == name))
    if user is None or not user.has_password(request.form.get("password", "")):
        flash("This name and password do not fit together.", "error")
        return render_template("shop/sign_in.html", name=name), 422
    login_user(user)
    return redirect(_own_page(request.args.get("next", "")) or url_for("pages.products"))


@bp.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    logout_user()
    return redirect(url_for("signin.sign_in"))


@bp.route("/password", methods=["GET", "POST"])
@login_required
def password() -> Response | str | tuple[str, int]:
    """Set one's own password. The link printed at the start is then no longer needed."""
    if request.method == "GET":
        return render_template("shop/password.html")
    new = request.form.get("password", "")
    if len(new) < SHORTEST_PASSWORD:
        flash(f"Take at least {SHORTEST_PASSWORD} characters.", "error")
        return render_template("shop/password.html"), 422
    user = db.session.get(User, current_user.id) or abort(404)
    user.set_password(new)
    db.session.commit()
    flash("Your password is set. Next time sign in with it.", "done")
    return redirect(url_for("pages.products"))


def _own_page(address: str) -> str | None:
    """The address if it lies on this site, else None: a link must not lead a signed-in person elsewhere."""
    parts = urlsplit(address)
    inside = address.startswith("/") and not parts.scheme and not parts.netloc and "\\" not in address
    return address if inside else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
