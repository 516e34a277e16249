"""Schedules, and which task came from which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(sa.Text(length=2**24), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "s_schedules",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=190), nullable=False),
        sa.Column("rule", LONG_TEXT, nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=True),
        sa.Column("meta", LONG_TEXT, nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("next_fire_at", sa.Double(), nullable=True),
        sa.Column("last_fire_at", sa.Double(), nullable=True),
        sa.Column("last_task_id", BIG_ID, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(length=100), nullable=True),
        sa.Column("created_by", sa.String(length=190), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_s_schedules")),
        sa.UniqueConstraint("owner", name=op.f("uq_s_schedules_owner")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_s_schedules_identifier"), "s_schedules", ["identifier"], unique=False)
    op.create_index(op.f("ix_s_schedules_next_fire_at"), "s_schedules", ["next_fire_at"], unique=False)
    op.add_column("s_tasks", sa.Column("schedule_id", BIG_ID, nullable=True))
    given = sa.text("schedule_id IS NOT NULL")
    op.create_index(
        op.f("ix_s_tasks_schedule_id_id"),
        "s_tasks",
        ["schedule_id", "id"],
        unique=False,
        sqlite_where=given,
        postgresql_where=given,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_s_tasks_schedule_id_id"), table_name="s_tasks")
    op.drop_column("s_tasks", "schedule_id")
    op.drop_index(op.f("ix_s_schedules_next_fire_at"), table_name="s_schedules")
    op.drop_index(op.f("ix_s_schedules_identifier"), table_name="s_schedules")
    op.drop_table("s_schedules")
