"""People, as the identity provider names them, and their sign-ins."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from app.models.base import Table, at_most, id_field, time_field


class User(Table, table=True):
    """One person: identity is (issuer, subject), never the e-mail."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        at_most("name", 200),
        at_most("email", 254),
        Index(None, "email_folded"),
    )
    KIND: ClassVar[str] = "user"
    AUDITED: ClassVar[tuple[str, ...]] = ("email", "email_verified", "name")

    id: UUID = id_field()
    issuer: str = Field(max_length=255)
    subject: str = Field(max_length=255)
    email: str = Field(max_length=254)
    email_folded: str = Field(max_length=762)
    email_verified: bool
    name: str = Field(max_length=200)
    picture_url: str | None = Field(default=None, max_length=2048)
    created_at: datetime = time_field()


class Session(Table, table=True):
    """A browser that is signed in. The cookie holds a secret of which only the hash stands here."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("secret_hash"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
    )

    id: UUID = id_field()
    user_id: UUID = Field(foreign_key="users.id")
    secret_hash: bytes = Field(sa_type=LargeBinary)
    form_token: str = Field(max_length=64)
    signed_in_at: datetime = time_field()
    seen_at: datetime = time_field()
    expires_at: datetime = time_field()


class SignInAttempt(Table, table=True):
    """A sign-in that has left for the identity provider, bound to the browser that started it."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (UniqueConstraint("state_hash"), Index(None, "expires_at"))

    id: UUID = id_field()
    state_hash: bytes = Field(sa_type=LargeBinary)
    browser_hash: bytes = Field(sa_type=LargeBinary)
    nonce: str = Field(max_length=255)
    code_verifier: str = Field(max_length=255)
    return_path: str = Field(max_length=2048)
    fresh: bool
    expires_at: datetime = time_field()
