"""The standalone panel: `flask --app wsgi stask up`, or `gunicorn -k gthread --threads 128 -w 1 wsgi:app`."""

from __future__ import annotations

import stask_web

app = stask_web.create_app()
