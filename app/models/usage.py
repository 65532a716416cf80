"""Usage: one record a model call, never changed, and the rollups that charts and reports read."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from app.database import Micro, UtcDateTime
from app.models.base import Table, at_most, id_field, time_field


class UsageRecord(Table, table=True):
    """One model call: who, which key, which model, how many tokens, what it cost. Append-only by trigger.

    `sequence` counts up by one within the account in the order of commits. A correction is a record
    with negative figures that names the one it corrects.
    """

    __tablename__ = "usage_records"
    __table_args__ = (
        UniqueConstraint("account_id", "sequence"),
        at_most("model", 120),
        Index(None, "account_id", "occurred_at", "sequence"),
        Index(None, "account_id", "member_id", "occurred_at", "sequence"),
        Index(
            None,
            "corrects",
            sqlite_where=text("corrects IS NOT NULL"),
            postgresql_where=text("corrects IS NOT NULL"),
        ),
    )
    KIND: ClassVar[str] = "usage_record"

    id: UUID = id_field()
    account_id: UUID
    sequence: int = Field(sa_type=Micro)
    event_id: str = Field(max_length=255)
    gateway_id: UUID | None = None
    hold_id: UUID | None = None
    member_id: UUID
    api_key_id: UUID
    model: str = Field(max_length=120)
    tag: str | None = Field(default=None, max_length=64)
    prompt_tokens: int = Field(sa_type=Micro)
    cached_tokens: int = Field(default=0, sa_type=Micro)
    cache_write_tokens: int = Field(default=0, sa_type=Micro)
    completion_tokens: int = Field(sa_type=Micro)
    reasoning_tokens: int = Field(default=0, sa_type=Micro)
    cost_micro: int = Field(sa_type=Micro)
    price: str = Field(max_length=120)
    """By which price: `gateway` for a cost that was given, else the name of the price."""
    occurred_at: datetime = time_field()
    recorded_at: datetime = time_field()
    transfer_id: UUID | None = None
    """The transfer that its cost is part of; None where that sum was zero."""
    corrects: UUID | None = None


class UsageEvent(Table, table=True):
    """Every usage event id that was ever recorded, and what was answered. Append-only by trigger."""

    __tablename__ = "usage_events"

    gateway_id: UUID = Field(primary_key=True)
    event_id: str = Field(max_length=255, primary_key=True)
    account_id: UUID
    usage_record_id: UUID
    hold_id: UUID | None = None
    content_hash: bytes = Field(sa_type=LargeBinary)
    cost_micro: int = Field(sa_type=Micro)
    late: bool = False


class Tally(Table):
    """What every rollup sums."""

    requests: int = Field(default=0, sa_type=Micro)
    prompt_tokens: int = Field(default=0, sa_type=Micro)
    cached_tokens: int = Field(default=0, sa_type=Micro)
    cache_write_tokens: int = Field(default=0, sa_type=Micro)
    completion_tokens: int = Field(default=0, sa_type=Micro)
    reasoning_tokens: int = Field(default=0, sa_type=Micro)
    cost_micro: int = Field(default=0, sa_type=Micro)


class UsageHour(Tally, table=True):
    """An account's usage by hour and model. Read by charts over hours."""

    __tablename__ = "usage_hours"
    __table_args__ = (CheckConstraint("length(model) > 0", name="model_named"),)

    account_id: UUID = Field(primary_key=True)
    hour: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    model: str = Field(primary_key=True, max_length=120)


class UsageDay(Tally, table=True):
    """An account's usage by UTC day and model. Read by charts over days and months."""

    __tablename__ = "usage_days"

    account_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    model: str = Field(primary_key=True, max_length=120)


class UsageDayDetail(Tally, table=True):
    """An account's usage by UTC day, member, key, model and tag ("" for none). Read by all other reports."""

    __tablename__ = "usage_day_details"
    __table_args__ = (Index(None, "account_id", "member_id", "day"),)

    account_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    member_id: UUID = Field(primary_key=True)
    api_key_id: UUID = Field(primary_key=True)
    model: str = Field(primary_key=True, max_length=120)
    tag: str = Field(primary_key=True, max_length=64)
