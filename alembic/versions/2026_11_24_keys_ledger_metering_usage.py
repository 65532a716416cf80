"""Keys, ledger, metering and usage: every account gets its wallet."""

import sqlalchemy as sa
from alembic import op

from app.database import append_only_ddl, drop_append_only_ddl

revision = "62974e4e3bf2"
down_revision = "2c5948d7c7ac"
branch_labels = None
depends_on = None

APPEND_ONLY = ("transfers", "usage_records", "usage_events")
SUMS = (
    "balance_micro",
    "held_micro",
    "purchased_micro",
    "granted_micro",
    "used_micro",
    "refunded_micro",
    "adjusted_micro",
    "usage_sequence",
    "entry_number",
)


def upgrade() -> None:
    """Go forward."""
    _keys()
    _ledger()
    _metering()
    _usage()
    accounts = sa.table("accounts", sa.column("id"))
    wallets = sa.table("wallets", sa.column("account_id"), *(sa.column(name) for name in SUMS))
    empty = sa.select(accounts.c.id, *(sa.literal_column("0") for _sum in SUMS))
    op.execute(wallets.insert().from_select(["account_id", *SUMS], empty))
    for table in APPEND_ONLY:
        for statement in append_only_ddl(table, op.get_bind().dialect.name):
            op.execute(statement)


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("tag", sa.String(64), nullable=True),
        sa.Column("monthly_limit", sa.BigInteger(), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(name) <= 80", name=op.f("ck_api_keys_name_length")),
        sa.CheckConstraint("length(tag) <= 64", name=op.f("ck_api_keys_tag_length")),
        sa.CheckConstraint("monthly_limit >= -1", name=op.f("ck_api_keys_monthly_limit_least")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_api_keys_account_id")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_api_keys_member_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index(
        op.f("ix_api_keys_account_id_created_at_id"), "api_keys", ["account_id", "created_at", "id"]
    )
    op.create_index(
        op.f("ix_api_keys_account_id_member_id_created_at_id"),
        "api_keys",
        ["account_id", "member_id", "created_at", "id"],
    )
    op.create_table(
        "management_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(name) <= 80", name=op.f("ck_management_keys_name_length")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_management_keys_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_management_keys_member_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_management_keys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_management_keys")),
    )
    op.create_index(
        op.f("ix_management_keys_account_id_created_at_id"),
        "management_keys",
        ["account_id", "created_at", "id"],
    )
    op.create_table(
        "key_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("management_key_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(api_key_id IS NULL) <> (management_key_id IS NULL)",
            name=op.f("ck_key_secrets_of_one_key"),
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_key_secrets_api_key_id")
        ),
        sa.ForeignKeyConstraint(
            ["management_key_id"],
            ["management_keys.id"],
            name=op.f("fk_key_secrets_management_key_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_secrets")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_key_secrets_secret_hash")),
    )
    op.create_index(op.f("ix_key_secrets_api_key_id"), "key_secrets", ["api_key_id"])
    op.create_index(op.f("ix_key_secrets_management_key_id"), "key_secrets", ["management_key_id"])
    op.create_table(
        "management_key_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("management_key_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("path", sa.String(80), nullable=False),
        sa.Column("range", sa.String(80), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_management_key_uses_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["management_key_id"],
            ["management_keys.id"],
            name=op.f("fk_management_key_uses_management_key_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_management_key_uses")),
        sa.UniqueConstraint(
            "management_key_id",
            "hour",
            "ip",
            "path",
            "range",
            name=op.f("uq_management_key_uses_management_key_id_hour_ip_path_range"),
        ),
    )
    op.create_index(
        op.f("ix_management_key_uses_account_id_hour"),
        "management_key_uses",
        ["account_id", "hour"],
    )


def _ledger() -> None:
    op.create_table(
        "wallets",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("balance_micro", sa.BigInteger(), nullable=False),
        sa.Column("held_micro", sa.BigInteger(), nullable=False),
        sa.Column("purchased_micro", sa.BigInteger(), nullable=False),
        sa.Column("granted_micro", sa.BigInteger(), nullable=False),
        sa.Column("used_micro", sa.BigInteger(), nullable=False),
        sa.Column("refunded_micro", sa.BigInteger(), nullable=False),
        sa.Column("adjusted_micro", sa.BigInteger(), nullable=False),
        sa.Column("usage_sequence", sa.BigInteger(), nullable=False),
        sa.Column("entry_number", sa.BigInteger(), nullable=False),
        sa.Column("entry_day", sa.Date(), nullable=True),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "balance_micro = purchased_micro + granted_micro + adjusted_micro - refunded_micro - used_micro",
            name=op.f("ck_wallets_balance_adds_up"),
        ),
        sa.CheckConstraint("held_micro >= 0", name=op.f("ck_wallets_held_least")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_wallets_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_wallets")),
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(11), nullable=False),
        sa.Column("debit", sa.String(11), nullable=False),
        sa.Column("credit", sa.String(11), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("entry_number", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(300), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "credit IN ('CREDITS', 'STRIPE', 'REVENUE', 'GRANTS', 'REFUNDS', 'ADJUSTMENTS', 'DISSOLVED')",
            name=op.f("ck_transfers_credit_known"),
        ),
        sa.CheckConstraint(
            "debit IN ('CREDITS', 'STRIPE', 'REVENUE', 'GRANTS', 'REFUNDS', 'ADJUSTMENTS', 'DISSOLVED')",
            name=op.f("ck_transfers_debit_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('TOP_UP', 'REFUND', 'DISPUTE', 'GRANT', 'USAGE', 'ADJUSTMENT', 'DISSOLUTION')",
            name=op.f("ck_transfers_kind_known"),
        ),
        sa.CheckConstraint("amount_micro > 0", name=op.f("ck_transfers_amount_positive")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_transfers_two_sides")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_transfers_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index(
        op.f("ix_transfers_account_id_entry_number_created_at"),
        "transfers",
        ["account_id", "entry_number", "created_at"],
    )
    op.create_index(
        "uq_transfers_source",
        "transfers",
        ["source"],
        unique=True,
        sqlite_where=sa.text("source IS NOT NULL"),
        postgresql_where=sa.text("source IS NOT NULL"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(11), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_micro", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("source", sa.String(300), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('TOP_UP', 'REFUND', 'DISPUTE', 'GRANT', 'USAGE', 'ADJUSTMENT', 'DISSOLUTION')",
            name=op.f("ck_ledger_entries_kind_known"),
        ),
        sa.CheckConstraint(
            "length(description) <= 200", name=op.f("ck_ledger_entries_description_length")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_ledger_entries_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name=op.f("fk_ledger_entries_actor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint(
            "account_id", "number", name=op.f("uq_ledger_entries_account_id_number")
        ),
    )


def _metering() -> None:
    op.create_table(
        "gateways",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(name) <= 80", name=op.f("ck_gateways_name_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
        sa.UniqueConstraint("name", name=op.f("uq_gateways_name")),
    )
    op.create_table(
        "gateway_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gateway_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["gateway_id"], ["gateways.id"], name=op.f("fk_gateway_tokens_gateway_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_gateway_tokens_secret_hash")),
    )
    op.create_index(op.f("ix_gateway_tokens_gateway_id"), "gateway_tokens", ["gateway_id"])
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("gateway_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.String(255), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("asked_micro", sa.BigInteger(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.String(64), nullable=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("authorized_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('OPEN', 'SETTLED', 'RELEASED', 'EXPIRED')",
            name=op.f("ck_holds_status_known"),
        ),
        sa.CheckConstraint("amount_micro >= 0", name=op.f("ck_holds_amount_least")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_holds_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        sa.UniqueConstraint(
            "gateway_id", "request_id", name=op.f("uq_holds_gateway_id_request_id")
        ),
    )
    op.create_index(
        op.f("ix_holds_account_id_expires_at"),
        "holds",
        ["account_id", "expires_at"],
        sqlite_where=sa.text("status = 'OPEN'"),
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index(
        "ix_holds_expiring",
        "holds",
        ["expires_at"],
        sqlite_where=sa.text("status = 'OPEN'"),
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index(
        "ix_holds_unsettled",
        "holds",
        ["account_id", "authorized_at"],
        sqlite_where=sa.text("status IN ('OPEN', 'EXPIRED')"),
        postgresql_where=sa.text("status IN ('OPEN', 'EXPIRED')"),
    )
    op.create_table(
        "month_counters",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(7), nullable=False),
        sa.Column("used_micro", sa.BigInteger(), nullable=False),
        sa.Column("held_micro", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('MEMBER', 'API_KEY')", name=op.f("ck_month_counters_kind_known")
        ),
        sa.CheckConstraint("held_micro >= 0", name=op.f("ck_month_counters_held_least")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_month_counters_account_id")
        ),
        sa.PrimaryKeyConstraint("subject_id", "month", name=op.f("pk_month_counters")),
    )
    op.create_index(
        op.f("ix_month_counters_account_id_month_kind_used_micro"),
        "month_counters",
        ["account_id", "month", "kind", "used_micro"],
    )


def _usage() -> None:
    op.create_table(
        "usage_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("gateway_id", sa.Uuid(), nullable=True),
        sa.Column("hold_id", sa.Uuid(), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.Column("tag", sa.String(64), nullable=True),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.String(120), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=True),
        sa.Column("corrects", sa.Uuid(), nullable=True),
        sa.CheckConstraint("length(model) <= 120", name=op.f("ck_usage_records_model_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_records")),
        sa.UniqueConstraint(
            "account_id", "sequence", name=op.f("uq_usage_records_account_id_sequence")
        ),
    )
    op.create_index(
        op.f("ix_usage_records_account_id_member_id_occurred_at_sequence"),
        "usage_records",
        ["account_id", "member_id", "occurred_at", "sequence"],
    )
    op.create_index(
        op.f("ix_usage_records_account_id_occurred_at_sequence"),
        "usage_records",
        ["account_id", "occurred_at", "sequence"],
    )
    op.create_index(
        op.f("ix_usage_records_corrects"),
        "usage_records",
        ["corrects"],
        sqlite_where=sa.text("corrects IS NOT NULL"),
        postgresql_where=sa.text("corrects IS NOT NULL"),
    )
    op.create_table(
        "usage_events",
        sa.Column("gateway_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("usage_record_id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", "event_id", name=op.f("pk_usage_events")),
    )
    op.create_table(
        "usage_hours",
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.CheckConstraint("length(model) > 0", name=op.f("ck_usage_hours_model_named")),
        sa.PrimaryKeyConstraint("account_id", "hour", "model", name=op.f("pk_usage_hours")),
    )
    op.create_table(
        "usage_days",
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day", "model", name=op.f("pk_usage_days")),
    )
    op.create_table(
        "usage_day_details",
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id",
            "day",
            "member_id",
            "api_key_id",
            "model",
            "tag",
            name=op.f("pk_usage_day_details"),
        ),
    )
    op.create_index(
        op.f("ix_usage_day_details_account_id_member_id_day"),
        "usage_day_details",
        ["account_id", "member_id", "day"],
    )


def downgrade() -> None:
    """Go back."""
    for table in APPEND_ONLY:
        for statement in drop_append_only_ddl(table, op.get_bind().dialect.name):
            op.execute(statement)
    # Indexes go with their tables.
    for table in (
        "management_key_uses",
        "key_secrets",
        "management_keys",
        "api_keys",
        "wallets",
        "transfers",
        "month_counters",
        "ledger_entries",
        "holds",
        "gateway_tokens",
        "usage_records",
        "usage_hours",
        "usage_events",
        "usage_days",
        "usage_day_details",
        "gateways",
    ):
        op.drop_table(table)
