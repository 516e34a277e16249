"""The pages: one blueprint, one module an area, each with ``register(blueprint)``."""

from __future__ import annotations

from typing import Any, NoReturn

from flask import Blueprint, abort

from ..paths import STATIC, TEMPLATES
from ..state import State

__all__ = ["create_blueprint", "template_globals"]


def create_blueprint(state: State) -> Blueprint:
    """The blueprint ``stask`` with all pages.

    :param state: of the app that it is made for.
    """
    from . import checks, dashboard, downloads, errors, health, launch, live, task, tasks, uploads, workers

    bp = Blueprint(
        "stask", "stask_web", static_folder=str(STATIC), static_url_path="/static", template_folder=str(TEMPLATES)
    )
    for module in (checks, errors, dashboard, workers, launch, uploads, tasks, task, live, downloads, health):
        module.register(bp)
    bp.get("/<path:anything>", endpoint="nothing")(nothing)
    bp.record_once(_check_tokens_ourselves)
    return bp


def nothing(anything: str) -> NoReturn:
    """An unknown address below our prefix gets our page, not the host's."""
    abort(404)


def _check_tokens_ourselves(setup: Any) -> None:
    """With the host's CSRFProtect we call its check ourselves, after asking who it is: a visitor first learns that he must sign in."""
    protect = setup.app.extensions.get("csrf")
    if protect is not None:
        protect.exempt(setup.blueprint)


def template_globals(state: State) -> dict[str, Any]:
    """What a host's own templates may call: ``stask_widget``, ``stask_progress``, ``stask_assets``."""
    from .widgets import stask_assets, stask_progress, stask_widget

    return {"stask_widget": stask_widget, "stask_progress": stask_progress, "stask_assets": stask_assets}
