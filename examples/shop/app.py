"""The shop. `flask --app examples.shop.app` finds `app`; tests call `create_app`.

What stask-web needs is marked with `# stask` at the end of the line: nine lines here, and a link in `shop/base.html`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_socketio import SocketIO  # stask
from flask_wtf import CSRFProtect

from examples.shop.models import User, db
from stask_web import RolePolicy, STask  # stask

HERE = Path(__file__).resolve().parent

csrf = CSRFProtect()
login = LoginManager()
migrate = Migrate(directory=str(HERE / "migrations"), render_as_batch=True)
socketio = SocketIO(async_mode="threading")  # stask
stask = STask()  # stask


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the shop.

    :param config: what differs from the usual, as in tests.
    """
    instance = Path(os.environ.get("SHOP_INSTANCE") or HERE.parents[1] / "instance").resolve()
    app = Flask(__name__, instance_path=str(instance))
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{instance / 'shop.db'}",
        SESSION_COOKIE_SAMESITE="Lax",
        STASK_WORKER_PACKAGES=["examples.shop.workers"],  # stask
        STASK_AUTO_ACTIVATE=True,  # stask
        STASK_BASE_TEMPLATE="shop/base.html",  # stask
    )
    app.config.from_mapping(config or {})
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = secret_key(instance)

    db.init_app(app)
    csrf.init_app(app)
    login.init_app(app)
    migrate.init_app(app, db)
    register_pages(app)
    socketio.init_app(app)  # stask
    stask.init_app(app, db=db, socketio=socketio, access=RolePolicy("role"))  # stask
    return app


def register_pages(app: Flask) -> None:
    """Add the shop's own pages."""
    from examples.shop import pages, signin

    app.register_blueprint(pages.bp)
    app.register_blueprint(signin.bp)
    login.login_view = "signin.sign_in"
    login.login_message = ""


@login.user_loader
def load_user(user_id: str) -> User | None:
    """The user of a session."""
    return db.session.get(User, int(user_id)) if user_id.isdigit() else None


def secret_key(instance: Path) -> str:
    """The key that signs sessions: made once for each installation, readable for its owner only."""
    path = instance / "secret_key"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"secret_key.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            target.write(secrets.token_hex(32))
        try:
            os.link(fresh, path)  # of several processes that start at once, one wins, whole
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def __getattr__(name: str) -> Any:
    """Make `app` when it is asked for, so that a test may import this module without a database in `instance/`."""
    if name == "app":
        globals()["app"] = create_app()
        return globals()["app"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
