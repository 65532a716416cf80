"""Rules that standard and management keys share: names, expiry, secrets and their rotation."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlmodel import col

from app.access import Actor, Viewer
from app.credentials import KeyPrefix, new_key_secret, secret_hash, shown_parts
from app.errors import CapReached, Invalid, KeyEnded
from app.models.keys import ApiKey, KeySecret, ManagementKey
from app.text import clean_name

Key = ApiKey | ManagementKey


class Keep(Enum):
    """Says of a field in an update that it was left out; None is a value there, and clears."""

    KEEP = "KEEP"


KEEP: Final = Keep.KEEP


class NewKey(NamedTuple):
    """A secret, to be shown this once, and the id of its key. Its `repr` does not tell the secret."""

    secret: str
    id: UUID

    def __repr__(self) -> str:
        """Keep the secret out of logs and tracebacks."""
        return f"NewKey(secret=…, id={self.id})"


def name_given(name: str | Keep | None) -> str | None:
    """Check the name of an update; None where it stays. Raises `Invalid`, since no key is nameless."""
    return None if name is KEEP else clean_name(name or "")


def must_be_ahead(actor: Actor, expires_at: datetime | None) -> None:
    """Refuse an end that has passed by the database's clock, or is too far off. Raises `Invalid`."""
    if expires_at is None:
        return
    if expires_at <= actor.now:
        raise Invalid(expiresAt="A key ends in the future.")
    days = actor.settings.key_days
    if expires_at > actor.now + timedelta(days=days):
        raise Invalid(expiresAt=f"A key ends within {days} days, or never.")


def must_be_live(actor: Actor, key: Key) -> None:
    """Refuse to change what has ended. Raises `KeyEnded`."""
    if key.revoked_at is not None or _past(key.expires_at, actor.now):
        raise KeyEnded


def _past(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at


def overlap_makes_sense(viewer: Viewer, overlap_minutes: int = 0) -> None:
    """Refuse an overlap that is none. Raises `Invalid`."""
    most = viewer.settings.key_overlap_minutes
    if not 0 <= overlap_minutes <= most:
        raise Invalid(overlapMinutes=f"Let the old secret go on for 0 to {most} minutes.")


async def must_have_room(
    actor: Actor, kind: type[Key], cap: int, name: str, *which: object
) -> None:
    """Refuse one more live key than the cap; the account's row is locked. Raises `CapReached`."""
    ends = col(kind.expires_at)
    statement = (
        select(func.count())
        .select_from(kind)
        .where(*which, col(kind.revoked_at).is_(None), or_(ends.is_(None), ends > actor.now))  # type: ignore[arg-type]
    )
    if (await actor.session.execute(statement)).scalar_one() >= cap:
        raise CapReached(f"There are {cap} live keys, which is the most.", cap=name)


async def add_secret(actor: Actor, key: Key, prefix: KeyPrefix) -> str:
    """Give a key, new or being rotated, its newest secret; only the hash of it is stored."""
    before = key.last_four
    while True:
        secret = new_key_secret(prefix)
        key.prefix, key.last_four = shown_parts(secret)
        # Whoever rotates a key has to be able to tell old and new apart.
        if key.last_four != before:
            break
    actor.session.add(key)
    await actor.session.flush()
    pepper = actor.settings.key_pepper.get_secret_value()
    stored = KeySecret(secret_hash=secret_hash(pepper, secret), created_at=actor.now)
    setattr(stored, _owner_column(key), key.id)
    actor.session.add(stored)
    return secret


async def rotate(actor: Actor, key: Key, prefix: KeyPrefix, overlap_minutes: int) -> NewKey:
    """Give a key a new secret, and let the earlier ones end after the overlap, none later than it would have.

    Raises `KeyEnded`, `CapReached`.
    """
    must_be_live(actor, key)
    ends = col(KeySecret.ends_at)
    statement = select(KeySecret).where(
        getattr(KeySecret, _owner_column(key)) == key.id, or_(ends.is_(None), ends > actor.now)
    )
    working = (await actor.session.execute(statement)).scalars().all()
    end = actor.now + timedelta(minutes=overlap_minutes)
    cap = actor.settings.key_secret_cap
    if overlap_minutes and len(working) >= cap:
        says = f"{cap} secrets of this key still work. Rotate it without an overlap."
        raise CapReached(says, cap="key_secrets")
    # From here on nothing may refuse.
    for old in working:
        old.ends_at = end if old.ends_at is None else min(old.ends_at, end)
    return NewKey(await add_secret(actor, key, prefix), key.id)


def _owner_column(key: Key) -> str:
    return "api_key_id" if isinstance(key, ApiKey) else "management_key_id"
