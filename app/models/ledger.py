"""The ledger: wallets, transfers between ledger accounts, and the entries that a customer reads."""

from datetime import date, datetime
from enum import Enum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from app.database import EnumText, Micro
from app.models.base import Table, at_most, id_field, one_of, time_field


class LedgerKind(Enum):
    """Why credits moved."""

    TOP_UP = "TOP_UP"
    REFUND = "REFUND"
    DISPUTE = "DISPUTE"
    GRANT = "GRANT"
    USAGE = "USAGE"
    ADJUSTMENT = "ADJUSTMENT"
    DISSOLUTION = "DISSOLUTION"


class LedgerAccount(Enum):
    """Between what credits move: an account's own, and the system's, which store no balance."""

    CREDITS = "CREDITS"
    STRIPE = "STRIPE"
    REVENUE = "REVENUE"
    GRANTS = "GRANTS"
    REFUNDS = "REFUNDS"
    ADJUSTMENTS = "ADJUSTMENTS"
    DISSOLVED = "DISSOLVED"


def _micro() -> int:
    whole: int = Field(default=0, sa_type=Micro)
    return whole


class Wallet(Table, table=True):
    """What an account has: kept in the transaction that moves credits, equal to what its transfers add up to."""

    __tablename__ = "wallets"
    __table_args__ = (
        CheckConstraint(
            "balance_micro = purchased_micro + granted_micro + adjusted_micro"
            " - refunded_micro - used_micro",
            name="balance_adds_up",
        ),
        CheckConstraint("held_micro >= 0", name="held_least"),
    )
    KIND: ClassVar[str] = "account"
    AUDITED: ClassVar[tuple[str, ...]] = ("balance_micro", "frozen_at")

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    balance_micro: int = _micro()
    held_micro: int = _micro()
    purchased_micro: int = _micro()
    granted_micro: int = _micro()
    used_micro: int = _micro()
    refunded_micro: int = _micro()
    adjusted_micro: int = _micro()
    usage_sequence: int = _micro()
    """The last usage record's sequence."""
    entry_number: int = _micro()
    """The last ledger entry's number."""
    entry_day: date | None = None
    """The UTC day of that entry where it is usage that may still grow, else None."""
    frozen_at: datetime | None = time_field(optional=True)
    dissolved_at: datetime | None = time_field(optional=True)
    """As the account's, here so that whoever has waited for this row sees it."""


class Transfer(Table, table=True):
    """One movement of credits from one ledger account (credited) to another. Append-only by trigger.

    `debit` loses `amount_micro`, `credit` gains it. `source` names what caused it, each cause once.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        one_of("kind", LedgerKind),
        one_of("debit", LedgerAccount),
        one_of("credit", LedgerAccount),
        CheckConstraint("amount_micro > 0", name="amount_positive"),
        CheckConstraint("debit <> credit", name="two_sides"),
        Index(None, "account_id", "entry_number", "created_at"),
        Index(
            "uq_transfers_source",
            "source",
            unique=True,
            sqlite_where=text("source IS NOT NULL"),
            postgresql_where=text("source IS NOT NULL"),
        ),
    )

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    kind: LedgerKind = Field(sa_type=EnumText(LedgerKind))
    debit: LedgerAccount = Field(sa_type=EnumText(LedgerAccount))
    credit: LedgerAccount = Field(sa_type=EnumText(LedgerAccount))
    amount_micro: int = Field(sa_type=Micro)
    entry_number: int | None = Field(default=None, sa_type=Micro, nullable=True)
    """The account's ledger entry that this is part of; None where its credits do not move."""
    source: str | None = Field(default=None, max_length=300)
    created_at: datetime = time_field()


class LedgerEntry(Table, table=True):
    """What a customer reads: one transfer, or a run of usage within a UTC day that nothing interrupts."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        one_of("kind", LedgerKind),
        at_most("description", 200),
        UniqueConstraint("account_id", "number"),
    )
    KIND: ClassVar[str] = "ledger_entry"

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    number: int = Field(sa_type=Micro)
    kind: LedgerKind = Field(sa_type=EnumText(LedgerKind))
    amount_micro: int = Field(sa_type=Micro)
    """Signed: what it adds to the balance."""
    balance_after_micro: int = Field(sa_type=Micro)
    description: str = Field(max_length=200)
    source: str | None = Field(default=None, max_length=300)
    actor_id: UUID | None = Field(default=None, foreign_key="users.id")
    created_at: datetime = time_field()
    changed_at: datetime = time_field()
