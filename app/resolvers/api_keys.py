"""Standard keys: everybody's own, which call models; whoever holds the permission sees and ends others'."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor, Seat, Viewer, reads, writes
from app.actors import picture
from app.errors import Forbidden, Refusal
from app.ledger.wallets import lock_wallet
from app.models import Account, Member
from app.models.keys import ApiKey
from app.money import UNLIMITED
from app.pages import Page
from app.permissions import Permission
from app.resolvers._key_rows import (
    ALL_API_KEYS,
    OWN_API_KEYS,
    ApiKeyRow,
    api_key_row,
    api_keys_in_full,
    count_of_each,
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
from app.text import clean_name, clean_tag

__all__ = ["KEEP", "ApiKeyRow", "Keep", "NewKey"]


def _new_key_makes_sense(
    _viewer: Viewer,
    name: str,
    expires_at: datetime | None = None,
    monthly_limit: int = UNLIMITED,
    tag: str | None = None,
) -> None:
    del expires_at, monthly_limit
    clean_name(name)
    if tag is not None:
        clean_tag(tag)


@writes(Permission.MANAGE_OWN_KEYS, on=Account, check=_new_key_makes_sense)
async def create_api_key(
    actor: Actor,
    account: Account,
    name: str,
    expires_at: datetime | None = None,
    monthly_limit: int = UNLIMITED,
    tag: str | None = None,
) -> NewKey:
    """Make a key for oneself; its secret is told this once. `monthly_limit` is in micro-credits.

    Raises `Invalid`, `CapReached`.
    """
    must_be_ahead(actor, expires_at)
    member_id = actor.member_id
    own = col(ApiKey.member_id) == member_id
    await must_have_room(actor, ApiKey, actor.settings.api_key_cap, "api_keys", own)
    key = ApiKey(
        account_id=account.id,
        member_id=member_id,
        user_id=actor.user.id,
        name=clean_name(name),
        tag=None if tag is None else clean_tag(tag),
        monthly_limit=monthly_limit,
        prefix="",
        last_four="",
        created_at=actor.now,
        expires_at=expires_at,
    )
    secret = await add_secret(actor, key, "sk_")
    actor.record(key, name=key.name, after=picture(key))
    return NewKey(secret, key.id)


def _change_makes_sense(
    _viewer: Viewer,
    name: str | Keep | None = KEEP,
    expires_at: datetime | Keep | None = KEEP,
    monthly_limit: int | Keep | None = KEEP,
    tag: str | Keep | None = KEEP,
) -> None:
    del expires_at, monthly_limit
    name_given(name)
    if isinstance(tag, str):
        clean_tag(tag)


@writes(Permission.MANAGE_OWN_KEYS, on=ApiKey, check=_change_makes_sense)
async def update_api_key(
    actor: Actor,
    key: ApiKey,
    name: str | Keep | None = KEEP,
    expires_at: datetime | Keep | None = KEEP,
    monthly_limit: int | Keep | None = KEEP,
    tag: str | Keep | None = KEEP,
) -> UUID:
    """Change one's own key. What is left out stays; None clears: no end, no limit, no tag.

    Raises `Forbidden` for another's key, `KeyEnded`, `Invalid`.
    """
    _must_be_own(actor, key)
    must_be_live(actor, key)
    if isinstance(expires_at, datetime):
        must_be_ahead(actor, expires_at)
    # From here on nothing may refuse. A call that is being authorized now sees the change, or comes first.
    await lock_wallet(actor.session, key.account_id)
    key.name = name_given(name) or key.name
    if expires_at is not KEEP:
        key.expires_at = expires_at
    if monthly_limit is not KEEP:
        key.monthly_limit = UNLIMITED if monthly_limit is None else monthly_limit
    if tag is not KEEP:
        key.tag = None if tag is None else clean_tag(tag)
    return key.id


@writes(Permission.MANAGE_OWN_KEYS, on=ApiKey, check=overlap_makes_sense)
async def rotate_api_key(actor: Actor, key: ApiKey, overlap_minutes: int = 0) -> NewKey:
    """Give one's own key a new secret; the old one goes on working for the overlap.

    Raises `Forbidden` for another's key, `KeyEnded`, `CapReached`.
    """
    _must_be_own(actor, key)
    await lock_wallet(actor.session, key.account_id)
    return await rotate(actor, key, "sk_", overlap_minutes)


def _must_be_own(actor: Actor, key: ApiKey) -> None:
    if key.member_id != actor.member_id:
        raise Forbidden("Only its owner may change a key.")


@writes(Permission.MANAGE_OWN_KEYS, on=ApiKey)
async def revoke_api_key(actor: Actor, key: ApiKey) -> UUID:
    """End a key for ever; done twice is done once.

    One's own, or with MANAGE_ALL_KEYS one of somebody whose role is below one's own. Raises `Forbidden`.
    """
    if key.member_id != actor.member_id:
        if not actor.can(Permission.MANAGE_ALL_KEYS):
            raise Forbidden
        statement = select(Member).where(col(Member.id) == key.member_id)
        actor.must_outrank((await actor.session.execute(statement)).scalar_one())
    if key.revoked_at is None:
        await lock_wallet(actor.session, key.account_id)
        key.revoked_at = actor.now
    return key.id


def _seen(seats: Mapping[UUID, Seat], *, all: bool) -> dict[UUID, Seat]:  # noqa: A002 - the contract's word
    if not all:
        return dict(seats)
    return {
        one: seat for one, seat in seats.items() if Permission.MANAGE_ALL_KEYS in seat.permissions
    }


@reads(Permission.MANAGE_OWN_KEYS, on=Account)
async def list_api_keys(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    *,
    all: bool = False,  # noqa: A002 - the contract's word
    live: bool = False,
    first: int = 50,
    after: str | None = None,
) -> Mapping[UUID, Page[ApiKeyRow] | Refusal]:
    """List one's own keys, newest first; all members' by `all`, which takes MANAGE_ALL_KEYS; ended ones too unless `live`.

    Raises `Forbidden`, `Invalid`, `BadRequest`.
    """
    seen = _seen(seats, all=all)
    which = ALL_API_KEYS if all else OWN_API_KEYS
    pages = await page_of_each(viewer, seen, which, first, after, live=live)
    return {one: pages[one] if one in seen else Forbidden() for one in seats}


@reads(Permission.MANAGE_OWN_KEYS, on=Account)
async def count_api_keys(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    *,
    all: bool = False,  # noqa: A002 - the contract's word
    live: bool = False,
) -> Mapping[UUID, int | Refusal]:
    """Count the keys that `list_api_keys` goes through. Raises `Forbidden`."""
    seen = _seen(seats, all=all)
    counts = await count_of_each(viewer, seen, ALL_API_KEYS if all else OWN_API_KEYS, live=live)
    return {one: counts[one] if one in seen else Forbidden() for one in seats}


@reads(Permission.MANAGE_OWN_KEYS, on=ApiKey)
async def api_key(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, ApiKeyRow]:
    """Show one key, an ended one too: to its owner and to MANAGE_ALL_KEYS."""
    shown = {}
    for row in await viewer.database.rows(api_keys_in_full().where(col(ApiKey.id).in_(seats))):
        seat = seats[row.id]
        if row.member_id == seat.member_id or Permission.MANAGE_ALL_KEYS in seat.permissions:
            shown[row.id] = api_key_row(viewer, seat, row)
    return shown
