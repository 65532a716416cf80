"""Billing: what Stripe was asked for, what it said, and what an account was told by mail."""

from datetime import date, datetime
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from app.database import EnumText, Micro
from app.models.base import Table, at_most, id_field, one_of, time_field

STRIPE_ID = 255
"""Longest id of Stripe's, as it documents; a transfer's source names it, with a word before and after."""
UNPAID = text("status IN ('OPEN', 'PROCESSING')")


def _stripe_id(*, optional: bool = False) -> Any:
    return Field(default=None, max_length=STRIPE_ID) if optional else Field(max_length=STRIPE_ID)


class BillingCustomer(Table, table=True):
    """Whom Stripe knows an account as: an intent until `customer` is there.

    `name` and `email` are what Stripe was told; where the account's own differ, it is told again at `due_at`.
    `generation` counts up where the customer was deleted at Stripe and another one is made.
    """

    __tablename__ = "billing_customers"
    __table_args__ = (UniqueConstraint("customer"), at_most("name", 200), at_most("email", 254))

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    customer: str | None = _stripe_id(optional=True)
    name: str = Field(max_length=200)
    email: str = Field(max_length=254)
    generation: int = 1
    created_at: datetime = time_field()
    due_at: datetime = time_field()


class TopUpStatus(Enum):
    """What has become of a top-up. `PAID` is final; a late payment makes any other one `PAID`."""

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class TopUp(Table, table=True):
    """Credits that somebody wants to buy: the intent first, then Stripe's Checkout session, then its payment."""

    __tablename__ = "top_ups"
    __table_args__ = (
        UniqueConstraint("session"),
        one_of("status", TopUpStatus),
        CheckConstraint("amount_micro > 0", name="amount_positive"),
        CheckConstraint("price_minor > 0", name="price_positive"),
        CheckConstraint(
            "(status = 'PAID') = (paid_at IS NOT NULL AND paid_minor IS NOT NULL"
            " AND session IS NOT NULL)",
            name="paid_whole",
        ),
        Index(None, "account_id", "created_at", "id"),
        Index(None, "payment"),
        Index("ix_top_ups_unpaid", "created_at", sqlite_where=UNPAID, postgresql_where=UNPAID),
    )
    KIND: ClassVar[str] = "top_up"
    AUDITED: ClassVar[tuple[str, ...]] = ("status",)

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    user_id: UUID = Field(foreign_key="users.id")
    amount_micro: int = Field(sa_type=Micro)
    price_minor: int = Field(sa_type=Micro)
    """What the credits cost, before taxes and discounts, in the currency's smallest unit."""
    currency: str = Field(max_length=3)
    status: TopUpStatus = Field(default=TopUpStatus.OPEN, sa_type=EnumText(TopUpStatus))
    session: str | None = _stripe_id(optional=True)
    customer: str | None = _stripe_id(optional=True)
    """Whom that session was opened for: still so where the account gets another customer later."""
    url: str | None = Field(default=None, sa_type=Text, nullable=True)
    """Stripe's Checkout page, while it is open."""
    payment: str | None = _stripe_id(optional=True)
    """Stripe's payment intent, by which refunds and disputes name it."""
    paid_minor: int | None = Field(default=None, sa_type=Micro, nullable=True)
    """What was paid in the end, with taxes and discounts: what refunds are a part of."""
    created_at: datetime = time_field()
    paid_at: datetime | None = time_field(optional=True)


class ReversalKind(Enum):
    """Why money went back."""

    REFUND = "REFUND"
    DISPUTE = "DISPUTE"


class Reversal(Table, table=True):
    """Money of a top-up that went back, and the credits that went with it; `returned_at` where both came again."""

    __tablename__ = "reversals"
    __table_args__ = (
        one_of("kind", ReversalKind),
        CheckConstraint("amount_minor >= 0", name="minor_least"),
        CheckConstraint("amount_micro >= 0", name="micro_least"),
        Index(None, "top_up_id"),
        Index(None, "account_id"),
    )
    KIND: ClassVar[str] = "reversal"
    AUDITED: ClassVar[tuple[str, ...]] = ("returned_at",)

    id: str = Field(max_length=STRIPE_ID, primary_key=True)
    """Stripe's id of the refund or the dispute."""
    kind: ReversalKind = Field(sa_type=EnumText(ReversalKind))
    top_up_id: UUID = Field(foreign_key="top_ups.id")
    account_id: UUID = Field(foreign_key="accounts.id")
    amount_minor: int = Field(sa_type=Micro)
    amount_micro: int = Field(sa_type=Micro)
    created_at: datetime = time_field()
    returned_at: datetime | None = time_field(optional=True)


class Invoice(Table, table=True):
    """An invoice as Stripe last told of it."""

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("invoice"),
        Index(None, "account_id", "created_at", "id"),
        Index(None, "top_up_id"),
    )
    KIND: ClassVar[str] = "invoice"

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    top_up_id: UUID | None = Field(default=None, foreign_key="top_ups.id")
    invoice: str = _stripe_id()
    number: str | None = Field(default=None, max_length=100)
    status: str = Field(max_length=20)
    total_minor: int = Field(sa_type=Micro)
    tax_minor: int | None = Field(default=None, sa_type=Micro, nullable=True)
    currency: str = Field(max_length=3)
    hosted_url: str | None = Field(default=None, sa_type=Text, nullable=True)
    pdf_url: str | None = Field(default=None, sa_type=Text, nullable=True)
    created_at: datetime = time_field()


class StripeEvent(Table, table=True):
    """An event that Stripe sent, stored in the transaction that applies it, so that each is applied once."""

    __tablename__ = "stripe_events"
    __table_args__ = (Index(None, "received_at"),)

    id: str = Field(max_length=STRIPE_ID, primary_key=True)
    type: str = Field(max_length=100)
    body: str = Field(sa_type=Text)
    received_at: datetime = time_field()


class PaymentProblem(Table, table=True):
    """What the operator has to look at: money that came otherwise than we asked for it. Each is told once."""

    __tablename__ = "payment_problems"
    __table_args__ = (UniqueConstraint("stripe_id", "code"),)

    id: UUID = id_field()
    stripe_id: str = _stripe_id()
    code: str = Field(max_length=40)
    account_id: UUID | None = Field(default=None, foreign_key="accounts.id")
    facts: Any = Field(sa_type=JSON)
    created_at: datetime = time_field()


class BalanceAlert(Table, table=True):
    """A letter when what is available falls below a threshold: once, until more was paid in and it has risen above."""

    __tablename__ = "balance_alerts"
    __table_args__ = (
        UniqueConstraint("account_id", "threshold_micro"),
        CheckConstraint("threshold_micro >= 0", name="threshold_least"),
    )
    KIND: ClassVar[str] = "balance_alert"

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    threshold_micro: int = Field(sa_type=Micro)
    emails: Any = Field(default=None, sa_type=JSON(none_as_null=True), nullable=True)
    """Who gets it; None: the Owner and the Admins."""
    armed: bool = True
    paid_in_micro: int = Field(default=0, sa_type=Micro)
    """What the account had ever got, less refunds, when the last letter was written."""
    created_at: datetime = time_field()
    last_sent_at: datetime | None = time_field(optional=True)


class QuotaAlert(Table, table=True):
    """A letter to a member whose month has reached a part of their quota: once a month and part."""

    __tablename__ = "quota_alerts"

    member_id: UUID = Field(foreign_key="members.id", primary_key=True)
    month: date = Field(primary_key=True)
    percent: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id")
    created_at: datetime = time_field()


class Chore(Table, table=True):
    """Work that one of several processes does now and then: whoever moves `due_at` does it."""

    __tablename__ = "chores"

    name: str = Field(max_length=40, primary_key=True)
    due_at: datetime = time_field()
