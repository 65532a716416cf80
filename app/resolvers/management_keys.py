"""Management keys: an organization's own, which read its balance, usage, ledger and members over REST."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlmodel import col

from app.access import Actor, Seat, Viewer, anyone, reads, system, writes
from app.actors import picture
from app.errors import Forbidden
from app.models import Account
from app.models.keys import ManagementKey
from app.pages import Page
from app.permissions import Permission
from app.resolvers._key_rows import (
    MANAGEMENT_KEYS,
    ManagementKeyRow,
    count_of_each,
    management_key_row,
    management_keys_in_full,
    page_of_each,
)
from app.resolvers._key_rules import (
    KEEP,
    Keep,
    NewKey,
    add_secret,
    must_be_ahead,
    must_be_live,
    must_have_room,
    name_given,
    overlap_makes_sense,
    rotate,
)
from app.resolvers._key_uses import (
    ManagementKeyUseRow,
    ManagementUse,
    UsePage,
    book_uses,
    uses_of_each,
    viewer_of_secret,
)
from app.text import clean_name

__all__ = ["KEEP", "Keep", "ManagementKeyRow", "ManagementKeyUseRow", "ManagementUse", "NewKey"]


def _new_key_makes_sense(_viewer: Viewer, name: str, expires_at: datetime | None = None) -> None:
    del expires_at
    clean_name(name)


@writes(Permission.MANAGE_MANAGEMENT_KEYS, on=Account, fresh=True, check=_new_key_makes_sense)
async def create_management_key(
    actor: Actor, account: Account, name: str, expires_at: datetime | None = None
) -> NewKey:
    """Make a key that reads for the organization; its secret is told this once.

    Raises `ReauthenticationRequired`, `Invalid`, `CapReached`.
    """
    must_be_ahead(actor, expires_at)
    ours = col(ManagementKey.account_id) == account.id
    cap = actor.settings.management_key_cap
    await must_have_room(actor, ManagementKey, cap, "management_keys", ours)
    key = ManagementKey(
        account_id=account.id,
        member_id=actor.member_id,
        user_id=actor.user.id,
        name=clean_name(name),
        prefix="",
        last_four="",
        created_at=actor.now,
        expires_at=expires_at,
    )
    secret = await add_secret(actor, key, "sk_mg_")
    actor.record(key, name=key.name, after=picture(key))
    return NewKey(secret, key.id)


def _change_makes_sense(
    _viewer: Viewer,
    name: str | Keep | None = KEEP,
    expires_at: datetime | Keep | None = KEEP,
) -> None:
    del expires_at
    name_given(name)


@writes(Permission.MANAGE_MANAGEMENT_KEYS, on=ManagementKey, check=_change_makes_sense)
async def update_management_key(
    actor: Actor,
    key: ManagementKey,
    name: str | Keep | None = KEEP,
    expires_at: datetime | Keep | None = KEEP,
) -> UUID:
    """Change a key that one made. What is left out stays; None for the end: it has none.

    Raises `Forbidden` for another's key, `KeyEnded`, `Invalid`.
    """
    _must_be_maker(actor, key)
    must_be_live(actor, key)
    if isinstance(expires_at, datetime):
        must_be_ahead(actor, expires_at)
    # From here on nothing may refuse.
    key.name = name_given(name) or key.name
    if expires_at is not KEEP:
        key.expires_at = expires_at
    return key.id


@writes(Permission.MANAGE_MANAGEMENT_KEYS, on=ManagementKey, fresh=True, check=overlap_makes_sense)
async def rotate_management_key(
    actor: Actor, key: ManagementKey, overlap_minutes: int = 0
) -> NewKey:
    """Give a key that one made a new secret; the old one goes on working for the overlap.

    Raises `ReauthenticationRequired`, `Forbidden` for another's key, `KeyEnded`, `CapReached`.
    """
    _must_be_maker(actor, key)
    return await rotate(actor, key, "sk_mg_", overlap_minutes)


def _must_be_maker(actor: Actor, key: ManagementKey) -> None:
    if key.member_id != actor.member_id:
        raise Forbidden("Only its maker may change a key.")


@writes(Permission.MANAGE_MANAGEMENT_KEYS, on=ManagementKey)
async def revoke_management_key(actor: Actor, key: ManagementKey) -> UUID:
    """End a key for ever, whoever made it; done twice is done once."""
    if key.revoked_at is None:
        key.revoked_at = actor.now
    return key.id


@reads(Permission.MANAGE_MANAGEMENT_KEYS, on=Account)
async def list_management_keys(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    *,
    live: bool = False,
    first: int = 50,
    after: str | None = None,
) -> dict[UUID, Page[ManagementKeyRow]]:
    """List the organization's keys, newest first, ended ones too unless `live`. Raises `Invalid`, `BadRequest`."""
    return await page_of_each(viewer, seats, MANAGEMENT_KEYS, first, after, live=live)


@reads(Permission.MANAGE_MANAGEMENT_KEYS, on=Account)
async def count_management_keys(
    viewer: Viewer, seats: Mapping[UUID, Seat], *, live: bool = False
) -> dict[UUID, int]:
    """Count the keys that `list_management_keys` goes through."""
    return await count_of_each(viewer, seats, MANAGEMENT_KEYS, live=live)


@reads(Permission.MANAGE_MANAGEMENT_KEYS, on=ManagementKey)
async def management_key(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, ManagementKeyRow]:
    """Show one key, an ended one too."""
    statement = management_keys_in_full().where(col(ManagementKey.id).in_(seats))
    rows = await viewer.database.rows(statement)
    return {row.id: management_key_row(viewer, seats[row.id], row) for row in rows}


@anyone
async def management_key_viewer(
    viewer: Viewer, secret: str, *, with_balance: bool = False
) -> Viewer:
    """Make the viewer that a key's secret stands for, with its one seat, by one statement at the most.

    With its balance too where that is wanted.

    Raises `WrongKeyType` for a well-formed `sk_`, `Unauthenticated` for all else that does not work:
    unknown, revoked, run out, its maker gone or without the permission, its organization dissolved.
    """
    return await viewer_of_secret(viewer, secret, with_balance=with_balance)


@system
async def record_management_uses(actor: Actor, uses: list[ManagementUse]) -> int:
    """Book what management keys read, summed by hour; a key's first use is audited. Tells how many were booked."""
    return await book_uses(actor, uses)


@reads(Permission.MANAGE_MANAGEMENT_KEYS, on=ManagementKey)
async def list_management_key_uses(
    viewer: Viewer, seats: Mapping[UUID, Seat], first: int = 50, after: str | None = None
) -> dict[UUID, UsePage]:
    """List what a key has read, by hour, address, path and range, newest first. Raises `Invalid`, `BadRequest`."""
    return await uses_of_each(viewer, seats, first, after)
