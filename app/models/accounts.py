"""Accounts: the workspaces that own credits, keys and usage."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from app.database import EnumText, Micro
from app.models.base import Table, at_most, id_field, one_of, time_field
from app.money import UNLIMITED
from app.permissions import AccountKind


class Account(Table, table=True):
    """A personal account or an organization. Rows stay for ever, so a slug is never used again."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("slug"),
        one_of("kind", AccountKind),
        at_most("name", 200),
        at_most("slug", 80),
        CheckConstraint("default_quota >= -1", name="default_quota_least"),
    )
    KIND: ClassVar[str] = "account"
    AUDITED: ClassVar[tuple[str, ...]] = ("name", "default_quota", "dissolved_at")

    id: UUID = id_field()
    kind: AccountKind = Field(sa_type=EnumText(AccountKind))
    name: str = Field(max_length=200)
    slug: str = Field(max_length=80)
    default_quota: int = Field(default=UNLIMITED, sa_type=Micro)
    created_at: datetime = time_field()
    dissolved_at: datetime | None = time_field(optional=True)
