"""The pages: one blueprint, one module an area; ``routes`` says which address is which."""

from __future__ import annotations

from typing import Any, NoReturn

from flask import Blueprint, abort, current_app, request
from werkzeug.exceptions import MethodNotAllowed

from ..paths import STATIC, TEMPLATES
from ..state import State

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

__all__ = ["create_blueprint", "template_globals"]


def create_blueprint(state: State, prefix: str) -> Blueprint:
    """The blueprint ``stask`` with all pages.

    :param state: of the app that it is made for.
    :param prefix: below which it is registered; without one our files lie beside the host's ``/static``.
    """
    from . import checks, errors, hostsession, reader, routes

    files = "/static" if prefix else "/stask-static"
    bp = Blueprint(
        "stask", "stask_web", static_folder=str(STATIC), static_url_path=files, template_folder=str(TEMPLATES)
    )
    for module in (hostsession, reader, checks, errors, routes):
        module.register(bp)
    bp.record_once(_take_what_is_left)
    bp.record_once(_check_tokens_ourselves)
    return bp


def _take_what_is_left(setup: Any) -> None:
    """Unknown addresses are ours below a prefix of ours; without one they are the host's."""
    if setup.url_prefix:
        setup.add_url_rule("/<path:anything>", "nothing", nothing, methods=METHODS)


def nothing(anything: str) -> NoReturn:
    """What no other route takes gets our page, not the host's: 405 when the address takes another method, else 404."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    known = [method for method in METHODS if adapter.match(method=method)[0] != "stask.nothing"]
    if known:
        raise MethodNotAllowed(known)
    abort(404)


def _check_tokens_ourselves(setup: Any) -> None:
    """With the host's CSRFProtect we call its check ourselves, after asking who it is."""
    protect = setup.app.extensions.get("csrf")
    if protect is not None:
        protect.exempt(setup.blueprint)


def template_globals(state: State) -> dict[str, Any]:
    """What a host's own templates may call: ``stask_widget``, ``stask_progress``, ``stask_assets``."""
    from .widgets import stask_assets, stask_progress, stask_widget

    return {"stask_widget": stask_widget, "stask_progress": stask_progress, "stask_assets": stask_assets}
