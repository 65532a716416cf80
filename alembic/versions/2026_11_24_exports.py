"""Files that people have asked for, written in the background and kept for a day."""

import sqlalchemy as sa
from alembic import op

revision = "16df22c5537d"
down_revision = "b1a7c0de5e11"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("status IN ('WAITING', 'RUNNING')")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(7), nullable=False),
        sa.Column("format", sa.String(7), nullable=False),
        sa.Column("needs", sa.String(40), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("status", sa.String(7), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(200), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("what IN ('RECORDS', 'SUMS')", name=op.f("ck_exports_what_known")),
        sa.CheckConstraint("format IN ('XLSX', 'PARQUET')", name=op.f("ck_exports_format_known")),
        sa.CheckConstraint(
            "status IN ('WAITING', 'RUNNING', 'READY', 'FAILED')",
            name=op.f("ck_exports_status_known"),
        ),
        sa.CheckConstraint("length(needs) <= 40", name=op.f("ck_exports_needs_length")),
        sa.CheckConstraint("length(name) <= 200", name=op.f("ck_exports_name_length")),
        sa.CheckConstraint("length(problem) <= 200", name=op.f("ck_exports_problem_length")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_exports_account_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_exports_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index(
        op.f("ix_exports_account_id_user_id_created_at"),
        "exports",
        ["account_id", "user_id", "created_at"],
    )
    op.create_index(
        "ix_exports_unfinished",
        "exports",
        ["id"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
    op.create_index(op.f("ix_exports_expires_at"), "exports", ["expires_at"])
    op.create_table(
        "export_parts",
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(content) <= 262144", name=op.f("ck_export_parts_content_size")),
        sa.ForeignKeyConstraint(
            ["export_id"],
            ["exports.id"],
            name=op.f("fk_export_parts_export_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_export_parts")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("export_parts")
    op.drop_table("exports")
