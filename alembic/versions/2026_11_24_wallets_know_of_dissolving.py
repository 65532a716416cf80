"""Wallets know of their account's dissolving: a transaction that has waited for the row then sees it."""

import sqlalchemy as sa
from alembic import op

revision = "8d0f6f3a51c9"
down_revision = "62974e4e3bf2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("wallets", sa.Column("dissolved_at", sa.DateTime(timezone=True), nullable=True))
    wallets = sa.table("wallets", sa.column("account_id"), sa.column("dissolved_at"))
    accounts = sa.table("accounts", sa.column("id"), sa.column("dissolved_at"))
    of_account = (
        sa.select(accounts.c.dissolved_at)
        .where(accounts.c.id == wallets.c.account_id)
        .scalar_subquery()
    )
    op.execute(wallets.update().values(dissolved_at=of_account))


def downgrade() -> None:
    """Go back."""
    op.drop_column("wallets", "dissolved_at")
