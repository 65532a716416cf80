"""Wallets: what an account has, and the lock that decides who spends first."""

from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.database import Session, locked
from app.models.ledger import Wallet


async def lock_wallet(session: Session, account_id: UUID) -> Wallet | None:
    """Lock an account's wallet until the transaction ends; None where it has none.

    Whatever takes away a right to spend locks it: an authorization at the same moment then either
    has committed before, or sees the right gone.
    """
    statement = select(Wallet).where(col(Wallet.account_id) == account_id)
    wallet: Wallet | None = (await session.execute(locked(statement))).scalar_one_or_none()
    return wallet
