"""Memberships: a user's place in an account."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from app.database import EnumNumber, Micro, folded
from app.models.base import Table, id_field, time_field
from app.permissions import Role

PRESENT = text("ended_at IS NULL")


class Member(Table, table=True):
    """One row per account and user, taken up again when the person comes back (PRODUCT.md, leave and rejoin)."""

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("account_id", "user_id"),
        CheckConstraint("role IN (10, 20, 30)", name="role_known"),
        CheckConstraint("quota >= -1", name="quota_least"),
        # At most one Owner; that there is one is kept by every verb, and tested after each step.
        Index(
            "uq_members_owner",
            "account_id",
            unique=True,
            sqlite_where=text("role = 30 AND ended_at IS NULL"),
            postgresql_where=text("role = 30 AND ended_at IS NULL"),
        ),
        Index(None, "user_id"),
        *(
            Index(None, "account_id", *columns, sqlite_where=PRESENT, postgresql_where=PRESENT)
            for columns in (
                ("name_folded", "id", "email_folded", "role"),
                ("email_folded", "id", "name_folded", "role"),
                ("role", "name_folded", "id", "email_folded"),
                ("joined_at", "id"),
            )
        ),
    )
    KIND: ClassVar[str] = "member"
    AUDITED: ClassVar[tuple[str, ...]] = ("role", "quota", "ended_at")

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    user_id: UUID = Field(foreign_key="users.id")
    role: Role = Field(sa_type=EnumNumber(Role))
    quota: int = Field(sa_type=Micro)
    joined_at: datetime = time_field()
    ended_at: datetime | None = time_field(optional=True)
    name_folded: str = Field(sa_type=folded(200))
    email_folded: str = Field(sa_type=folded(762))
