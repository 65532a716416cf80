"""Keys: standard ones that call models, management ones that read; a secret is stored as its hash only."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from app.database import Micro
from app.models.base import Table, at_most, id_field, time_field
from app.money import UNLIMITED

LIVE = text("revoked_at IS NULL")


class ApiKey(Table, table=True):
    """A standard key (`sk_…`) of one member. Its last use stands in its month counters."""

    __tablename__ = "api_keys"
    __table_args__ = (
        at_most("name", 80),
        at_most("tag", 64),
        CheckConstraint("monthly_limit >= -1", name="monthly_limit_least"),
        Index(None, "account_id", "created_at", "id"),
        Index(None, "account_id", "member_id", "created_at", "id"),
    )
    KIND: ClassVar[str] = "api_key"
    AUDITED: ClassVar[tuple[str, ...]] = (
        "name",
        "tag",
        "monthly_limit",
        "expires_at",
        "revoked_at",
        "last_four",
    )

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    member_id: UUID = Field(foreign_key="members.id")
    user_id: UUID = Field(foreign_key="users.id")
    name: str = Field(max_length=80)
    tag: str | None = Field(default=None, max_length=64)
    monthly_limit: int = Field(default=UNLIMITED, sa_type=Micro)
    prefix: str = Field(max_length=16)
    last_four: str = Field(max_length=4)
    created_at: datetime = time_field()
    expires_at: datetime | None = time_field(optional=True)
    revoked_at: datetime | None = time_field(optional=True)


class ManagementKey(Table, table=True):
    """A management key (`sk_mg_…`) of an organization: reads balance and usage over REST."""

    __tablename__ = "management_keys"
    __table_args__ = (at_most("name", 80), Index(None, "account_id", "created_at", "id"))
    KIND: ClassVar[str] = "management_key"
    AUDITED: ClassVar[tuple[str, ...]] = ("name", "expires_at", "revoked_at", "last_four")

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    member_id: UUID = Field(foreign_key="members.id")
    user_id: UUID = Field(foreign_key="users.id")
    name: str = Field(max_length=80)
    prefix: str = Field(max_length=16)
    last_four: str = Field(max_length=4)
    created_at: datetime = time_field()
    expires_at: datetime | None = time_field(optional=True)
    revoked_at: datetime | None = time_field(optional=True)
    last_used_at: datetime | None = time_field(optional=True)


class KeySecret(Table, table=True):
    """A secret of one key: rotation adds one, and lets the one before it end after the overlap."""

    __tablename__ = "key_secrets"
    __table_args__ = (
        UniqueConstraint("secret_hash"),
        CheckConstraint("(api_key_id IS NULL) <> (management_key_id IS NULL)", name="of_one_key"),
        Index(None, "api_key_id"),
        Index(None, "management_key_id"),
    )

    id: UUID = id_field()
    secret_hash: bytes = Field(sa_type=LargeBinary)
    api_key_id: UUID | None = Field(default=None, foreign_key="api_keys.id")
    management_key_id: UUID | None = Field(default=None, foreign_key="management_keys.id")
    created_at: datetime = time_field()
    ends_at: datetime | None = time_field(optional=True)


class ManagementKeyUse(Table, table=True):
    """What one management key read from one address at one path, summed by the hour."""

    __tablename__ = "management_key_uses"
    __table_args__ = (
        UniqueConstraint("management_key_id", "hour", "ip", "path", "range"),
        Index(None, "account_id", "hour"),
    )

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    management_key_id: UUID = Field(foreign_key="management_keys.id")
    hour: datetime = time_field()
    ip: str = Field(max_length=45)
    path: str = Field(max_length=80)
    range: str = Field(default="", max_length=80)
    uses: int = Field(default=0, sa_type=Micro)
    rows: int = Field(default=0, sa_type=Micro)
    first_at: datetime = time_field()
    last_at: datetime = time_field()
