"""Members: listing them, and changing role, quota and membership."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor, Seat, Viewer, reads, writes
from app.database import AnySelect
from app.errors import Forbidden, Invalid, OwnerMustTransfer
from app.ledger.wallets import lock_wallet
from app.models import Account, Member, User
from app.pages import Page
from app.permissions import Permission, Role
from app.resolvers._endings import Endings, end_membership, end_rights_of_rank, endings_of
from app.resolvers._exports import Export, Place, export_of
from app.resolvers._lists import after_key, rows_of_each
from app.resolvers._member_rows import (
    MemberOrder,
    MemberQuery,
    MemberRow,
    count_of_each,
    ever,
    member_row,
    page_of_each,
    present,
)

__all__ = ["Endings", "MemberOrder", "MemberQuery", "MemberRow", "Place"]


@reads(Permission.VIEW_MEMBERS, on=Account)
async def list_members(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: MemberQuery
) -> dict[UUID, Page[MemberRow]]:
    """List members by pages; search is within names and e-mails. Raises `Invalid`, `BadRequest`."""
    return await page_of_each(viewer, seats, query)


@reads(Permission.VIEW_MEMBERS, on=Account)
async def count_members(
    viewer: Viewer, seats: Mapping[UUID, Seat], search: str | None = None, role: Role | None = None
) -> dict[UUID, int]:
    """Count the members that `list_members` goes through."""
    return await count_of_each(viewer, seats, search, role)


@reads(None, on=Account)
async def member_count(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Count all members, for anybody who is one."""
    return await count_of_each(viewer, seats, None, None)


@reads(None, on=Account)
async def owner(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, MemberRow]:
    """Show who the Owner is: the name to every member, more to VIEW_MEMBERS."""
    statement = present(_at(seats)).where(
        col(Member.account_id).in_(seats), col(Member.role) == Role.OWNER
    )
    rows = await viewer.database.rows(statement)
    return {row.account_id: member_row(viewer, seats[row.account_id], row) for row in rows}


@reads(None, on=Account)
async def own_membership(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, MemberRow]:
    """Show the viewer's own membership."""
    own = [seat.member_id for seat in seats.values() if seat.member_id is not None]
    rows = await viewer.database.rows(present(_at(seats)).where(col(Member.id).in_(own)))
    return {row.account_id: member_row(viewer, seats[row.account_id], row) for row in rows}


@reads(None, on=Member)
async def member(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, MemberRow]:
    """Show one member: to themselves, to VIEW_MEMBERS; the Owner to every member."""
    shown = {}
    statement = present(_at(seats)).where(col(Member.id).in_(seats))
    for row in await viewer.database.rows(statement):
        seat = seats[row.id]
        seen = row.role is Role.OWNER or row.id == seat.member_id
        if seen or Permission.VIEW_MEMBERS in seat.permissions:
            shown[row.id] = member_row(viewer, seat, row)
    return shown


@reads(Permission.VIEW_MEMBERS, on=Account)
async def member_rows(
    viewer: Viewer, seats: Mapping[UUID, Seat], place: Place, limit: int
) -> dict[UUID, list[MemberRow]]:
    """Give at most `limit` members in the order in which they came, for finance tools; `Place.after` is [id]."""
    found = await rows_of_each(viewer, seats, lambda one: _came(seats[one], place).limit(limit))
    return {
        one: [member_row(viewer, seats[one], row) for row in rows] for one, rows in found.items()
    }


@reads(Permission.VIEW_MEMBERS, on=Account)
async def export_members(
    viewer: Viewer, seats: Mapping[UUID, Seat], place: Place
) -> dict[UUID, Export[None, list[MemberRow]]]:
    """Give all members as `member_rows` does, from one snapshot."""
    return {
        one: export_of(viewer, _came(seat, place), partial(member_row, viewer, seat))
        for one, seat in seats.items()
    }


def _came(seat: Seat, place: Place) -> AnySelect:
    statement = present(seat.now).where(col(Member.account_id) == seat.account_id)
    if place.after is not None:
        came = after_key([col(Member.id)], place.after, descending=place.descending)
        statement = statement.where(came)
    return statement.order_by(col(Member.id).desc() if place.descending else col(Member.id))


@reads(None, on=Member)
async def known_member(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, MemberRow]:
    """Show whose usage something is, somebody who has left too: to themselves and to VIEW_MEMBERS."""
    shown = {}
    statement = ever(_at(seats)).where(col(Member.id).in_(seats))
    for row in await viewer.database.rows(statement):
        seat = seats[row.id]
        if row.id == seat.member_id or Permission.VIEW_MEMBERS in seat.permissions:
            shown[row.id] = member_row(viewer, seat, row)
    return shown


@reads(Permission.VIEW_MEMBERS, on=Member)
async def endings(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, Endings]:
    """Count what would end with a membership: live keys of both kinds, and waiting invitations."""
    return await endings_of(viewer, seats)


def _at(seats: Mapping[UUID, Seat]) -> datetime:
    """Take one moment for all: of seats that one statement found it is the same but for microseconds."""
    return next(iter(seats.values())).now


@writes(Permission.MANAGE_QUOTAS, on=Member)
async def set_member_quota(actor: Actor, member: Member, quota: int) -> UUID:
    """Limit what a member may use in one calendar month (UTC), in micro-credits; -1: no limit, 0: none at all.

    Admins set it for people of role Member; the Owner also for Admins and for themselves.
    """
    actor.must_outrank(member, unless_own_as=Role.OWNER)
    # A call that is being authorized now comes first, or sees the new quota.
    await lock_wallet(actor.session, member.account_id)
    member.quota = quota
    return member.id


def _role_can_be_given(_viewer: Viewer, role: Role) -> None:
    if role is Role.OWNER:
        raise Invalid(role="Transfer the ownership to make someone the Owner.")


@writes(Permission.CHANGE_ROLES, on=Member, check=_role_can_be_given)
async def set_member_role(actor: Actor, member: Member, role: Role) -> UUID:
    """Promote a Member to Admin, or demote an Admin to Member; only the Owner demotes.

    Demotion ends what only the rank allowed: management keys and waiting invitations of that person.
    Raises `OwnerMustTransfer` for the Owner themselves.
    """
    if member.role is Role.OWNER and member.id == actor.place.member_id:
        raise OwnerMustTransfer
    actor.must_outrank(member)
    if role > actor.rank:
        raise Forbidden
    was = member.role
    member.role = role
    if role < was:
        await end_rights_of_rank(actor, member)
    elif role > was and actor.rank is not Role.OWNER:
        await _tell_the_owner(actor, member)
    return member.id


async def _tell_the_owner(actor: Actor, member: Member) -> None:
    statement = (
        select(col(User.email))
        .join(Member, col(Member.user_id) == col(User.id))
        .where(
            col(Member.account_id) == member.account_id,
            col(Member.role) == Role.OWNER,
            col(Member.ended_at).is_(None),
        )
    )
    address = (await actor.session.execute(statement)).scalar_one()
    promoted = select(col(User.name)).where(col(User.id) == member.user_id)
    fields = {
        "organization_name": actor.place.name,
        "actor_name": actor.user.name,
        "member_name": (await actor.session.execute(promoted)).scalar_one(),
    }
    actor.send("admin_promoted", address, member.account_id, fields)


@writes(Permission.MANAGE_MEMBERS, on=Member)
async def remove_member(actor: Actor, member: Member) -> UUID:
    """End someone's membership, with what hung on it. Raises `OwnerMustTransfer` for the Owner themselves."""
    if member.role is Role.OWNER and member.id == actor.place.member_id:
        raise OwnerMustTransfer
    actor.must_outrank(member)
    await end_membership(actor, member)
    return member.id
