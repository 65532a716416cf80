"""Endings: what ends together with a rank or a membership, in the same transaction."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor
from app.database import locked
from app.models import Invitation, InvitationStatus, Member


async def end_membership(actor: Actor, member: Member) -> None:
    """End a membership and everything that hangs on it; the row stays, to be taken up again."""
    member.ended_at = actor.now
    await end_rights_of_rank(actor, member)


async def end_rights_of_rank(actor: Actor, member: Member) -> None:
    """End what somebody holds only by being more than a Member: invitations that they sent."""
    await revoke_invitations(
        actor,
        col(Invitation.account_id) == member.account_id,
        col(Invitation.invited_by) == member.user_id,
    )


async def revoke_invitations(actor: Actor, *which: object) -> Sequence[Invitation]:
    """Revoke waiting invitations, each with its audit event."""
    statement = (
        select(Invitation)
        .where(*which, col(Invitation.status) == InvitationStatus.PENDING)  # type: ignore[arg-type]
        .order_by(col(Invitation.id))
    )
    waiting: Sequence[Invitation] = (await actor.session.execute(locked(statement))).scalars().all()
    for invitation in waiting:
        invitation.status = InvitationStatus.REVOKED
        actor.record(
            invitation,
            name=invitation.email,
            before={"status": InvitationStatus.PENDING.value},
            after={"status": InvitationStatus.REVOKED.value},
            action="revoke_invitation",
        )
    return waiting
