"""Audit events: who did what, on whom, before and after. Append-only by trigger."""

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index
from sqlmodel import Field

from app.database import EnumText
from app.models.base import Table, id_field, one_of, time_field


class AuditActorKind(Enum):
    """What acted."""

    USER = "USER"
    MANAGEMENT_KEY = "MANAGEMENT_KEY"
    OPERATOR = "OPERATOR"
    SYSTEM = "SYSTEM"


class AuditEvent(Table, table=True):
    """One change of state of an account. `action` is the name of the verb that made it."""

    __tablename__ = "audit_events"
    __table_args__ = (
        one_of("actor_kind", AuditActorKind),
        Index(None, "account_id", "at", "id"),
        Index(None, "account_id", "action", "at", "id"),
    )

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    action: str = Field(max_length=60)
    actor_kind: AuditActorKind = Field(sa_type=EnumText(AuditActorKind))
    actor_id: UUID | None = None
    actor_name: str = Field(max_length=254)
    target_kind: str | None = Field(default=None, max_length=20)
    target_id: UUID | None = None
    target_name: str | None = Field(default=None, max_length=254)
    before: Any = Field(default=None, sa_type=JSON(none_as_null=True), nullable=True)
    after: Any = Field(default=None, sa_type=JSON(none_as_null=True), nullable=True)
    request_id: str | None = Field(default=None, max_length=64)
    ip: str | None = Field(default=None, max_length=45)
    at: datetime = time_field()
