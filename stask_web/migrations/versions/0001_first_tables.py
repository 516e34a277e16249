"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(sa.Text(length=2**24), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "s_accounts",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("signed_in_at", sa.Double(), nullable=True),
        sa.Column("session_key", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_s_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_s_accounts_name")),
    )
    op.create_table(
        "s_attempts",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("task_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_s_attempts")),
    )
    op.create_index(op.f("ix_s_attempts_task_id_number"), "s_attempts", ["task_id", "number"], unique=False)
    op.create_table(
        "s_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_s_links")),
    )
    op.create_table(
        "s_processes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=190), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("beat_at", sa.Double(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Integer(), nullable=False),
        sa.Column("stopping", sa.Boolean(), nullable=False),
        sa.Column("lock", sa.String(length=190), nullable=False),
        sa.Column("info", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_s_processes")),
    )
    op.create_table(
        "s_stats",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("day", "identifier", "action", "status", name=op.f("pk_s_stats")),
    )
    op.create_table(
        "s_task_uploads",
        sa.Column("task_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "token", name=op.f("pk_s_task_uploads")),
    )
    op.create_index(op.f("ix_s_task_uploads_token"), "s_task_uploads", ["token"], unique=False)
    op.create_table(
        "s_tasks",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("start_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error", sa.String(length=190), nullable=True),
        sa.Column("meta", LONG_TEXT, nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("files", LONG_TEXT, nullable=True),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("processed", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("eta", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("counts", LONG_TEXT, nullable=True),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("started_by", sa.String(length=190), nullable=True),
        sa.Column("claim_token", sa.String(length=32), nullable=True),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("cancel_at", sa.Double(), nullable=True),
        sa.Column("cancelled_by", sa.String(length=190), nullable=True),
        sa.Column("unique_key", sa.String(length=190), nullable=True),
        sa.Column("form_key", sa.String(length=64), nullable=True),
        sa.Column("seen_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_s_tasks")),
        sa.UniqueConstraint("form_key", name=op.f("uq_s_tasks_form_key")),
        sa.UniqueConstraint("unique_key", name=op.f("uq_s_tasks_unique_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_s_tasks_due_at"), "s_tasks", ["due_at"], unique=False)
    op.create_index(op.f("ix_s_tasks_finished_at_status"), "s_tasks", ["finished_at", "status"], unique=False)
    op.create_index(op.f("ix_s_tasks_identifier_id"), "s_tasks", ["identifier", "id"], unique=False)
    op.create_index(op.f("ix_s_tasks_lane_id"), "s_tasks", ["lane", "id"], unique=False)
    op.create_index(op.f("ix_s_tasks_started_by"), "s_tasks", ["started_by"], unique=False)
    op.create_index(op.f("ix_s_tasks_status_id"), "s_tasks", ["status", "id"], unique=False)
    op.create_table(
        "s_uploads",
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("field", sa.String(length=100), nullable=False),
        sa.Column("user", sa.String(length=190), nullable=True),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_s_uploads")),
    )
    op.create_table(
        "s_workers",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("settings", LONG_TEXT, nullable=False),
        sa.Column("stored_title", sa.String(length=255), nullable=False),
        sa.Column("stored_description", sa.Text(), nullable=False),
        sa.Column("stored_icon", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_s_workers")),
        sa.UniqueConstraint("identifier", name=op.f("uq_s_workers_identifier")),
    )


def downgrade() -> None:
    op.drop_table("s_workers")
    op.drop_table("s_uploads")
    op.drop_index(op.f("ix_s_tasks_status_id"), table_name="s_tasks")
    op.drop_index(op.f("ix_s_tasks_started_by"), table_name="s_tasks")
    op.drop_index(op.f("ix_s_tasks_lane_id"), table_name="s_tasks")
    op.drop_index(op.f("ix_s_tasks_identifier_id"), table_name="s_tasks")
    op.drop_index(op.f("ix_s_tasks_finished_at_status"), table_name="s_tasks")
    op.drop_index(op.f("ix_s_tasks_due_at"), table_name="s_tasks")
    op.drop_table("s_tasks")
    op.drop_index(op.f("ix_s_task_uploads_token"), table_name="s_task_uploads")
    op.drop_table("s_task_uploads")
    op.drop_table("s_stats")
    op.drop_table("s_processes")
    op.drop_table("s_links")
    op.drop_index(op.f("ix_s_attempts_task_id_number"), table_name="s_attempts")
    op.drop_table("s_attempts")
    op.drop_table("s_accounts")
