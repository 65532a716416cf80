"""Rows of usage as the finance window shows them, in one form for all formats."""

from app.ids import wire_id
from app.resolvers.usage import OF_WHOM, NamedRecord, UsageBucketRow, UsageState, UsageTotals
from app.web.rest.formats import Row, amount, exact_moment, moment, optional_id

TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)
RECORD_COLUMNS = (
    *("id", "event_id", "occurred_at", "recorded_at", "corrects"),
    *OF_WHOM,
    *TOKENS,
    "cost",
)
SUMS = ("requests", *TOKENS, "cost")
BUCKET_COLUMNS = ("start", "end", *OF_WHOM, *SUMS)


def record_row(row: NamedRecord) -> Row:
    """Show a record."""
    one = row.record
    return {
        "id": wire_id("usage_record", one.id),
        "event_id": one.event_id,
        "occurred_at": exact_moment(one.occurred_at),
        "recorded_at": exact_moment(one.recorded_at),
        "corrects": optional_id("usage_record", one.corrects),
        "model": one.model,
        "member_id": wire_id("member", one.member_id),
        "member_email": row.member_email,
        "member_name": row.member_name,
        "api_key_id": wire_id("api_key", one.api_key_id),
        "api_key_name": row.api_key_name,
        "tag": one.tag,
        **{name: getattr(one, name) for name in TOKENS},
        "cost": amount(one.cost_micro),
    }


def bucket_row(row: UsageBucketRow) -> Row:
    """Show a bucket; what was not grouped by is null."""
    return {
        "start": moment(row.start),
        "end": moment(row.end),
        "model": row.model,
        "member_id": optional_id("member", row.member_id),
        "member_email": row.member_email,
        "member_name": row.member_name,
        "api_key_id": optional_id("api_key", row.api_key_id),
        "api_key_name": row.api_key_name,
        "tag": row.tag,
        **totals_body(row.totals),
    }


def totals_body(totals: UsageTotals) -> Row:
    """Show sums: they stand in this order."""
    return dict(zip(SUMS, (*totals[:-1], amount(totals.cost_micro)), strict=True))


def unsettled_body(state: UsageState) -> Row:
    """Show what has run out and may still be settled."""
    return {"holds": state.unsettled_holds, "amount": amount(state.unsettled_micro)}
