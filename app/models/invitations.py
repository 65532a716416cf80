"""Invitations: e-mails with a link, by which people join as Member."""

from datetime import datetime
from enum import Enum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from app.database import EnumText, Micro
from app.models.base import Table, at_most, id_field, one_of, time_field

WAITING = text("status = 'PENDING'")


class InvitationStatus(Enum):
    """`EXPIRED` is told from the time and never stored."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


STORED = tuple(kind for kind in InvitationStatus if kind is not InvitationStatus.EXPIRED)


class Invitation(Table, table=True):
    """One waiting invitation per account and address. Its link's secret is derived and stored nowhere."""

    __tablename__ = "invitations"
    __table_args__ = (
        one_of("status", STORED),
        CheckConstraint("quota >= -1", name="quota_least"),
        at_most("email", 254),
        Index(
            "uq_invitations_waiting",
            "account_id",
            "email_folded",
            unique=True,
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        ),
        Index(None, "account_id", "created_at", "id"),
        Index(
            "ix_invitations_email", "email_folded", sqlite_where=WAITING, postgresql_where=WAITING
        ),
    )
    KIND: ClassVar[str] = "invitation"
    AUDITED: ClassVar[tuple[str, ...]] = ("email", "status", "quota", "generation")

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    email: str = Field(max_length=254)
    email_folded: str = Field(max_length=762)
    quota: int | None = Field(default=None, sa_type=Micro, nullable=True)
    status: InvitationStatus = Field(
        default=InvitationStatus.PENDING,
        sa_type=EnumText(InvitationStatus),
    )
    generation: int = 1
    invited_by: UUID = Field(foreign_key="users.id")
    created_at: datetime = time_field()
    expires_at: datetime = time_field()
