"""People's pictures, kept so that no browser asks a third party for one."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary
from sqlmodel import Field

from app.models.base import Table, at_most, time_field


class Avatar(Table, table=True):
    """What was found at a person's picture address: an image, or none that could be shown."""

    __tablename__ = "avatars"
    __table_args__ = (
        at_most("picture_url", 2048),
        CheckConstraint("(media_type IS NULL) = (content IS NULL)", name="whole"),
        CheckConstraint("content IS NULL OR length(content) <= 262144", name="content_size"),
    )
    KIND: ClassVar[str] = "avatar"

    user_id: UUID = Field(primary_key=True, foreign_key="users.id")
    picture_url: str = Field(max_length=2048)
    media_type: str | None = Field(default=None, max_length=20)
    content: bytes | None = Field(default=None, sa_type=LargeBinary)
    fetched_at: datetime = time_field()
