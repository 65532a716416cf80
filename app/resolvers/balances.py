"""Balances: what an account has now, and what it had at a past moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, literal, literal_column, select, union_all
from sqlmodel import col

from app.access import Seat, Viewer, reads
from app.database import AnySelect, now, once, this_month, today
from app.dialects import any_of
from app.errors import Invalid, Refusal
from app.ledger.posting import LIFETIME
from app.models import (
    Account,
    Hold,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    Transfer,
    UsageDay,
    UsageRecord,
    Wallet,
)
from app.months import month_of, month_range
from app.permissions import Permission

SUMS = ("purchased_micro", "granted_micro", "used_micro", "refunded_micro", "adjusted_micro")


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """A balance in micro-credits; `held` and `available` are None for a past moment.

    credits = purchased + granted + adjusted - refunded - used. `month_used` is what calls of the UTC
    month from `month_start` to `month_end` cost, as far as they were booked by `as_of`.
    """

    account_id: UUID
    credits: int
    held: int | None
    available: int | None
    purchased: int
    granted: int
    used: int
    refunded: int
    adjusted: int
    month_start: datetime
    month_end: datetime
    month_used: int
    as_of: datetime


@reads(Permission.VIEW_BALANCE, on=Account)
async def balance(
    viewer: Viewer, seats: Mapping[UUID, Seat], at: datetime | None = None
) -> Mapping[UUID, BalanceRow | Refusal]:
    """Tell what there is, by one statement; or what there was at a past moment, exactly, by two.

    Raises `Invalid` for a moment that has not come yet.
    """
    if at is None:
        return await _present(viewer, seats)
    past = {one: seat for one, seat in seats.items() if at <= seat.now}
    early = Invalid(at="This moment has not come yet.")
    answers: dict[UUID, BalanceRow | Refusal] = dict.fromkeys(seats.keys() - past.keys(), early)
    return answers | (await _past(viewer, past, at) if past else {})


async def _present(viewer: Viewer, seats: Mapping[UUID, Seat]) -> Mapping[UUID, BalanceRow]:
    if viewer.balances.keys() >= seats.keys():
        return viewer.balances
    statement = _now_there(sqlite=viewer.database.is_sqlite)
    rows = await viewer.database.rows(statement, {"accounts": list(seats)})
    return {row.account_id: present_row(row) for row in rows}


@lru_cache
def _now_there(*, sqlite: bool) -> AnySelect:
    account_id = col(Wallet.account_id)
    return select(account_id, *present_columns()).where(
        any_of(account_id, "accounts", sqlite=sqlite)
    )


def present_columns() -> tuple[Any, ...]:
    """Select, beside `account_id`, what `present_row` makes a balance of: in a statement that has the wallet."""
    account_id = col(Wallet.account_id)
    # Named in the statement itself: only so is the index over just these holds of use.
    is_open: Any = literal_column("holds.status = 'OPEN'")
    run_out = (
        select(func.coalesce(func.sum(col(Hold.amount_micro)), 0))
        .where(col(Hold.account_id) == account_id, is_open, col(Hold.expires_at) <= once(now()))
        .scalar_subquery()
    )
    # A gateway's clock may be a little ahead: what it dated into the next month is not this one's.
    month_used = (
        select(func.coalesce(func.sum(col(UsageDay.cost_micro)), 0))
        .where(
            col(UsageDay.account_id) == account_id,
            col(UsageDay.day) >= once(this_month()),
            col(UsageDay.day) <= once(today()),
        )
        .scalar_subquery()
    )
    return (
        col(Wallet.balance_micro),
        (col(Wallet.held_micro) - run_out).label("held"),
        *(col(getattr(Wallet, name)) for name in SUMS),
        month_used.label("month_used"),
        now().label("at"),
    )


def present_row(row: Any) -> BalanceRow:
    """Make a balance of a row of `present_columns`."""
    start, end = month_range(month_of(row.at))
    held = int(row.held)
    return BalanceRow(
        account_id=row.account_id,
        credits=row.balance_micro,
        held=held,
        available=max(0, row.balance_micro - held),
        purchased=row.purchased_micro,
        granted=row.granted_micro,
        used=row.used_micro,
        refunded=row.refunded_micro,
        adjusted=row.adjusted_micro,
        month_start=start,
        month_end=end,
        month_used=int(row.month_used),
        as_of=row.at,
    )


async def _past(viewer: Viewer, seats: Mapping[UUID, Seat], at: datetime) -> dict[UUID, BalanceRow]:
    gained: dict[UUID, dict[LedgerKind, int]] = {one: {} for one in seats}
    for account_id, kind, micro in await viewer.database.rows(_moved_until(seats, at)):
        of_account = gained[account_id]
        of_account[kind] = of_account.get(kind, 0) + int(micro)
    start, end = month_range(month_of(at))
    used = (
        select(col(UsageRecord.account_id), func.sum(col(UsageRecord.cost_micro)))
        .where(
            col(UsageRecord.account_id).in_(seats),
            col(UsageRecord.occurred_at) >= start,
            col(UsageRecord.occurred_at) < end,
            col(UsageRecord.recorded_at) <= at,
        )
        .group_by(col(UsageRecord.account_id))
    )
    month_used = dict(tuple(row) for row in await viewer.database.rows(used))
    return {
        one: _past_row(one, gained[one], (start, end), int(month_used.get(one, 0)), at)
        for one in seats
    }


def _moved_until(seats: Mapping[UUID, Seat], at: datetime) -> AnySelect:
    """Sum what moved, by kind: whole entries before the last one begun, and that one's transfers up to then."""
    last = (
        select(col(LedgerEntry.account_id), func.max(col(LedgerEntry.number)).label("number"))
        .where(col(LedgerEntry.account_id).in_(seats), col(LedgerEntry.created_at) <= at)
        .group_by(col(LedgerEntry.account_id))
        .cte("last")
    )
    whole = (
        select(
            col(LedgerEntry.account_id),
            col(LedgerEntry.kind),
            func.sum(col(LedgerEntry.amount_micro)),
        )
        .join(last, last.c.account_id == col(LedgerEntry.account_id))
        .where(col(LedgerEntry.number) < last.c.number)
        .group_by(col(LedgerEntry.account_id), col(LedgerEntry.kind))
    )
    sign = case((col(Transfer.credit) == LedgerAccount.CREDITS, literal(1)), else_=literal(-1))
    begun = (
        select(
            col(Transfer.account_id),
            col(Transfer.kind),
            func.sum(sign * col(Transfer.amount_micro)),
        )
        .join(last, last.c.account_id == col(Transfer.account_id))
        .where(col(Transfer.entry_number) == last.c.number, col(Transfer.created_at) <= at)
        .group_by(col(Transfer.account_id), col(Transfer.kind))
    )
    return union_all(whole, begun)


def _past_row(
    account_id: UUID,
    gained: Mapping[LedgerKind, int],
    month: tuple[datetime, datetime],
    month_used: int,
    at: datetime,
) -> BalanceRow:
    sums = dict.fromkeys(SUMS, 0)
    for kind, micro in gained.items():
        name, sign = LIFETIME[kind]
        sums[name] += sign * micro
    return BalanceRow(
        account_id=account_id,
        credits=sum(gained.values()),
        held=None,
        available=None,
        purchased=sums["purchased_micro"],
        granted=sums["granted_micro"],
        used=sums["used_micro"],
        refunded=sums["refunded_micro"],
        adjusted=sums["adjusted_micro"],
        month_start=month[0],
        month_end=month[1],
        month_used=month_used,
        as_of=at,
    )
