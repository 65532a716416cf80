"""A balance as it is now: its row, and the columns that it is made of, in whichever statement has the wallet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.database import now, once, this_month, today
from app.models import Hold, UsageDay, Wallet
from app.models.metering import OPEN
from app.months import month_of, month_range

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


def present_columns() -> tuple[Any, ...]:
    """Select, beside `account_id`, what `present_row` makes a balance of: in a statement that has the wallet."""
    account_id = col(Wallet.account_id)
    run_out = (
        select(func.coalesce(func.sum(col(Hold.amount_micro)), 0))
        .where(col(Hold.account_id) == account_id, OPEN, col(Hold.expires_at) <= once(now()))
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
