"""Runs the migrations on the connection that :func:`stask_web.database.upgrade` gives."""

from __future__ import annotations

from alembic import context

from stask_web.database import VERSION_TABLE
from stask_web.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, kind, parents: kind != "table" or str(name).startswith("s_"),
    render_as_batch=True,
)
context.run_migrations()
