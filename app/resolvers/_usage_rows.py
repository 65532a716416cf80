"""Rows of usage: records, buckets, totals, and how complete a report is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, case, func, select, union_all
from sqlmodel import col

from app.access import Seat
from app.database import AnySelect
from app.dialects import any_of, summed
from app.metering.decision import SETTLEABLE
from app.models.ledger import Wallet
from app.models.metering import EXPIRED, OPEN, Hold
from app.models.usage import UsageRecord
from app.resolvers._usage_sql import TALLY


class UsageTotals(NamedTuple):
    """Sums; tokens of the cache are part of the prompt's, those of reasoning of the completion's."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micro: int = 0


class UsageBucketRow(NamedTuple):
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


def bucket_reader(
    names: Sequence[str], moments: Sequence[datetime]
) -> Callable[[Any], UsageBucketRow]:
    """Make what shows rows of `grouped`, with or without names: by place, since a year has many."""
    place = {name: number for number, name in enumerate(names)}
    bucket, first, tag = place["bucket"], place[TALLY[0]], place.get("tag")
    last = first + len(TALLY)
    shown = tuple(place.get(name) for name in _NAMES)

    def show(row: Any) -> UsageBucketRow:
        number = row[bucket]
        named = [None if one is None else row[one] for one in shown]
        totals = UsageTotals._make(row[first:last])
        its_tag = None if tag is None else row[tag] or None
        return UsageBucketRow._make((moments[number], moments[number + 1], totals, *named, its_tag))

    return show


def total_of(rows: Iterable[UsageTotals]) -> UsageTotals:
    """Add totals up."""
    columns = zip(*rows, strict=True)
    return UsageTotals(*(sum(column) for column in columns))


def state_values(seats: Mapping[UUID, Seat]) -> dict[str, Any]:
    """Give the values of `state_statement`'s parameters."""
    at = next(iter(seats.values())).now
    return {
        "accounts": list(seats),
        "at": at,
        "since": at - SETTLEABLE,
    }


@lru_cache
def state_statement(*, sqlite: bool) -> AnySelect:
    """Select, for each account, what `state_of` reads: its holds that may still be settled."""
    account_id, ends = col(Hold.account_id), col(Hold.expires_at)
    held = [
        select(account_id, col(Hold.authorized_at), ends, col(Hold.amount_micro)).where(
            any_of(account_id, "accounts", sqlite=sqlite),
            status,
            ends > bindparam("since", type_=Hold.expires_at.type),  # type: ignore[attr-defined]
        )
        # Each is read by the index over just these holds.
        for status in (OPEN, EXPIRED)
    ]
    unsettled = union_all(*held).subquery("unsettled").c
    expired = unsettled.expires_at <= bindparam("at", type_=unsettled.expires_at.type)
    return (
        select(
            col(Wallet.account_id),
            col(Wallet.usage_sequence),
            func.min(unsettled.authorized_at).label("oldest"),
            summed(case((expired, 1), else_=0)).label("holds"),
            summed(case((expired, unsettled.amount_micro), else_=0)).label("amount"),
        )
        .select_from(Wallet)
        .outerjoin(unsettled.account_id.table, unsettled.account_id == col(Wallet.account_id))
        .where(any_of(col(Wallet.account_id), "accounts", sqlite=sqlite))
        .group_by(col(Wallet.account_id), col(Wallet.usage_sequence))
    )


def state_of(seat: Seat, facts: Mapping[str, Any]) -> UsageState:
    """Tell how complete usage is (PRODUCT.md, complete)."""
    through = seat.now - SETTLEABLE
    if facts["oldest"] is not None:
        through = min(through, facts["oldest"])
    return UsageState(through, *(facts[name] for name in ("holds", "amount", "usage_sequence")))


def facts_of(row: Any) -> Mapping[str, Any]:
    """Give a row's columns by name."""
    mapping: Mapping[str, Any] = row._mapping  # noqa: SLF001 - a Row's public accessor
    return mapping
