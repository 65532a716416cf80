"""Balances: the type."""

from datetime import datetime

import strawberry

from app.resolvers.balances import BalanceRow
from app.schema.scalars import Credits


@strawberry.type(description="What an account has.")
class Balance:
    """A balance."""

    credits: Credits = strawberry.field(
        description="Credits bought or granted and not yet spent: purchased + granted + adjusted "
        "- refunded - used."
    )
    held: Credits = strawberry.field(description="Credits reserved by calls that are running now.")
    available: Credits = strawberry.field(
        description="What a new call may still reserve: credits - held, never below zero."
    )
    purchased: Credits
    granted: Credits
    used: Credits
    refunded: Credits
    adjusted: Credits
    as_of: datetime


def balance(row: BalanceRow) -> Balance:
    """Show a present balance."""
    return Balance(
        credits=Credits(row.credits),
        held=Credits(row.held or 0),
        available=Credits(row.available or 0),
        purchased=Credits(row.purchased),
        granted=Credits(row.granted),
        used=Credits(row.used),
        refunded=Credits(row.refunded),
        adjusted=Credits(row.adjusted),
        as_of=row.as_of,
    )
