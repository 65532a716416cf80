"""People's pictures, fetched once and kept."""

import sqlalchemy as sa
from alembic import op

revision = "5e1c0d7ab2f4"
down_revision = "8d0f6f3a51c9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "avatars",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("picture_url", sa.String(2048), nullable=False),
        sa.Column("media_type", sa.String(20), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(picture_url) <= 2048", name=op.f("ck_avatars_picture_url_length")
        ),
        sa.CheckConstraint(
            "(media_type IS NULL) = (content IS NULL)", name=op.f("ck_avatars_whole")
        ),
        sa.CheckConstraint(
            "content IS NULL OR length(content) <= 262144", name=op.f("ck_avatars_content_size")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_avatars_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_avatars")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("avatars")
