"""Metering: gateways, the holds of running calls, and what members and keys used in a month."""

from datetime import date, datetime
from enum import Enum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from app.database import EnumText, Micro
from app.models.base import Table, at_most, id_field, one_of, time_field

OPEN = text("status = 'OPEN'")
EXPIRED = text("status = 'EXPIRED'")


class Gateway(Table, table=True):
    """A service that runs models and asks us before and tells us after each call."""

    __tablename__ = "gateways"
    __table_args__ = (UniqueConstraint("name"), at_most("name", 80))
    KIND: ClassVar[str] = "gateway"

    id: UUID = id_field()
    name: str = Field(max_length=80)
    created_at: datetime = time_field()


class GatewayToken(Table, table=True):
    """A secret by which a gateway calls us; a gateway may have several while they are changed."""

    __tablename__ = "gateway_tokens"
    __table_args__ = (UniqueConstraint("secret_hash"), Index(None, "gateway_id"))

    id: UUID = id_field()
    gateway_id: UUID = Field(foreign_key="gateways.id")
    secret_hash: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = time_field()
    revoked_at: datetime | None = time_field(optional=True)


class HoldStatus(Enum):
    """A hold ends exactly once."""

    OPEN = "OPEN"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class Hold(Table, table=True):
    """An amount that a running call has reserved. An expired one may still be settled for 72 hours."""

    __tablename__ = "holds"
    __table_args__ = (
        UniqueConstraint("gateway_id", "request_id"),
        one_of("status", HoldStatus),
        CheckConstraint("amount_micro >= 0", name="amount_least"),
        Index(None, "account_id", "expires_at", sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_holds_expiring", "expires_at", sqlite_where=OPEN, postgresql_where=OPEN),
        # Apart from each other, so that no planner reads all open holds to find those that have run out.
        Index(
            "ix_holds_expired",
            "account_id",
            "expires_at",
            sqlite_where=EXPIRED,
            postgresql_where=EXPIRED,
        ),
    )
    KIND: ClassVar[str] = "hold"

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    member_id: UUID
    api_key_id: UUID
    gateway_id: UUID
    request_id: str = Field(max_length=255)
    request_hash: bytes = Field(sa_type=LargeBinary)
    """Hash of what was asked, to tell a repetition from another request under the same id."""
    asked_micro: int = Field(sa_type=Micro)
    amount_micro: int = Field(sa_type=Micro)
    tag: str | None = Field(default=None, max_length=64)
    month: date
    """The UTC month in which it was authorized, whose counters it weighs on."""
    status: HoldStatus = Field(default=HoldStatus.OPEN, sa_type=EnumText(HoldStatus))
    authorized_at: datetime = time_field()
    expires_at: datetime = time_field()
    ended_at: datetime | None = time_field(optional=True)


class CounterKind(Enum):
    """Of whom a month counter is."""

    MEMBER = "MEMBER"
    API_KEY = "API_KEY"


class MonthCounter(Table, table=True):
    """What a member or a key used and holds in one UTC month. Rows keyed by month: nothing is reset."""

    __tablename__ = "month_counters"
    __table_args__ = (
        one_of("kind", CounterKind),
        CheckConstraint("held_micro >= 0", name="held_least"),
        Index(None, "account_id", "month", "kind", "used_micro"),
    )

    subject_id: UUID = Field(primary_key=True)
    """The member's or the key's id."""
    month: date = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id")
    kind: CounterKind = Field(sa_type=EnumText(CounterKind))
    used_micro: int = Field(default=0, sa_type=Micro)
    held_micro: int = Field(default=0, sa_type=Micro)
    last_used_at: datetime | None = time_field(optional=True)
