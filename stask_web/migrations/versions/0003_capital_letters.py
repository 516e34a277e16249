"""MariaDB takes names that differ only in capitals for one: names and keys are compared as they are written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAMES = {
    "s_tasks": ("identifier", "action", "unique_key", "form_key", "started_by"),
    "s_stats": ("identifier", "action"),
    "s_workers": ("identifier",),
    "s_uploads": ("identifier", "action", "field"),
    "s_schedules": ("identifier", "action", "owner", "created_by"),
}


def upgrade() -> None:
    """Change them all, each table in one statement: it is written anew."""
    _compare("utf8mb4_bin")


def downgrade() -> None:
    """As they were."""
    _compare("utf8mb4_general_ci")


def _compare(collation: str) -> None:
    bind = op.get_bind()
    if bind.dialect.name not in ("mysql", "mariadb"):
        return
    inspector = sa.inspect(bind)
    for table, names in NAMES.items():
        columns = [column for column in inspector.get_columns(table) if column["name"] in names]
        changes = ", ".join(
            f"MODIFY {column['name']} VARCHAR({column['type'].length}) CHARACTER SET utf8mb4 COLLATE {collation} "  # type: ignore[attr-defined]
            f"{'NULL' if column['nullable'] else 'NOT NULL'}"
            for column in columns
        )
        op.execute(f"ALTER TABLE {table} {changes}")
