"""Expired holds have an index of their own: the one that held open ones too was taken for those that run out."""

import sqlalchemy as sa
from alembic import op

revision = "b3f7a1c25d08"
down_revision = "16df22c5537d"
branch_labels = None
depends_on = None


def _index(name: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    columns = ["account_id", column]
    op.create_index(name, "holds", columns, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    """Go forward."""
    op.drop_index("ix_holds_unsettled", table_name="holds")
    _index("ix_holds_expired", "expires_at", "status = 'EXPIRED'")


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_holds_expired", table_name="holds")
    _index("ix_holds_unsettled", "authorized_at", "status IN ('OPEN', 'EXPIRED')")
