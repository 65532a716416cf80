"""Invitations: sending, listing, ending, accepting and declining them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col

from app.access import Actor, Seat, Viewer, anyone, reads, signed_in, signed_in_writes, writes
from app.actors import picture
from app.database import now
from app.errors import Forbidden, Invalid, InvitationClosed, NotFound
from app.models import Account, Invitation, InvitationStatus
from app.pages import Page
from app.permissions import Permission
from app.resolvers._invitation_rows import (
    InvitationRow,
    count_of_each,
    in_full,
    invitation_row,
    page_of_each,
    row_of_token,
)
from app.resolvers._inviting import (
    InviteOutcome,
    may_send,
    open_again,
    send_to_each,
    would_become,
)
from app.resolvers._joining import join, locked_for_answer, record_answer
from app.resolvers._room import lock_person, must_have_room_for_organization

__all__ = ["InvitationRow", "InviteOutcome"]


def _addresses_make_sense(viewer: Viewer, emails: list[str], quota: int | None = None) -> None:
    del quota
    most = viewer.settings.list_input
    if not 1 <= len(emails) <= most:
        raise Invalid(emails=f"Give 1 to {most} addresses.")


@writes(Permission.MANAGE_MEMBERS, on=Account, check=_addresses_make_sense)
async def invite_members(
    actor: Actor, account: Account, emails: list[str], quota: int | None = None
) -> list[InviteOutcome]:
    """Invite addresses as Members, each with its own result; `quota` (micro) takes MANAGE_QUOTAS.

    A second invitation to an address takes the place of the first, whose link ends.
    Raises `Invalid`, `RateLimited`.
    """
    if quota is not None and not actor.can(Permission.MANAGE_QUOTAS):
        raise Forbidden
    await may_send(actor, account.id, len(emails))
    return await send_to_each(actor, account, emails, quota)


@reads(Permission.MANAGE_MEMBERS, on=Account)
async def check_addresses(
    viewer: Viewer, seats: Mapping[UUID, Seat], emails: list[str]
) -> dict[UUID, tuple[InviteOutcome, ...]]:
    """Tell what `invite_members` would do to each address now; nothing is sent. Raises `Invalid`."""
    _addresses_make_sense(viewer, emails)
    return {one: await would_become(viewer, one, emails) for one in seats}


@writes(Permission.MANAGE_MEMBERS, on=Invitation)
async def resend_invitation(actor: Actor, invitation: Invitation) -> UUID:
    """Send a new letter, whose link takes the place of the old one, and start the days anew.

    Raises `InvitationClosed`, `RateLimited`.
    """
    if invitation.status is not InvitationStatus.PENDING:
        raise InvitationClosed
    await may_send(actor, invitation.account_id, 1)
    open_again(actor, invitation)
    return invitation.id


@writes(Permission.MANAGE_MEMBERS, on=Invitation)
async def revoke_invitation(actor: Actor, invitation: Invitation) -> UUID:
    """End a waiting invitation; done twice is done once. Raises `InvitationClosed` if it was answered."""
    del actor
    if invitation.status not in (InvitationStatus.PENDING, InvitationStatus.REVOKED):
        raise InvitationClosed("This invitation has been answered already.")
    invitation.status = InvitationStatus.REVOKED
    return invitation.id


@reads(Permission.MANAGE_MEMBERS, on=Account)
async def list_invitations(
    viewer: Viewer, seats: Mapping[UUID, Seat], first: int = 50, after: str | None = None
) -> dict[UUID, Page[InvitationRow]]:
    """List the invitations that nobody has answered yet, run-out ones too, newest first."""
    return await page_of_each(viewer, seats, first, after)


@reads(Permission.MANAGE_MEMBERS, on=Account)
async def count_invitations(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Count the invitations that `list_invitations` goes through."""
    return await count_of_each(viewer, seats)


@reads(Permission.MANAGE_MEMBERS, on=Invitation)
async def invitation(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, InvitationRow]:
    """Show one invitation of the organization, answered ones too."""
    rows = await viewer.database.rows(in_full().where(col(Invitation.id).in_(seats)))
    return {row.id: invitation_row(viewer.settings, row, internal=True) for row in rows}


@signed_in
async def own_invitations(viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, InvitationRow]:
    """Show invitations to the person who was invited, answered ones too; others are left out."""
    me = viewer.person
    if not me.email_verified:
        return {}
    statement = in_full().where(
        col(Invitation.id).in_(ids), col(Invitation.email_folded) == me.email_folded
    )
    rows = await viewer.database.rows(statement)
    return {row.id: invitation_row(viewer.settings, row) for row in rows}


@signed_in
async def own_invitation(viewer: Viewer, invitation_id: UUID) -> InvitationRow:
    """Show one of `own_invitations`. Raises `NotFound`."""
    found = await own_invitations(viewer, [invitation_id])
    if invitation_id not in found:
        raise NotFound
    return found[invitation_id]


@signed_in
async def pending_invitations(viewer: Viewer) -> list[InvitationRow]:
    """List the invitations to the viewer's verified address that still wait, newest first."""
    me = viewer.person
    if not me.email_verified:
        return []
    statement = in_full().where(
        col(Invitation.email_folded) == me.email_folded,
        col(Invitation.status) == InvitationStatus.PENDING,
        col(Invitation.expires_at) > now(),
    )
    newest = statement.order_by(col(Invitation.created_at).desc(), col(Invitation.id).desc())
    rows = await viewer.database.rows(newest)
    return [invitation_row(viewer.settings, row) for row in rows]


@anyone
async def invitation_of_token(viewer: Viewer, token: str) -> InvitationRow:
    """Show what a letter's link is about, before sign-in too: the token is the proof.

    Raises `NotFound` for what is no link of ours, or one that a newer letter has replaced.
    """
    return await row_of_token(viewer, token)


@signed_in_writes
async def accept_invitation(
    actor: Actor, *, token: str | None = None, invitation_id: UUID | None = None
) -> UUID:
    """Join the organization as Member, once; tells its account's id.

    Raises `Invalid` unless it is either by the letter's token or by id, `NotFound`,
    `EmailNotVerified`, `InvitationEmailMismatch`, `InvitationClosed`, `AlreadyMember`, `CapReached`.
    """
    user = await lock_person(actor)
    account, invitation = await locked_for_answer(actor, token, invitation_id)
    await must_have_room_for_organization(actor)
    await join(actor, account, invitation, user)
    return account.id


@signed_in_writes
async def decline_invitation(
    actor: Actor, *, token: str | None = None, invitation_id: UUID | None = None
) -> UUID:
    """Say no; tells the invitation's id. Raises what `accept_invitation` raises of the invitation."""
    account, invitation = await locked_for_answer(actor, token, invitation_id)
    before = picture(invitation)
    invitation.status = InvitationStatus.DECLINED
    record_answer(actor, account, invitation, before)
    return invitation.id
