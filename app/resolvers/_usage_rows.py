"""Rows of usage: records, buckets, totals, and how complete a report is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, literal_column, select
from sqlmodel import col

from app.access import Seat
from app.database import AnySelect
from app.dialects import summed
from app.models.ledger import Wallet
from app.models.metering import Hold
from app.models.usage import UsageRecord
from app.resolvers._usage_sql import TALLY

SETTLEABLE = timedelta(hours=72)
LONGEST_HOLD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums; tokens of the cache are part of the prompt's, those of reasoning of the completion's."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micro: int = 0


@dataclass(frozen=True, slots=True)
class UsageBucketRow:
    """What was used in one bucket [start, end). What was not grouped by is None; no tag is None too."""

    start: datetime
    end: datetime
    totals: UsageTotals
    model: str | None = None
    member_id: UUID | None = None
    member_email: str | None = None
    member_name: str | None = None
    api_key_id: UUID | None = None
    api_key_name: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class UsageRecordRow:
    """One model call, or the correction of one; `cost_micro` is in micro-credits."""

    id: UUID
    account_id: UUID
    sequence: int
    event_id: str
    occurred_at: datetime
    recorded_at: datetime
    corrects: UUID | None
    model: str
    member_id: UUID
    api_key_id: UUID
    tag: str | None
    prompt_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost_micro: int


@dataclass(frozen=True, slots=True)
class UsageState:
    """How far usage is complete, what still may come in, and the last record's sequence."""

    complete_through: datetime
    unsettled_holds: int
    unsettled_micro: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """All buckets of a report, by time and then by dimensions, and their sums."""

    buckets: Sequence[UsageBucketRow]
    totals: UsageTotals
    complete_through: datetime


RECORD_COLUMNS = tuple(col(getattr(UsageRecord, name)) for name in UsageRecordRow.__slots__)
_NAMES = ("model", "member_id", "member_email", "member_name", "api_key_id", "api_key_name")


def bucket_row(row: Any, moments: Sequence[datetime]) -> UsageBucketRow:
    """Show a row of `grouped`, with or without names."""
    facts: Mapping[str, Any] = row._mapping  # noqa: SLF001 - a Row's public accessor
    start, end = moments[row.bucket], moments[row.bucket + 1]
    totals = UsageTotals(*(facts[name] for name in TALLY))
    named = {name: facts[name] for name in _NAMES if name in facts}
    return UsageBucketRow(start, end, totals, **named, tag=facts.get("tag") or None)


def total_of(rows: Iterable[UsageTotals]) -> UsageTotals:
    """Add totals up."""
    sums = [0] * len(TALLY)
    for row in rows:
        for n, name in enumerate(TALLY):
            sums[n] += getattr(row, name)
    return UsageTotals(*sums)


def state_statement(seats: Mapping[UUID, Seat]) -> AnySelect:
    """Select, for each account, what `state_of` reads: its holds that may still be settled."""
    at = next(iter(seats.values())).now
    # Named in the statement itself: only so is the index over just these holds of use.
    may_settle: Any = literal_column("holds.status IN ('OPEN', 'EXPIRED')")
    expired = col(Hold.expires_at) <= at
    still_settleable = and_(
        col(Hold.account_id) == col(Wallet.account_id),
        may_settle,
        col(Hold.authorized_at) > at - SETTLEABLE - LONGEST_HOLD,
        col(Hold.expires_at) > at - SETTLEABLE,
    )
    return (
        select(
            col(Wallet.account_id),
            col(Wallet.usage_sequence),
            func.min(col(Hold.authorized_at)).label("oldest"),
            summed(case((expired, 1), else_=0)).label("holds"),
            summed(case((expired, col(Hold.amount_micro)), else_=0)).label("amount"),
        )
        .select_from(Wallet)
        .outerjoin(Hold, still_settleable)
        .where(col(Wallet.account_id).in_(list(seats)))
        .group_by(col(Wallet.account_id), col(Wallet.usage_sequence))
    )


def state_of(seat: Seat, row: Any) -> UsageState:
    """Tell how complete usage is (PRODUCT.md, complete)."""
    through = seat.now - SETTLEABLE
    if row.oldest is not None:
        through = min(through, row.oldest)
    return UsageState(through, row.holds, row.amount, row.usage_sequence)
