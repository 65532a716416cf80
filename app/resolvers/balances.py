"""Balances: what an account has now, and what it had at a past moment."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import case, func, literal, select, union_all
from sqlmodel import col

from app.access import Seat, Viewer, reads
from app.database import AnySelect
from app.dialects import any_of
from app.errors import Invalid, Refusal
from app.ledger.posting import LIFETIME
from app.models import (
    Account,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    Transfer,
    UsageRecord,
    Wallet,
)
from app.months import month_of, month_range
from app.permissions import Permission
from app.resolvers._balance_rows import SUMS, BalanceRow, present_columns, present_row

__all__ = ["BalanceRow", "balance"]


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
