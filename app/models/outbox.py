"""Letters that wait to be sent, written in the transaction that causes them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, text
from sqlmodel import Field

from app.models.base import Table, id_field, time_field

WAITING = text("sent_at IS NULL AND given_up_at IS NULL")


class OutboxLetter(Table, table=True):
    """A letter by its kind and fields. An invitation's link is no field: it is derived when sent."""

    __tablename__ = "outbox_letters"
    __table_args__ = (Index(None, "due_at", sqlite_where=WAITING, postgresql_where=WAITING),)

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    kind: str = Field(max_length=40)
    recipient: str = Field(max_length=254)
    fields: Any = Field(sa_type=JSON)
    invitation_id: UUID | None = Field(default=None, foreign_key="invitations.id")
    invitation_generation: int | None = None
    created_at: datetime = time_field()
    due_at: datetime = time_field()
    attempts: int = 0
    sent_at: datetime | None = time_field(optional=True)
    given_up_at: datetime | None = time_field(optional=True)
    last_error: str | None = Field(default=None, max_length=200)
