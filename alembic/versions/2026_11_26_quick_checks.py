"""Checks of what a column may say are written with OR: for IN, SQLite makes a list of its own at each row, which took it longer than writing the row."""

from alembic import op

revision = "c41d9e07b6aa"
down_revision = "b3f7a1c25d08"
branch_labels = None
depends_on = None

_KINDS = ("TOP_UP", "REFUND", "DISPUTE", "GRANT", "USAGE", "ADJUSTMENT", "DISSOLUTION")
_SIDES = ("CREDITS", "STRIPE", "REVENUE", "GRANTS", "REFUNDS", "ADJUSTMENTS", "DISSOLVED")
_KNOWN = {
    ("accounts", "kind"): ("PERSONAL", "ORGANIZATION"),
    ("audit_events", "actor_kind"): ("USER", "MANAGEMENT_KEY", "OPERATOR", "SYSTEM"),
    ("exports", "format"): ("XLSX", "PARQUET"),
    ("exports", "status"): ("WAITING", "RUNNING", "READY", "FAILED"),
    ("exports", "what"): ("RECORDS", "SUMS"),
    ("holds", "status"): ("OPEN", "SETTLED", "RELEASED", "EXPIRED"),
    ("invitations", "status"): ("PENDING", "ACCEPTED", "DECLINED", "REVOKED"),
    ("ledger_entries", "kind"): _KINDS,
    ("month_counters", "kind"): ("MEMBER", "API_KEY"),
    ("reversals", "kind"): ("REFUND", "DISPUTE"),
    ("top_ups", "status"): ("OPEN", "PROCESSING", "PAID", "FAILED", "EXPIRED"),
    ("transfers", "credit"): _SIDES,
    ("transfers", "debit"): _SIDES,
    ("transfers", "kind"): _KINDS,
}


def _within(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(map(repr, values))})"


def _either(column: str, values: tuple[str, ...]) -> str:
    return " OR ".join(f"{column} = {value!r}" for value in values)


def _changed(table: str, column: str, old: str, new: str) -> None:
    if op.get_bind().dialect.name != "sqlite":
        name = f"ck_{table}_{column}_known"
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK ({new})"
        )
        return
    # No row is touched: SQLite's own way for checks (https://sqlite.org/lang_altertable.html, section 7).
    said = op.get_bind().exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?"
        " AND instr(sql, ?) > 0",
        (f"CHECK ({old})", f"CHECK ({new})", table, f"CHECK ({old})"),
    )
    if said.rowcount != 1:
        raise RuntimeError(f"{table} has no such check: {old}")


def _change(*, forward: bool) -> None:
    bind = op.get_bind()
    sqlite = bind.dialect.name == "sqlite"
    if sqlite:
        version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
        bind.exec_driver_sql("PRAGMA writable_schema = ON")
    for (table, column), values in _KNOWN.items():
        old, new = _within(column, values), _either(column, values)
        _changed(table, column, *((old, new) if forward else (new, old)))
    if sqlite:
        bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
        bind.exec_driver_sql("PRAGMA writable_schema = RESET")


def upgrade() -> None:
    """Go forward."""
    _change(forward=True)


def downgrade() -> None:
    """Go back."""
    _change(forward=False)
