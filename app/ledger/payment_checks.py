# ruff: noqa: S608 - every word of these statements is our own; accounts come as parameters
"""The checks of `r9s verify`, of payments: each paid top-up, refund and dispute has moved its credits, once."""

from app.ledger.checks import IN_RANGE, Check, cancels

# What a transfer has taken from an account; a dissolved one's credits are those of `dissolved`.
_TAKEN = "CASE WHEN debit IN ('CREDITS', 'DISSOLVED') THEN amount_micro ELSE -amount_micro END"


def payment_checks() -> list[Check]:
    """List the checks of top-ups and of what went back."""
    return [
        Check(
            "top_ups",
            5,
            "A paid top-up has not moved its credits, or credits were topped up that nobody paid"
            " (shown: paid less moved).",
            cancels(
                "account_id, source",
                ("amount_micro",),
                "SELECT account_id, 'stripe:' || session AS source, amount_micro FROM top_ups"
                f" WHERE {IN_RANGE} AND status = 'PAID'",
                "SELECT account_id, source, CASE WHEN debit = 'STRIPE' THEN -amount_micro"
                f" ELSE amount_micro END FROM transfers WHERE {IN_RANGE} AND kind = 'TOP_UP'",
            ),
        ),
        Check(
            "reversals",
            5,
            "A refund or dispute has not moved its credits, or they went without one"
            " (shown: gone less moved).",
            cancels(
                "account_id, kind, source",
                ("amount_micro",),
                "SELECT account_id, kind, 'stripe:' || id AS source, amount_micro FROM reversals"
                f" WHERE {IN_RANGE}",
                "SELECT account_id, kind, 'stripe:' || id || ':' || CASE WHEN kind = 'REFUND'"
                f" THEN 'failed' ELSE 'won' END, -amount_micro FROM reversals WHERE {IN_RANGE}"
                " AND returned_at IS NOT NULL",
                f"SELECT account_id, kind, source, -({_TAKEN}) FROM transfers WHERE {IN_RANGE}"
                " AND kind IN ('REFUND', 'DISPUTE')",
            ),
        ),
        Check(
            "refunded",
            5,
            "A top-up's refunds took more than its credits, or not all of them though all was paid back.",
            "SELECT t.account_id, t.id AS top_up_id, t.amount_micro, r.micro AS refunded_micro"
            " FROM top_ups t JOIN (SELECT top_up_id, sum(amount_minor) AS minor,"
            f" sum(amount_micro) AS micro FROM reversals WHERE {IN_RANGE} AND kind = 'REFUND'"
            " AND returned_at IS NULL GROUP BY top_up_id) r ON r.top_up_id = t.id"
            " WHERE t.status <> 'PAID' OR r.micro > t.amount_micro"
            " OR (r.minor >= t.paid_minor AND r.micro <> t.amount_micro AND t.paid_minor > 0)"
            " ORDER BY t.account_id, t.id LIMIT 1",
        ),
    ]
