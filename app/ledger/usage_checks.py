# ruff: noqa: S608 - every word of these statements is our own; accounts come as parameters
"""The checks of `r9s verify`, of usage: records, their events, and everything that sums them."""

from app.database import UtcParts
from app.ledger.checks import IN_RANGE, Check, cancels

_TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)
_TALLY = ("requests", *_TOKENS, "cost_micro")
_RECORDS = f"FROM usage_records WHERE {IN_RANGE}"


def usage_checks(parts: UtcParts) -> list[Check]:
    """List the checks of usage records, and of all that sums them."""
    return [*_record_checks(), *_event_checks(), *_sum_checks(parts)]


def _record_checks() -> list[Check]:
    return [
        Check(
            "usage_transfers",
            6,
            "A usage transfer moved another sum than its records cost (shown: moved less recorded).",
            cancels(
                "account_id, transfer_id",
                ("cost_micro",),
                "SELECT account_id, id AS transfer_id, CASE WHEN credit = 'REVENUE' THEN amount_micro"
                f" ELSE -amount_micro END AS cost_micro FROM transfers WHERE {IN_RANGE} AND kind = 'USAGE'",
                f"SELECT account_id, transfer_id, -cost_micro {_RECORDS}",
            ),
        ),
        Check(
            "sequences",
            6,
            "A usage record's sequence is not one more than the one before it.",
            "SELECT account_id, id AS usage_record_id, sequence, sequence_before FROM ("
            " SELECT account_id, id, sequence, lag(sequence, 1, 0) OVER its AS sequence_before"
            f" {_RECORDS} WINDOW its AS (PARTITION BY account_id ORDER BY sequence)"
            ") AS r WHERE sequence <> sequence_before + 1 ORDER BY account_id, sequence LIMIT 1",
        ),
        Check(
            "corrections",
            6,
            "A correction names a record that is not there, of another account, or a correction itself.",
            "SELECT r.account_id, r.id AS usage_record_id, r.corrects FROM usage_records r"
            " LEFT JOIN usage_records o ON o.id = r.corrects WHERE r.corrects IS NOT NULL"
            " AND (o.id IS NULL OR o.account_id <> r.account_id OR o.corrects IS NOT NULL) LIMIT 1",
            by_account=False,
        ),
    ]


def _event_checks() -> list[Check]:
    return [
        Check(
            "events_of_records",
            5,
            "A usage record is not the one that its event id stands for.",
            "SELECT r.account_id, r.id AS usage_record_id, r.event_id FROM usage_records r"
            " LEFT JOIN usage_events e ON e.gateway_id = r.gateway_id AND e.event_id = r.event_id"
            " WHERE r.gateway_id IS NOT NULL AND (e.event_id IS NULL OR e.usage_record_id <> r.id"
            " OR e.account_id <> r.account_id OR e.cost_micro <> r.cost_micro OR NOT"
            " coalesce(e.hold_id = r.hold_id, e.hold_id IS NULL AND r.hold_id IS NULL)) LIMIT 1",
            by_account=False,
        ),
        Check(
            "records_of_events",
            5,
            "A usage event stands for no record of it.",
            "SELECT e.account_id, e.gateway_id, e.event_id FROM usage_events e"
            " LEFT JOIN usage_records r ON r.id = e.usage_record_id"
            " WHERE r.id IS NULL OR r.gateway_id IS NULL OR r.gateway_id <> e.gateway_id"
            " OR r.event_id <> e.event_id LIMIT 1",
            by_account=False,
        ),
    ]


def _sum_checks(parts: UtcParts) -> list[Check]:
    month = parts.month("occurred_at")
    return [
        Check(
            "counters_used",
            6,
            "A member's or key's month used another sum than its records cost"
            " (shown: stored less recorded).",
            cancels(
                "account_id, subject_id, month",
                ("used_micro",),
                f"SELECT account_id, subject_id, month, used_micro FROM month_counters WHERE {IN_RANGE}",
                *(
                    f"SELECT account_id, {of}, {month} AS month, -sum(cost_micro) {_RECORDS}"
                    f" GROUP BY account_id, {of}, {month}"
                    for of in ("member_id", "api_key_id")
                ),
            ),
        ),
        *(
            _rollup_check(table, keys)
            for table, keys in (
                ("usage_hours", {"hour": parts.hour("occurred_at"), "model": "model"}),
                ("usage_days", {"day": parts.day("occurred_at"), "model": "model"}),
                (
                    "usage_day_details",
                    {
                        "day": parts.day("occurred_at"),
                        "member_id": "member_id",
                        "api_key_id": "api_key_id",
                        "model": "model",
                        "tag": "coalesce(tag, '')",
                    },
                ),
            )
        ),
    ]


def _rollup_check(table: str, keys: dict[str, str]) -> Check:
    names = ", ".join(("account_id", *keys))
    grouped = ", ".join(("account_id", *keys.values()))
    tokens = ", ".join(f"-sum({name})" for name in (*_TOKENS, "cost_micro"))
    requests = "-sum(CASE WHEN corrects IS NULL THEN 1 ELSE 0 END)"
    return Check(
        table,
        6,
        f"A row of {table} is not the sum of its usage records (shown: stored less recorded).",
        cancels(
            names,
            _TALLY,
            f"SELECT {names}, {', '.join(_TALLY)} FROM {table} WHERE {IN_RANGE}",
            f"SELECT {grouped}, {requests}, {tokens} {_RECORDS} GROUP BY {grouped}",
        ),
    )
