"""Runs the shop's own migrations. What stask-web needs of it is in `configure_args`: its tables are left alone."""

from __future__ import annotations

from alembic import context
from flask import current_app

migrate = current_app.extensions["migrate"]


def run() -> None:
    """Apply the migrations to the shop's database, or print their SQL (`--sql`)."""
    engine = migrate.db.engine
    arguments = {"target_metadata": migrate.db.metadata, **migrate.configure_args}
    if context.is_offline_mode():
        context.configure(url=engine.url.render_as_string(hide_password=False), literal_binds=True, **arguments)
        with context.begin_transaction():
            context.run_migrations()
        return
    with engine.connect() as connection:
        context.configure(connection=connection, process_revision_directives=skip_empty, **arguments)
        with context.begin_transaction():
            context.run_migrations()


def skip_empty(migration_context: object, revision: object, directives: list) -> None:
    """`flask db migrate` writes no file when there is nothing to change."""
    autogenerate = getattr(context.config.cmd_opts, "autogenerate", False)
    if autogenerate and directives[0].upgrade_ops.is_empty():
        directives[:] = []
        context.config.print_stdout("Nothing to change.")


run()
