"""Endings: what ends together with a rank or a membership, in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlmodel import col

from app.access import Actor, Seat, Viewer
from app.actors import picture
from app.database import locked
from app.ledger.wallets import lock_wallet
from app.models import ApiKey, Invitation, InvitationStatus, ManagementKey, Member


@dataclass(frozen=True, slots=True)
class Endings:
    """What ends with a membership, in numbers; the first are a Member's too, the others a higher rank's alone."""

    api_keys: int
    management_keys: int
    invitations: int


async def endings_of(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, Endings]:
    """Count what `end_membership` would end, by one statement."""
    at = next(iter(seats.values())).now
    keys = [
        select(func.count())
        .where(
            col(kind.member_id) == col(Member.id),
            col(kind.revoked_at).is_(None),
            or_(col(kind.expires_at).is_(None), col(kind.expires_at) > at),
        )
        .correlate(Member)
        .scalar_subquery()
        for kind in (ApiKey, ManagementKey)
    ]
    waiting = (
        select(func.count())
        .where(
            col(Invitation.account_id) == col(Member.account_id),
            col(Invitation.invited_by) == col(Member.user_id),
            col(Invitation.status) == InvitationStatus.PENDING,
        )
        .correlate(Member)
        .scalar_subquery()
    )
    present = col(Member.id).in_(seats), col(Member.ended_at).is_(None)
    rows = await viewer.database.rows(select(col(Member.id), *keys, waiting).where(*present))
    return {member_id: Endings(*counts) for member_id, *counts in rows}


async def end_membership(actor: Actor, member: Member) -> None:
    """End a membership and everything that hangs on it; the row stays, to be taken up again."""
    # A call that is being authorized now comes first, or sees that the member has gone.
    await lock_wallet(actor.session, member.account_id)
    member.ended_at = actor.now
    await revoke_keys(actor, ApiKey, col(ApiKey.member_id) == member.id)
    await end_rights_of_rank(actor, member)


async def end_rights_of_rank(actor: Actor, member: Member) -> None:
    """End what somebody holds only by being more than a Member: management keys, invitations that they sent."""
    await revoke_keys(actor, ManagementKey, col(ManagementKey.member_id) == member.id)
    await revoke_invitations(
        actor,
        col(Invitation.account_id) == member.account_id,
        col(Invitation.invited_by) == member.user_id,
    )


async def end_keys_of_account(actor: Actor, account_id: UUID) -> None:
    """End every key of an account."""
    await lock_wallet(actor.session, account_id)
    for kind in (ApiKey, ManagementKey):
        await revoke_keys(actor, kind, col(kind.account_id) == account_id)


async def revoke_keys(actor: Actor, kind: type[ApiKey | ManagementKey], *which: object) -> None:
    """Revoke keys of one kind that nobody has revoked yet, each with its audit event; run-out ones too."""
    statement = (
        select(kind)
        .where(*which, col(kind.revoked_at).is_(None))  # type: ignore[arg-type]
        .order_by(col(kind.id))
    )
    for key in (await actor.session.execute(locked(statement))).scalars().all():
        key.revoked_at = actor.now
        after = {"revoked_at": picture(key)["revoked_at"]}
        action = f"revoke_{kind.KIND}"
        actor.record(key, name=key.name, before={"revoked_at": None}, after=after, action=action)


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
