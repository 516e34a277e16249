"""A whole site with nothing but the panel: its own accounts, its own database, one command to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, redirect, url_for

from ..paths import TEMPLATES

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from ..extension import STask

PREFIX = "/stask"
#: In ``app.extensions``: a callable that turns a link's token into its path. Only a standalone panel has it.
PATHS_KEY = "stask_link_path"
#: In ``app.extensions``: what ``flask stask up`` asks for a line about signing in. A host may set it too.
NOTE_KEY = "stask_sign_in_note"


def build_app(extension: STask, config: Mapping[str, Any] | None = None) -> Flask:
    """Make the site.

    :param extension: set up on the new app.
    :param config: Flask settings over those of the environment; ``INSTANCE`` names the folder for all files.
    :raises ConfigError: a setting cannot be used.
    """
    # Only here: the commands of every site import this package, and few sites are standalone.
    from flask_sqlalchemy import SQLAlchemy
    from flask_wtf import CSRFProtect
    from werkzeug.middleware.proxy_fix import ProxyFix

    from ..sockets import make_server
    from .invitation import announce, link_path, note
    from .pages import make_blueprint
    from .session import StandalonePolicy, set_up
    from .settings import apply_settings, instance_folder, proxies

    config = dict(config or {})
    app = Flask(
        "stask_web", instance_path=str(instance_folder(config)), static_folder=None, template_folder=str(TEMPLATES)
    )
    apply_settings(app, config)
    db = SQLAlchemy(app)
    CSRFProtect(app)
    set_up(app)
    socketio = make_server(app)
    extension.init_app(app, db=db, socketio=socketio, access=StandalonePolicy(), url_prefix=PREFIX)
    app.register_blueprint(make_blueprint(), url_prefix="/account")
    app.add_url_rule("/", "home", _home)
    if count := proxies():
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_port=count, x_prefix=count
        )
    app.extensions[PATHS_KEY] = lambda token: link_path(app, token)
    app.extensions[NOTE_KEY] = lambda address: note(app, address)
    announce(app)
    return app


def _home() -> Response:
    return redirect(url_for("stask.dashboard"))
