"""A sign of life for whatever watches the site."""

from __future__ import annotations

from flask import jsonify
from flask.typing import ResponseReturnValue

from ..queries import live_processes
from ..state import current_state


def health() -> ResponseReturnValue:
    """200 when the database answers and our tables are there, else 503. It says nothing that is not for everybody."""
    state = current_state()
    try:
        ready = state.database.ready()
        processes = len(live_processes(state.database, state.settings.lease)) if ready else 0
    except Exception:
        return jsonify(status="database unavailable"), 503
    if not ready:
        return jsonify(status="not set up"), 503
    return jsonify(status="ok", workers=processes)
