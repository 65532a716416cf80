"""Billing: Stripe's customers, top-ups, what went back, invoices, events, and alerts by mail."""

import sqlalchemy as sa
from alembic import op

revision = "b1a7c0de5e11"
down_revision = "5e1c0d7ab2f4"
branch_labels = None
depends_on = None

UNPAID = sa.text("status IN ('OPEN', 'PROCESSING')")


def upgrade() -> None:
    """Go forward."""
    _payments()
    _stripe()
    _alerts()


def _payments() -> None:
    op.create_table(
        "billing_customers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.String(255), nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(email) <= 254", name=op.f("ck_billing_customers_email_length")),
        sa.CheckConstraint("length(name) <= 200", name=op.f("ck_billing_customers_name_length")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_billing_customers_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_billing_customers")),
        sa.UniqueConstraint("customer", name=op.f("uq_billing_customers_customer")),
    )
    op.create_table(
        "top_ups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("session", sa.String(255), nullable=True),
        sa.Column("customer", sa.String(255), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("payment", sa.String(255), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'PAID') = (paid_at IS NOT NULL AND paid_minor IS NOT NULL AND session IS NOT NULL)",
            name=op.f("ck_top_ups_paid_whole"),
        ),
        sa.CheckConstraint(
            "status IN ('OPEN', 'PROCESSING', 'PAID', 'FAILED', 'EXPIRED')",
            name=op.f("ck_top_ups_status_known"),
        ),
        sa.CheckConstraint("amount_micro > 0", name=op.f("ck_top_ups_amount_positive")),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_top_ups_price_positive")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_top_ups_account_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_top_ups_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_top_ups")),
        sa.UniqueConstraint("session", name=op.f("uq_top_ups_session")),
    )
    op.create_index(
        op.f("ix_top_ups_account_id_created_at_id"), "top_ups", ["account_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_top_ups_payment"), "top_ups", ["payment"])
    op.create_index(
        "ix_top_ups_unpaid", "top_ups", ["created_at"], sqlite_where=UNPAID, postgresql_where=UNPAID
    )
    op.create_table(
        "reversals",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(7), nullable=False),
        sa.Column("top_up_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('REFUND', 'DISPUTE')", name=op.f("ck_reversals_kind_known")),
        sa.CheckConstraint("amount_micro >= 0", name=op.f("ck_reversals_micro_least")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_reversals_minor_least")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_reversals_account_id")
        ),
        sa.ForeignKeyConstraint(["top_up_id"], ["top_ups.id"], name=op.f("fk_reversals_top_up_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversals")),
    )
    op.create_index(op.f("ix_reversals_account_id"), "reversals", ["account_id"])
    op.create_index(op.f("ix_reversals_top_up_id"), "reversals", ["top_up_id"])


def _stripe() -> None:
    op.create_table(
        "stripe_events",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_events")),
    )
    op.create_index(op.f("ix_stripe_events_received_at"), "stripe_events", ["received_at"])
    op.create_table(
        "payment_problems",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", sa.String(255), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_payment_problems_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_problems")),
        sa.UniqueConstraint("stripe_id", "code", name=op.f("uq_payment_problems_stripe_id_code")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("top_up_id", sa.Uuid(), nullable=True),
        sa.Column("invoice", sa.String(255), nullable=False),
        sa.Column("number", sa.String(100), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("hosted_url", sa.Text(), nullable=True),
        sa.Column("pdf_url", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_invoices_account_id")
        ),
        sa.ForeignKeyConstraint(["top_up_id"], ["top_ups.id"], name=op.f("fk_invoices_top_up_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("invoice", name=op.f("uq_invoices_invoice")),
    )
    op.create_index(
        op.f("ix_invoices_account_id_created_at_id"), "invoices", ["account_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_invoices_top_up_id"), "invoices", ["top_up_id"])
    op.create_table(
        "chores",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chores")),
    )


def _alerts() -> None:
    op.create_table(
        "balance_alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("threshold_micro", sa.BigInteger(), nullable=False),
        sa.Column("emails", sa.JSON(), nullable=True),
        sa.Column("armed", sa.Boolean(), nullable=False),
        sa.Column("paid_in_micro", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("threshold_micro >= 0", name=op.f("ck_balance_alerts_threshold_least")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_balance_alerts_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_alerts")),
        sa.UniqueConstraint(
            "account_id",
            "threshold_micro",
            name=op.f("uq_balance_alerts_account_id_threshold_micro"),
        ),
    )
    op.create_table(
        "quota_alerts",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_quota_alerts_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_quota_alerts_member_id")
        ),
        sa.PrimaryKeyConstraint("member_id", "month", "percent", name=op.f("pk_quota_alerts")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("reversals")
    op.drop_table("quota_alerts")
    op.drop_table("invoices")
    op.drop_table("top_ups")
    op.drop_table("payment_problems")
    op.drop_table("billing_customers")
    op.drop_table("balance_alerts")
    op.drop_table("stripe_events")
    op.drop_table("chores")
