"""Accounts: the personal one and the organizations, as the viewer finds them."""

from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select
from sqlmodel import col

from app.access import Seat, Viewer, reads, signed_in
from app.database import AnySelect
from app.errors import NotFound, Refusal
from app.models import Account, Member
from app.permissions import AccountKind, Permission
from app.seats import keep, seat_from, seats_of
from app.text import fold

SLUG_LENGTH = 80


@signed_in
async def list_accounts(viewer: Viewer) -> list[Seat]:
    """List what the switcher shows: the personal account first, then the organizations by name."""
    statement = seats_of(viewer.person.id).where(
        col(Member.ended_at).is_(None), col(Account.dissolved_at).is_(None)
    )
    found = [keep(viewer, seat_from(row)) for row in await viewer.database.rows(statement)]
    seats = [seat for seat in found if isinstance(seat, Seat)]
    return sorted(seats, key=lambda seat: (seat.kind is not AccountKind.PERSONAL, fold(seat.name)))


@lru_cache(maxsize=1)
def _seat_by_slug() -> AnySelect:
    """Select `user_id`'s seat in the account of a `slug`: built once, since most queries begin with it."""
    # A join on the slug makes planners sort all members of all accounts; a scalar does not.
    named = col(Account.slug) == bindparam("slug")
    account_id = select(col(Account.id)).where(named).scalar_subquery()
    person = bindparam("user_id", type_=Uuid())
    return seats_of(person).where(col(Account.id) == account_id)


@signed_in
async def account_by_slug(viewer: Viewer, slug: str) -> Seat:
    """Find an account by the name in its address. Raises `NotFound`, `Dissolved`."""
    known = next((seat for seat in viewer.seats.values() if seat.slug == slug), None)
    if known is not None:
        return known
    if not slug or len(slug) > SLUG_LENGTH or not slug.isascii() or not slug.isprintable():
        raise NotFound
    values = {"user_id": viewer.person.id, "slug": slug}
    row = await viewer.database.row(_seat_by_slug(), values)
    seat = NotFound() if row is None else keep(viewer, seat_from(row))
    if isinstance(seat, Refusal):
        raise seat
    return seat


@reads(None, on=Account)
async def account(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, Seat]:
    """Find an account by its id."""
    del viewer
    return dict(seats)


@reads(Permission.MANAGE_QUOTAS, on=Account)
async def default_quota(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Tell the quota that people get when they join, in micro-credits (-1: no limit)."""
    del viewer
    return {account_id: seat.default_quota for account_id, seat in seats.items()}
