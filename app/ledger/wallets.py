"""Wallets: what an account has, and the lock that decides who spends first."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, insert, literal_column, select, update
from sqlmodel import col

from app.bulk import Changes, Way
from app.database import Connection, Read, Session, locked, of_sqlite
from app.dialects import any_of
from app.models.ledger import Wallet


@dataclass(slots=True)
class WalletState:
    """A wallet under its lock, as plain facts: whoever holds the lock changes them, then saves them."""

    account_id: UUID
    balance_micro: int = 0
    held_micro: int = 0
    purchased_micro: int = 0
    granted_micro: int = 0
    used_micro: int = 0
    refunded_micro: int = 0
    adjusted_micro: int = 0
    usage_sequence: int = 0
    entry_number: int = 0
    entry_day: date | None = None
    frozen_at: datetime | None = None
    dissolved_at: datetime | None = None
    version: int | None = None
    """What tells whether somebody has changed it since it was read; None where it is locked."""


_FIELDS = tuple(WalletState.__slots__)[:-1]
_SAVED = _FIELDS[1:]
_WALLETS: Table = Wallet.__table__  # type: ignore[attr-defined]
_COLUMNS = tuple(_WALLETS.c[name] for name in _FIELDS)
_SAVING = Way(_WALLETS, _FIELDS, by=_FIELDS[:1], replace=_SAVED, guarded=True)
_VERSION: Any = literal_column("CAST(CAST(xmin AS text) AS bigint)")


async def lock_wallet(session: Session, account_id: UUID) -> Wallet | None:
    """Lock an account's wallet until the transaction ends; None where it has none.

    Whatever takes away a right to spend locks it: an authorization at the same moment then either
    has committed before, or sees the right gone.
    """
    statement = select(Wallet).where(col(Wallet.account_id) == account_id)
    wallet: Wallet | None = (await session.execute(locked(statement))).scalar_one_or_none()
    if wallet is not None and not of_sqlite(session):
        # A new version of the row, for those who have read it without a lock.
        await session.execute(_touching(), {"account": account_id})
    return wallet


@lru_cache
def _touching() -> Any:
    same = _WALLETS.c.account_id == bindparam("account")
    return update(_WALLETS).where(same).values(frozen_at=_WALLETS.c.frozen_at)


async def load_wallets(
    session: Session | Connection, account_ids: Collection[UUID]
) -> dict[UUID, WalletState]:
    """Lock the wallets of these accounts, in the order of their ids, by one statement.

    Unknown accounts are left out. Ask for the time after it, so that entries stand in the order
    in which they were booked; and read keys, members and accounts after it, since a statement
    that has waited for the lock sees other tables as they were before.
    """
    statement = _reading(sqlite=of_sqlite(session), locking=True)
    rows = (await session.execute(statement, {"accounts": list(account_ids)})).all()
    return wallets_of(rows)


def versions_of_wallets(account_ids: Collection[UUID]) -> Read:
    """Make the statement that reads wallets without locks: what is written later is written if these versions still are."""
    return _reading(sqlite=False, locking=False), {"accounts": list(account_ids)}


def wallets_of(rows: Iterable[Any]) -> dict[UUID, WalletState]:
    """Take in the rows of wallets that were read."""
    return {row[0]: WalletState(*row) for row in rows}


@lru_cache
def _reading(*, sqlite: bool, locking: bool) -> Any:
    account_id = _WALLETS.c.account_id
    columns = _COLUMNS if locking else (*_COLUMNS, _VERSION)
    statement = select(*columns).where(any_of(account_id, "accounts", sqlite=sqlite))
    return locked(statement.order_by(account_id)) if locking else statement


def put_wallets(changes: Changes, wallets: Iterable[WalletState]) -> None:
    """Let wallets be written back with these changes, or none of these where one is no longer as it was read."""
    rows = [
        {name: getattr(one, name) for name in (*_FIELDS, "version")}
        for one in sorted(wallets, key=lambda one: one.account_id)
    ]
    changes.put(_SAVING, rows)


async def open_wallet(session: Session, account_id: UUID) -> None:
    """Give a new account its empty wallet; the account's row has to be there."""
    empty = {name: getattr(WalletState(account_id), name) for name in _FIELDS}
    await session.execute(insert(_WALLETS).values(**empty))
